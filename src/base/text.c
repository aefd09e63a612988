// SPDX-License-Identifier: MIT
#include "base/text.h"

enum { REPLACEMENT = 0xFFFD, LAST_CODE_POINT = 0x10FFFF };

static bool is_surrogate(uint32_t code_point)
{
    return code_point >= 0xD800 && code_point <= 0xDFFF;
}

uint32_t op_utf8_next(const char **at, const char *end)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    size_t left = (size_t)(end - *at);
    if (left == 0)
        return REPLACEMENT;
    uint32_t lead = bytes[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    (*at)++;
    if (length == 1)
        return lead;
    if (length == 0 || length > left)
        return REPLACEMENT;
    uint32_t code_point = lead & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return REPLACEMENT;
        code_point = code_point << 6 | (bytes[i] & 0x3FU);
    }
    // Longer than needed (two bytes: refused by the lead), a surrogate, or past the end of Unicode.
    if ((length == 3 && code_point < 0x800) || (length == 4 && code_point < 0x10000) || is_surrogate(code_point) ||
        code_point > LAST_CODE_POINT)
        return REPLACEMENT;
    *at += length - 1;
    return code_point;
}

void op_utf8_add(op_buffer *buffer, uint32_t code_point)
{
    if (is_surrogate(code_point) || code_point > LAST_CODE_POINT)
        code_point = REPLACEMENT;
    unsigned char bytes[4];
    size_t length = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    static const unsigned char lead_bits[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    bytes[0] = (unsigned char)(lead_bits[length] | code_point);
    op_buffer_add(buffer, bytes, length);
}

typedef struct {
    uint32_t first, last;
} range;

static const range unsafe_ranges[] = {
    {0x0000, 0x001F},     // C0
    {0x007F, 0x009F},     // DEL, C1
    {0x061C, 0x061C},     // Arabic letter mark
    {0x180E, 0x180E},     // Mongolian vowel separator
    {0x200B, 0x200F},     // zero-width space and joiners, bidi marks
    {0x2028, 0x202E},     // line and paragraph separators, bidi embeddings and overrides
    {0x2060, 0x206F},     // word joiner, invisible operators, bidi isolates, deprecated shaping
    {0xFEFF, 0xFEFF},     // BOM
    {0xFFF9, 0xFFFB},     // interlinear annotation
    {0xE0000, 0xE007F},   // tags: an invisible copy of ASCII
};

bool op_code_point_is_unsafe(uint32_t code_point)
{
    if (code_point >= 0x20 && code_point < 0x7F)
        return false;
    for (size_t i = 0; i < sizeof unsafe_ranges / sizeof *unsafe_ranges; i++) {
        if (code_point <= unsafe_ranges[i].last)
            return code_point >= unsafe_ranges[i].first;
    }
    return code_point > LAST_CODE_POINT;
}

void op_text_add_terminal(op_buffer *buffer, const char *text, size_t bytes)
{
    for (const char *at = text, *end = text + bytes; at < end;) {
        uint32_t code_point = op_utf8_next(&at, end);
        if (!op_code_point_is_unsafe(code_point))
            op_utf8_add(buffer, code_point);
        else if (code_point <= 0xFF)
            op_buffer_add_format(buffer, "\\x%02x", code_point);
        else if (code_point <= 0xFFFF)
            op_buffer_add_format(buffer, "\\u%04x", code_point);
        else
            op_buffer_add_format(buffer, "\\U%08x", code_point);
    }
}

static void add_xml_code_point(op_buffer *buffer, uint32_t code_point)
{
    switch (code_point) {
    case '&': op_buffer_add_text(buffer, "&amp;"); return;
    case '<': op_buffer_add_text(buffer, "&lt;"); return;
    case '>': op_buffer_add_text(buffer, "&gt;"); return;   // "]]>" may not stand in text
    case '"': op_buffer_add_text(buffer, "&quot;"); return;
    case '\'': op_buffer_add_text(buffer, "&#39;"); return;
    case '\t':   // raw ones an attribute would turn into spaces
    case '\n':
    case '\r': op_buffer_add_format(buffer, "&#%u;", code_point); return;
    default: break;
    }
    // XML 1.0 has no way at all to write most controls and these noncharacters; the other unsafe ones would
    // change the order of what stands around them.
    bool refused = op_code_point_is_unsafe(code_point) || code_point == 0xFFFE || code_point == 0xFFFF;
    op_utf8_add(buffer, refused ? REPLACEMENT : code_point);
}

void op_text_add_xml(op_buffer *buffer, const char *text, size_t bytes)
{
    for (const char *at = text, *end = text + bytes; at < end;)
        add_xml_code_point(buffer, op_utf8_next(&at, end));
}

static void add_json_unit(op_buffer *buffer, uint32_t unit)
{
    op_buffer_add_format(buffer, "\\u%04x", unit);
}

// `before` is the code point in front. What could end a script element or a CDATA section that the JSON stands in
// ("</", "<!--", "]]>") is broken up; '<' by itself stays, since every "<module>" has one.
static void add_json_code_point(op_buffer *buffer, uint32_t before, uint32_t code_point)
{
    switch (code_point) {
    case '"': op_buffer_add_text(buffer, "\\\""); return;
    case '\\': op_buffer_add_text(buffer, "\\\\"); return;
    case '\b': op_buffer_add_text(buffer, "\\b"); return;
    case '\f': op_buffer_add_text(buffer, "\\f"); return;
    case '\n': op_buffer_add_text(buffer, "\\n"); return;
    case '\r': op_buffer_add_text(buffer, "\\r"); return;
    case '\t': op_buffer_add_text(buffer, "\\t"); return;
    default: break;
    }
    if (code_point == '/' && before == '<') {
        op_buffer_add_text(buffer, "\\/");
    } else if ((code_point == '!' && before == '<') || (code_point == '>' && before == ']')) {
        add_json_unit(buffer, code_point);
    } else if (!op_code_point_is_unsafe(code_point)) {
        op_utf8_add(buffer, code_point);
    } else if (code_point <= 0xFFFF) {
        add_json_unit(buffer, code_point);
    } else {
        uint32_t rest = code_point - 0x10000;
        add_json_unit(buffer, 0xD800 | rest >> 10);
        add_json_unit(buffer, 0xDC00 | (rest & 0x3FF));
    }
}

void op_text_add_json(op_buffer *buffer, const char *text, size_t bytes)
{
    op_buffer_add_byte(buffer, '"');
    uint32_t before = 0;
    for (const char *at = text, *end = text + bytes; at < end;) {
        uint32_t code_point = op_utf8_next(&at, end);
        add_json_code_point(buffer, before, code_point);
        before = code_point;
    }
    op_buffer_add_byte(buffer, '"');
}

void op_text_add_collapsed(op_buffer *buffer, const char *text, size_t bytes)
{
    for (const char *at = text, *end = text + bytes; at < end;) {
        uint32_t code_point = op_utf8_next(&at, end);
        if (code_point == ';')
            code_point = ':';
        else if (op_code_point_is_unsafe(code_point))
            code_point = '?';
        op_utf8_add(buffer, code_point);
    }
}

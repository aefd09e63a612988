// SPDX-License-Identifier: MIT
#include "base/text.h"
#include "base/memory.h"
#include "base/random.h"
#include "sinks.h"
#include "tap.h"

typedef void add_text(op_buffer *buffer, const char *text, size_t bytes);

// Checks that `text` comes out as `expected`.
static void check(add_text *add, const char *text, size_t bytes, const char *expected, int line)
{
    op_buffer buffer;
    op_buffer_init(&buffer);
    add(&buffer, text, bytes);
    tap_eq_str(op_buffer_text(&buffer), expected, __FILE__, line);
    op_buffer_fini(&buffer);
}
#define CHECK(add, text, expected) check(add, text, sizeof(text) - 1, expected, __LINE__)

TAP_TEST(utf8_every_code_point_round_trips)
{
    op_buffer buffer;
    op_buffer_init(&buffer);
    for (uint32_t point = 0; point <= 0x110010; point++) {
        bool valid = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
        op_buffer_reset(&buffer);
        op_utf8_add(&buffer, point);
        if (buffer.size != sink_sequence((const unsigned char *)buffer.data, buffer.size))
            TAP_EQ_UINT(point, 0);   // never; says which
        const char *at = buffer.data, *end = buffer.data + buffer.size;
        uint32_t read = op_utf8_next(&at, end);
        if (read != (valid ? point : 0xFFFD) || at != end)
            TAP_EQ_UINT(read, point);
    }
    op_utf8_add(&buffer, UINT32_MAX);
    op_buffer_fini(&buffer);
}

// Decodes `text` and compares with `expected`, 0-terminated.
static void check_points(const char *text, size_t bytes, const uint32_t *expected, int line)
{
    const char *at = text, *end = text + bytes;
    size_t i = 0;
    for (; at < end && expected[i]; i++)
        tap_eq_uint(op_utf8_next(&at, end), expected[i], __FILE__, line);
    tap_eq_int(end - at, 0, __FILE__, line);
    tap_eq_uint(expected[i], 0, __FILE__, line);
}
#define POINTS(text, ...) check_points(text, sizeof(text) - 1, (const uint32_t[]){__VA_ARGS__, 0}, __LINE__)

TAP_TEST(utf8_malformed_goes_byte_by_byte)
{
    POINTS("a\x80z", 'a', 0xFFFD, 'z');   // a stray continuation
    POINTS("\xC3", 0xFFFD);               // cut off
    POINTS("\xE2\x82", 0xFFFD, 0xFFFD);
    POINTS("\xF0\x9F\x90", 0xFFFD, 0xFFFD, 0xFFFD);
    POINTS("\xC3z", 0xFFFD, 'z');   // broken off by another character
    POINTS("\xE2\x82\xC3\xA9", 0xFFFD, 0xFFFD, 0xE9);
    POINTS("\xC0\x80", 0xFFFD, 0xFFFD);   // longer than needed
    POINTS("\xC1\xBF", 0xFFFD, 0xFFFD);
    POINTS("\xE0\x9F\xBF", 0xFFFD, 0xFFFD, 0xFFFD);
    POINTS("\xF0\x8F\xBF\xBF", 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD);
    POINTS("\xED\xA0\x80", 0xFFFD, 0xFFFD, 0xFFFD);               // a surrogate
    POINTS("\xED\x9F\xBF\xEE\x80\x80", 0xD7FF, 0xE000);           // its neighbours
    POINTS("\xF4\x90\x80\x80", 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD);   // past the end
    POINTS("\xF4\x8F\xBF\xBF", 0x10FFFF);
    POINTS("\xF5\x80\x80\x80", 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD);
    POINTS("\xFE\xFF", 0xFFFD, 0xFFFD);
    const char *at = "x", *end = at;
    TAP_EQ_UINT(op_utf8_next(&at, end), 0xFFFD);   // at the end nothing moves
    TAP_OK(at == end);
}

TAP_TEST(unsafe_code_points)
{
    static const uint32_t unsafe[] = {0,      '\t',   '\n',   0x1B,   0x1F,    0x7F,     0x80,      0x9B,   0x9F,
                                      0x061C, 0x200B, 0x200D, 0x200E, 0x200F,  0x2028,   0x2029,    0x202A, 0x202E,
                                      0x2060, 0x2066, 0x2069, 0xFEFF, 0xE0041, 0x110000, UINT32_MAX};
    static const uint32_t safe[] = {' ',    '~',    0xA0,   0xE9,   0x061B, 0x061D, 0x200A,  0x2010,  0x2027,
                                    0x202F, 0x205F, 0x2070, 0xFEFE, 0xFF00, 0xFFFD, 0x1F40D, 0xE0080, 0x10FFFF};
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        if (!op_code_point_is_unsafe(unsafe[i]))
            TAP_EQ_UINT(0, unsafe[i]);
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (op_code_point_is_unsafe(safe[i]))
            TAP_EQ_UINT(0, safe[i]);
    for (uint32_t point = 0; point <= 0x10FFFF; point++)
        if (sink_is_hidden(point) && !op_code_point_is_unsafe(point))
            TAP_EQ_UINT(0, point);
}

TAP_TEST(terminal_escapes)
{
    CHECK(op_text_add_terminal, "", "");
    CHECK(op_text_add_terminal, "na\xC3\xAFve \xF0\x9F\x90\x8D <module>", "na\xC3\xAFve \xF0\x9F\x90\x8D <module>");
    CHECK(op_text_add_terminal, "\x1b[31mred\x07", "\\x1b[31mred\\x07");
    CHECK(op_text_add_terminal, "a\nb\rc\td\0e\x7f", "a\\x0ab\\x0dc\\x09d\\x00e\\x7f");
    CHECK(op_text_add_terminal,
          "\xC2\x9B"
          "1m",
          "\\x9b1m");   // CSI as one C1 control
    CHECK(op_text_add_terminal,
          "\xE2\x80\xAE"
          "gpj.exe",
          "\\u202egpj.exe");   // right-to-left override
    CHECK(op_text_add_terminal, "\xF3\xA0\x81\x81", "\\U000e0041");
    CHECK(op_text_add_terminal,
          "\x9B"
          "1m\xFF",
          "\xEF\xBF\xBD"
          "1m\xEF\xBF\xBD");   // raw, so malformed
}

TAP_TEST(xml_escapes)
{
    CHECK(op_text_add_xml, "<a href=\"x\">'&amp;'</a>]]>",
          "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;]]&gt;");
    CHECK(op_text_add_xml, "a\tb\nc\rd", "a&#9;b&#10;c&#13;d");
    CHECK(op_text_add_xml, "\0\x01\x1b\x7f", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(op_text_add_xml, "\xEF\xBF\xBE\xEF\xBF\xBF\xE2\x80\xAE", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(op_text_add_xml, "\xC3\xA9\xF0\x9F\x90\x8D\x80", "\xC3\xA9\xF0\x9F\x90\x8D\xEF\xBF\xBD");
}

TAP_TEST(json_escapes)
{
    CHECK(op_text_add_json, "", "\"\"");
    CHECK(op_text_add_json, "a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    CHECK(op_text_add_json, "\b\f\n\r\t\0\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\"");
    CHECK(op_text_add_json, "\xE2\x80\xA8\xE2\x80\xAE", "\"\\u2028\\u202e\"");
    CHECK(op_text_add_json, "\xF3\xA0\x81\x81", "\"\\udb40\\udc41\"");
    CHECK(op_text_add_json, "\xF0\x9F\x90\x8D\xED\xA0\x80",
          "\"\xF0\x9F\x90\x8D\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CHECK(op_text_add_json, "<module>", "\"<module>\"");
    CHECK(op_text_add_json, "</script><!--]]>", "\"<\\/script><\\u0021--]]\\u003e\"");
}

TAP_TEST(collapsed_escapes)
{
    CHECK(op_text_add_collapsed, "a;b c", "a:b c");
    CHECK(op_text_add_collapsed, "x\ny\r\x1b\xE2\x80\xA8\xE2\x80\xAE", "x?y????");
    CHECK(op_text_add_collapsed, "\xC3\xA9\xC3", "\xC3\xA9\xEF\xBF\xBD");
}

static add_text *const escapes[] = {op_text_add_terminal, op_text_add_xml, op_text_add_json, op_text_add_collapsed};
static bool (*const takes[])(const char *, size_t) = {sink_takes_terminal, sink_takes_xml, sink_takes_json,
                                                      sink_takes_collapsed};
enum { SINKS = sizeof escapes / sizeof *escapes };

// Random bytes, of which many start or end sequences and markup.
TAP_TEST(escapes_of_random_bytes_are_valid)
{
    static const char pieces[] = "<>/!-]&;\"'\\\n\x1b"
                                 "\x80\xBF\xC2\x9B\xC3\xA9\xE2\x80\xAE\xED\xA0\xEF\xBB\xF3\xA0\xF4\x8F\xFF";
    op_random random;
    op_random_init(&random, 9);
    op_buffer buffer;
    op_buffer_init(&buffer);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t bytes = (size_t)op_random_below(&random, sizeof text + 1);
        for (size_t i = 0; i < bytes; i++) {
            uint64_t pick = op_random_below(&random, 2 * (sizeof pieces - 1));
            text[i] = pick < sizeof pieces - 1 ? pieces[pick] : (char)op_random_below(&random, 256);
        }
        for (int sink = 0; sink < SINKS; sink++) {
            op_buffer_reset(&buffer);
            escapes[sink](&buffer, text, bytes);
            if (!takes[sink](buffer.data, buffer.size))
                TAP_EQ_BYTES(buffer.data, buffer.size, text, bytes);
        }
        op_buffer_reset(&buffer);
        op_text_add_terminal(&buffer, text, bytes);
        TAP_EQ_UINT(op_text_columns(text, bytes), op_text_columns(buffer.data, buffer.size));
    }
    op_buffer_fini(&buffer);
}

// The judges themselves refuse what they should.
TAP_TEST(sinks_refuse)
{
    TAP_OK(!sink_takes_terminal("\x1b", 1) && !sink_takes_terminal("\xC2\x9B", 2));
    TAP_OK(!sink_takes_terminal("\xC3", 1));
    TAP_OK(!sink_takes_xml("<", 1) && !sink_takes_xml("&x;", 3) && !sink_takes_xml("\xEF\xBF\xBF", 3));
    TAP_OK(!sink_takes_json("\"\"\"", 3) && !sink_takes_json("\"\\\"", 3) && !sink_takes_json("\"\\ud800\"", 8));
    TAP_OK(!sink_takes_json("\"</\"", 4) && !sink_takes_json("\"\\udc00\"", 8) && !sink_takes_json("\"", 1));
    TAP_OK(!sink_takes_collapsed(";", 1));
}

TAP_TEST(escapes_survive_every_failed_allocation)
{
    char text[400];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    for (int sink = 0; sink < SINKS; sink++) {
        bool done = false;
        for (int after = 0; !done && after < 20; after++) {
            op_buffer buffer;
            op_buffer_init(&buffer);
            op_alloc_fail_after(after);
            escapes[sink](&buffer, text, sizeof text);
            op_alloc_fail_after(-1);
            done = !buffer.failed;
            op_buffer_fini(&buffer);
        }
        TAP_OK(done);
    }
}

static size_t columns(const char *text)
{
    return op_text_columns(text, strlen(text));
}

TAP_TEST(columns_of_text)
{
    TAP_EQ_UINT(op_text_columns("", 0), 0);
    TAP_EQ_UINT(columns("<module>"), 8);
    TAP_EQ_UINT(columns("na\xC3\xAFve"), 5);
    TAP_EQ_UINT(columns("e\xCC\x81"), 1);                                          // e and a combining acute
    TAP_EQ_UINT(columns("\xE6\xBC\xA2\xE5\xAD\x97"), 4);                           // two Han characters
    TAP_EQ_UINT(columns("\xED\x95\x9C"), 2);                                       // a Hangul syllable
    TAP_EQ_UINT(columns("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), 2);               // the same from conjoining parts
    TAP_EQ_UINT(columns("\xEF\xBC\xA1"), 2);                                       // full-width A
    TAP_EQ_UINT(columns("\xEF\xBD\xB1"), 1);                                       // half-width katakana
    TAP_EQ_UINT(columns("\xF0\x9F\x90\x8D"), 2);                                   // a snake
    TAP_EQ_UINT(columns("\xF0\xA0\x80\x80\xF0\xBF\xBF\xBD\xF0\xBF\xBF\xBE"), 5);   // Han planes and one behind
    TAP_EQ_UINT(columns("\xEF\xB8\x8F"), 0);                                       // a variation selector
    TAP_EQ_UINT(columns("\xFF"), 1);                                               // shown as U+FFFD
    TAP_EQ_UINT(columns("\x1b[m"), 6);                                             // shown as \x1b[m
    TAP_EQ_UINT(columns("\xE2\x80\xAE"), 6);                                       // shown as \u202e
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
// What each sink takes, said once more and independently of src/base/text.c: the unit test and the fuzz target both
// hold every escape against these. Each is true where the bytes are valid.
#ifndef OP_TESTS_SINKS_H
#define OP_TESTS_SINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Length of the well-formed sequence at the front, by the table of the Unicode standard (3.9, D92); 0: none.
static inline size_t sink_sequence(const unsigned char *text, size_t bytes)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } rows[] = {
        {0x00, 0x7F, 0x00, 0xFF, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (text[0] < rows[i].first_low || text[0] > rows[i].first_high)
            continue;
        size_t length = rows[i].length;
        if (length > bytes)
            return 0;
        for (size_t j = 1; j < length; j++) {
            unsigned low = j == 1 ? rows[i].second_low : 0x80, high = j == 1 ? rows[i].second_high : 0xBF;
            if (text[j] < low || text[j] > high)
                return 0;
        }
        return length;
    }
    return 0;
}

static inline uint32_t sink_decode(const unsigned char *text, size_t length)
{
    uint32_t point = length == 1 ? text[0] : text[0] & (0x3FU >> (length - 1));
    for (size_t i = 1; i < length; i++)
        point = point << 6 | (text[i] & 0x3FU);
    return point;
}

static inline bool sink_is_hidden(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x061C ||
           (point >= 0x200B && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2060 && point <= 0x2069) || point == 0xFEFF;
}

// Well-formed UTF-8 of which nothing acts on a terminal instead of being shown.
static inline bool sink_takes_terminal(const char *data, size_t bytes)
{
    const unsigned char *text = (const unsigned char *)data;
    for (size_t at = 0, length; at < bytes; at += length) {
        length = sink_sequence(text + at, bytes - at);
        if (length == 0 || sink_is_hidden(sink_decode(text + at, length)))
            return false;
    }
    return true;
}

// As a terminal, and one frame of a "frame;frame count" line.
static inline bool sink_takes_collapsed(const char *data, size_t bytes)
{
    return sink_takes_terminal(data, bytes) && (bytes == 0 || !memchr(data, ';', bytes));
}

static inline bool sink_starts(const char *data, size_t bytes, const char *with)
{
    return strlen(with) <= bytes && memcmp(data, with, strlen(with)) == 0;
}

// Characters of XML 1.0 (production 2.2) and known references only, so that it may stand in text or between quotes.
static inline bool sink_takes_xml(const char *data, size_t bytes)
{
    static const char *const references[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#9;", "&#10;", "&#13;"};
    const unsigned char *text = (const unsigned char *)data;
    for (size_t at = 0, length; at < bytes; at += length) {
        length = sink_sequence(text + at, bytes - at);
        if (length == 0)
            return false;
        uint32_t point = sink_decode(text + at, length);
        if (point < 0x20 || point == 0xFFFE || point == 0xFFFF || point == '<' || point == '>' || point == '"' ||
            point == '\'')
            return false;
        bool known = point != '&';
        for (size_t i = 0; !known && i < sizeof references / sizeof *references; i++) {
            known = sink_starts(data + at, bytes - at, references[i]);
            length = known ? strlen(references[i]) : length;
        }
        if (!known)
            return false;
    }
    return true;
}

static inline bool sink_hex4(const char *digits, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        const char *all = "0123456789abcdef", *found = digits[i] ? strchr(all, digits[i]) : NULL;
        if (!found)
            return false;
        *value = *value << 4 | (uint32_t)(found - all);
    }
    return true;
}

// One JSON string (RFC 8259) with paired surrogates, that ends neither a script element nor a CDATA section.
static inline bool sink_takes_json(const char *data, size_t bytes)
{
    const unsigned char *text = (const unsigned char *)data;
    if (bytes < 2 || data[0] != '"' || data[bytes - 1] != '"')
        return false;
    size_t at = 1, end = bytes - 1;
    uint32_t awaited = 0;   // 1: a low surrogate has to follow
    while (at < end) {
        size_t length = sink_sequence(text + at, end - at);
        if (length == 0)
            return false;
        uint32_t point = sink_decode(text + at, length), unit = 0;
        if (sink_is_hidden(point) || point == '"')
            return false;
        if (sink_starts(data + at, end - at, "</") || sink_starts(data + at, end - at, "<!--") ||
            sink_starts(data + at, end - at, "]]>"))
            return false;
        if (point == '\\') {
            if (at + 1 >= end || !data[at + 1] || !strchr("\"\\/bfnrtu", data[at + 1]))
                return false;
            length = 2;
            if (data[at + 1] == 'u') {
                length = 6;
                if (at + length > end || !sink_hex4(data + at + 2, &unit))
                    return false;
            }
        }
        bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
        if (is_low != (awaited == 1))
            return false;
        awaited = unit >= 0xD800 && unit <= 0xDBFF;
        at += length;
    }
    return awaited == 0;
}

#endif

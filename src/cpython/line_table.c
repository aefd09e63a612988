// SPDX-License-Identifier: MIT
// The line of an instruction, in the three formats that CPython has had (Objects/lnotab_notes.txt and
// Objects/locations.md of each version describe them). A table is the target's: no read leaves it, a cut one gives
// what is known so far.
//   3.8, 3.9  pairs (bytes of code, signed line delta): the delta holds from the new address on
//   3.10      pairs (bytes of code, signed line delta): both describe one range; -128: no line
//   3.11+     entries of 1 + n bytes, the first with its top bit set: kind (4 bits), code units - 1 (3 bits)
#include "cpython/code.h"

enum {
    NO_LINE_3_10 = -128,
    KIND_ONE_LINE_0 = 10,   // 10..12: line + 0..2, columns in two more bytes
    KIND_NO_COLUMNS = 13,
    KIND_LONG = 14,
    KIND_NONE = 15,
    CODE_UNIT_BYTES = 2,
};

static uint32_t clamp_line(int64_t line)
{
    return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}

static uint32_t find_in_lnotab(const unsigned char *table, size_t bytes, int64_t line, int64_t lasti)
{
    int64_t address = 0;
    for (size_t i = 0; i + 2 <= bytes; i += 2) {
        address += table[i];
        if (address > lasti)
            break;
        line += (int8_t)table[i + 1];
    }
    return clamp_line(line);
}

static uint32_t find_in_ranges(const unsigned char *table, size_t bytes, int64_t line, int64_t lasti)
{
    int64_t end = 0;
    for (size_t i = 0; i + 2 <= bytes; i += 2) {
        int delta = (int8_t)table[i + 1];
        end += table[i];
        if (delta != NO_LINE_3_10)
            line += delta;
        if (lasti < end)
            return delta == NO_LINE_3_10 ? 0 : clamp_line(line);
    }
    return 0;
}

// A signed varint of 6 bits a byte, bit 6 says that more follow, the lowest bit of the value is the sign.
static int64_t read_signed(const unsigned char *at, const unsigned char *end)
{
    uint64_t value = 0;
    for (unsigned shift = 0; at < end && shift < 36; shift += 6) {
        unsigned byte = *at++;
        value |= (uint64_t)(byte & 63) << shift;
        if (!(byte & 64))
            break;
    }
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static uint32_t find_in_locations(const unsigned char *table, size_t bytes, int64_t line, int64_t lasti)
{
    if (bytes == 0)
        return 0;   // the table may be NULL
    const unsigned char *at = table, *end = table + bytes;
    int64_t address = 0;
    while (at < end) {
        unsigned first = *at++, kind = first >> 3 & 15;
        if (!(first & 128))
            return 0;   // no entry starts here
        address += ((first & 7) + 1) * CODE_UNIT_BYTES;
        if (kind == KIND_LONG || kind == KIND_NO_COLUMNS)
            line += read_signed(at, end);
        else if (kind >= KIND_ONE_LINE_0 && kind < KIND_NO_COLUMNS)
            line += kind - KIND_ONE_LINE_0;
        if (lasti < address)
            return kind == KIND_NONE ? 0 : clamp_line(line);
        while (at < end && !(*at & 128))
            at++;
    }
    return 0;
}

uint32_t op_line_table_find(int minor, const unsigned char *table, size_t bytes, uint32_t first_line, int64_t lasti)
{
    // Before its first instruction a frame has -1 (3.8-3.10): the line where the function starts.
    if (lasti < 0)
        return first_line;
    if (minor >= 11)
        return find_in_locations(table, bytes, first_line, lasti);
    return minor == 10 ? find_in_ranges(table, bytes, first_line, lasti)
                       : find_in_lnotab(table, bytes, first_line, lasti);
}

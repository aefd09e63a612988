// SPDX-License-Identifier: MIT
// line_profiler's .lprof: a pickle of its LineStats(timings, unit), where timings is {(file, first line,
// function): [(line, hits, time), ...]} and the unit is a nanosecond. Its versions 4 and 5 read it (protocol 2:
// CPython Lib/pickletools.py). Where no line was counted the hits are the samples that saw the line.
#include <string.h>
#include "export/line_sums.h"

static void add_bytes(op_buffer *out, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        op_buffer_add_byte(out, (unsigned char)(number >> (8 * i) & 0xFF));
    }
}

static void add_integer(op_buffer *out, uint64_t number)
{
    if (number <= UINT8_MAX) {
        op_buffer_add_byte(out, 'K');   // BININT1
        add_bytes(out, number, 1);
    } else if (number <= INT32_MAX) {
        op_buffer_add_byte(out, 'J');   // BININT
        add_bytes(out, number, 4);
    } else {
        op_buffer_add_text(out, "\x8A\x09");   // LONG1 of nine bytes: the highest bit is the sign
        add_bytes(out, number, 8);
        add_bytes(out, 0, 1);
    }
}

static void add_text(op_buffer *out, op_string text, op_buffer *scratch)
{
    op_buffer_reset(scratch);
    op_escape_add(scratch, text, OP_ESCAPE_CLEAN);
    op_buffer_add_byte(out, 'X');   // BINUNICODE
    add_bytes(out, scratch->size, 4);
    op_buffer_add(out, scratch->data, scratch->size);
    out->failed |= scratch->failed || scratch->size > INT32_MAX;
}

static void add_nanosecond(op_buffer *out)
{
    double unit = 1e-9;
    uint64_t bits;
    memcpy(&bits, &unit, sizeof bits);
    op_buffer_add_byte(out, 'G');   // BINFLOAT, the high byte first
    add_bytes(out, __builtin_bswap64(bits), 8);
}

static void write_pickle(const op_line_sums *sums, op_buffer *out)
{
    static const op_string timings = {"timings", 7}, unit = {"unit", 4};
    op_buffer scratch;
    op_buffer_init(&scratch);
    op_buffer_add_text(out, "\x80\x02"
                            "cline_profiler._line_profiler\nLineStats\n"   // GLOBAL
                            ")\x81}(");                                    // EMPTY_TUPLE NEWOBJ EMPTY_DICT MARK
    add_text(out, timings, &scratch);
    op_buffer_add_text(out, "}(");
    for (size_t first = 0, end; first < sums->lines.count; first = end) {
        const op_line_sum *function = &sums->lines.items[first];
        end = op_line_sums_end(sums, first);
        add_text(out, function->file, &scratch);
        add_integer(out, function->first_line);
        add_text(out, function->name, &scratch);
        op_buffer_add_text(out, "\x87](");   // TUPLE3 EMPTY_LIST MARK
        for (size_t i = first; i < end; i++) {
            add_integer(out, sums->lines.items[i].line);
            add_integer(out, sums->lines.items[i].hits);
            add_integer(out, sums->lines.items[i].ns);
            op_buffer_add_byte(out, 0x87);
        }
        op_buffer_add_byte(out, 'e');   // APPENDS
    }
    op_buffer_add_byte(out, 'u');   // SETITEMS
    add_text(out, unit, &scratch);
    add_nanosecond(out);
    op_buffer_add_text(out, "ub.");   // SETITEMS BUILD STOP
    op_buffer_fini(&scratch);
}

op_status op_export_lprof(const op_profile *profile, const op_export_options *options, op_buffer *out,
                          op_error *error)
{
    (void)options;   // line_profiler knows no threads
    op_line_sums sums;
    size_t start = out->size;
    op_status status = op_line_sums_init(&sums, profile, profile->lines.count == 0, NULL, error);
    if (status == OP_OK) {
        write_pickle(&sums, out);
        if (out->failed) {
            status = op_error_set(error, OP_NO_MEMORY, "out of memory for the lprof file");
        }
    }
    if (status != OP_OK) {
        out->size = start;
    }
    op_line_sums_fini(&sums);
    return status;
}

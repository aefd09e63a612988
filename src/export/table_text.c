// SPDX-License-Identifier: MIT
#include "export/table_text.h"

#include <string.h>
#include "base/text.h"
#include "export/frame_label.h"
#include "export/number_text.h"

enum { DEFAULT_WIDTH = 100, MIN_WIDTH = 60, MAX_WIDTH = 1000, DEFAULT_TOP = 15 };
// From here on no share is more than a point off.
enum { MANY_SAMPLES = 10000 };

void op_table_init(op_table *table, const op_profile *profile, const op_table_options *options, op_buffer *out)
{
    size_t width = options->width == 0 ? DEFAULT_WIDTH : options->width;
    *table = (op_table){
        .profile = profile,
        .options = options,
        .out = out,
        .width = width < MIN_WIDTH   ? MIN_WIDTH
                 : width > MAX_WIDTH ? MAX_WIDTH
                                     : width,
        .top = options->top == 0 ? DEFAULT_TOP : options->top,
        .start = out->size,
    };
    op_buffer_init(&table->cell);
}

// A letter for a letter, so that columns stay.
static void add_ascii(op_buffer *out, uint32_t letter, size_t columns)
{
    static const struct {
        uint32_t from;
        char to;
    } pairs[] = {{0x2026, '~'}, {0x2192, '>'}, {0x251C, '|'}, {0x2514, '`'}, {0x2500, '-'},
                 {0x2502, '|'}, {0xB5, 'u'},   {0xB7, '-'},   {0xB1, '~'}};
    if (letter < 0x80) {
        op_buffer_add_byte(out, (unsigned char)letter);
        return;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (pairs[i].from == letter) {
            op_buffer_add_byte(out, (unsigned char)pairs[i].to);
            return;
        }
    }
    while (columns-- > 0) {
        op_buffer_add_byte(out, '?');
    }
}

static void make_ascii(op_table *table)
{
    op_buffer ascii;
    op_buffer_init(&ascii);
    const char *at = table->out->data == NULL ? "" : table->out->data + table->start;
    const char *end = at + (table->out->size - table->start);
    while (at < end) {
        const char *letter = at;
        uint32_t code_point = op_utf8_next(&at, end);
        add_ascii(&ascii, code_point, code_point < 0x80 ? 1 : op_text_columns(letter, (size_t)(at - letter)));
    }
    table->out->size = table->start;
    op_buffer_add(table->out, ascii.data == NULL ? "" : ascii.data, ascii.size);
    table->out->failed |= ascii.failed;
    op_buffer_fini(&ascii);
}

op_status op_table_finish(op_table *table, op_status status, op_error *error)
{
    if (status == OP_OK && !table->options->unicode) {
        make_ascii(table);
    }
    if (status == OP_OK && (table->out->failed || table->cell.failed)) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the report");
    }
    if (status != OP_OK) {
        table->out->size = table->start;
    }
    op_buffer_fini(&table->cell);
    return status;
}

void op_table_ink(op_table *table, op_ink ink)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m", "\033[1;31m", "\033[33m"};
    if (table->options->colour) {
        op_buffer_add_text(table->out, codes[ink]);
    }
}

static void add_spaces(op_buffer *out, size_t count)
{
    while (count-- > 0) {
        op_buffer_add_byte(out, ' ');
    }
}

// The longest start of the text that takes at most `room` columns.
static size_t bytes_that_fit(op_string text, size_t room)
{
    const char *at = text.text, *end = text.text + text.bytes, *cut = at;
    for (size_t used = 0; at < end; cut = at) {
        const char *letter = at;
        (void)op_utf8_next(&at, end);
        used += op_text_columns(letter, (size_t)(at - letter));
        if (used > room) {
            break;
        }
    }
    return (size_t)(cut - text.text);
}

// The end of the text that is left when letters of at least `excess` columns go from its start.
static op_string without_start(op_string text, size_t excess)
{
    const char *at = text.text, *end = text.text + text.bytes;
    for (size_t gone = 0; at < end && gone < excess;) {
        const char *letter = at;
        (void)op_utf8_next(&at, end);
        gone += op_text_columns(letter, (size_t)(at - letter));
    }
    return (op_string){at, (size_t)(end - at)};
}

void op_table_add_cell(op_table *table, op_string text, size_t columns, op_cell cell, bool from_start)
{
    op_buffer *out = table->out;
    size_t needed = op_text_columns(text.text, text.bytes);
    bool cut = needed > columns;
    if (columns == 0) {
        return;
    }
    if (cut && from_start) {
        text = without_start(text, needed - columns + 1);
    } else if (cut) {
        text.bytes = bytes_that_fit(text, columns - 1);
    }
    size_t used = op_text_columns(text.text, text.bytes) + cut;
    if (cell == OP_CELL_RIGHT) {
        add_spaces(out, columns - used);
    }
    op_buffer_add_text(out, cut && from_start ? "…" : "");
    op_buffer_add(out, text.text, text.bytes);
    op_buffer_add_text(out, cut && !from_start ? "…" : "");
    if (cell == OP_CELL_LEFT) {
        add_spaces(out, columns - used);
    }
}

void op_table_add_heading(op_table *table, const char *text)
{
    op_table_ink(table, OP_INK_BOLD);
    op_buffer_add_text(table->out, text);
    op_table_ink(table, OP_INK_PLAIN);
    op_buffer_add_byte(table->out, '\n');
}

void op_table_add_share(op_table *table, double share)
{
    op_ink ink = share >= 0.2 ? OP_INK_HOT : share >= 0.05 ? OP_INK_WARM : OP_INK_PLAIN;
    op_table_ink(table, ink);
    op_buffer_add_format(table->out, "%*.1f%%", OP_TABLE_SHARE_COLUMNS - 1, 100 * share);
    if (ink != OP_INK_PLAIN) {
        op_table_ink(table, OP_INK_PLAIN);
    }
}

void op_table_add_time(op_table *table, uint64_t ns)
{
    op_buffer_reset(&table->cell);
    op_number_add_duration(&table->cell, ns);
    op_table_add_cell(table, op_string_of_buffer(&table->cell), OP_TABLE_TIME_COLUMNS, OP_CELL_RIGHT, false);
}

bool op_table_has_error(uint64_t samples)
{
    return samples < MANY_SAMPLES;
}

void op_table_add_error(op_table *table, double share, uint64_t samples)
{
    if (!op_table_has_error(samples)) {
        return;
    }
    op_interval interval = op_number_interval(share, samples);
    op_table_ink(table, OP_INK_DIM);
    op_buffer_add_format(table->out, "%*.1f", OP_TABLE_ERROR_COLUMNS, 50 * (interval.high - interval.low));
    op_table_ink(table, OP_INK_PLAIN);
}

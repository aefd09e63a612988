// SPDX-License-Identifier: MIT
// What the terminal reports share: cells that keep their width, colours, and the way down to ASCII.
#ifndef OP_EXPORT_TABLE_TEXT_H
#define OP_EXPORT_TABLE_TEXT_H

#include "base/strings.h"
#include "export/table.h"

typedef struct {
    const op_profile *profile;
    const op_table_options *options;
    op_buffer *out;
    op_buffer cell;      // scratch
    size_t width, top;   // the options' or their defaults
    size_t start;        // of this report in `out`
} op_table;

// Columns of the numbers.
enum { OP_TABLE_SHARE_COLUMNS = 7, OP_TABLE_ERROR_COLUMNS = 6, OP_TABLE_TIME_COLUMNS = 9 };

typedef enum { OP_INK_PLAIN, OP_INK_BOLD, OP_INK_DIM, OP_INK_HOT, OP_INK_WARM } op_ink;

void op_table_init(op_table *table, const op_profile *profile, const op_table_options *options, op_buffer *out);
// Makes the report ASCII where asked for; on any failure takes it back out of `out` and sets the error.
op_status op_table_finish(op_table *table, op_status status, op_error *error);

void op_table_ink(op_table *table, op_ink ink);   // OP_INK_PLAIN ends the others
// Text in exactly `columns`, cut at its end or, from_start, at its start; short text is padded, not the last.
typedef enum { OP_CELL_LEFT, OP_CELL_RIGHT, OP_CELL_LAST } op_cell;
void op_table_add_cell(op_table *table, op_string text, size_t columns, op_cell cell, bool from_start);
void op_table_add_heading(op_table *table, const char *text);
void op_table_add_share(op_table *table, double share);
void op_table_add_time(op_table *table, uint64_t ns);
// Half the 95 % interval in percent points; only where op_table_has_error.
void op_table_add_error(op_table *table, double share, uint64_t samples);
bool op_table_has_error(uint64_t samples);

#endif

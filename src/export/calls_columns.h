// SPDX-License-Identifier: MIT
// Which figures of calls stand in a table as wide as the terminal.
#ifndef OP_EXPORT_CALLS_COLUMNS_H
#define OP_EXPORT_CALLS_COLUMNS_H

#include "export/call_sums.h"
#include "export/table_text.h"

enum { OP_CALLS_MIN_NAME_COLUMNS = 14 };   // of a function's name, whatever else is left out for it

typedef struct {
    uint64_t own_ns;   // of everything: what shares are of
    bool own_share, total_share;
    size_t calls, resumes, suspended, exceptions;   // their widths; 0: no such column
    size_t room;                                    // for names, behind the figures
    const char *left_out[3];                        // what there was no room for; NULL: nothing more
} op_calls_columns;

// `most` holds the largest of each figure (calls: of starts), which are gathered with op_calls_columns_raise: what
// is never more than 0 has no column. Where the terminal is too narrow shares go first, then what is rare.
void op_calls_columns_raise(op_call_figures *most, const op_call_figures *figures);
void op_calls_columns_choose(op_calls_columns *columns, op_table *table, const op_call_figures *most);

void op_calls_columns_add_titles(const op_calls_columns *columns, op_table *table, const char *rest);   // a line
void op_calls_columns_add(const op_calls_columns *columns, op_table *table, const op_call_figures *figures);

#endif

// SPDX-License-Identifier: MIT
// Reports for a terminal: tables of functions and lines, and the call tree. Plain text; the command line prints it.
#ifndef OP_EXPORT_TABLE_H
#define OP_EXPORT_TABLE_H

#include "export/export.h"

typedef struct {
    bool by_total;             // sort by total, else by own
    size_t top;                // rows of a table; 0: 15
    const char *thread_name;   // exact; NULL: all
    size_t width;              // columns; 0: 100
    bool colour;               // ANSI colours
    bool unicode;              // else ASCII only
    bool no_source;            // do not read source files
} op_table_options;

// Each adds a heading and its rows, ending with a newline.
op_status op_table_add_functions(const op_profile *, const op_table_options *, op_buffer *, op_error *)
    OP_MUST_CHECK;
op_status op_table_add_lines(const op_profile *, const op_table_options *, op_buffer *, op_error *) OP_MUST_CHECK;
// Library frames below a library frame are "[N frames hidden]", recursion is one row.
op_status op_table_add_tree(const op_profile *, const op_table_options *, op_buffer *, op_error *) OP_MUST_CHECK;
// What was measured, then all three with empty lines between.
op_status op_table_add_report(const op_profile *, const op_table_options *, op_buffer *, op_error *) OP_MUST_CHECK;

#endif

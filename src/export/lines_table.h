// SPDX-License-Identifier: MIT
// Counted lines as the table of line_profiler (kernprof -v), letter for letter, with the source of each function.
#ifndef OP_EXPORT_LINES_TABLE_H
#define OP_EXPORT_LINES_TABLE_H

#include "export/line_sums.h"

typedef struct {
    double unit_s;             // -u: of the times shown, in seconds; 0: 1e-6
    bool skip_zero;            // -z: no functions that did not run
    bool by_time;              // -t: by ascending total time; else by file, line and name
    bool summarize;            // -m: a line a function behind the tables
    const char *thread_name;   // exact; NULL: all
    bool unicode;              // else ASCII only
} op_lines_table_options;

// Reads the source files of the profile's functions. Text is escaped for the terminal.
op_status op_lines_table_add(const op_profile *, const op_lines_table_options *, op_buffer *, op_error *)
    OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// The exact calls for a terminal: functions, the hottest calls between them, and each thread's own.
#ifndef OP_EXPORT_CALLS_TABLE_H
#define OP_EXPORT_CALLS_TABLE_H

#include "export/pstats_table.h"

typedef struct {
    op_table_options table;   // by_total also for the calls between functions; no_source is not used
    bool as_cprofile;      // the table of pstats_table.h instead: as wide as it comes, without colours; top 0: all
    op_pstats_sort sort;   // as_cprofile: its order
    bool keep_folders;     // as_cprofile: its file names whole
} op_calls_table_options;

// Ends with a newline. A profile without calls gives a heading and a line that says so.
op_status op_calls_table_add(const op_profile *, const op_calls_table_options *, op_buffer *, op_error *)
    OP_MUST_CHECK;

#endif

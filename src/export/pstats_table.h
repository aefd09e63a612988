// SPDX-License-Identifier: MIT
// The table that `python -m cProfile` prints, letter for letter: what scripts and people know (CPython
// Lib/pstats.py).
#ifndef OP_EXPORT_PSTATS_TABLE_H
#define OP_EXPORT_PSTATS_TABLE_H

#include "export/call_sums.h"
#include "export/table.h"

// X(NAME, what "Ordered by" says)
#define OP_PSTATS_SORT_MAP(X)                                                                                      \
    X(CUMULATIVE, "cumulative time")                                                                               \
    X(TIME, "internal time")                                                                                       \
    X(CALLS, "call count")                                                                                         \
    X(PCALLS, "primitive call count")                                                                              \
    X(FILENAME, "file name")                                                                                       \
    X(LINE, "line number")                                                                                         \
    X(NAME, "function name")                                                                                       \
    X(NFL, "name/file/line")                                                                                       \
    X(STDNAME, "standard name")

typedef enum {
#define X(name, text) OP_PSTATS_SORT_##name,
    OP_PSTATS_SORT_MAP(X)
#undef X
        OP_PSTATS_SORT_COUNT
} op_pstats_sort;

// pstats' words for them ("cumulative", "cumtime", "ncalls", ...), by their number; NULL: no more.
const char *op_pstats_sort_word(size_t index);
// A word, or, as in pstats, a beginning that only words of one meaning share. False: neither.
bool op_pstats_sort_find(const char *word, op_pstats_sort *sort);

typedef struct {
    op_pstats_sort sort;
    bool keep_folders;         // file names whole; else without folders, and functions that are equal then summed
    size_t top;                // rows; 0: all
    const char *thread_name;   // exact; NULL: all
    bool unicode;              // else ASCII only
} op_pstats_table_options;

// Ends with the two empty lines that pstats leaves. Names are escaped for the terminal.
op_status op_pstats_table_add(const op_profile *, const op_pstats_table_options *, op_buffer *, op_error *)
    OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// The exact counts of a tracer, summed over threads: a row a function, an edge a (caller, function).
#ifndef OP_EXPORT_CALL_SUMS_H
#define OP_EXPORT_CALL_SUMS_H

#include "export/frame_label.h"

typedef enum {
    OP_CALL_BY_FUNCTION,   // a function of the profile, with its qualified name
    OP_CALL_BY_NAME,       // as cProfile keeps them: (file, line, name without what it is defined in)
    OP_CALL_BY_BASENAME,   // that, and files without their folders: pstats' strip_dirs
} op_call_key;

typedef struct {
    op_call_key key;
    op_id thread;              // 0: all
    const char *thread_name;   // exact; NULL: all
} op_call_sums_options;

// Of a function or an edge; op_call says what each is. Numbers of a profile that lies may wrap around.
typedef struct {
    uint64_t calls;       // entries: starts and resumptions
    uint64_t primitive;   // of them: not while the function (the edge) was open already
    uint64_t resumes, exceptions, own_ns, total_ns, suspended_ns;
} op_call_figures;

typedef struct {
    op_id function;   // of the profile: the first that has this key
    op_frame_kind kind;
    op_string file, name;   // borrowed from the profile; name is never empty, file "" where there is none
    uint32_t line;
    op_call_figures figures;
} op_call_row;

typedef struct {
    uint32_t caller, function;   // indices of rows
    op_call_figures figures;
} op_call_edge;

int op_call_edge_compare(const void *left, const void *right);   // for qsort: by function, then by caller

// Rows stand in the order of first sight. One that was not left yet, but called others, has no calls. Edges are
// sorted by function, then caller; calls by nobody that was seen have none.
typedef struct {
    OP_VECTOR(op_call_row) rows;
    OP_VECTOR(op_call_edge) edges;
    op_call_figures all;   // calls, own_ns and the other sums of the rows; total_ns: without meaning
} op_call_sums;

// The profile must outlive the sums. fini is fine after a failure, too.
op_status op_call_sums_init(op_call_sums *sums, const op_profile *profile, const op_call_sums_options *options,
                            op_error *error) OP_MUST_CHECK;
void op_call_sums_fini(op_call_sums *sums);

// The row of a call's function (of a caller) as all keys see it: its kind, name, file and first line.
op_call_row op_call_row_of(const op_profile *profile, op_id function, op_call_key key);
void op_call_figures_add(op_call_figures *to, const op_call *call, bool of_edge);
void op_call_figures_join(op_call_figures *to, const op_call_figures *from);
uint64_t op_call_starts(const op_call_figures *figures);

#endif

// SPDX-License-Identifier: MIT
// Own and total cost by function and by line. Own: it was the leaf. Total: it stood on the stack, counted once a
// stack however often it recurred there.
#ifndef OP_EXPORT_AGGREGATE_H
#define OP_EXPORT_AGGREGATE_H

#include "export/call_tree.h"

typedef struct {
    op_frame_parts parts;   // of a function: line is its first one. Borrowed from the profile
    op_origin origin;
    uint64_t own_count, own_weight_ns, total_count, total_weight_ns;
} op_aggregate_row;

typedef struct {
    OP_VECTOR(op_aggregate_row) functions;
    OP_VECTOR(op_aggregate_row) lines;   // only of Python frames whose line is known
    uint64_t count, weight_ns;           // of everything
} op_aggregate;

// Rows come sorted by own cost. thread_name NULL: all threads. The profile must outlive the aggregate, which may be
// given to fini after a failure, too.
op_status op_aggregate_init(op_aggregate *aggregate, const op_profile *profile, const char *thread_name,
                            op_error *error) OP_MUST_CHECK;
void op_aggregate_fini(op_aggregate *aggregate);
// The most expensive first; equal ones by name, file and line.
void op_aggregate_sort(op_aggregate_row *rows, size_t count, bool by_total);

#endif

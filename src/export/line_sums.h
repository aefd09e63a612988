// SPDX-License-Identifier: MIT
// Executions and time of lines, summed over threads, by function.
#ifndef OP_EXPORT_LINE_SUMS_H
#define OP_EXPORT_LINE_SUMS_H

#include "export/frame_label.h"

typedef struct {
    op_string file, name;   // borrowed from the profile
    uint32_t first_line, line;
    uint64_t hits, ns;   // ns with what the line called
} op_line_sum;

// Lines are sorted by file, first line and name of their function, then by line: so those of a function stand
// together. Functions of the same file, first line and name are one.
typedef struct {
    OP_VECTOR(op_line_sum) lines;
} op_line_sums;

// of_samples: from what was sampled, hits being samples, instead of the exact lines. thread_name NULL: all threads.
// The profile must outlive the sums. fini is fine after a failure, too.
op_status op_line_sums_init(op_line_sums *sums, const op_profile *profile, bool of_samples, const char *thread_name,
                            op_error *error) OP_MUST_CHECK;
void op_line_sums_fini(op_line_sums *sums);
// The index behind the last line of the function whose first line is lines.items[first].
size_t op_line_sums_end(const op_line_sums *sums, size_t first);

#endif

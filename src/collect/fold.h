// SPDX-License-Identifier: MIT
// collect: what traced processes leave becomes a profile. This file: one segment.
#ifndef OP_COLLECT_FOLD_H
#define OP_COLLECT_FOLD_H

#include "profile/profile.h"
#include "segment/reader.h"

// How fast a processor's counter runs: two moments at which both clocks were read, the further apart the better.
// Where it stood is told by the segment. A segment whose ticks are nanoseconds needs none.
typedef struct {
    uint64_t ticks_a, ticks_b;
    int64_t ns_a, ns_b;   // CLOCK_MONOTONIC
} op_fold_clock;

typedef struct {
    op_id process;         // its row
    uint64_t unfinished;   // calls that were open at the end
    uint64_t torn;         // what was left out: op_segment_reader.torn, and records that name nothing
} op_fold_result;

// Adds a segment, opened and scanned, to the profile: the process, its threads, functions, calls and lines. Times
// are counted from `run_start_ns` (CLOCK_MONOTONIC). Calls that were open at the end count as returned at the last
// event of their thread. Counters of the profile are added to: unfinished_calls, torn_records, and the losses that
// the process counted: lost_calls, lost_functions, lost_lines, lost_processes, lost_hooks.
// NO_MEMORY: the profile holds a part. BAD_DATA: it needs a clock and the one given does not run; nothing was
// added.
op_status op_fold_segment(op_segment_reader *reader, const op_fold_clock *clock, int64_t run_start_ns,
                          op_profile *profile, op_fold_result *result, op_error *error) OP_MUST_CHECK;

// Exact, rounded to the nearest, within 0 and OP_PROFILE_MAX_TIME_NS. "Negative" ticks (the counters of two
// processors may differ a little) are 0.
uint64_t op_fold_ticks_ns(const op_fold_clock *clock, uint64_t ticks);

#endif

// SPDX-License-Identifier: MIT
// Carries rows from one profile into another: for filter and merge. For the room itself.
#ifndef OP_PROFILE_REMAP_H
#define OP_PROFILE_REMAP_H

#include "profile/profile.h"

typedef struct {
    const op_profile *from;   // borrowed
    op_profile *into;         // borrowed
    int64_t shift_ns;         // is added to times since the run's start
    // Owned; the new id by the old one, 0: not carried over.
    op_id *strings, *processes, *threads, *functions, *frames, *stacks;
} op_remap;

bool op_remap_init(op_remap *remap, const op_profile *from, op_profile *into);   // false: out of memory
void op_remap_fini(op_remap *remap);
// Each carries a row where it was not yet. *id is the new one, 0 for 0. False: out of memory.
bool op_remap_string(op_remap *remap, op_id old, op_id *id);
bool op_remap_process(op_remap *remap, op_id old, op_id *id);
bool op_remap_thread(op_remap *remap, op_id old, op_id *id);
bool op_remap_function(op_remap *remap, op_id old, op_id *id);
bool op_remap_run(op_remap *remap);
// The stacks for which needed[old - 1] is set (their callers are added to `needed`).
bool op_remap_stacks(op_remap *remap, bool *needed);
bool op_remap_sample(op_remap *remap, const op_sample *sample);   // its stack was carried
bool op_remap_call(op_remap *remap, const op_call *call);
bool op_remap_line(op_remap *remap, const op_line *line);
// The timelines of the threads that were carried. Stacks were carried.
bool op_remap_timelines(op_remap *remap, bool drop_waiting);

// a + b, kept within the times a profile may hold.
int64_t op_remap_add_time(int64_t a, int64_t b);

#endif

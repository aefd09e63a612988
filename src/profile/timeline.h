// SPDX-License-Identifier: MIT
// The timeline: what each thread did when, run-length coded. A block holds at most about 64 KiB of runs or 10 s.
#ifndef OP_PROFILE_TIMELINE_H
#define OP_PROFILE_TIMELINE_H

#include "profile/profile.h"

enum {
    OP_TIMELINE_BLOCK_BYTES = 64 << 10,   // a block that has reached this takes no further run
    OP_TIMELINE_MAX_RUN_BYTES = 40,       // four varints
    OP_TIMELINE_MAX_BLOCK_BYTES = OP_TIMELINE_BLOCK_BYTES + OP_TIMELINE_MAX_RUN_BYTES,
};
#define OP_TIMELINE_BLOCK_NS INT64_C(10000000000)

// Appends to the timeline of `thread`: from start_ns (of the run) for length_ns it was seen `samples` times on
// `stack` in `state`. An equal neighbour, less than one mean interval (of run.asked_rate_hz) away, grows instead. A
// start before the end of the last run is moved there. BAD_DATA: an id or a time out of range. On failure nothing
// changed.
op_status op_timeline_add(op_profile *profile, op_id thread, op_id stack, op_thread_state state, int64_t start_ns,
                          int64_t length_ns, uint32_t samples) OP_MUST_CHECK;

typedef struct {
    int64_t start_ns, length_ns;
    uint64_t samples;
    op_id stack;
    op_thread_state state;
} op_timeline_run;

typedef struct {
    const unsigned char *at, *end;   // borrowed from the block
    int64_t end_ns;                  // of the last run
    bool bad;                        // stopped at bytes that make no sense
} op_timeline_iterator;

// Walks the runs of a block in time order. The block must not change meanwhile.
void op_timeline_iterate(op_timeline_iterator *iterator, const op_timeline *block);
bool op_timeline_next(op_timeline_iterator *iterator, op_timeline_run *run);   // false: no more

// For the room itself.
void op_timeline_fini(op_timeline *block);
// Takes a block with finished runs (which are moved out of *block): the reader's way in. False: out of memory.
bool op_timeline_take(op_profile *profile, op_timeline *block);
// Frees the blocks with `written` set, but those that still grow and hold less than keep_bytes.
void op_timeline_drop_written(op_profile *profile, size_t keep_bytes);
// Frees all blocks that no longer grow, written or not.
void op_timeline_drop_closed(op_profile *profile);

#endif

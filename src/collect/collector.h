// SPDX-License-Identifier: MIT
// A folder into which each traced process writes its segment, and the folding of those into a profile: of processes
// that ended while the others run, of all at the end. Whatever happens to us, what was not folded is still there.
#ifndef OP_COLLECT_COLLECTOR_H
#define OP_COLLECT_COLLECTOR_H

#include "profile/profile.h"

typedef struct op_collector op_collector;

typedef struct {
    uint64_t processes;   // segments that were folded
    uint64_t running;     // of them: of processes that had not ended
    uint64_t torn;        // of all: not whole, as after a full disk or a kill at the very beginning
    uint64_t refused;     // files that stand where a segment should and are none of ours
    op_error why;         // the last that was torn or refused; status OP_OK: none
} op_collector_stats;

// Makes a folder that nobody else can enter, below $XDG_RUNTIME_DIR, $TMPDIR or /tmp. NO_OUTPUT, NO_MEMORY.
op_status op_collector_new(op_collector **collector, op_error *error) OP_MUST_CHECK;
// Takes a folder that is there, such as one that a killed Outpace left. NO_FILE, FOREIGN_FILE (another's, or others
// may enter it), NO_MEMORY.
op_status op_collector_open(const char *folder, op_collector **collector, op_error *error) OP_MUST_CHECK;
// From now on what is folded stays where it is, for a reader who only looks: finish, and no poll before it.
void op_collector_keep(op_collector *collector);
// Removes the folder only where it is a new one and empty. NULL is fine.
void op_collector_free(op_collector *collector);

const char *op_collector_folder(const op_collector *collector);   // absolute; valid until the end
const op_collector_stats *op_collector_get_stats(const op_collector *collector);
// Since when the times of the rows count: of a new folder its making, of one that was there the start of the oldest
// process in it. To be set, if at all, before anything is folded.
void op_collector_set_start(op_collector *collector, int64_t monotonic_ns, int64_t unix_ns);
int64_t op_collector_start_unix_ns(const op_collector *collector);   // for op_run.started_unix_ns

// Folds the segments of processes that ended, and removes their files. Cheap enough to be called some times a
// second. NO_MEMORY: the profile may hold a part of one. From then on nothing is folded or removed any more.
op_status op_collector_poll(op_collector *collector, op_profile *profile, op_error *error) OP_MUST_CHECK;
// Folds all that is left, also of processes that run on, and removes the folder with what traces left in it. Sets
// counters of the profile: traced_processes, torn_segments, refused_segments. Of a folder that was there, what was
// refused stays, and so does the folder then. SYSTEM: a segment could not be read; it stays, all others were
// folded.
op_status op_collector_finish(op_collector *collector, op_profile *profile, op_error *error) OP_MUST_CHECK;

#endif

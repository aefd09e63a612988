// SPDX-License-Identifier: MIT
// The profile file: a SQLite database (docs/profile-format.md). A store writes a growing profile into it, a flush
// at a time; whatever was flushed survives a kill, and readers may look while it is being written.
#ifndef OP_PROFILE_STORE_H
#define OP_PROFILE_STORE_H

#include "profile/profile.h"

// One store writes a profile at a time. Rows of processes, threads, samples, calls, lines and counters may change
// between flushes, those of strings, functions, frames and stacks may not. Of a call or line only its numbers may.
typedef struct op_store op_store;

// Makes `path` (0600; an old regular file there is replaced at once, a symlink refused). `profile` is borrowed
// until close. An unwritable place or a full disk is NO_OUTPUT, here and below.
op_status op_store_create(const char *path, op_profile *profile, op_store **store, op_error *error) OP_MUST_CHECK;
// Writes what is new or changed since the last flush in one transaction. Written timelines are freed from the
// profile. After a failure nothing of it was written, and the next flush tries all of it again.
op_status op_store_flush(op_store *store, op_error *error) OP_MUST_CHECK;
// Flushes, marks the run complete and frees the store, also where it fails. NULL is fine.
op_status op_store_close(op_store *store, op_error *error) OP_MUST_CHECK;
// Frees the store and removes its file: where nothing is to be left.
void op_store_discard(op_store *store);

// Reads a whole profile file, bounded and checked (an id out of range is TORN_PROFILE). Read-only. The caller
// frees.
// The file of a killed recording is as good as another (run.complete is false). Timelines are read up to
// OP_PROFILE_MAX_TIMELINE_BYTES in memory; the counter "timelines_left_out" tells how many blocks lie beyond that.
enum { OP_PROFILE_MAX_TIMELINE_BYTES = 256 << 20 };
op_status op_profile_read(const char *path, op_profile **profile, op_error *error) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// The rows of a profile file: which of them are new or changed since the last flush, and how they are written. For the
// room itself.
#ifndef OP_PROFILE_STORE_ROWS_H
#define OP_PROFILE_STORE_ROWS_H

#include <sqlite3.h>
#include "profile/packer.h"
#include "profile/profile.h"

enum { OP_STORE_STATEMENTS = 12 };   // one a table

typedef struct {
    uint64_t count, weight_ns;
} op_sample_mark;

typedef struct {
    uint64_t hits, ns;
} op_line_mark;

typedef struct {
    op_profile *profile;   // borrowed
    sqlite3_stmt *statements[OP_STORE_STATEMENTS];
    op_packer packer;
    // What the file holds: table sizes, and copies of the rows that may change.
    size_t strings, functions, frames, stacks;
    op_run run;
    bool has_run;
    op_process_row *processes;   // owned, as the next five
    op_thread_row *threads;
    op_sample_mark *samples;
    op_call *calls;
    op_line_mark *lines;
    op_counter *counters;
    size_t process_count, thread_count, sample_count, call_count, line_count, counter_count;
    size_t process_room, thread_room, sample_room, call_room, line_room, counter_room;
    int64_t last_timeline, put_timeline;   // the last row of the table; with what was put since
} op_store_rows;

// Of SQLite, as are the codes below. Fini is due whatever it is.
int op_store_rows_init(op_store_rows *rows, op_profile *profile, sqlite3 *db);
void op_store_rows_fini(op_store_rows *rows);
void op_store_rows_finish(op_store_rows *rows);   // lets go of the database; nothing can be put any more
// The three steps of a flush. Reserve comes before the transaction, so that noting what was written cannot fail.
bool op_store_rows_reserve(op_store_rows *rows);   // false: out of memory
int op_store_rows_put(op_store_rows *rows);        // inside a transaction
void op_store_rows_note(op_store_rows *rows);      // it was committed: written timelines are freed from the profile

#endif

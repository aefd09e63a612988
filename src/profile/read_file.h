// SPDX-License-Identifier: MIT
// Opens a profile file that nobody vouches for, read-only and defensive. For the room itself.
#ifndef OP_PROFILE_READ_FILE_H
#define OP_PROFILE_READ_FILE_H

#include <sqlite3.h>
#include <stdint.h>
#include "base/status.h"

typedef struct {
    sqlite3 *db;          // owned; inside a read transaction: sees one state however long it reads
    const char *path;     // borrowed; as the user gave it
    char *copy_folder;    // owned; where the file had to be copied to be opened, else NULL
    uint32_t version;     // of the format: 1 .. OP_PROFILE_VERSION
    int64_t bytes;        // of the file and its log: no more rows than these can hold are believed
    int64_t steps_left;   // of the machine inside SQLite, in OP_READ_FILE_STEPS; 0 ends the reading
} op_read_file;

enum { OP_READ_FILE_STEPS = 4096 };

// On failure nothing is left to close. The file must stay where it is in memory (SQLite keeps a pointer).
op_status op_read_file_open(op_read_file *file, const char *path, op_error *error) OP_MUST_CHECK;
void op_read_file_close(op_read_file *file);
// Fills `error` for a failed call of SQLite and returns the status.
op_status op_read_file_error(const op_read_file *file, int code, op_error *error);

#endif

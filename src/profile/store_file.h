// SPDX-License-Identifier: MIT
// Makes the empty profile file in its place, safely. For the room itself.
#ifndef OP_PROFILE_STORE_FILE_H
#define OP_PROFILE_STORE_FILE_H

#include <sqlite3.h>
#include "base/status.h"

// Makes an empty profile (0600) under `path`: built beside under another name and renamed, so that what stands
// under `path` is whole at any moment. A symlink or anything but a regular file there is refused. *real_path is the
// absolute path without symlinks; the caller frees it with op_free.
op_status op_store_file_make(const char *path, char **real_path, op_error *error) OP_MUST_CHECK;
// Opens a made file for writing. *db is closed by the caller.
op_status op_store_file_open(const char *real_path, const char *path, sqlite3 **db, op_error *error) OP_MUST_CHECK;
// Removes the file and what SQLite left beside it.
void op_store_file_remove(const char *real_path);
// Fills `error` for a failed call of SQLite on the file that the user calls `path`. Returns the status.
op_status op_store_file_error(sqlite3 *db, int code, const char *path, op_error *error);

#endif

// SPDX-License-Identifier: MIT
// What a traced program left in a folder whose Outpace was killed.
#ifndef OP_CLI_LEFT_H
#define OP_CLI_LEFT_H

#include <stdbool.h>
#include "profile/profile.h"

bool op_left_is_folder(const char *path);
// Reads it as a profile file is read, and leaves it as it is. NOT_PROFILE: no trace lies there; NO_FILE, FOREIGN_FILE,
// SYSTEM, NO_MEMORY.
op_status op_left_read(const char *path, op_profile **profile, op_error *error) OP_MUST_CHECK;

#endif

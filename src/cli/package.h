// SPDX-License-Identifier: MIT
// Where the Python side of this executable lies: the start-up hook and the agents.
#ifndef OP_CLI_PACKAGE_H
#define OP_CLI_PACKAGE_H

#include <limits.h>
#include "base/buffer.h"
#include "base/status.h"

typedef struct {
    char start[PATH_MAX];   // the folder with the start-up hook
    op_buffer agents;       // folders that may hold agents, parted by ':'; NUL-terminated
} op_package;

// $OUTPACE_PACKAGE (set by python -m outpace), else what is installed with the executable, else the checkout that it
// was built in. NO_FILE: said where it was looked for. op_package_fini frees, also after a failure.
op_status op_package_find(op_package *package, op_error *error) OP_MUST_CHECK;
void op_package_fini(op_package *package);

#endif

// SPDX-License-Identifier: MIT
// What a profile says of its run: the command, the machine, the tool.
#ifndef OP_CLI_DESCRIBE_H
#define OP_CLI_DESCRIBE_H

#include "cli/launch.h"

// The command line of `launch`, or where it is NULL that of process `pid`; secrets are masked.
op_status op_describe_run(op_profile *profile, const op_launch *launch, pid_t pid, op_error *error) OP_MUST_CHECK;

#endif

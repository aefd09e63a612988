// SPDX-License-Identifier: MIT
// `lines --hot`: the hottest functions of a program that runs, found by sampling it for a while.
#ifndef OP_CLI_HOT_H
#define OP_CLI_HOT_H

#include "cli/flags.h"

#define OP_HOT_FILE "hot"   // in the folder of traces: the processes wait for it

// Samples process `pid`, our child, for --duration, 1 second without it; `poll` is called meanwhile. Then writes the
// functions that own most of the time into the folder, a line each: qualified name, tab, file. *wait_status: its end
// where it ended before, else -1; then nothing is written.
op_status op_hot_find(pid_t pid, const op_flags *flags, const char *folder, void (*poll)(void *), void *context,
                      int *wait_status, op_error *error) OP_MUST_CHECK;

#endif

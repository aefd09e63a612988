// SPDX-License-Identifier: MIT
// What was typed where a command stands (COMMAND, SCRIPT.py, -m MODULE) as an argv, checked before anything is
// started.
#ifndef OP_CLI_LAUNCH_H
#define OP_CLI_LAUNCH_H

#include "base/arena.h"
#include "cli/flags.h"

typedef struct {
    op_arena arena;
    char **argv;   // NULL-terminated; lives in the arena, its words there or in the flags' argv
    size_t count;
} op_launch;

// The command line of `flags`. NO_COMMAND, NO_FILE (the script), NO_PERMISSION: said with a hint. op_launch_fini
// frees, also after a failure.
op_status op_launch_make(const op_flags *flags, op_launch *launch, op_error *error) OP_MUST_CHECK;
void op_launch_fini(op_launch *launch);
// Before the start: what is between `python -m outpace` and us is no business of the program.
void op_launch_clean_environment(void);

// The Python for scripts and modules: `wanted` (--python; NULL: none), $OUTPACE_PYTHON (set by python -m outpace),
// $VIRTUAL_ENV/bin/python, python, python3 on PATH. Its path lives in the arena.
op_status op_launch_find_python(op_arena *arena, const char *wanted, const char **path, op_error *error)
    OP_MUST_CHECK;

#endif

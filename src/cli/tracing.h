// SPDX-License-Identifier: MIT
// What `trace`, `lines` and `run --trace` share: the tracer's way into a program that we start, and what it leaves.
//
// Order: start, then the program is started; poll while it runs; finish once it has ended. Where a program cannot be
// traced it runs all the same, and finish says why.
#ifndef OP_CLI_TRACING_H
#define OP_CLI_TRACING_H

#include "cli/flags.h"
#include "collect/collector.h"

typedef struct {
    op_collector *collector;   // owned; NULL before start
    op_status poll_status;     // of the first poll that failed
    op_error poll_error;
} op_tracing;

// Finds the package, makes the folder and sets the environment, which the program is to inherit. What is traced
// follows from the flags. NO_FILE, NO_OUTPUT, USAGE. op_tracing_fini frees, also after a failure.
op_status op_tracing_start(op_tracing *tracing, const op_flags *flags, op_error *error) OP_MUST_CHECK;
// Folds what ended processes left. A failure is kept for finish.
void op_tracing_poll(op_tracing *tracing, op_profile *profile);
// Waits for a program that we started and polls meanwhile; *wait_status as waitpid gives it.
void op_tracing_wait(op_tracing *tracing, op_profile *profile, pid_t pid, int *wait_status);
// Folds the rest. NOT_TRACED: no process was, and why. Why some processes were not, though others were, is said here.
op_status op_tracing_finish(op_tracing *tracing, op_profile *profile, op_error *error) OP_MUST_CHECK;
void op_tracing_fini(op_tracing *tracing);

// Whether the profile holds something of the program, not of the start of Python only.
bool op_tracing_has_calls(const op_profile *profile);

#endif

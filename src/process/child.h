// SPDX-License-Identifier: MIT
// A program that we start. Its stdin, stdout, stderr, environment and folder are ours; it is no different from one
// started by a shell, but for its parent.
#ifndef OP_PROCESS_CHILD_H
#define OP_PROCESS_CHILD_H

#include "process/memory_reader.h"

// Starts argv (NULL-terminated, found on PATH). Returns once exec has succeeded: NO_COMMAND (not found),
// NO_PERMISSION (not executable). The child gets no blocked signals, default handling of those that we catch, and
// our terminal and process group. Signals that were ignored when we began stay ignored (nohup), but for SIGPIPE and
// SIGXFSZ: so never ignore another one here before, catch it.
op_status op_child_start(char *const *argv, pid_t *pid, op_error *error) OP_MUST_CHECK;
// Waits without blocking: *ended tells, *wait_status as waitpid gives it.
op_status op_child_poll(pid_t pid, bool *ended, int *wait_status) OP_MUST_CHECK;
op_status op_child_wait(pid_t pid, int *wait_status) OP_MUST_CHECK;
// Exits as the program did: with its code, or by its signal (default action restored, no core dump of ours).
_Noreturn void op_child_repeat_exit(int wait_status);

#endif

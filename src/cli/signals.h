// SPDX-License-Identifier: MIT
// What Ctrl-C, SIGTERM and SIGHUP do while a recording runs.
//   attached: they end the recording; the process that is watched hears nothing.
//   launched: Ctrl-C reaches the program through the terminal, and the recording goes on until it ends; the second
//   one ends the recording. Signals that were sent to us alone are passed on to the program.
#ifndef OP_CLI_SIGNALS_H
#define OP_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

void op_signals_start(bool launches);
void op_signals_set_child(pid_t child);               // passes on what came before
void op_signals_forget_child(void);                   // before it is reaped, its id may be another's after that
const volatile sig_atomic_t *op_signals_stop(void);   // set: end the recording

#endif

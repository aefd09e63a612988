// SPDX-License-Identifier: MIT
#include "cli/signals.h"

#include <stddef.h>

// The only variables that are not constant in the engine: a handler has no other way to tell.
static volatile sig_atomic_t stop_asked, interrupts, child_pid, is_launching, pending;

static void pass_on(int number)
{
    if (child_pid > 0) {
        kill((pid_t)child_pid, number);
    } else {
        pending = number;
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!is_launching) {
        stop_asked = 1;
        return;
    }
    bool from_terminal = info->si_code == SI_KERNEL;   // then the whole foreground group has it already
    if (!from_terminal) {
        pass_on(number);
    }
    if (number == SIGINT || number == SIGQUIT) {
        interrupts = interrupts + 1;
        if (interrupts > 1) {
            stop_asked = 1;
        }
    }
}

void op_signals_start(bool launches)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    is_launching = launches;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action;
        // What was ignored when we began (nohup, a script's background job) stays ignored.
        if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN) {
            continue;
        }
        action = (struct sigaction){.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);   // a reader of our stderr that goes away must not end a recording
}

void op_signals_set_child(pid_t child)
{
    child_pid = child;
    if (pending != 0) {
        kill(child, pending);
        pending = 0;
    }
}

void op_signals_forget_child(void)
{
    child_pid = 0;
}

const volatile sig_atomic_t *op_signals_stop(void)
{
    return &stop_asked;
}

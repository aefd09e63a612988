// SPDX-License-Identifier: MIT
#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// Between fork and exec: async-signal-safe calls only. Signals that we catch become the default by exec itself.
// Those that were ignored when we began stay so (nohup, a background job of a script), but for the two which a
// Python in front of us ignores for its own sake.
static void become_program(char *const *argv, int report_fd)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    // A signal that comes before exec must not run our handlers in the child.
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN && action.sa_handler != SIG_DFL)
            signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], argv);
    int code = errno;
    while (write(report_fd, &code, sizeof code) < 0 && errno == EINTR) {
    }
    _exit(127);
}

static op_status report_start(const char *command, int code, op_error *error)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        if (strchr(command, '/') && access(command, F_OK) == 0) {
            op_error_set(error, OP_NO_COMMAND, "the interpreter that '%s' asks for does not exist", command);
            op_error_hint(error, "check the '#!' line of the script");
            return OP_NO_COMMAND;
        }
        return op_error_set(error, OP_NO_COMMAND, "the command '%s' does not exist", command);
    case EACCES:
    case EPERM:
        op_error_set(error, OP_NO_PERMISSION, "'%s' may not be executed", command);
        op_error_hint(error, "make it executable with 'chmod +x', or start it through its interpreter");
        return OP_NO_PERMISSION;
    case ENOMEM: return op_error_set(error, OP_NO_MEMORY, "'%s' cannot be started: out of memory", command);
    default: return op_error_set(error, OP_SYSTEM, "'%s' cannot be started: %s", command, strerror(code));
    }
}

op_status op_child_start(char *const *argv, pid_t *pid, op_error *error)
{
    if (!argv[0] || !argv[0][0])
        return op_error_set(error, OP_NO_COMMAND, "the command is empty");
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return op_error_set(error, OP_SYSTEM, "no pipe can be made: %s", strerror(errno));

    // Ignored children leave no status to wait for.
    struct sigaction action;
    if (sigaction(SIGCHLD, NULL, &action) == 0 &&
        (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT)))
        signal(SIGCHLD, SIG_DFL);

    // While all signals are blocked no handler of ours can run in the child.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0)
        become_program(argv, report[1]);
    int fork_error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (child < 0) {
        close(report[0]);
        return report_start(argv[0], fork_error, error);
    }
    int code = 0;
    ssize_t got;
    do {
        got = read(report[0], &code, sizeof code);
    } while (got < 0 && errno == EINTR);
    close(report[0]);
    if (got == (ssize_t)sizeof code) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
        return report_start(argv[0], code, error);
    }
    *pid = child;
    return OP_OK;
}

op_status op_child_poll(pid_t pid, bool *ended, int *wait_status)
{
    int status;
    pid_t got;
    do {
        got = waitpid(pid, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return OP_PROCESS_GONE;
    *ended = got == pid;
    if (got == pid)
        *wait_status = status;
    return OP_OK;
}

op_status op_child_wait(pid_t pid, int *wait_status)
{
    int status;
    pid_t got;
    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return OP_PROCESS_GONE;
    *wait_status = status;
    return OP_OK;
}

_Noreturn void op_child_repeat_exit(int wait_status)
{
    if (WIFEXITED(wait_status))
        exit(WEXITSTATUS(wait_status));
    if (!WIFSIGNALED(wait_status))
        exit(op_status_exit_code(OP_SYSTEM));
    int number = WTERMSIG(wait_status);
    fflush(NULL);
    // The program has left its own core file where one is wanted; a pipe in core_pattern heeds only "dumpable".
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    signal(number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
    _exit(128 + number);
}

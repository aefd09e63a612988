// SPDX-License-Identifier: MIT
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "process/child.h"

// argv is never written to, but its type predates const.
static op_status start(const char *const *words, pid_t *pid, op_error *error)
{
    return op_child_start((char *const *)(uintptr_t)words, pid, error);
}

#define START(pid, error, ...) start((const char *const[]){__VA_ARGS__, NULL}, (pid), (error))

static int run(const char *const *words)
{
    pid_t pid = 0;
    int status = -1;
    op_error error = {0};
    if (!TAP_OK(start(words, &pid, &error) == OP_OK)) {
        TAP_NOTE("%s", error.message);
        return -1;
    }
    TAP_EQ_INT(op_child_wait(pid, &status), OP_OK);
    return status;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

TAP_TEST(exit_codes)
{
    int status = RUN("true");
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = RUN("/bin/sh", "-c", "exit 7");
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = RUN("sh", "-c", "kill -TERM $$");
    TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TAP_TEST(commands_that_cannot_start)
{
    op_error error = {0};
    pid_t pid = 77;
    TAP_EQ_INT(START(&pid, &error, "no-such-command-here"), OP_NO_COMMAND);
    TAP_EQ_STR(error.message, "the command 'no-such-command-here' does not exist");
    TAP_EQ_INT(START(&pid, &error, "/no/such/file"), OP_NO_COMMAND);
    TAP_EQ_INT(START(&pid, &error, ""), OP_NO_COMMAND);
    TAP_EQ_INT(START(&pid, &error, NULL), OP_NO_COMMAND);
    TAP_EQ_INT(START(&pid, &error, "/etc/passwd"), OP_NO_PERMISSION);
    TAP_EQ_INT(START(&pid, &error, "/tmp"), OP_NO_PERMISSION);
    TAP_EQ_INT(pid, 77);
    TAP_OK(waitpid(-1, NULL, WNOHANG) < 0);   // no zombie is left
}

static void write_script(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    TAP_REQUIRE(file != NULL);
    fputs(text, file);
    fclose(file);
    TAP_REQUIRE(chmod(path, 0755) == 0);
}

TAP_TEST(scripts)
{
    char folder[] = "/tmp/test_child_XXXXXX", path[64];
    TAP_REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/script", folder);
    write_script(path, "exit 9\n");   // no "#!": a shell would run it
    int status = RUN(path);
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    write_script(path, "#!/no/such/interpreter\n");
    op_error error = {0};
    pid_t pid;
    TAP_EQ_INT(START(&pid, &error, path), OP_NO_COMMAND);
    TAP_OK(strstr(error.message, "interpreter") != NULL);
    unlink(path);
    rmdir(folder);
}

static void do_nothing(int number)
{
    (void)number;
}

TAP_TEST(signals_are_as_under_a_shell)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, do_nothing);
    signal(SIGHUP, SIG_IGN);   // nohup
    signal(SIGCHLD, SIG_IGN);
    int status = RUN("sh", "-c", "kill -TERM $$; sleep 5");
    TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = RUN("sh", "-c", "kill -PIPE $$; exit 3");
    TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    status = RUN("sh", "-c", "kill -USR1 $$; exit 3");
    TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    status = RUN("sh", "-c", "kill -HUP $$; exit 3");
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    TAP_OK(sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGUSR2) == 0);   // ours is as before
}

TAP_TEST(group_and_descriptors)
{
    pid_t pid = 0;
    TAP_REQUIRE(START(&pid, NULL, "sleep", "60") == OP_OK);
    TAP_EQ_INT(getpgid(pid), getpgrp());
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    // No descriptor more than a program has that was started without us.
    int before = system("exit $(ls /proc/self/fd | wc -l)");
    int status = RUN("sh", "-c", "exit $(ls /proc/self/fd | wc -l)");
    TAP_EQ_INT(status, before);
}

TAP_TEST(polling)
{
    pid_t pid = 0;
    TAP_REQUIRE(START(&pid, NULL, "sleep", "60") == OP_OK);
    bool ended = true;
    int status = 5;
    TAP_EQ_INT(op_child_poll(pid, &ended, &status), OP_OK);
    TAP_OK(!ended && status == 5);
    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    TAP_EQ_INT(op_child_poll(pid, &ended, &status), OP_OK);
    TAP_OK(ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    TAP_EQ_INT(op_child_poll(pid, &ended, &status), OP_PROCESS_GONE);
    TAP_EQ_INT(op_child_wait(pid, &status), OP_PROCESS_GONE);
}

static int repeat(int wait_status)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        signal(SIGINT, SIG_IGN);
        signal(SIGSEGV, do_nothing);
        op_child_repeat_exit(wait_status);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

TAP_TEST(an_end_is_repeated)
{
    int status = repeat(7 << 8);
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    static const int numbers[] = {SIGINT, SIGTERM, SIGKILL, SIGSEGV, SIGABRT, SIGPIPE};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        status = repeat(numbers[i] | 0x80);   // with a core dump
        TAP_OK(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i] && !WCOREDUMP(status));
    }
    status = repeat(-1);
    TAP_OK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include "process/process.h"

static pid_t start_sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void wait_for_zombie(pid_t pid)
{
    siginfo_t info;
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static void nap(long milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

TAP_TEST(a_live_process)
{
    pid_t pid = start_sleeper();
    op_error error = {0};
    TAP_EQ_INT(op_process_check(pid, &error), OP_OK);
    TAP_EQ_INT(op_process_check(pid, NULL), OP_OK);
    TAP_OK(op_process_is_alive(pid));
    TAP_EQ_INT(op_process_parent(pid), getpid());
    uint64_t start = op_process_start_ticks(pid);
    TAP_OK(start > 0 && start >= op_process_start_ticks(getpid()));
    char path[4096], own[4096];
    TAP_EQ_INT(op_process_executable(pid, path, sizeof path), OP_OK);
    ssize_t bytes = readlink("/proc/self/exe", own, sizeof own - 1);
    TAP_REQUIRE(bytes > 0);
    own[bytes] = '\0';
    TAP_EQ_STR(path, own);
    TAP_EQ_INT(op_process_executable(pid, path, 3), OP_BAD_DATA);

    wait_for_zombie(pid);
    TAP_OK(!op_process_is_alive(pid));
    TAP_EQ_INT(op_process_check(pid, &error), OP_PROCESS_GONE);
    TAP_OK(op_process_start_ticks(pid) == start);
    waitpid(pid, NULL, 0);
    TAP_OK(!op_process_is_alive(pid));
    TAP_EQ_INT(op_process_check(pid, &error), OP_NO_PROCESS);
    TAP_OK(strstr(error.message, "there is no process") != NULL);
    TAP_EQ_UINT(op_process_start_ticks(pid), 0);
    TAP_EQ_INT(op_process_parent(pid), 0);
    TAP_EQ_INT(op_process_check(0, &error), OP_NO_PROCESS);
    TAP_EQ_INT(op_process_check(-1, &error), OP_NO_PROCESS);
}

TAP_TEST(an_odd_name_does_not_mislead)
{
    prctl(PR_SET_NAME, ") Z 1 (");
    TAP_OK(op_process_is_alive(getpid()));
    TAP_EQ_INT(op_process_parent(getpid()), getppid());
    char name[32];
    TAP_EQ_INT(op_process_thread_name(getpid(), getpid(), name, sizeof name), OP_OK);
    TAP_EQ_STR(name, ") Z 1 (");
    TAP_EQ_INT(op_process_thread_name(getpid(), getpid(), name, 4), OP_OK);
    TAP_EQ_STR(name, ") Z");
    TAP_EQ_INT(op_process_thread_name(getpid(), 1, name, sizeof name), OP_PROCESS_GONE);
}

TAP_TEST(permission_is_explained)
{
    if (getuid() != 0)
        TAP_SKIP("needs root to become another user");
    pid_t other = start_sleeper();
    TAP_REQUIRE(setuid(65534) == 0);
    op_error error = {0};
    TAP_EQ_INT(op_process_check(other, &error), OP_NO_PERMISSION);
    TAP_NOTE("%s", error.message);
    TAP_NOTE("%s", error.hint);
    TAP_OK(strstr(error.message, "user id 0") != NULL);
    TAP_OK(strstr(error.hint, "sudo") || strstr(error.hint, "SYS_PTRACE"));
}

TAP_TEST(the_same_user_may_be_refused_too)
{
    if (getuid() != 0)
        TAP_SKIP("needs root to become another user");
    TAP_REQUIRE(setuid(65534) == 0);
    pid_t guarded = fork();
    if (guarded == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        for (;;)
            pause();
    }
    nap(50);
    op_error error = {0};
    TAP_EQ_INT(op_process_check(guarded, &error), OP_NO_PERMISSION);
    TAP_NOTE("%s", error.hint);
    TAP_OK(error.hint[0] != '\0');
}

static void *wait_in_thread(void *context)
{
    (void)context;
    prctl(PR_SET_NAME, "helper");
    for (;;)
        pause();
    return NULL;
}

TAP_TEST(a_32_bit_process)
{
    // for (;;) pause(); as a whole program: header, one segment, mov $29,%eax; int $0x80; jmp back.
    static const unsigned char program[] = {
        0x7f, 'E', 'L', 'F', 1,    1,    1,    0,    0,    0,    0,    0,    0, 0,    0,    0,    2,   0, 3,
        0,    1,   0,   0,   0,    0x54, 0x80, 0x04, 0x08, 52,   0,    0,    0, 0,    0,    0,    0,   0, 0,
        0,    0,   52,  0,   32,   0,    1,    0,    0,    0,    0,    0,    0, 0,    1,    0,    0,   0, 0,
        0,    0,   0,   0,   0x80, 0x04, 0x08, 0,    0x80, 0x04, 0x08, 0x5d, 0, 0,    0,    0x5d, 0,   0, 0,
        5,    0,   0,   0,   0,    0x10, 0,    0,    0xb8, 29,   0,    0,    0, 0xcd, 0x80, 0xeb, 0xf7};
    char path[] = "/tmp/test_process_XXXXXX";
    int fd = mkstemp(path), ready[2];
    TAP_REQUIRE(fd >= 0 && write(fd, program, sizeof program) == (ssize_t)sizeof program && fchmod(fd, 0700) == 0);
    close(fd);
    TAP_REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(path, path, (char *)NULL);
        (void)!write(ready[1], "x", 1);
        _exit(1);
    }
    close(ready[1]);
    char byte;
    bool refused = read(ready[0], &byte, 1) == 1;   // else: exec has closed it
    unlink(path);
    if (refused)
        TAP_SKIP("this kernel runs no 32-bit programs");
    op_error error = {0};
    TAP_EQ_INT(op_process_check(pid, &error), OP_NOT_64_BIT);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

TAP_TEST(threads_are_listed)
{
    enum { COUNT = 20 };
    pthread_t thread;
    pid_t tids[64];
    size_t count = 0, first = 0;
    TAP_REQUIRE(pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
    nap(20);   // a sanitizer may have threads of its own by now
    TAP_EQ_INT(op_process_threads(getpid(), tids, 64, &first), OP_OK);
    for (int i = 1; i < COUNT; i++)
        TAP_REQUIRE(pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
    TAP_EQ_INT(op_process_threads(getpid(), tids, 64, &count), OP_OK);
#ifdef __SANITIZE_THREAD__
    TAP_OK(first >= 2);
#else
    TAP_EQ_UINT(first, 2);
#endif
    TAP_EQ_UINT(count, first + COUNT - 1);
    bool own = false;
    for (size_t i = 0; i < count; i++) {
        own |= tids[i] == getpid();
        TAP_OK(i == 0 || tids[i] > tids[i - 1]);
    }
    TAP_OK(own);
    nap(50);
    char name[32];
    TAP_EQ_INT(op_process_thread_name(getpid(), tids[count - 1], name, sizeof name), OP_OK);
    TAP_EQ_STR(name, "helper");
    op_error error = {0};
    TAP_EQ_INT(op_process_check(tids[count - 1], &error), OP_NO_PROCESS);
    TAP_OK(strstr(error.message, "is a thread") != NULL);
    TAP_EQ_INT(op_process_threads(getpid(), tids, 5, &count), OP_OK);
    TAP_EQ_UINT(count, 5);
    pid_t pid = start_sleeper();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    TAP_EQ_INT(op_process_threads(pid, tids, 64, &count), OP_PROCESS_GONE);
}

static void *fork_in_thread(void *context)
{
    pid_t pid = start_sleeper();
    __atomic_store_n((pid_t *)context, pid, __ATOMIC_RELEASE);
    for (;;)
        pause();
    return NULL;
}

TAP_TEST(children_of_all_threads)
{
    enum { COUNT = 3 };
    pid_t expected[COUNT + 1] = {0}, pids[16];
    size_t count = 0;
    TAP_EQ_INT(op_process_children(getpid(), pids, 16, &count), OP_OK);
    TAP_EQ_UINT(count, 0);
    for (int i = 0; i < COUNT; i++)
        expected[i] = start_sleeper();
    // The parent-death signal comes when the *thread* ends that forked, so this one waits for ever.
    pthread_t thread;
    TAP_REQUIRE(pthread_create(&thread, NULL, fork_in_thread, &expected[COUNT]) == 0);
    for (int i = 0; i < 200 && !__atomic_load_n(&expected[COUNT], __ATOMIC_ACQUIRE); i++)
        nap(10);
    TAP_EQ_INT(op_process_children(getpid(), pids, 16, &count), OP_OK);
    TAP_EQ_UINT(count, COUNT + 1);
    for (size_t i = 0; i <= COUNT && i < count; i++)
        TAP_EQ_INT(pids[i], expected[i]);
    memset(pids, 0, sizeof pids);
    TAP_EQ_INT(op_process_children_scan(getpid(), pids, 16, &count), OP_OK);
    TAP_EQ_UINT(count, COUNT + 1);
    for (size_t i = 0; i <= COUNT && i < count; i++)
        TAP_EQ_INT(pids[i], expected[i]);
    TAP_EQ_INT(op_process_children(getpid(), pids, 2, &count), OP_OK);
    TAP_EQ_UINT(count, 2);
    kill(expected[0], SIGKILL);
    waitpid(expected[0], NULL, 0);
    TAP_EQ_INT(op_process_children(expected[0], pids, 16, &count), OP_PROCESS_GONE);
}

TAP_TEST(a_thread_clock)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile uint64_t i = 0;; i++) {
        }
    }
    op_thread_clock clock;
    TAP_REQUIRE(op_thread_clock_open(&clock, pid, pid) == OP_OK);
    uint64_t first = 0, second = 0, slices = 0;
    nap(20);
    TAP_EQ_INT(op_thread_clock_read(&clock, &first, &slices), OP_OK);
    nap(200);
    TAP_EQ_INT(op_thread_clock_read(&clock, &second, &slices), OP_OK);
    TAP_OK(second > first);
    TAP_OK(slices > 0);
    char state = '?';
    TAP_EQ_INT(op_thread_clock_state(&clock, &state), OP_OK);
    TAP_EQ_INT(state, 'R');
    kill(pid, SIGSTOP);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WSTOPPED);
    TAP_EQ_INT(op_thread_clock_state(&clock, &state), OP_OK);
    TAP_EQ_INT(state, 'T');
    TAP_EQ_INT(op_thread_clock_read(&clock, &first, &slices), OP_OK);
    nap(30);
    TAP_EQ_INT(op_thread_clock_read(&clock, &second, &slices), OP_OK);
    TAP_EQ_UINT(second, first);
    uint64_t process = 0;
    TAP_EQ_INT(op_process_clock_read(pid, &process), OP_OK);
#ifdef __SANITIZE_THREAD__
    TAP_OK(process >= first);   // its run-time has a thread of its own
#else
    TAP_EQ_UINT(process, first);
#endif
    wait_for_zombie(pid);
    TAP_EQ_INT(op_thread_clock_state(&clock, &state), OP_PROCESS_GONE);
    waitpid(pid, NULL, 0);
    TAP_EQ_INT(op_thread_clock_read(&clock, &first, &slices), OP_PROCESS_GONE);
    TAP_EQ_INT(op_thread_clock_state(&clock, &state), OP_PROCESS_GONE);
    TAP_EQ_INT(op_process_clock_read(pid, &process), OP_PROCESS_GONE);
    op_thread_clock_close(&clock);
    op_thread_clock_close(&clock);
    TAP_EQ_INT(op_thread_clock_open(&clock, pid, pid), OP_PROCESS_GONE);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
// Unit tests that speak TAP (the Test Anything Protocol) on stdout.
//
//     TAP_TEST(sum) { TAP_EQ_INT(1 + 1, 2); TAP_OK(true); }
//     TAP_MAIN()
//
// Each test runs in a process of its own, with a minute to live: a crash, a sanitizer's exit or a hang is one
// `not ok`. A failed check prints where and what, and the test goes on; TAP_REQUIRE and TAP_SKIP end it.
// `test_noun` runs all, `test_noun NAME` one, `test_noun --list` prints the names.
#ifndef OP_TESTS_TAP_H
#define OP_TESTS_TAP_H

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAP_SECONDS = 60, TAP_SHOWN_FAILURES = 20, TAP_SHOWN_BYTES = 400, TAP_REASON_BYTES = 200 };

typedef struct tap_test {
    const char *name;
    void (*run)(void);
    struct tap_test *next;
} tap_test;

// What a test's process tells the one that waits for it; in shared memory.
typedef struct {
    int failures;
    bool finished;   // came to its end, and was not ended by an exit() somewhere
    bool skipped;
    char reason[TAP_REASON_BYTES];
} tap_result;

static tap_test *tap_first, **tap_last = &tap_first;
static tap_result *tap_current;

static inline void tap_register(tap_test *test)
{
    *tap_last = test;
    tap_last = &test->next;
}

static inline void __attribute__((format(printf, 1, 2))) tap_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("# ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    fflush(stdout);
}

// Counts a failure; true: print it.
static inline bool tap_failed(void)
{
    return ++tap_current->failures <= TAP_SHOWN_FAILURES;
}

static inline void tap_print_bytes(const void *bytes, size_t count)
{
    const unsigned char *next = bytes;
    if (!next) {
        fputs("NULL", stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < count && i < TAP_SHOWN_BYTES; i++) {
        if (next[i] == '"' || next[i] == '\\')
            printf("\\%c", next[i]);
        else if (next[i] >= 0x20 && next[i] < 0x7F)
            putchar(next[i]);
        else
            printf("\\x%02x", (unsigned)next[i]);
    }
    printf(count > TAP_SHOWN_BYTES ? "\"... (%zu bytes)" : "\"", count);
}

static inline bool tap_check(bool holds, const char *condition, const char *file, int line)
{
    if (!holds && tap_failed())
        tap_note("%s:%d: does not hold: %s", file, line, condition);
    return holds;
}

static inline bool tap_eq_int(long long got, long long expected, const char *file, int line)
{
    if (got != expected && tap_failed())
        tap_note("%s:%d: got %lld, expected %lld", file, line, got, expected);
    return got == expected;
}

static inline bool tap_eq_uint(unsigned long long got, unsigned long long expected, const char *file, int line)
{
    if (got != expected && tap_failed())
        tap_note("%s:%d: got %llu (0x%llx), expected %llu (0x%llx)", file, line, got, got, expected, expected);
    return got == expected;
}

static inline bool tap_near(double got, double expected, double tolerance, const char *file, int line)
{
    bool near = fabs(got - expected) <= tolerance;   // false for a NaN
    if (!near && tap_failed())
        tap_note("%s:%d: got %.17g, expected %.17g within %g", file, line, got, expected, tolerance);
    return near;
}

static inline bool tap_eq_bytes(const void *got, size_t got_count, const void *expected, size_t expected_count,
                                const char *file, int line)
{
    bool same = !got == !expected && got_count == expected_count &&
                (got_count == 0 || !got || memcmp(got, expected, got_count) == 0);
    if (!same && tap_failed()) {
        printf("# %s:%d: got ", file, line);
        tap_print_bytes(got, got_count);
        fputs(", expected ", stdout);
        tap_print_bytes(expected, expected_count);
        putchar('\n');
        fflush(stdout);
    }
    return same;
}

static inline bool tap_eq_str(const char *got, const char *expected, const char *file, int line)
{
    return tap_eq_bytes(got, got ? strlen(got) : 0, expected, expected ? strlen(expected) : 0, file, line);
}

// Ends the test without the exit handlers: what is left allocated here is no leak worth a report.
static inline void __attribute__((noreturn)) tap_stop(void)
{
    tap_current->finished = true;
    fflush(NULL);
    _exit(tap_current->failures ? 1 : 0);
}

static inline void __attribute__((noreturn, format(printf, 1, 2))) tap_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tap_current->reason, sizeof tap_current->reason, format, arguments);
    va_end(arguments);
    tap_current->skipped = true;
    tap_stop();
}

// The process of one test. exit() runs the leak check of AddressSanitizer.
static inline void __attribute__((noreturn)) tap_child(const tap_test *test)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(TAP_SECONDS);
    test->run();
    tap_current->finished = true;
    fflush(NULL);
    exit(tap_current->failures ? 1 : 0);
}

static inline bool tap_run(const tap_test *test, int number)
{
    *tap_current = (tap_result){0};
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        tap_child(test);
    if (child < 0) {
        tap_note("%s: cannot fork", test->name);
        printf("not ok %d - %s\n", number, test->name);
        return false;
    }
    setpgid(child, child);   // here too: whichever process comes first
    siginfo_t ended;
    while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) != 0)
        ;
    kill(-child, SIGKILL);   // processes that the test left behind; its id is not free before the next line
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        ;
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && tap_current->finished && tap_current->failures == 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        tap_note("%s: still running after %d s", test->name, TAP_SECONDS);
    else if (WIFSIGNALED(status))
        tap_note("%s: killed by signal %d (%s)", test->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (!ok && tap_current->failures == 0)
        tap_note("%s: exit status %d%s", test->name, WEXITSTATUS(status),
                 tap_current->finished ? "" : " in the middle of the test");
    else if (tap_current->failures > TAP_SHOWN_FAILURES)
        tap_note("%s: %d failed checks in all", test->name, tap_current->failures);
    if (ok && tap_current->skipped)
        printf("ok %d - %s # SKIP %s\n", number, test->name, tap_current->reason);
    else
        printf("%sok %d - %s\n", ok ? "" : "not ", number, test->name);
    fflush(stdout);
    return ok;
}

static inline int tap_main(int count, char **arguments)
{
    const char *only = count > 1 ? arguments[1] : NULL;
    int chosen = 0, number = 0, failed = 0;
    bool list = only && strcmp(only, "--list") == 0;
    for (const tap_test *test = tap_first; test; test = test->next) {
        if (list)
            puts(test->name);
        chosen += !only || strcmp(only, test->name) == 0;
    }
    if (list)
        return 0;
    if (chosen == 0) {
        fprintf(stderr, "%s: no such test: %s (--list prints all)\n", arguments[0], only ? only : "");
        return 2;
    }
    void *shared = mmap(NULL, sizeof *tap_current, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        puts("Bail out! no memory");
        return 2;
    }
    tap_current = shared;
    printf("1..%d\n", chosen);
    for (const tap_test *test = tap_first; test; test = test->next) {
        if (!only || strcmp(only, test->name) == 0)
            failed += !tap_run(test, ++number);
    }
    return failed ? 1 : 0;
}

#define TAP_TEST(test_name)                                                                                        \
    static void tap_body_##test_name(void);                                                                        \
    __attribute__((constructor)) static void tap_add_##test_name(void)                                             \
    {                                                                                                              \
        static tap_test test = {.name = #test_name, .run = tap_body_##test_name};                                  \
        tap_register(&test);                                                                                       \
    }                                                                                                              \
    static void tap_body_##test_name(void)

#define TAP_MAIN()                                                                                                 \
    int main(int argc, char **argv)                                                                                \
    {                                                                                                              \
        return tap_main(argc, argv);                                                                               \
    }

// Each is true where the check held. Got first, expected second.
#define TAP_OK(condition) tap_check((condition), #condition, __FILE__, __LINE__)
#define TAP_EQ_INT(got, expected) tap_eq_int((long long)(got), (long long)(expected), __FILE__, __LINE__)
#define TAP_EQ_UINT(got, expected)                                                                                 \
    tap_eq_uint((unsigned long long)(got), (unsigned long long)(expected), __FILE__, __LINE__)
#define TAP_EQ_STR(got, expected) tap_eq_str((got), (expected), __FILE__, __LINE__)
#define TAP_EQ_BYTES(got, got_count, expected, expected_count)                                                     \
    tap_eq_bytes((got), (got_count), (expected), (expected_count), __FILE__, __LINE__)
#define TAP_NEAR(got, expected, tolerance) tap_near((got), (expected), (tolerance), __FILE__, __LINE__)
// Ends the test where it does not hold: for what the rest stands on.
#define TAP_REQUIRE(condition)                                                                                     \
    do {                                                                                                           \
        if (!tap_check((condition), #condition, __FILE__, __LINE__))                                               \
            tap_stop();                                                                                            \
    } while (0)
#define TAP_SKIP(...) tap_skip(__VA_ARGS__)   // a format; ends the test, which counts as passed
#define TAP_NOTE(...) tap_note(__VA_ARGS__)   // a diagnostic line

#endif

// SPDX-License-Identifier: MIT
#include "base/clock.h"
#include <time.h>
#include "tap.h"

enum { MS = 1000000 };

TAP_TEST(clock_monotonic_never_goes_back)
{
    int64_t last = op_clock_monotonic_ns();
    TAP_OK(last > 0);
    for (int i = 0; i < 10000; i++) {
        int64_t now = op_clock_monotonic_ns();
        TAP_OK(now >= last);
        last = now;
    }
}

TAP_TEST(clock_unix_is_the_time_of_day)
{
    time_t before = time(NULL);
    int64_t now = op_clock_unix_ns() / 1000000000;
    TAP_OK(now >= before - 1 && now <= time(NULL) + 1);
}

TAP_TEST(clock_cpu_counts_work_and_not_sleep)
{
    int64_t process = op_clock_process_cpu_ns(), thread = op_clock_thread_cpu_ns();
    op_clock_sleep_until_ns(op_clock_monotonic_ns() + 200 * MS);
    TAP_OK(op_clock_process_cpu_ns() - process < 150 * MS);
    TAP_OK(op_clock_thread_cpu_ns() - thread < 150 * MS);
    process = op_clock_process_cpu_ns();
    thread = op_clock_thread_cpu_ns();
    while (op_clock_thread_cpu_ns() - thread < 5 * MS)
        ;
    TAP_OK(op_clock_process_cpu_ns() - process >= 4 * MS);
}

TAP_TEST(clock_reads_both_at_once)
{
    uint64_t first_ticks, ticks;
    int64_t first_ns, ns, before = op_clock_monotonic_ns();
    op_clock_read_both(&first_ticks, &first_ns);
    op_clock_sleep_until_ns(first_ns + 50 * MS);
    op_clock_read_both(&ticks, &ns);
    TAP_OK(before <= first_ns && first_ns + 50 * MS <= ns && ns <= op_clock_monotonic_ns());
    double per_us = (double)(ticks - first_ticks) / ((double)(ns - first_ns) / 1000.0);
    TAP_NEAR(per_us / op_clock_ticks_per_us(), 1.0, 0.02);
}

TAP_TEST(clock_sleeps_until)
{
    int64_t start = op_clock_monotonic_ns();
    op_clock_sleep_until_ns(start + 20 * MS);
    TAP_OK(op_clock_monotonic_ns() >= start + 20 * MS);
    start = op_clock_monotonic_ns();
    op_clock_sleep_until_ns(start - 1);   // past times return at once
    op_clock_sleep_until_ns(0);
    op_clock_sleep_until_ns(-1);
    op_clock_sleep_until_ns(INT64_MIN);
    TAP_OK(op_clock_monotonic_ns() - start < 5000 * (int64_t)MS);
}

static void on_signal(int number)
{
    (void)number;
}

TAP_TEST(clock_sleep_ends_early_on_a_signal)
{
    struct sigaction action = {.sa_handler = on_signal};
    TAP_REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    TAP_REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    // Repeated, should the first one come before the sleep.
    struct itimerspec every = {.it_value.tv_nsec = 10 * MS, .it_interval.tv_nsec = 10 * MS};
    TAP_REQUIRE(timer_settime(timer, 0, &every, NULL) == 0);
    int64_t start = op_clock_monotonic_ns();
    op_clock_sleep_until_ns(start + 30000 * (int64_t)MS);
    TAP_OK(op_clock_monotonic_ns() - start < 20000 * (int64_t)MS);
    timer_delete(timer);
}

TAP_TEST(clock_ticks_tell_time)
{
    double per_us = op_clock_ticks_per_us();
    TAP_OK(per_us > 0.1 && per_us < 100000);
    TAP_OK(op_clock_ticks_per_us() == per_us);   // measured once
    double best = 1;
    for (int i = 0; i < 5; i++) {   // a busy machine may spoil one
        int64_t ns = op_clock_monotonic_ns();
        uint64_t ticks = op_clock_ticks();
        op_clock_sleep_until_ns(ns + 10 * MS);
        double by_ticks = (double)(op_clock_ticks() - ticks) / per_us * 1000.0;
        double by_clock = (double)(op_clock_monotonic_ns() - ns);
        double off = fabs(by_ticks / by_clock - 1.0);
        best = off < best ? off : best;
    }
    TAP_NEAR(best, 0, 0.02);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
// What a reading of the clocks costs on this machine, in processor time: nanoseconds of the time-stamp counter, and of
// CLOCK_MONOTONIC. Exact times need two readings a call, which no callback can do without.
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { READINGS = 5000000, ROUNDS = 5 };

static int64_t now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void read_counter(void)
{
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
#endif
}

static void read_monotonic(void)
{
    now(CLOCK_MONOTONIC);
}

static double cost_ns(void (*read_clock)(void))
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = 0; i < READINGS; i++) {
            read_clock();
        }
        double ns = (double)(now(CLOCK_PROCESS_CPUTIME_ID) - start) / READINGS;
        best = ns < best ? ns : best;
    }
    return best;
}

int main(void)
{
    printf("%.1f %.1f\n", cost_ns(read_counter), cost_ns(read_monotonic));
    return 0;
}

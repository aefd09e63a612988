// SPDX-License-Identifier: MIT
#include "base/clock.h"
#include <time.h>

enum { NS_PER_S = 1000000000, CALIBRATION_NS = 1000000, ANCHOR_TRIES = 8 };

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t op_clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t op_clock_unix_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t op_clock_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t op_clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void op_clock_sleep_until_ns(int64_t monotonic_ns)
{
    if (monotonic_ns <= 0)
        return;
    struct timespec until = {.tv_sec = monotonic_ns / NS_PER_S, .tv_nsec = monotonic_ns % NS_PER_S};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

typedef struct {
    uint64_t ticks;
    int64_t ns;
} anchor;

// Reads both clocks as nearly at once as some tries allow: an interrupt between the readings spoils only its try.
static anchor read_anchor(void)
{
    anchor best = {0, 0};
    uint64_t best_gap = UINT64_MAX;
    for (int i = 0; i < ANCHOR_TRIES; i++) {
        uint64_t before = op_clock_ticks();
        int64_t ns = op_clock_monotonic_ns();
        uint64_t gap = op_clock_ticks() - before;
        if (gap < best_gap) {
            best_gap = gap;
            best = (anchor){.ticks = before + gap / 2, .ns = ns};
        }
    }
    return best;
}

void op_clock_read_both(uint64_t *ticks, int64_t *monotonic_ns)
{
    anchor now = read_anchor();
    *ticks = now.ticks;
    *monotonic_ns = now.ns;
}

static double measure_ticks_per_us(void)
{
    anchor start = read_anchor();
    while (op_clock_monotonic_ns() - start.ns < CALIBRATION_NS)
        ;   // awake, so that the counter runs as it will in use
    anchor end = read_anchor();
    double ticks = (double)(end.ticks - start.ticks), us = (double)(end.ns - start.ns) / 1000.0;
    return ticks > 0 && us > 0 ? ticks / us : 1000.0;
}

double op_clock_ticks_per_us(void)
{
    static double measured;   // 0: not yet. Two threads may both measure: either result will do.
    double value;
    __atomic_load(&measured, &value, __ATOMIC_RELAXED);
    if (value > 0)
        return value;
    value = measure_ticks_per_us();
    __atomic_store(&measured, &value, __ATOMIC_RELAXED);
    return value;
}

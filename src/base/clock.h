// SPDX-License-Identifier: MIT
// Time. Nanoseconds unless the name says otherwise.
#ifndef OP_BASE_CLOCK_H
#define OP_BASE_CLOCK_H

#include <stdint.h>

int64_t op_clock_monotonic_ns(void);
int64_t op_clock_unix_ns(void);
int64_t op_clock_process_cpu_ns(void);                // this process
int64_t op_clock_thread_cpu_ns(void);                 // the calling thread
void op_clock_sleep_until_ns(int64_t monotonic_ns);   // returns early on a signal

// A cheap ever-growing counter (x86-64: rdtscp, aarch64: cntvct_el0); unit: op_clock_ticks_per_us.
static inline uint64_t op_clock_ticks(void)
{
#if defined(__x86_64__)
    uint32_t low, high, aux;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux)::"memory");
    return ((uint64_t)high << 32) | low;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
#else
    return (uint64_t)op_clock_monotonic_ns();
#endif
}
// Both clocks of one moment, within some nanoseconds.
void op_clock_read_both(uint64_t *ticks, int64_t *monotonic_ns);
double op_clock_ticks_per_us(void);   // measured over about 1 ms at the first call

#endif

// SPDX-License-Identifier: MIT
// When to look: Poisson intervals, so that no rhythm of the target can hide from or be favoured by ours.
#ifndef OP_SAMPLE_SCHEDULE_H
#define OP_SAMPLE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/random.h"

typedef struct {
    op_random random;
    double mean_ns;
    int64_t next_ns;   // monotonic time of the next tick
    bool spins;        // the rate is too high to sleep between ticks
    uint64_t ticks, late, skipped;
    // How much time the last tick stands for: the mean interval, and as much for each tick that was skipped. (The time
    // since the tick before would be as right on average, but scatters: shares would need twice as many samples.)
    double tick_ns;
} op_schedule;

void op_schedule_init(op_schedule *schedule, double rate_hz, uint64_t seed, int64_t now_ns);
// Waits for the next tick, or until `until_ns` where that is earlier, or a signal. Returns the time; *due: the tick came.
int64_t op_schedule_wait(op_schedule *schedule, int64_t until_ns, bool *due);

#endif

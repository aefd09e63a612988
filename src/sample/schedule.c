// SPDX-License-Identifier: MIT
#include "sample/schedule.h"

#include "base/clock.h"

enum {
    SPIN_ABOVE_HZ = 5000,    // a sleep costs more than the interval is worth
    SPIN_BELOW_NS = 80000,   // shorter waits are spent awake
    BEHIND_MAX_TICKS = 8,    // further behind: the missed ticks are dropped and counted
};

void op_schedule_init(op_schedule *schedule, double rate_hz, uint64_t seed, int64_t now_ns)
{
    *schedule = (op_schedule){.mean_ns = 1e9 / rate_hz, .next_ns = now_ns, .spins = rate_hz > SPIN_ABOVE_HZ};
    op_random_init(&schedule->random, seed != 0 ? seed : (uint64_t)op_clock_unix_ns());
}

static void plan_next(op_schedule *schedule, int64_t now_ns)
{
    int64_t due_ns = schedule->next_ns;
    schedule->ticks++;
    schedule->tick_ns = schedule->mean_ns;
    if ((double)(now_ns - due_ns) > schedule->mean_ns)
        schedule->late++;
    schedule->next_ns = due_ns + (int64_t)op_random_exponential(&schedule->random, schedule->mean_ns) + 1;
    double behind = (double)(now_ns - schedule->next_ns) / schedule->mean_ns;
    if (behind > BEHIND_MAX_TICKS) {
        schedule->skipped += (uint64_t)behind;
        schedule->tick_ns += behind * schedule->mean_ns;
        schedule->next_ns = now_ns + (int64_t)op_random_exponential(&schedule->random, schedule->mean_ns);
    }
}

int64_t op_schedule_wait(op_schedule *schedule, int64_t until_ns, bool *due)
{
    int64_t target_ns = schedule->next_ns < until_ns ? schedule->next_ns : until_ns;
    int64_t now_ns = op_clock_monotonic_ns();
    *due = false;
    if (!schedule->spins) {
        if (target_ns > now_ns) {
            op_clock_sleep_until_ns(target_ns);
            now_ns = op_clock_monotonic_ns();
        }
    } else {
        if (target_ns - now_ns > 2 * SPIN_BELOW_NS) {
            op_clock_sleep_until_ns(target_ns - SPIN_BELOW_NS);
            now_ns = op_clock_monotonic_ns();
        }
        while (now_ns < target_ns)
            now_ns = op_clock_monotonic_ns();
    }
    if (now_ns >= schedule->next_ns) {
        *due = true;
        plan_next(schedule, now_ns);
    }
    return now_ns;
}

// SPDX-License-Identifier: MIT
// sample: watches a process and its children over time and puts what it sees into a profile. Never writes into a
// target, never stops it. The hot path keeps (code, instruction) only and allocates nothing.
#ifndef OP_SAMPLE_RECORD_H
#define OP_SAMPLE_RECORD_H

#include <signal.h>
#include "profile/profile.h"
#include "profile/store.h"
#include "process/memory_reader.h"

enum { OP_RECORD_MAX_RATE_HZ = 1000000 };

// The recording's honesty: what it did and failed to do.
typedef struct {
    uint64_t asked;      // ticks of the schedule, times threads that were looked at
    uint64_t samples;    // stacks that went into the profile
    uint64_t late;       // ticks that began more than one mean interval late
    uint64_t skipped;    // ticks that were dropped because the sampler was behind
    uint64_t retried;    // reads that were done again: interrupted half-way
    uint64_t given_up;   // no stack after the last retry
    uint64_t lost;       // samples that could not be kept (out of memory, a failed flush)
    uint64_t unproven, unreadable, truncated, gone;   // samples that hold such a label
    uint64_t processes, threads;
    int64_t elapsed_ns, own_cpu_ns;
    double asked_rate_hz, achieved_rate_hz;   // achieved: ticks taken a second
} op_record_stats;

typedef struct {
    double rate_hz;
    int64_t duration_ns;   // 0: until the target ends or *stop is set
    op_mode mode;
    bool include_idle;
    bool no_children;
    bool no_timeline;                                           // keeps totals only
    bool is_child;                                              // we started the target: its end is reaped here
    uint64_t seed;                                              // of the schedule; 0: from the clock
    const volatile sig_atomic_t *stop;                          // borrowed; may be NULL
    void (*progress)(void *context, const op_record_stats *);   // every ~100 ms; may be NULL
    void *context;
} op_record_options;

// Records process `pid` into `profile` (run and counters included), flushing `store` (NULL: none) twice a second.
// A launched target that is not yet, or never becomes, a Python is waited for (its children may be).
// *wait_status (may be NULL): how a launched target ended, -1 while it still runs.
// Errors: those of op_process_check and op_runtime_find when attaching; NOTHING_MEASURED is for the caller to decide.
op_status op_record(pid_t pid, const op_record_options *options, op_profile *profile, op_store *store,
                    op_record_stats *stats, int *wait_status, op_error *error) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// One process that is being sampled: its interpreter, its threads, what was seen and not yet counted.
//
// What is seen is counted a little later (op_target_commit): only when the code objects that it names were read again
// and are still the same.
#ifndef OP_SAMPLE_TARGET_H
#define OP_SAMPLE_TARGET_H

#include "cpython/glance.h"
#include "cpython/walker.h"
#include "process/process.h"
#include "sample/record.h"
#include "sample/stack_tree.h"

typedef struct {
    op_walk_thread walk;
    op_thread_clock clock;
    op_id row;                 // of the profile
    uint64_t run_ns, slices;   // at the last look at the clock
    uint64_t cpu_counted_ns;   // run time that samples stand for so far
    uint64_t uncounted;        // its pending samples
    int64_t looked_ns;         // last look at the kernel's state
    int64_t backoff_ns;        // an idle thread is looked at less and less often
    int64_t sampled_ns;        // last tick that counted it; 0: it was not active then
    int64_t named_ns;          // last try to learn its name; the name may be set late
    int tries_named;
    op_thread_state state;
    bool idle;   // not sampled until its run time moves
    bool collecting;
    bool named;                    // by Python
    bool was_there;                // before we came: its name is final
    bool listed;                   // found by the newest listing
    uint32_t idle_node;            // what it waits in
    size_t pending;                // 1 + index of its newest pending run; 0: none
    OP_VECTOR(uint32_t) path;      // nodes of the last stack, root first
    OP_VECTOR(op_raw_frame) raw;   // the frames of these nodes
} op_target_thread;

// A run of equal samples that waits to be counted.
typedef struct {
    uint32_t thread;   // index
    uint32_t node;
    op_thread_state state;
    uint32_t count;
    int64_t start_ns, end_ns;
    uint64_t weight_ns;
} op_pending;

typedef struct {
    pid_t pid;
    uint64_t start_ticks;
    op_id row;                          // of the profile; 0: not yet a Python
    const op_record_options *options;   // borrowed
    op_profile *profile;                // borrowed
    op_record_stats *stats;             // borrowed
    int64_t begin_ns;                   // monotonic time that the profile's times count from
    op_memory_reader memory;
    op_runtime runtime;
    op_codes codes;
    op_walker *walker;
    op_stack_tree tree;
    OP_VECTOR(op_target_thread *) threads;
    OP_VECTOR(op_pending) pending;
    bool attached, gone;
    int64_t try_ns, try_backoff_ns;   // next try to find an interpreter
    int64_t found_failing_ns;         // since when no walk succeeds: an exec, or the end
    int64_t list_ns, list_cost_ns;    // last listing of threads, and what it took
    int64_t look_ns;                  // last look at GIL, collector and states
    OP_VECTOR(uint32_t) active;       // indices of threads that were not idle at the last look
    bool relisted;                    // threads came or went since, so that these are not true
    int64_t asked_ns;                 // last time the process was asked whether an idle thread ran
    int64_t woke_ns;                  // last time that one may have
    uint64_t idle_run_ns;             // run time of all idle threads at their last look
    uint64_t others_ns;               // what the process had run besides when it was asked
    int64_t name_ns;                  // next time that a thread may tell its name
    uint64_t threads_head;            // when threads were listed last
    op_glance glance;
} op_target;

op_status op_target_new(pid_t pid, const op_record_options *options, op_profile *profile, op_record_stats *stats,
                        int64_t begin_ns, op_target **target) OP_MUST_CHECK;
void op_target_free(op_target *target);
// Looks for the interpreter. NOT_PYTHON: not yet, or never. Sets `gone` where the process is.
op_status op_target_attach(op_target *target, int64_t now_ns, op_error *error) OP_MUST_CHECK;
// One tick, which stands for tick_ns: samples every active thread.
op_status op_target_sample(op_target *target, int64_t now_ns, uint64_t tick_ns) OP_MUST_CHECK;
// Between ticks: new and ended threads, names, a program that exec'ed.
op_status op_target_tend(op_target *target, int64_t now_ns) OP_MUST_CHECK;
// Counts what was seen since the last commit.
op_status op_target_commit(op_target *target, int64_t now_ns) OP_MUST_CHECK;

#endif

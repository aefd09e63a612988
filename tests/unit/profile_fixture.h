// SPDX-License-Identifier: MIT
// Profiles for the tests of the room `profile`, and their comparison.
#ifndef OP_TESTS_PROFILE_FIXTURE_H
#define OP_TESTS_PROFILE_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/random.h"
#include "profile/profile.h"
#include "profile/store.h"
#include "profile/timeline.h"
#include "tap.h"

enum { FIXTURE_PATH_BYTES = 512 };

// A folder of its own for the test, and the path of a file in it.
static inline const char *fixture_path(const char *name)
{
    static char folder[128], paths[8][FIXTURE_PATH_BYTES];
    static int next;
    if (!folder[0]) {
        const char *parent = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%.90s/outpace-profile-XXXXXX", parent ? parent : "/tmp");
        TAP_REQUIRE(mkdtemp(folder) != NULL);
    }
    char *path = paths[next++ % 8];
    snprintf(path, FIXTURE_PATH_BYTES, "%s%s%s", folder, *name ? "/" : "", name);
    return path;
}

static inline void fixture_clean(void)
{
    char command[FIXTURE_PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_path(""));
    TAP_EQ_INT(system(command), 0);
}

static inline op_id fixture_function(op_profile *profile, const char *name, const char *file, uint32_t line)
{
    op_function function = {.kind = OP_FRAME_PYTHON,
                            .name = op_profile_string(profile, name),
                            .file = op_profile_string(profile, file),
                            .first_line = line};
    return op_profile_add_function(profile, &function);
}

static inline op_id fixture_stack(op_profile *profile, op_id parent, const char *name, uint32_t line)
{
    op_id function = fixture_function(profile, name, "/app/main.py", 1);
    op_id frame = op_profile_add_frame(profile, (op_frame){.function = function, .line = line});
    return op_profile_add_stack(profile, (op_stack){.parent = parent, .frame = frame});
}

// One process, two threads (MainThread, worker). False: out of memory.
static inline bool fixture_begin(op_profile *profile)
{
    profile->run = (op_run){.command = op_profile_string(profile, "python app.py"),
                            .host = op_profile_string(profile, "host"),
                            .tool_version = op_profile_string(profile, "0.1"),
                            .started_unix_ns = 1700000000000000000,
                            .duration_ns = 2000000000,
                            .asked_rate_hz = 1000,
                            .mode = OP_MODE_WALL};
    op_process_row process = {.pid = 100,
                              .parent_pid = 1,
                              .command = profile->run.command,
                              .executable = op_profile_string(profile, "/usr/bin/python3"),
                              .python = op_profile_string(profile, "3.13.0"),
                              .ended_ns = 2000000000};
    op_id id = op_profile_add_process(profile, &process);
    op_thread_row main_thread = {.process = id,
                                 .tid = 100,
                                 .name = op_profile_string(profile, "MainThread"),
                                 .is_main = true,
                                 .ended_ns = 2000000000};
    op_thread_row worker = {.process = id,
                            .tid = 101,
                            .name = op_profile_string(profile, "worker"),
                            .started_ns = 500000000,
                            .ended_ns = 2000000000};
    return id && op_profile_add_thread(profile, &main_thread) && op_profile_add_thread(profile, &worker) &&
           main_thread.name && worker.name && process.executable && process.python && profile->run.command;
}

// One sample and its piece of timeline.
static inline bool fixture_tick(op_profile *profile, op_id thread, op_id stack, op_thread_state state,
                                int64_t at_ns, int64_t length_ns)
{
    op_sample sample = {
        .thread = thread, .stack = stack, .state = state, .count = 1, .weight_ns = (uint64_t)length_ns};
    return op_profile_add_sample(profile, &sample) &&
           op_timeline_add(profile, thread, stack, state, at_ns, length_ns, 1) == OP_OK;
}

// <module> calls work, that fib, which recurs and calls len; a line of work in both threads. False: out of memory.
static inline bool fixture_trace(op_profile *profile)
{
    op_id module = fixture_function(profile, "<module>", "/app/main.py", 1);
    op_id work = fixture_function(profile, "work", "/app/main.py", 1);
    op_id fib = fixture_function(profile, "fib", "/app/main.py", 1);
    op_function len = {.kind = OP_FRAME_BUILTIN,
                       .name = op_profile_string(profile, "<built-in method builtins.len>")};
    op_id builtin = len.name ? op_profile_add_function(profile, &len) : 0;
    const op_call calls[] = {
        {.thread = 1, .function = module, .calls = 1, .own_ns = 100, .total_ns = 1000, .outer_ns = 1000},
        {.thread = 1,
         .caller = module,
         .function = work,
         .calls = 4,
         .resumes = 3,
         .exceptions = 1,
         .own_ns = 200,
         .total_ns = 900,
         .outer_ns = 900,
         .suspended_ns = 50},
        {.thread = 1, .caller = work, .function = fib, .calls = 5, .own_ns = 300, .total_ns = 700, .outer_ns = 700},
        {.thread = 1,
         .caller = fib,
         .function = fib,
         .calls = 20,
         .recursive_calls = 15,
         .nested_calls = 20,
         .own_ns = 350,
         .total_ns = 380},
        {.thread = 1,
         .caller = fib,
         .function = builtin,
         .calls = 25,
         .own_ns = 50,
         .total_ns = 50,
         .outer_ns = 50},
        {.thread = 2, .function = work, .calls = 1, .own_ns = 7, .total_ns = 7, .outer_ns = 7},
    };
    const op_line lines[] = {
        {.thread = 1, .function = work, .line = 20, .hits = 6, .ns = 800},
        {.thread = 1, .function = work, .line = 21, .hits = 1, .ns = 90},
        {.thread = 2, .function = work, .line = 20, .hits = 2, .ns = 6},
    };
    bool made = module && work && fib && builtin;
    for (size_t i = 0; made && i < sizeof calls / sizeof calls[0]; i++)
        made = op_profile_add_call(profile, &calls[i]) != 0;
    for (size_t i = 0; made && i < sizeof lines / sizeof lines[0]; i++)
        made = op_profile_add_line(profile, &lines[i]) != 0;
    return made;
}

// main -> work -> fib (recursive), main -> idle; a known number of samples, calls and lines. False: out of memory.
static inline bool fixture_fill(op_profile *profile)
{
    if (!fixture_begin(profile))
        return false;
    op_id root = fixture_stack(profile, 0, "<module>", 10);
    op_id work = fixture_stack(profile, root, "work", 20);
    op_id fib = fixture_stack(profile, work, "fib", 30);
    op_id deep = fixture_stack(profile, fib, "fib", 30);
    op_id idle = fixture_stack(profile, root, "wait", 40);
    op_function native = {.kind = OP_FRAME_NATIVE};
    op_frame frame = {.function = op_profile_add_function(profile, &native)};
    op_id leaf = op_profile_add_stack(profile,
                                      (op_stack){.parent = idle, .frame = op_profile_add_frame(profile, frame)});
    if (!root || !work || !fib || !deep || !idle || !leaf)
        return false;
    for (int i = 0; i < 100; i++) {
        if (!fixture_tick(profile, 1, i % 2 ? fib : deep, OP_STATE_RUNNING, i * 1000000LL, 1000000) ||
            !fixture_tick(profile, 2, leaf, i % 4 ? OP_STATE_WAITING : OP_STATE_WANTS_GIL, i * 1000000LL, 1000000))
            return false;
    }
    op_sample task = {
        .thread = 1, .task = op_profile_string(profile, "Task-1"), .stack = work, .count = 7, .weight_ns = 7000000};
    return task.task && op_profile_add_sample(profile, &task) && fixture_trace(profile) &&
           op_profile_set_counter(profile, "samples", 207) == OP_OK &&
           op_profile_set_counter(profile, "late", -3) == OP_OK;
}

static inline op_profile *fixture_new(void)
{
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
    TAP_REQUIRE(fixture_fill(profile));
    return profile;
}

// "root;leaf" by name, for comparisons between profiles with other ids.
static inline void fixture_stack_text(const op_profile *profile, op_id stack, char *out, size_t bytes)
{
    op_id frames[64];
    size_t depth = op_profile_stack_frames(profile, stack, frames, 64), used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < depth && i < 64 && used < bytes; i++) {
        const op_frame *frame = op_profile_frame(profile, frames[i]);
        const op_function *function = op_profile_function(profile, frame->function);
        const char *name = function->kind == OP_FRAME_PYTHON ? op_profile_text(profile, function->name).text
                                                             : op_frame_kind_label(function->kind);
        used += (size_t)snprintf(out + used, bytes - used, "%s%s:%u", i ? ";" : "", name, (unsigned)frame->line);
    }
}

static inline void fixture_compare_text(const op_profile *a, op_id a_id, const op_profile *b, op_id b_id)
{
    op_string first = op_profile_text(a, a_id), second = op_profile_text(b, b_id);
    TAP_EQ_BYTES(first.text, first.bytes, second.text, second.bytes);
}

// The numbers, whosever they are.
static inline void fixture_compare_call(const op_call *x, const op_call *y)
{
    TAP_OK(x->calls == y->calls && x->recursive_calls == y->recursive_calls && x->nested_calls == y->nested_calls &&
           x->resumes == y->resumes && x->exceptions == y->exceptions && x->own_ns == y->own_ns &&
           x->total_ns == y->total_ns && x->outer_ns == y->outer_ns && x->suspended_ns == y->suspended_ns);
}

// All tables are equal, id by id. Timelines by their runs, since a store cuts them otherwise.
static inline void fixture_compare(const op_profile *a, const op_profile *b)
{
    TAP_REQUIRE(a->strings.count == b->strings.count && a->processes.count == b->processes.count &&
                a->threads.count == b->threads.count && a->functions.count == b->functions.count &&
                a->frames.count == b->frames.count && a->stacks.count == b->stacks.count &&
                a->samples.count == b->samples.count && a->calls.count == b->calls.count &&
                a->lines.count == b->lines.count && a->counters.count == b->counters.count);
    for (op_id id = 1; id <= a->strings.count; id++)
        fixture_compare_text(a, id, b, id);
    TAP_EQ_INT(a->run.command, b->run.command);
    TAP_EQ_INT(a->run.host, b->run.host);
    TAP_EQ_INT(a->run.started_unix_ns, b->run.started_unix_ns);
    TAP_EQ_INT(a->run.duration_ns, b->run.duration_ns);
    TAP_EQ_INT(a->run.mode, b->run.mode);
    TAP_NEAR(a->run.asked_rate_hz, b->run.asked_rate_hz, 0);
    for (size_t i = 0; i < a->processes.count; i++) {
        const op_process_row *x = &a->processes.items[i], *y = &b->processes.items[i];
        TAP_OK(x->pid == y->pid && x->parent_pid == y->parent_pid && x->command == y->command &&
               x->executable == y->executable && x->python == y->python && x->started_ns == y->started_ns &&
               x->ended_ns == y->ended_ns);
    }
    for (size_t i = 0; i < a->threads.count; i++) {
        const op_thread_row *x = &a->threads.items[i], *y = &b->threads.items[i];
        TAP_OK(x->process == y->process && x->tid == y->tid && x->name == y->name && x->is_main == y->is_main &&
               x->started_ns == y->started_ns && x->ended_ns == y->ended_ns);
    }
    for (size_t i = 0; i < a->functions.count; i++) {
        const op_function *x = &a->functions.items[i], *y = &b->functions.items[i];
        TAP_OK(x->kind == y->kind && x->name == y->name && x->file == y->file && x->first_line == y->first_line);
    }
    for (size_t i = 0; i < a->frames.count; i++)
        TAP_OK(a->frames.items[i].function == b->frames.items[i].function &&
               a->frames.items[i].line == b->frames.items[i].line);
    for (size_t i = 0; i < a->stacks.count; i++)
        TAP_OK(a->stacks.items[i].parent == b->stacks.items[i].parent &&
               a->stacks.items[i].frame == b->stacks.items[i].frame);
    for (size_t i = 0; i < a->samples.count; i++) {
        const op_sample *x = &a->samples.items[i], *y = &b->samples.items[i];
        TAP_OK(x->thread == y->thread && x->task == y->task && x->stack == y->stack && x->state == y->state &&
               x->count == y->count && x->weight_ns == y->weight_ns);
    }
    for (size_t i = 0; i < a->calls.count; i++) {
        const op_call *x = &a->calls.items[i], *y = &b->calls.items[i];
        TAP_OK(x->thread == y->thread && x->caller == y->caller && x->function == y->function);
        fixture_compare_call(x, y);
    }
    for (size_t i = 0; i < a->lines.count; i++) {
        const op_line *x = &a->lines.items[i], *y = &b->lines.items[i];
        TAP_OK(x->thread == y->thread && x->function == y->function && x->line == y->line && x->hits == y->hits &&
               x->ns == y->ns);
    }
    for (size_t i = 0; i < a->counters.count; i++)
        TAP_OK(a->counters.items[i].name == b->counters.items[i].name &&
               a->counters.items[i].value == b->counters.items[i].value);
}

// Samples and covered time of a thread's timeline.
static inline uint64_t fixture_timeline_samples(const op_profile *profile, op_id thread, int64_t *covered_ns)
{
    uint64_t samples = 0;
    int64_t sum_ns = 0;
    for (size_t i = 0; i < profile->timelines.count; i++) {
        const op_timeline *block = &profile->timelines.items[i];
        op_timeline_iterator iterator;
        op_timeline_run run;
        if (block->thread != thread)
            continue;
        op_timeline_iterate(&iterator, block);
        while (op_timeline_next(&iterator, &run)) {
            samples += run.samples;
            sum_ns += run.length_ns;
        }
        TAP_OK(!iterator.bad);
        TAP_EQ_INT(iterator.end_ns, block->end_ns);
    }
    if (covered_ns)
        *covered_ns = sum_ns;
    return samples;
}

#endif

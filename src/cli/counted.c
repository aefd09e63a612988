// SPDX-License-Identifier: MIT
#include "cli/counted.h"

#include <string.h>
#include "base/map.h"
#include "base/memory.h"

// --- one profile of two ----------------------------------------------------------------------------------------

typedef struct {
    const op_profile *from;
    op_profile *into;
    int64_t only;                             // the process that is carried; 0: all
    op_id *processes, *threads, *functions;   // the new id by the old one, 0: left out; owned
} joining;

// The same text there; 0 for 0 and out of memory, of which *good tells.
static op_id carry_text(joining *join, op_id text, bool *good)
{
    if (text == 0) {
        return 0;
    }
    op_string found = op_profile_text(join->from, text);
    op_id id = op_profile_string_bytes(join->into, found.text, found.bytes);
    *good = *good && id != 0;
    return id;
}

enum { MAX_GAP_NS = 1000000000 };

// One that was sampled under that id while this one lived. The sampler may have seen the last of a short one before the
// tracer was in it: then one that has its parent, too, and was there a moment before.
static op_id find_process(const op_profile *profile, const op_process_row *row, size_t count)
{
    op_id before = 0;
    for (size_t i = 0; i < count; i++) {
        const op_process_row *other = &profile->processes.items[i];
        if (other->pid != row->pid || other->started_ns > row->ended_ns) {
            continue;
        }
        if (row->started_ns <= other->ended_ns) {
            return (op_id)(i + 1);
        }
        bool close = row->started_ns - other->ended_ns <= MAX_GAP_NS;
        before = close && other->parent_pid == row->parent_pid ? (op_id)(i + 1) : before;
    }
    return before;
}

static op_id find_thread(const op_profile *profile, op_id process, int64_t tid, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (profile->threads.items[i].process == process && profile->threads.items[i].tid == tid) {
            return (op_id)(i + 1);
        }
    }
    return 0;
}

static bool join_owners(joining *join)
{
    bool good = true;
    size_t processes = join->into->processes.count, threads = join->into->threads.count;
    for (size_t i = 0; i < join->from->processes.count && good; i++) {
        op_process_row row = join->from->processes.items[i];
        if (join->only != 0 && row.pid != join->only) {
            continue;
        }
        op_id id = find_process(join->into, &row, processes);
        if (id == 0) {
            row.command = carry_text(join, row.command, &good);
            row.executable = carry_text(join, row.executable, &good);
            row.python = carry_text(join, row.python, &good);
            id = good ? op_profile_add_process(join->into, &row) : 0;
        }
        join->processes[i] = id;
        good = id != 0;
    }
    for (size_t i = 0; i < join->from->threads.count && good; i++) {
        op_thread_row row = join->from->threads.items[i];
        row.process = join->processes[row.process - 1];
        if (row.process == 0) {
            continue;
        }
        op_id id = find_thread(join->into, row.process, row.tid, threads);
        if (id == 0) {
            row.name = carry_text(join, row.name, &good);
            id = good ? op_profile_add_thread(join->into, &row) : 0;
        }
        join->threads[i] = id;
        good = id != 0;
    }
    return good;
}

static bool join_rows(joining *join)
{
    const op_profile *from = join->from;
    bool good = true;
    for (size_t i = 0; i < from->functions.count && good; i++) {
        op_function row = from->functions.items[i];
        row.name = carry_text(join, row.name, &good);
        row.file = carry_text(join, row.file, &good);
        join->functions[i] = good ? op_profile_add_function(join->into, &row) : 0;
        good = join->functions[i] != 0;
    }
    for (size_t i = 0; i < from->calls.count && good; i++) {
        op_call row = from->calls.items[i];
        row.thread = join->threads[row.thread - 1];
        if (row.thread == 0) {
            continue;
        }
        row.caller = row.caller != 0 ? join->functions[row.caller - 1] : 0;
        row.function = join->functions[row.function - 1];
        good = op_profile_add_call(join->into, &row) != 0;
    }
    for (size_t i = 0; i < from->lines.count && good; i++) {
        op_line row = from->lines.items[i];
        row.thread = join->threads[row.thread - 1];
        if (row.thread == 0) {
            continue;
        }
        row.function = join->functions[row.function - 1];
        good = op_profile_add_line(join->into, &row) != 0;
    }
    for (size_t i = 0; i < from->counters.count && good; i++) {
        const op_counter *counter = &from->counters.items[i];
        good = op_profile_set_counter(join->into, op_profile_text(from, counter->name).text, counter->value) ==
               OP_OK;
    }
    return good;
}

op_status op_counted_join(op_profile *into, const op_profile *traced, int64_t only, op_error *error)
{
    joining join = {
        .from = traced,
        .into = into,
        .only = only,
        .processes = op_alloc_zero(traced->processes.count + 1, sizeof(op_id)),
        .threads = op_alloc_zero(traced->threads.count + 1, sizeof(op_id)),
        .functions = op_alloc_zero(traced->functions.count + 1, sizeof(op_id)),
    };
    bool good = join.processes != NULL && join.threads != NULL && join.functions != NULL && join_owners(&join) &&
                join_rows(&join);
    op_free(join.processes);
    op_free(join.threads);
    op_free(join.functions);
    return good ? OP_OK : op_error_set(error, OP_NO_MEMORY, "out of memory");
}

// --- times and callers -----------------------------------------------------------------------------------------

typedef struct {
    op_profile *profile;
    bool *counted;   // by function; owned
    op_id *frames;   // of a stack; owned
    op_map met;      // (function, 1 + caller; 0: whichever) -> the last sample that had it
} estimate;

// Whether the sample had it already; from now on it does.
static bool was_met(estimate *work, op_id function, uint64_t caller, uint32_t sample, bool *good)
{
    bool added = false;
    uint32_t *last = op_map_add(&work->met, (op_map_key){.low = function, .high = caller}, &added);
    if (last == NULL) {
        *good = false;
        return false;
    }
    bool met = !added && *last == sample;
    *last = sample;
    return met;
}

static bool add_sample(estimate *work, size_t index)
{
    op_profile *profile = work->profile;
    const op_sample sample = profile->samples.items[index];
    size_t depth = op_profile_stack_frames(profile, sample.stack, work->frames, OP_PROFILE_MAX_STACK_DEPTH + 1);
    bool good = true;
    op_id caller = 0, before = 0, innermost = 0;
    for (size_t i = 0; i < depth && good; i++) {
        op_id function = op_profile_frame(profile, work->frames[i])->function;
        if (!work->counted[function - 1]) {
            continue;
        }
        caller = innermost;
        innermost = function;
        op_call row = {.thread = sample.thread, .caller = caller, .function = function};
        bool edge = was_met(work, function, (uint64_t)caller + 1, (uint32_t)index, &good);
        bool whole = was_met(work, function, 0, (uint32_t)index, &good);
        row.total_ns = edge ? 0 : sample.weight_ns;
        row.outer_ns = whole ? 0 : sample.weight_ns;
        good = good && (edge || op_profile_add_call(profile, &row) != 0);
        before = caller;
    }
    if (innermost != 0 && good) {
        op_call row = {
            .thread = sample.thread, .caller = before, .function = innermost, .own_ns = sample.weight_ns};
        good = op_profile_add_call(profile, &row) != 0;
    }
    return good;
}

op_status op_counted_estimate(op_profile *profile, op_error *error)
{
    estimate work = {
        .profile = profile,
        .counted = op_alloc_zero(profile->functions.count + 1, sizeof(bool)),
        .frames = op_alloc_zero(OP_PROFILE_MAX_STACK_DEPTH + 1, sizeof(op_id)),
    };
    op_map_init(&work.met);
    bool good = work.counted != NULL && work.frames != NULL;
    for (size_t i = 0; i < profile->calls.count && good; i++) {
        op_id function = profile->calls.items[i].function;
        work.counted[function - 1] = op_profile_function(profile, function)->kind == OP_FRAME_PYTHON;
    }
    for (size_t i = 0; i < profile->samples.count && good; i++) {
        good = add_sample(&work, i);
    }
    good = good && op_profile_set_counter(profile, "sampled_times", 1) == OP_OK;
    op_map_fini(&work.met);
    op_free(work.counted);
    op_free(work.frames);
    return good ? OP_OK : op_error_set(error, OP_NO_MEMORY, "out of memory");
}

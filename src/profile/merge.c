// SPDX-License-Identifier: MIT
#include "profile/profile.h"

#include <string.h>
#include "base/memory.h"
#include "profile/remap.h"

enum { MAX_JOINED_BYTES = 4096 };   // of the commands of a merged run

static bool is_empty(const op_profile *profile)
{
    return profile->run.started_unix_ns == 0 && profile->processes.count == 0 && profile->samples.count == 0;
}

// Moves what `profile` holds to later times since the run's start.
static void shift_rows(op_profile *profile, int64_t by_ns)
{
    for (size_t i = 0; i < profile->processes.count; i++) {
        op_process_row *row = &profile->processes.items[i];
        row->started_ns = op_remap_add_time(row->started_ns, by_ns);
        row->ended_ns = op_remap_add_time(row->ended_ns, by_ns);
    }
    for (size_t i = 0; i < profile->threads.count; i++) {
        op_thread_row *row = &profile->threads.items[i];
        row->started_ns = op_remap_add_time(row->started_ns, by_ns);
        row->ended_ns = op_remap_add_time(row->ended_ns, by_ns);
    }
    for (size_t i = 0; i < profile->timelines.count; i++) {
        op_timeline *block = &profile->timelines.items[i];
        block->start_ns = op_remap_add_time(block->start_ns, by_ns);
        block->end_ns = op_remap_add_time(block->end_ns, by_ns);
        block->last_start_ns = op_remap_add_time(block->last_start_ns, by_ns);
        block->written = false;
    }
}

// The commands of both, joined where they differ and there is room. False: out of memory.
static bool join_commands(op_profile *into, op_string other)
{
    op_string own = op_profile_text(into, into->run.command);
    if (other.bytes == 0 || own.bytes + other.bytes > MAX_JOINED_BYTES ||
        memmem(own.text, own.bytes, other.text, other.bytes))
        return true;
    op_buffer text;
    op_buffer_init(&text);
    op_buffer_add(&text, own.text, own.bytes);
    if (own.bytes > 0)
        op_buffer_add_text(&text, "; ");
    op_buffer_add(&text, other.text, other.bytes);
    op_id id = text.failed ? 0 : op_profile_string_bytes(into, text.data, text.size);
    op_buffer_fini(&text);
    if (id == 0)
        return false;
    into->run.command = id;
    return true;
}

// Makes the run of `into` span both. *shift_ns is what the times of `from` need.
static bool merge_runs(op_profile *into, const op_profile *from, int64_t *shift_ns)
{
    int64_t lead_ns = op_remap_add_time(into->run.started_unix_ns, -from->run.started_unix_ns);
    *shift_ns = 0;
    if (lead_ns > 0) {
        shift_rows(into, lead_ns);
        into->run.started_unix_ns = from->run.started_unix_ns;
        into->run.duration_ns = op_remap_add_time(into->run.duration_ns, lead_ns);
    } else {
        *shift_ns = -lead_ns;
    }
    int64_t from_end_ns = op_remap_add_time(from->run.duration_ns, *shift_ns);
    if (from_end_ns > into->run.duration_ns)
        into->run.duration_ns = from_end_ns;
    into->run.include_idle = into->run.include_idle || from->run.include_idle;
    into->run.complete = into->run.complete && from->run.complete;
    return join_commands(into, op_profile_text(from, from->run.command));
}

static bool add_counters(op_profile *into, const op_profile *from)
{
    for (size_t i = 0; i < from->counters.count; i++) {
        const op_counter *counter = &from->counters.items[i];
        const char *name = op_profile_text(from, counter->name).text;
        int64_t old = op_profile_counter(into, name), sum;
        if (__builtin_add_overflow(old, counter->value, &sum))
            sum = old < 0 ? INT64_MIN : INT64_MAX;
        if (op_profile_set_counter(into, name, sum) != OP_OK)
            return false;
    }
    return true;
}

static bool add_rows(op_remap *remap, bool *all_stacks)
{
    const op_profile *from = remap->from;
    op_id id;
    memset(all_stacks, 1, from->stacks.count);
    for (size_t i = 1; i <= from->processes.count; i++)
        if (!op_remap_process(remap, (op_id)i, &id))
            return false;
    for (size_t i = 1; i <= from->threads.count; i++)
        if (!op_remap_thread(remap, (op_id)i, &id))
            return false;
    if (!op_remap_stacks(remap, all_stacks))
        return false;
    for (size_t i = 0; i < from->samples.count; i++)
        if (!op_remap_sample(remap, &from->samples.items[i]))
            return false;
    for (size_t i = 0; i < from->calls.count; i++)
        if (!op_remap_call(remap, &from->calls.items[i]))
            return false;
    for (size_t i = 0; i < from->lines.count; i++)
        if (!op_remap_line(remap, &from->lines.items[i]))
            return false;
    return op_remap_timelines(remap, false);
}

op_status op_profile_merge(op_profile *into, const op_profile *from, op_error *error)
{
    if (into == from)
        return op_error_set(error, OP_USAGE, "a profile cannot be merged with itself");
    bool empty = is_empty(into);
    // Weights are time between samples in one mode and run time in the other: a sum would mean nothing.
    if (!empty && into->run.mode != from->run.mode)
        return op_error_set(error, OP_USAGE, "a wall and a cpu profile cannot be merged");

    op_status status = OP_NO_MEMORY;
    op_remap remap = {0};
    bool *all_stacks = op_alloc_zero(from->stacks.count + 1, sizeof *all_stacks);
    int64_t shift_ns = 0;
    if (!all_stacks || !op_remap_init(&remap, from, into))
        goto done;
    if (empty ? !op_remap_run(&remap) : !merge_runs(into, from, &shift_ns))
        goto done;
    remap.shift_ns = shift_ns;
    if (!add_rows(&remap, all_stacks) || !add_counters(into, from))
        goto done;
    status = OP_OK;
done:
    op_remap_fini(&remap);
    op_free(all_stacks);
    if (status != OP_OK)
        op_error_set(error, status, "out of memory while merging profiles");
    return status;
}

// SPDX-License-Identifier: MIT
#include "profile/profile.h"

#include <string.h>
#include "base/memory.h"
#include "profile/timeline.h"

const char *op_frame_kind_label(op_frame_kind kind)
{
    static const char *const labels[] = {
#define X(name, label) label,
        OP_FRAME_KIND_MAP(X)
#undef X
    };
    return (unsigned)kind < OP_FRAME_KIND_COUNT ? labels[kind] : "";
}

op_status op_profile_new(op_profile **profile)
{
    op_profile *made = op_alloc_zero(1, sizeof *made);
    if (!made)
        return OP_NO_MEMORY;
    op_strings_init(&made->strings);
    op_map_init(&made->function_ids);
    op_map_init(&made->frame_ids);
    op_map_init(&made->stack_ids);
    op_map_init(&made->sample_ids);
    op_map_init(&made->call_ids);
    op_map_init(&made->line_ids);
    op_map_init(&made->counter_ids);
    op_map_init(&made->open_timelines);
    *profile = made;
    return OP_OK;
}

void op_profile_free(op_profile *profile)
{
    if (!profile)
        return;
    op_strings_fini(&profile->strings);
    OP_VECTOR_FINI(&profile->processes);
    OP_VECTOR_FINI(&profile->threads);
    OP_VECTOR_FINI(&profile->functions);
    OP_VECTOR_FINI(&profile->frames);
    OP_VECTOR_FINI(&profile->stacks);
    OP_VECTOR_FINI(&profile->stack_depths);
    OP_VECTOR_FINI(&profile->samples);
    for (size_t i = 0; i < profile->timelines.count; i++)
        op_timeline_fini(&profile->timelines.items[i]);
    OP_VECTOR_FINI(&profile->timelines);
    OP_VECTOR_FINI(&profile->calls);
    OP_VECTOR_FINI(&profile->lines);
    OP_VECTOR_FINI(&profile->counters);
    op_map_fini(&profile->function_ids);
    op_map_fini(&profile->frame_ids);
    op_map_fini(&profile->stack_ids);
    op_map_fini(&profile->sample_ids);
    op_map_fini(&profile->call_ids);
    op_map_fini(&profile->line_ids);
    op_map_fini(&profile->counter_ids);
    op_map_fini(&profile->open_timelines);
    op_free(profile);
}

static uint64_t pair(uint32_t high, uint32_t low)
{
    return ((uint64_t)high << 32) | low;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
    return value < max ? value : max;
}

static uint64_t add_count(uint64_t a, uint64_t b)
{
    return at_most(add_capped(a, b), OP_PROFILE_MAX_COUNT);
}

static uint64_t add_time(uint64_t a, uint64_t b)
{
    return at_most(add_capped(a, b), OP_PROFILE_MAX_TIME_NS);
}

// Reserves room in a table and its finder before either changes, so that a failure leaves no half-made row. `found`
// becomes the place of the id in the finder, NULL where memory is out or the table is full.
#define FIND_OR_RESERVE(profile, table, finder, key, found)                                                        \
    do {                                                                                                           \
        (found) = op_map_find(&(profile)->finder, (key));                                                          \
        if (!(found) && (profile)->table.count < UINT32_MAX - 1 && OP_VECTOR_RESERVE_ONE(&(profile)->table))       \
            (found) = op_map_add(&(profile)->finder, (key), NULL);                                                 \
    } while (0)

op_id op_profile_string_bytes(op_profile *profile, const char *bytes, size_t count)
{
    if (!bytes)
        count = 0;
    if (count > OP_PROFILE_MAX_STRING_BYTES) {
        count = OP_PROFILE_MAX_STRING_BYTES;
        // Not in the middle of a code point, which has at most three bytes behind its first.
        for (int i = 0; i < 3 && ((unsigned char)bytes[count] & 0xc0) == 0x80; i++)
            count--;
    }
    return op_strings_add(&profile->strings, bytes ? bytes : "", count);
}

op_id op_profile_string(op_profile *profile, const char *text)
{
    return op_profile_string_bytes(profile, text, text ? strlen(text) : 0);
}

static bool is_string(const op_profile *profile, op_id id)
{
    return id <= profile->strings.count;
}

op_id op_profile_add_process(op_profile *profile, const op_process_row *row)
{
    if (!is_string(profile, row->command) || !is_string(profile, row->executable) ||
        !is_string(profile, row->python) || profile->processes.count >= UINT32_MAX - 1)
        return 0;
    op_process_row *slot = OP_VECTOR_PUSH(&profile->processes);
    if (!slot)
        return 0;
    *slot = *row;
    return (op_id)profile->processes.count;
}

op_id op_profile_add_thread(op_profile *profile, const op_thread_row *row)
{
    if (row->process == 0 || row->process > profile->processes.count || !is_string(profile, row->name) ||
        profile->threads.count >= UINT32_MAX - 1)
        return 0;
    op_thread_row *slot = OP_VECTOR_PUSH(&profile->threads);
    if (!slot)
        return 0;
    *slot = *row;
    return (op_id)profile->threads.count;
}

op_id op_profile_add_function(op_profile *profile, const op_function *function)
{
    if ((unsigned)function->kind >= OP_FRAME_KIND_COUNT || !is_string(profile, function->name) ||
        !is_string(profile, function->file))
        return 0;
    op_map_key key = {.high = pair(function->name, function->file),
                      .low = pair((uint32_t)function->kind, function->first_line)};
    uint32_t *id;
    FIND_OR_RESERVE(profile, functions, function_ids, key, id);
    if (!id)
        return 0;
    if (*id == 0) {
        profile->functions.items[profile->functions.count++] = *function;
        *id = (op_id)profile->functions.count;
    }
    return *id;
}

op_id op_profile_add_frame(op_profile *profile, op_frame frame)
{
    if (frame.function == 0 || frame.function > profile->functions.count)
        return 0;
    op_map_key key = {.high = 0, .low = pair(frame.function, frame.line)};
    uint32_t *id;
    FIND_OR_RESERVE(profile, frames, frame_ids, key, id);
    if (!id)
        return 0;
    if (*id == 0) {
        profile->frames.items[profile->frames.count++] = frame;
        *id = (op_id)profile->frames.count;
    }
    return *id;
}

op_id op_profile_add_stack(op_profile *profile, op_stack stack)
{
    if (stack.parent > profile->stacks.count || stack.frame == 0 || stack.frame > profile->frames.count)
        return 0;
    uint32_t depth = stack.parent ? profile->stack_depths.items[stack.parent - 1] + 1 : 1;
    if (depth > OP_PROFILE_MAX_STACK_DEPTH + 1 || !OP_VECTOR_RESERVE_ONE(&profile->stack_depths))
        return 0;
    op_map_key key = {.high = 0, .low = pair(stack.parent, stack.frame)};
    uint32_t *id;
    FIND_OR_RESERVE(profile, stacks, stack_ids, key, id);
    if (!id)
        return 0;
    if (*id == 0) {
        profile->stacks.items[profile->stacks.count++] = stack;
        profile->stack_depths.items[profile->stack_depths.count++] = depth;
        *id = (op_id)profile->stacks.count;
    }
    return *id;
}

op_id op_profile_add_sample(op_profile *profile, const op_sample *sample)
{
    if (sample->thread == 0 || sample->thread > profile->threads.count || !is_string(profile, sample->task) ||
        sample->stack == 0 || sample->stack > profile->stacks.count || (unsigned)sample->state >= OP_STATE_COUNT)
        return 0;
    op_map_key key = {.high = pair(sample->thread, sample->task),
                      .low = pair((uint32_t)sample->state, sample->stack)};
    uint32_t *id;
    FIND_OR_RESERVE(profile, samples, sample_ids, key, id);
    if (!id)
        return 0;
    if (*id == 0) {
        profile->samples.items[profile->samples.count++] = *sample;
        *id = (op_id)profile->samples.count;
    } else {
        op_sample *row = &profile->samples.items[*id - 1];
        row->count = add_capped(row->count, sample->count);
        row->weight_ns = add_capped(row->weight_ns, sample->weight_ns);
    }
    return *id;
}

static bool is_thread_and_function(const op_profile *profile, op_id thread, op_id function)
{
    return thread != 0 && thread <= profile->threads.count && function != 0 && function <= profile->functions.count;
}

op_id op_profile_add_call(op_profile *profile, const op_call *call)
{
    if (!is_thread_and_function(profile, call->thread, call->function) || call->caller > profile->functions.count)
        return 0;
    op_map_key key = {.high = call->thread, .low = pair(call->caller, call->function)};
    uint32_t *id;
    FIND_OR_RESERVE(profile, calls, call_ids, key, id);
    if (!id)
        return 0;
    if (*id == 0) {
        profile->calls.items[profile->calls.count++] =
            (op_call){.thread = call->thread, .caller = call->caller, .function = call->function};
        *id = (op_id)profile->calls.count;
    }
    op_call *row = &profile->calls.items[*id - 1];
    row->calls = add_count(row->calls, call->calls);
    row->nested_calls = at_most(add_count(row->nested_calls, call->nested_calls), row->calls);
    row->recursive_calls = at_most(add_count(row->recursive_calls, call->recursive_calls), row->nested_calls);
    row->resumes = at_most(add_count(row->resumes, call->resumes), row->calls);
    row->exceptions = at_most(add_count(row->exceptions, call->exceptions), row->calls);
    row->own_ns = add_time(row->own_ns, call->own_ns);
    row->total_ns = add_time(row->total_ns, call->total_ns);
    row->outer_ns = add_time(row->outer_ns, call->outer_ns);
    row->suspended_ns = add_time(row->suspended_ns, call->suspended_ns);
    return *id;
}

op_id op_profile_add_line(op_profile *profile, const op_line *line)
{
    if (!is_thread_and_function(profile, line->thread, line->function))
        return 0;
    op_map_key key = {.high = pair(line->thread, line->function), .low = line->line};
    uint32_t *id;
    FIND_OR_RESERVE(profile, lines, line_ids, key, id);
    if (!id)
        return 0;
    if (*id == 0) {
        profile->lines.items[profile->lines.count++] =
            (op_line){.thread = line->thread, .function = line->function, .line = line->line};
        *id = (op_id)profile->lines.count;
    }
    op_line *row = &profile->lines.items[*id - 1];
    row->hits = add_count(row->hits, line->hits);
    row->ns = add_time(row->ns, line->ns);
    return *id;
}

op_status op_profile_set_counter(op_profile *profile, const char *name, int64_t value)
{
    op_id string = op_profile_string(profile, name);
    if (string == 0)
        return OP_NO_MEMORY;
    op_map_key key = {.high = 0, .low = string};
    uint32_t *id;
    FIND_OR_RESERVE(profile, counters, counter_ids, key, id);
    if (!id)
        return OP_NO_MEMORY;
    if (*id == 0) {
        profile->counters.items[profile->counters.count++] = (op_counter){.name = string};
        *id = (op_id)profile->counters.count;
    }
    profile->counters.items[*id - 1].value = value;
    return OP_OK;
}

int64_t op_profile_counter(const op_profile *profile, const char *name)
{
    op_id string = op_strings_find(&profile->strings, name, strlen(name));
    const uint32_t *id = string ? op_map_find(&profile->counter_ids, (op_map_key){.high = 0, .low = string}) : NULL;
    return id ? profile->counters.items[*id - 1].value : 0;
}

#define ROW(table, id) ((id) != 0 && (id) <= profile->table.count ? &profile->table.items[(id)-1] : NULL)

const op_process_row *op_profile_process(const op_profile *profile, op_id id)
{
    return ROW(processes, id);
}

const op_thread_row *op_profile_thread(const op_profile *profile, op_id id)
{
    return ROW(threads, id);
}

const op_function *op_profile_function(const op_profile *profile, op_id id)
{
    return ROW(functions, id);
}

const op_frame *op_profile_frame(const op_profile *profile, op_id id)
{
    return ROW(frames, id);
}

const op_stack *op_profile_stack(const op_profile *profile, op_id id)
{
    return ROW(stacks, id);
}

op_string op_profile_text(const op_profile *profile, op_id string)
{
    return op_strings_get(&profile->strings, string);
}

// The caller's stack; 0 at the root and where the data make no sense.
static op_id parent_of(const op_profile *profile, op_id stack)
{
    op_id parent = profile->stacks.items[stack - 1].parent;
    return parent < stack ? parent : 0;
}

size_t op_profile_stack_frames(const op_profile *profile, op_id stack, op_id *out, size_t max)
{
    if (stack > profile->stacks.count)
        return 0;
    size_t depth = 0;
    for (op_id at = stack; at != 0; at = parent_of(profile, at))
        depth++;
    size_t left = depth < max ? depth : max;
    for (op_id at = stack; at != 0 && left > 0; at = parent_of(profile, at))
        out[--left] = profile->stacks.items[at - 1].frame;
    return depth;
}

uint64_t op_profile_total_samples(const op_profile *profile)
{
    uint64_t total = 0;
    for (size_t i = 0; i < profile->samples.count; i++)
        total = add_capped(total, profile->samples.items[i].count);
    return total;
}

uint64_t op_profile_total_weight_ns(const op_profile *profile)
{
    uint64_t total = 0;
    for (size_t i = 0; i < profile->samples.count; i++)
        total = add_capped(total, profile->samples.items[i].weight_ns);
    return total;
}

// SPDX-License-Identifier: MIT
#include "profile/remap.h"

#include "base/memory.h"
#include "profile/timeline.h"

int64_t op_remap_add_time(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        sum = a < 0 ? INT64_MIN : INT64_MAX;
    if (sum > OP_PROFILE_MAX_TIME_NS)
        return OP_PROFILE_MAX_TIME_NS;
    return sum < -OP_PROFILE_MAX_TIME_NS ? -OP_PROFILE_MAX_TIME_NS : sum;
}

bool op_remap_init(op_remap *remap, const op_profile *from, op_profile *into)
{
    *remap = (op_remap){.from = from, .into = into};
    remap->strings = op_alloc_zero(from->strings.count + 1, sizeof(op_id));
    remap->processes = op_alloc_zero(from->processes.count + 1, sizeof(op_id));
    remap->threads = op_alloc_zero(from->threads.count + 1, sizeof(op_id));
    remap->functions = op_alloc_zero(from->functions.count + 1, sizeof(op_id));
    remap->frames = op_alloc_zero(from->frames.count + 1, sizeof(op_id));
    remap->stacks = op_alloc_zero(from->stacks.count + 1, sizeof(op_id));
    if (remap->strings && remap->processes && remap->threads && remap->functions && remap->frames && remap->stacks)
        return true;
    op_remap_fini(remap);
    return false;
}

void op_remap_fini(op_remap *remap)
{
    op_free(remap->strings);
    op_free(remap->processes);
    op_free(remap->threads);
    op_free(remap->functions);
    op_free(remap->frames);
    op_free(remap->stacks);
    *remap = (op_remap){0};
}

bool op_remap_string(op_remap *remap, op_id old, op_id *id)
{
    if (old != 0 && remap->strings[old] == 0) {
        op_string text = op_profile_text(remap->from, old);
        remap->strings[old] = op_profile_string_bytes(remap->into, text.text, text.bytes);
        if (remap->strings[old] == 0)
            return false;
    }
    *id = remap->strings[old];
    return true;
}

bool op_remap_process(op_remap *remap, op_id old, op_id *id)
{
    if (old != 0 && remap->processes[old] == 0) {
        op_process_row row = remap->from->processes.items[old - 1];
        if (!op_remap_string(remap, row.command, &row.command) ||
            !op_remap_string(remap, row.executable, &row.executable) ||
            !op_remap_string(remap, row.python, &row.python))
            return false;
        row.started_ns = op_remap_add_time(row.started_ns, remap->shift_ns);
        row.ended_ns = op_remap_add_time(row.ended_ns, remap->shift_ns);
        remap->processes[old] = op_profile_add_process(remap->into, &row);
        if (remap->processes[old] == 0)
            return false;
    }
    *id = remap->processes[old];
    return true;
}

bool op_remap_thread(op_remap *remap, op_id old, op_id *id)
{
    if (old != 0 && remap->threads[old] == 0) {
        op_thread_row row = remap->from->threads.items[old - 1];
        if (!op_remap_string(remap, row.name, &row.name) || !op_remap_process(remap, row.process, &row.process))
            return false;
        row.started_ns = op_remap_add_time(row.started_ns, remap->shift_ns);
        row.ended_ns = op_remap_add_time(row.ended_ns, remap->shift_ns);
        remap->threads[old] = op_profile_add_thread(remap->into, &row);
        if (remap->threads[old] == 0)
            return false;
    }
    *id = remap->threads[old];
    return true;
}

bool op_remap_run(op_remap *remap)
{
    op_run run = remap->from->run;
    if (!op_remap_string(remap, run.command, &run.command) || !op_remap_string(remap, run.host, &run.host) ||
        !op_remap_string(remap, run.tool_version, &run.tool_version))
        return false;
    remap->into->run = run;
    return true;
}

bool op_remap_function(op_remap *remap, op_id old, op_id *id)
{
    if (old != 0 && remap->functions[old] == 0) {
        op_function function = remap->from->functions.items[old - 1];
        if (!op_remap_string(remap, function.name, &function.name) ||
            !op_remap_string(remap, function.file, &function.file))
            return false;
        remap->functions[old] = op_profile_add_function(remap->into, &function);
        if (remap->functions[old] == 0)
            return false;
    }
    *id = remap->functions[old];
    return true;
}

static bool remap_frame(op_remap *remap, op_id old, op_id *id)
{
    if (remap->frames[old] == 0) {
        op_frame frame = remap->from->frames.items[old - 1];
        if (!op_remap_function(remap, frame.function, &frame.function))
            return false;
        remap->frames[old] = op_profile_add_frame(remap->into, frame);
        if (remap->frames[old] == 0)
            return false;
    }
    *id = remap->frames[old];
    return true;
}

bool op_remap_stacks(op_remap *remap, bool *needed)
{
    // A parent is older than its stack: one pass down finds all callers, one pass up meets each caller first.
    const op_profile *from = remap->from;
    for (size_t i = from->stacks.count; i-- > 0;) {
        op_id parent = from->stacks.items[i].parent;
        if (needed[i] && parent != 0)
            needed[parent - 1] = true;
    }
    for (size_t i = 0; i < from->stacks.count; i++) {
        if (!needed[i])
            continue;
        op_stack stack = from->stacks.items[i];
        stack.parent = remap->stacks[stack.parent];
        if (!remap_frame(remap, stack.frame, &stack.frame))
            return false;
        remap->stacks[i + 1] = op_profile_add_stack(remap->into, stack);
        if (remap->stacks[i + 1] == 0)
            return false;
    }
    return true;
}

bool op_remap_sample(op_remap *remap, const op_sample *sample)
{
    op_sample copy = *sample;
    if (!op_remap_thread(remap, sample->thread, &copy.thread) || !op_remap_string(remap, sample->task, &copy.task))
        return false;
    copy.stack = remap->stacks[sample->stack];
    return op_profile_add_sample(remap->into, &copy) != 0;
}

bool op_remap_call(op_remap *remap, const op_call *call)
{
    op_call copy = *call;
    return op_remap_thread(remap, call->thread, &copy.thread) &&
           op_remap_function(remap, call->caller, &copy.caller) &&
           op_remap_function(remap, call->function, &copy.function) && op_profile_add_call(remap->into, &copy) != 0;
}

bool op_remap_line(op_remap *remap, const op_line *line)
{
    op_line copy = *line;
    return op_remap_thread(remap, line->thread, &copy.thread) &&
           op_remap_function(remap, line->function, &copy.function) && op_profile_add_line(remap->into, &copy) != 0;
}

bool op_remap_timelines(op_remap *remap, bool drop_waiting)
{
    for (size_t i = 0; i < remap->from->timelines.count; i++) {
        const op_timeline *block = &remap->from->timelines.items[i];
        op_id thread = remap->threads[block->thread];
        if (thread == 0)
            continue;
        op_timeline_iterator iterator;
        op_timeline_run run;
        op_timeline_iterate(&iterator, block);
        while (op_timeline_next(&iterator, &run)) {
            if ((drop_waiting && run.state == OP_STATE_WAITING) || run.stack > remap->from->stacks.count ||
                remap->stacks[run.stack] == 0)
                continue;
            uint32_t samples = run.samples > UINT32_MAX ? UINT32_MAX : (uint32_t)run.samples;
            op_status status = op_timeline_add(remap->into, thread, remap->stacks[run.stack], run.state,
                                               op_remap_add_time(run.start_ns, remap->shift_ns), run.length_ns,
                                               samples);
            if (status == OP_NO_MEMORY)
                return false;
        }
    }
    return true;
}

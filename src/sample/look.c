// SPDX-License-Identifier: MIT
// One tick of one process: which threads run, and what they do.
#include <string.h>

#include "base/clock.h"
#include "cpython/thread_id.h"
#include "sample/target.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define LOOK_INTERVAL_NS (400 * US)   // GIL, collector and kernel states are looked at no more often
#define BACKOFF_MIN_NS (1 * MS)
#define BACKOFF_MAX_NS (20 * MS)   // an idle thread that wakes is noticed at most so late

static op_status add_pending(op_target *target, uint32_t index, uint32_t node, op_thread_state state,
                             int64_t now_ns, uint64_t weight_ns)
{
    op_target_thread *thread = target->threads.items[index];
    int64_t start_ns = thread->sampled_ns != 0 ? thread->sampled_ns : now_ns;
    thread->sampled_ns = now_ns;
    if (thread->pending != 0) {
        op_pending *last = &target->pending.items[thread->pending - 1];
        if (last->node == node && last->state == state) {
            last->count++;
            last->end_ns = now_ns;
            last->weight_ns += weight_ns;
            return OP_OK;
        }
    }
    op_pending *run = OP_VECTOR_PUSH(&target->pending);
    if (run == NULL)
        return OP_NO_MEMORY;
    *run = (op_pending){index, node, state, 1, start_ns, now_ns, weight_ns};
    thread->pending = target->pending.count;
    return OP_OK;
}

static op_frame_kind kind_of_raw(const op_raw_frame *frame)
{
    switch ((op_raw_kind)frame->kind) {
    case OP_RAW_CODE: return OP_FRAME_PYTHON;
    case OP_RAW_TRUNCATED: return OP_FRAME_TRUNCATED;
    case OP_RAW_UNPROVEN: return OP_FRAME_UNPROVEN;
    case OP_RAW_UNREADABLE: break;
    }
    return OP_FRAME_UNREADABLE;
}

// The node of a stack given leaf first. What it shares with the thread's last stack, from the root, is not looked up.
static uint32_t node_of(op_target *target, op_target_thread *thread, const op_raw_frame *frames, size_t count)
{
    size_t shared = 0;
    while (shared < count && shared < thread->path.count &&
           memcmp(&thread->raw.items[shared], &frames[count - 1 - shared], sizeof *frames) == 0)
        shared++;
    uint32_t node = shared > 0 ? thread->path.items[shared - 1] : 0;
    thread->path.count = thread->raw.count = shared;
    for (size_t i = shared; i < count; i++) {
        const op_raw_frame *frame = &frames[count - 1 - i];
        node = op_stack_tree_add(&target->tree, node, kind_of_raw(frame), frame->code, frame->offset);
        uint32_t *slot = node == 0 ? NULL : OP_VECTOR_PUSH(&thread->path);
        op_raw_frame *raw = slot == NULL ? NULL : OP_VECTOR_PUSH(&thread->raw);
        if (raw == NULL) {
            thread->path.count = thread->raw.count = 0;
            return 0;
        }
        *slot = node;
        *raw = *frame;
    }
    return node;
}

// Before 3.11 a thread state does not name its thread, and a new thread may have come in the place of an old one.
static bool is_still_the_same(op_target *target, const op_target_thread *thread)
{
    const op_python_thread *python = &thread->walk.thread;
    return python->tid == 0 || op_thread_id_read(&target->runtime, python->thread_id) == python->tid;
}

static op_status sample_thread(op_target *target, uint32_t index, int64_t now_ns, uint64_t tick_ns)
{
    op_target_thread *thread = target->threads.items[index];
    const op_raw_frame *frames = NULL;
    size_t count = 0;
    uint32_t node = 0;
    op_record_stats *stats = target->stats;
    stats->asked++;
    op_status status = op_walk(target->walker, &thread->walk, now_ns, &frames, &count);
    if (status == OP_NO_MEMORY || status == OP_NO_PERMISSION) {
        return status;
    } else if (status == OP_UNREADABLE) {
        stats->given_up++;
        stats->unreadable++;
        node = op_stack_tree_add(&target->tree, 0, OP_FRAME_UNREADABLE, 0, 0);
    } else if (status != OP_OK) {
        // The thread ended, or the program exec'ed: what there is to see is found by the next listing.
        stats->asked--;
        thread->sampled_ns = 0;
        thread->idle = true;
        target->list_ns = target->list_ns == 0 ? 0 : target->list_ns - MS * 250;
        if (target->found_failing_ns == 0)
            target->found_failing_ns = now_ns;
        return OP_OK;
    } else if (target->runtime.minor < 11 && !is_still_the_same(target, thread)) {
        stats->asked--;
        thread->sampled_ns = 0;
        thread->idle = true;
        target->threads_head = 0;
        return OP_OK;
    } else if (count == 0) {
        if (thread->walk.thread.state.value != target->glance.holder.value) {
            stats->asked--;
            return OP_OK;   // a thread that runs no Python now
        }
        node = op_stack_tree_add(&target->tree, 0, OP_FRAME_NATIVE, 0, 0);
    } else {
        if (frames[0].kind == OP_RAW_UNPROVEN)
            stats->unproven++;
        if (frames[count - 1].kind == OP_RAW_TRUNCATED || frames[0].kind == OP_RAW_TRUNCATED)
            stats->truncated++;
        node = node_of(target, thread, frames, count);
        target->found_failing_ns = 0;
    }
    if (node != 0 && thread->collecting)
        node = op_stack_tree_add(&target->tree, node, OP_FRAME_GC, 0, 0);
    if (node == 0) {
        stats->lost++;
        return OP_OK;
    }
    stats->samples++;
    return add_pending(target, index, node, OP_STATE_RUNNING, now_ns, tick_ns);
}

// An idle thread's stack, with <idle> on top; read once, for it does not move.
static op_status sample_idle(op_target *target, uint32_t index, int64_t now_ns, uint64_t tick_ns)
{
    op_target_thread *thread = target->threads.items[index];
    if (thread->idle_node == 0) {
        const op_raw_frame *frames = NULL;
        size_t count = 0;
        if (op_walk(target->walker, &thread->walk, now_ns, &frames, &count) != OP_OK || count == 0)
            return OP_OK;
        uint32_t node = node_of(target, thread, frames, count);
        thread->idle_node = node == 0 ? 0 : op_stack_tree_add(&target->tree, node, OP_FRAME_IDLE, 0, 0);
        if (thread->idle_node == 0)
            return OP_OK;
    }
    target->stats->asked++;
    target->stats->samples++;
    // Nobody runs it: its code objects are held by its frames, so its stack stays true unchecked.
    return add_pending(target, index, thread->idle_node, OP_STATE_WAITING, now_ns, tick_ns);
}

// Whether the thread runs, or has run since the last look. The holder of the GIL runs; others are asked of the kernel.
static void look_at_thread(op_target *target, op_target_thread *thread, int64_t now_ns)
{
    bool cpu_mode = target->options->mode == OP_MODE_CPU;
    bool holds = thread->walk.thread.state.value == target->glance.holder.value;
    thread->collecting = target->glance.collecting && holds;
    if (thread->clock.schedstat_fd < 0) {
        thread->idle = !holds && target->glance.holder.value != 0;
        return;
    }
    if (holds && !cpu_mode) {
        thread->idle = false;
        thread->backoff_ns = 0;
        return;
    }
    if (thread->idle && now_ns - thread->looked_ns < thread->backoff_ns)
        return;
    thread->looked_ns = now_ns;
    uint64_t run_ns = thread->run_ns, slices = thread->slices;
    char state = 'S';
    if (op_thread_clock_read(&thread->clock, &run_ns, &slices) != OP_OK) {
        thread->idle = true;
        thread->backoff_ns = BACKOFF_MAX_NS;
        return;
    }
    bool moved = run_ns != thread->run_ns || slices != thread->slices;
    thread->run_ns = run_ns;
    thread->slices = slices;
    if (thread->idle && !moved) {
        thread->backoff_ns = thread->backoff_ns * 2 < BACKOFF_MAX_NS ? thread->backoff_ns * 2 : BACKOFF_MAX_NS;
        return;
    }
    if (op_thread_clock_state(&thread->clock, &state) != OP_OK)
        state = 'S';
    bool was_idle = thread->idle;
    thread->idle = state != 'R';
    if (thread->idle) {
        thread->backoff_ns = BACKOFF_MIN_NS;
        thread->sampled_ns = 0;
        thread->idle_node = 0;
    } else if (was_idle) {
        thread->sampled_ns = 0;
    }
}

static void look(op_target *target, int64_t now_ns)
{
    target->look_ns = now_ns;
    if (op_glance_read(&target->runtime, target->runtime.interpreter, &target->glance) != OP_OK)
        target->glance.holder.value = 0;
    for (size_t i = 0; i < target->threads.count; i++)
        look_at_thread(target, target->threads.items[i], now_ns);
}

op_status op_target_sample(op_target *target, int64_t now_ns, uint64_t tick_ns)
{
    if (!target->attached)
        return OP_OK;
    if (now_ns - target->look_ns >= LOOK_INTERVAL_NS)
        look(target, now_ns);
    for (size_t i = 0; i < target->threads.count; i++) {
        op_target_thread *thread = target->threads.items[i];
        op_status status = OP_OK;
        if (!thread->idle)
            status = sample_thread(target, (uint32_t)i, now_ns, tick_ns);
        else if (target->options->include_idle)
            status = sample_idle(target, (uint32_t)i, now_ns, tick_ns);
        if (status != OP_OK)
            return status;
    }
    return OP_OK;
}

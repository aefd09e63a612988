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
// An idle thread that wakes is noticed at most so late as these two together.
#define BACKOFF_MAX_NS (15 * MS)
#define ASK_INTERVAL_NS (5 * MS)

enum {
    ASK_MIN_IDLE = 8,   // fewer are looked at one by one
    ASK_TRIES = 3,      // while ticks of the kernel fall in between
};

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
    if (thread->idle && (now_ns - thread->looked_ns < thread->backoff_ns || thread->looked_ns >= target->woke_ns))
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

static bool run_time_of_active(op_target *target, uint64_t *run_ns)
{
    uint64_t thread_ns = 0, slices;
    *run_ns = 0;
    for (size_t i = 0; i < target->active.count; i++) {
        if (op_thread_clock_read(&target->threads.items[target->active.items[i]]->clock, &thread_ns, &slices) !=
            OP_OK)
            return false;
        *run_ns += thread_ns;
    }
    return true;
}

// Whether an idle thread may have run since the last question. The process is asked, in place of each of them: where it
// has run no longer than its active threads, none did.
static bool idle_may_have_run(op_target *target)
{
    uint64_t before_ns, process_ns, after_ns;
    for (int i = 0; i < ASK_TRIES; i++) {
        if (!run_time_of_active(target, &before_ns) || op_process_clock_read(target->pid, &process_ns) != OP_OK ||
            !run_time_of_active(target, &after_ns))
            return true;
        if (before_ns != after_ns)
            continue;   // brought up to date in between
        uint64_t others_ns = process_ns - after_ns - target->idle_run_ns;
        bool moved = others_ns != target->others_ns;
        target->others_ns = others_ns;
        return moved;
    }
    return true;
}

// Looks at all threads, and lists the active ones anew.
static bool look_at_all(op_target *target, int64_t now_ns)
{
    target->active.count = 0;
    target->idle_run_ns = 0;
    for (size_t i = 0; i < target->threads.count; i++) {
        op_target_thread *thread = target->threads.items[i];
        look_at_thread(target, thread, now_ns);
        uint32_t *slot = thread->idle ? NULL : OP_VECTOR_PUSH(&target->active);
        if (slot != NULL)
            *slot = (uint32_t)i;
        else if (thread->idle)
            target->idle_run_ns += thread->run_ns;
        else
            return false;
    }
    return true;
}

static void look_at_active(op_target *target, int64_t now_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < target->active.count; i++) {
        op_target_thread *thread = target->threads.items[target->active.items[i]];
        look_at_thread(target, thread, now_ns);
        if (thread->idle)
            target->idle_run_ns += thread->run_ns;
        else
            target->active.items[kept++] = target->active.items[i];
    }
    target->active.count = kept;
}

static bool holder_is_active(const op_target *target)
{
    bool found = target->glance.holder.value == 0;
    for (size_t i = 0; i < target->active.count && !found; i++)
        found = target->threads.items[target->active.items[i]]->walk.thread.state.value ==
                target->glance.holder.value;
    return found;
}

static op_status look(op_target *target, int64_t now_ns)
{
    size_t active = target->active.count, idle = target->threads.count - active;
    target->look_ns = now_ns;
    if (op_glance_read(&target->runtime, target->runtime.interpreter, &target->glance) != OP_OK)
        target->glance.holder.value = 0;
    if (target->relisted || idle < ASK_MIN_IDLE || idle < active) {
        target->woke_ns = now_ns;
    } else if (now_ns - target->asked_ns >= ASK_INTERVAL_NS) {
        target->asked_ns = now_ns;
        if (idle_may_have_run(target))
            target->woke_ns = now_ns;
    }
    target->relisted = false;
    // Until all idle threads were looked at since.
    if (now_ns - target->woke_ns <= BACKOFF_MAX_NS || !holder_is_active(target))
        return look_at_all(target, now_ns) ? OP_OK : OP_NO_MEMORY;
    look_at_active(target, now_ns);
    return OP_OK;
}

op_status op_target_sample(op_target *target, int64_t now_ns, uint64_t tick_ns)
{
    op_status status = OP_OK;
    if (!target->attached)
        return OP_OK;
    if (target->relisted || now_ns - target->look_ns >= LOOK_INTERVAL_NS)
        status = look(target, now_ns);
    for (size_t i = 0; i < target->active.count && status == OP_OK; i++)
        if (!target->threads.items[target->active.items[i]]->idle)
            status = sample_thread(target, target->active.items[i], now_ns, tick_ns);
    for (size_t i = 0; i < target->threads.count && target->options->include_idle && status == OP_OK; i++)
        if (target->threads.items[i]->idle)
            status = sample_idle(target, (uint32_t)i, now_ns, tick_ns);
    return status;
}

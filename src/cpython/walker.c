// SPDX-License-Identifier: MIT
// The walk from 3.11 on. Invariants:
//  W1 A frame is reported as a caller only where the copy shows it suspended at an instruction that can have called
//     the frame above it.
//  W2 Whatever is not proven by one copy (an edge whose specialisation names another function, frames that were read
//     apart) is proven by a second copy that shows the same, or cut, or labelled.
//  W3 An address names nothing by itself: memory of the data stack is used again at once. Only content counts.
//  W4 Two neighbours of one copy that disagree about the call between them are of two moments: the copy is taken again
//     (walker_call.c).
#include <string.h>

#include "cpython/walker_private.h"

enum {
    DISCOVER_TRIES = 6,   // reads that may learn new addresses before frames read apart are accepted
    MOVING_CHUNKS = 3,    // newest ones that a recursion may enter and leave while it is copied
    TORN_TRIES = 3,       // copies that were too small before the stack is climbed from its root as far as they go
};

// For a chain that was cut off while it was copied: climbs the data stack of the copy from its root, frame by frame, as far
// as each can have called the next; what that does not prove is left to the cut. Views become leaf first.
static bool climb(op_walker *walker, op_walk_thread *thread, const op_walk_copy *view, int64_t now_ns)
{
    const op_layout *layout = &walker->runtime->layout;
    walker->views.count = 0;
    size_t cursor = view->chunk_count - 1;
    for (size_t chunk = view->chunk_count; chunk-- > 0;) {
        uint64_t start = thread->chunks[chunk];
        uint64_t address = start + (uint64_t)layout->chunk_data + (chunk + 1 == view->chunk_count ? 8 : 0);
        uint64_t end = chunk == 0 ? view->top : start + OP_CHUNK_BYTES;
        while (address + op_walk_frame_bytes(walker) <= end && walker->views.count < OP_WALK_MAX_FRAMES) {
            op_frame_view frame;
            if (!op_walk_find(walker, thread, view, address, &cursor, &frame) || frame.outside)
                break;
            if (!op_walk_stands(walker, &frame, now_ns, false))
                break;
            if (walker->views.count > 0) {
                const op_frame_view *caller = &walker->views.items[walker->views.count - 1];
                if (!op_walk_leads_to(walker, thread, view, &frame, caller))
                    break;
                op_edge_verdict verdict = op_walk_judge_edge(walker, caller, &frame, now_ns);
                if (verdict != OP_EDGE_POSSIBLE && verdict != OP_EDGE_UNSURE)
                    break;
            }
            op_frame_view *slot = OP_VECTOR_PUSH(&walker->views);
            if (slot == NULL)
                return false;
            *slot = frame;
            address += (uint64_t)op_codes_entry(walker->codes, frame.code)->identity.framesize_words * 8;
        }
    }
    for (size_t i = 0, k = walker->views.count; i + 1 < k; i++) {
        op_frame_view swap = walker->views.items[--k];
        walker->views.items[k] = walker->views.items[i];
        walker->views.items[i] = swap;
    }
    return walker->views.count > 0;
}

static bool remember(op_walker *walker, op_walk_thread *thread, size_t leaf)
{
    size_t depth = walker->views.count - leaf;
    while (thread->verified.capacity < depth)
        if (!op_vector_grow((void **)(void *)&thread->verified.items, &thread->verified.capacity,
                            thread->verified.capacity, sizeof *thread->verified.items))
            return false;
    for (size_t i = 0; i < depth; i++) {
        const op_frame_view *view = &walker->views.items[walker->views.count - 1 - i];
        thread->verified.items[i] = *view;
        if (i == 0 || !view->enters || view->previous == 0 || walker->runtime->minor < 12)
            continue;
        if (thread->shims_low == 0 || view->previous < thread->shims_low)
            thread->shims_low = view->previous;
        if (view->previous > thread->shims_high)
            thread->shims_high = view->previous;
    }
    thread->verified.count = depth;
    return true;
}

static bool emit(op_walker *walker, size_t leaf, bool proven, bool truncated)
{
    walker->frames.count = 0;
    bool ok = proven || op_walk_push(walker, OP_RAW_UNPROVEN, 0, 0);
    for (size_t i = leaf; i < walker->views.count; i++)
        ok = ok && (op_walk_is_init_shim(walker, &walker->views.items[i]) ||
                    op_walk_push(walker, OP_RAW_CODE, walker->views.items[i].code, walker->views.items[i].offset));
    return ok && (!truncated || op_walk_push(walker, OP_RAW_TRUNCATED, 0, 0));
}

// Extras that this walk did not use are no longer predicted.
static void keep_used_extras(op_walker *walker, op_walk_thread *thread)
{
    // Shims are not among the views, so count how often they could have been used: keep while the list is short.
    if (thread->extras.count <= 4 + 2 * walker->views.count && thread->extras.count <= OP_WALK_MAX_EXTRAS / 2)
        return;
    thread->extras.count = 0;
}

// The last resort for a deep stack that grows and shrinks faster than it can be copied: the chunks below the newest ones
// hold still. What stood above them is missing, and that is said by <truncated> in its place.
static op_status walk_lower_chunks(op_walker *walker, op_walk_thread *thread, int64_t now_ns)
{
    op_walk_copy view;
    uint64_t ticks = 0;
    memset(&view, 0, sizeof view);
    if (thread->chunk_count <= MOVING_CHUNKS)
        return OP_UNREADABLE;
    thread->chunk_count -= MOVING_CHUNKS;
    memmove(thread->chunks, thread->chunks + MOVING_CHUNKS, thread->chunk_count * sizeof *thread->chunks);
    thread->used_bytes = OP_CHUNK_BYTES;
    thread->extras.count = 0;
    if (!op_walk_lay_out(walker, thread, &view) || op_walk_read(walker, &ticks) != OP_OK)
        return OP_UNREADABLE;
    view.top = thread->chunks[0] + OP_CHUNK_BYTES;
    size_t leaf = 0;
    if (!climb(walker, thread, &view, now_ns) || !op_walk_cut(walker, thread, now_ns, &leaf))
        return OP_UNREADABLE;
    walker->frames.count = 0;
    bool ok = op_walk_push(walker, OP_RAW_TRUNCATED, 0, 0);
    for (size_t i = leaf; i < walker->views.count && ok; i++)
        ok = op_walk_push(walker, OP_RAW_CODE, walker->views.items[i].code, walker->views.items[i].offset);
    thread->verified.count = 0;
    return ok ? OP_OK : OP_NO_MEMORY;
}

static op_status walk_chunks(op_walker *walker, op_walk_thread *thread, int64_t now_ns)
{
    int discoveries = 0, torn = 0;
    for (int try = 0; try < OP_WALK_MAX_TRIES; try++) {
        op_walk_copy view;
        op_attempt result = op_walk_attempt(walker, thread, &view);
        if (result == OP_ATTEMPT_EMPTY) {
            walker->frames.count = 0;
            return OP_OK;
        }
        if (result == OP_ATTEMPT_LOST)
            return OP_BAD_DATA;
        if (result == OP_ATTEMPT_INTERRUPTED) {
            walker->stats.interrupted++;
            continue;
        }
        size_t leaf = 0;
        if (view.fits && (result == OP_ATTEMPT_TORN || (result == OP_ATTEMPT_AGAIN && ++torn >= TORN_TRIES)) &&
            climb(walker, thread, &view, now_ns)) {
            result = OP_ATTEMPT_DONE;
            view.patched = false;
        }
        if (result == OP_ATTEMPT_AGAIN) {
            walker->stats.mispredicted++;
            continue;
        }
        if (result == OP_ATTEMPT_TORN) {
            walker->stats.torn++;
            if (thread->extras.count > 64)
                thread->extras.count = 0;
            continue;
        }
        if (view.patched && discoveries++ < DISCOVER_TRIES) {
            walker->stats.mispredicted++;
            continue;
        }
        if (!op_walk_cut(walker, thread, now_ns, &leaf)) {
            walker->stats.torn++;
            continue;
        }
        bool proven = walker->disagreements <= OP_DISAGREE_TRIES &&
                      (!view.patched || op_walk_confirm(walker, thread, leaf, walker->views.count - 1, false));
        if (!view.patched && !op_walk_extend(walker, thread, &view, now_ns, &leaf))
            return OP_NO_MEMORY;
        keep_used_extras(walker, thread);
        return remember(walker, thread, leaf) && emit(walker, leaf, proven, view.truncated) ? OP_OK : OP_NO_MEMORY;
    }
    op_status status = walk_lower_chunks(walker, thread, now_ns);
    if (status == OP_UNREADABLE)
        walker->stats.given_up++;
    return status;
}

op_status op_walk(op_walker *walker, op_walk_thread *thread, int64_t now_ns, const op_raw_frame **frames,
                  size_t *count)
{
    walker->stats.walks++;
    walker->disagreements = 0;
    walker->thread = thread;
    walker->frames.count = 0;
    op_status status = walker->runtime->minor >= 11 ? walk_chunks(walker, thread, now_ns)
                                                    : op_walk_objects(walker, thread, now_ns);
    if (status != OP_OK)
        return status;
    *frames = walker->frames.items;
    *count = walker->frames.count;
    return OP_OK;
}

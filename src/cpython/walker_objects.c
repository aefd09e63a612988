// SPDX-License-Identifier: MIT
// The walk for 3.8 to 3.10, where a frame is an object of its own, linked by f_back.
//
// One read takes the thread's head and the frames that the last walk met; a second read of the same shows which of them
// were alive all the time. A chain on which both agree is proven. Where the target is too fast for that, the part
// nearest the root that both copies share is: each of its frames was there before and after. The stack ends at the last
// such frame, as it would a moment later or earlier.
#include <string.h>

#include "cpython/walker_private.h"

enum {
    AGREE_TRIES = 8,   // for a chain on which both copies agree wholly
    FRAME_MAX_BYTES = 512,
    PREDICTED_MAX = 6000,   // frames that one read takes along
    STATE_EXECUTING = 0,    // enum _framestate, 3.10
    TORN_TRIES = 4,         // chains that lead nowhere before what is left of the last one is taken
    SEARCHES_MAX = 256,     // of the whole prediction, in one walk
};

typedef struct {
    size_t frame_bytes, head_bytes, predicted;
} object_copy;

static size_t needed_frame_bytes(const op_layout *layout)
{
    int32_t last = layout->pyframe_back;
    if (layout->pyframe_code > last)
        last = layout->pyframe_code;
    if (layout->pyframe_lasti > last)
        last = layout->pyframe_lasti;
    if (layout->pyframe_state > last)
        last = layout->pyframe_state;
    if (layout->pyframe_executing > last)
        last = layout->pyframe_executing;
    return (size_t)last + 8;
}

static void peek_frame(const op_walker *walker, const unsigned char *at, uint64_t address, op_frame_view *out)
{
    const op_layout *layout = &walker->runtime->layout;
    memset(out, 0, sizeof *out);
    out->address = address;
    out->previous = op_peek_u64(at + layout->pyframe_back);
    out->code_address = op_peek_u64(at + layout->pyframe_code);
    // A frame that was left keeps its links for a while, or has lost them; but it no longer executes.
    out->left = layout->minor >= 10 ? (signed char)at[layout->pyframe_state] != STATE_EXECUTING
                                    : at[layout->pyframe_executing] == 0;
    int32_t lasti = op_peek_i32(at + layout->pyframe_lasti);
    out->offset = walker->runtime->minor >= 10 && lasti > 0 && lasti < INT32_MAX / 2 ? lasti * 2 : lasti;
}

// Takes one copy and follows the chain into `views`, leaf first. Frames that were not predicted are read apart.
static op_status take_chain(op_walker *walker, op_walk_thread *thread, op_frame_view **views, size_t *count,
                            bool *truncated)
{
    const op_layout *layout = &walker->runtime->layout;
    size_t frame_bytes = needed_frame_bytes(layout);
    size_t head =
        (size_t)(layout->thread_frame > layout->thread_interp ? layout->thread_frame : layout->thread_interp) + 8;
    size_t predicted = thread->extras.count < PREDICTED_MAX ? thread->extras.count : PREDICTED_MAX;
    if (frame_bytes > FRAME_MAX_BYTES || head > sizeof walker->head ||
        !op_walk_reserve(&walker->copy, &walker->copy_bytes, predicted * frame_bytes + 1))
        return OP_NO_MEMORY;
    walker->spans.count = 0;
    if (!op_walk_add_span(walker, thread->thread.state.value, walker->head, head))
        return OP_NO_MEMORY;
    for (size_t i = 0; i < predicted; i++)
        if (!op_walk_add_span(walker, thread->extras.items[i], walker->copy + i * frame_bytes, frame_bytes))
            return OP_NO_MEMORY;
    uint64_t ticks = 0;
    walker->stats.tries++;
    op_status status = op_walk_read(walker, &ticks);
    if (status != OP_OK) {
        if (predicted == 0 || status != OP_UNREADABLE)
            return OP_BAD_DATA;
        thread->extras.count = 0;   // a predicted frame lies in memory that is gone
        return take_chain(walker, thread, views, count, truncated);
    }
    if (op_peek_u64(walker->head + layout->thread_interp) != thread->thread.interpreter.value)
        return OP_BAD_DATA;
    uint64_t address = op_peek_u64(walker->head + layout->thread_frame);
    walker->views.count = 0;
    size_t cursor = 0, searches = 0;
    for (size_t depth = 0; address != 0; depth++) {
        if (depth >= OP_WALK_MAX_FRAMES) {
            *truncated = true;
            break;
        }
        // The chain differs from the last one near the leaf; once it meets the last one, it goes along with it.
        const unsigned char *at = NULL;
        unsigned char apart[FRAME_MAX_BYTES];
        if (cursor < predicted && thread->extras.items[cursor] == address) {
            at = walker->copy + cursor++ * frame_bytes;
        } else if (searches < SEARCHES_MAX) {
            searches++;
            for (size_t i = 0; i < predicted && at == NULL; i++)
                if (thread->extras.items[i] == address) {
                    at = walker->copy + i * frame_bytes;
                    cursor = i + 1;
                }
        }
        if (at == NULL) {
            if ((address & 7) != 0 ||
                op_memory_read(walker->runtime->memory, (op_addr){address}, apart, frame_bytes) != OP_OK)
                return OP_UNREADABLE;
            at = apart;
        }
        op_frame_view *slot = OP_VECTOR_PUSH(&walker->views);
        if (slot == NULL)
            return OP_NO_MEMORY;
        peek_frame(walker, at, address, slot);
        address = slot->previous;
        if (slot->left && walker->views.count > 1)
            return OP_UNREADABLE;
        if (slot->left)
            walker->views.count = 0;   // the top is being entered or left
    }
    *views = walker->views.items;
    *count = walker->views.count;
    return OP_OK;
}

static bool predict(op_walk_thread *thread, const op_frame_view *views, size_t count)
{
    while (thread->extras.capacity < count)
        if (!op_vector_grow((void **)(void *)&thread->extras.items, &thread->extras.capacity,
                            thread->extras.capacity, sizeof *thread->extras.items))
            return false;
    for (size_t i = 0; i < count; i++)
        thread->extras.items[i] = views[i].address;
    thread->extras.count = count;
    return true;
}

static bool frame_is_sound(op_walker *walker, op_frame_view *frame, int64_t now_ns)
{
    frame->code = op_codes_see(walker->codes, (op_addr){frame->code_address}, 0, now_ns);
    const op_code_entry *entry = op_codes_entry(walker->codes, frame->code);
    return entry != NULL && frame->offset >= -1 &&
           (entry->identity.bytecode_bytes <= 0 || frame->offset < entry->identity.bytecode_bytes);
}

// How many frames, counted from the root, both chains share; the last of them may have moved on within its code.
static size_t shared_depth(const op_frame_view *a, size_t a_count, const op_frame_view *b, size_t b_count)
{
    size_t shared = 0;
    while (shared < a_count && shared < b_count) {
        const op_frame_view *x = &a[a_count - 1 - shared], *y = &b[b_count - 1 - shared];
        if (x->address != y->address || x->code_address != y->code_address || x->previous != y->previous)
            break;
        shared++;
        if (x->offset != y->offset)
            break;
    }
    return shared;
}

// The frames of the last chain as one copy shows them now, leaf first.
static op_status copy_last_chain(op_walker *walker, const op_walk_thread *thread, op_frame_view *out)
{
    size_t frame_bytes = needed_frame_bytes(&walker->runtime->layout), count = thread->extras.count;
    uint64_t ticks = 0;
    if (!op_walk_reserve(&walker->copy, &walker->copy_bytes, count * frame_bytes + 1))
        return OP_NO_MEMORY;
    walker->spans.count = 0;
    for (size_t i = 0; i < count; i++)
        if (!op_walk_add_span(walker, thread->extras.items[i], walker->copy + i * frame_bytes, frame_bytes))
            return OP_NO_MEMORY;
    op_status status = op_walk_read(walker, &ticks);
    for (size_t i = 0; i < count && status == OP_OK; i++)
        peek_frame(walker, walker->copy + i * frame_bytes, thread->extras.items[i], &out[i]);
    return status;
}

// For a target that never holds still: the frames nearest the root of the last chain that two copies show linked as they
// were. Each of them was alive all the time between.
static op_status climb_last_chain(op_walker *walker, op_walk_thread *thread, int64_t now_ns)
{
    size_t count = thread->extras.count;
    if (count == 0)
        return OP_UNREADABLE;
    while (thread->verified.capacity < 2 * count)
        if (!op_vector_grow((void **)(void *)&thread->verified.items, &thread->verified.capacity,
                            thread->verified.capacity, sizeof *thread->verified.items))
            return OP_NO_MEMORY;
    op_frame_view *first = thread->verified.items, *second = first + count;
    op_status status = copy_last_chain(walker, thread, first);
    if (status == OP_OK)
        status = copy_last_chain(walker, thread, second);
    if (status != OP_OK)
        return status == OP_NO_MEMORY ? status : OP_UNREADABLE;
    size_t leaf = count;
    while (leaf > 0) {
        const op_frame_view *a = &first[leaf - 1], *b = &second[leaf - 1];
        uint64_t below = leaf == count ? 0 : thread->extras.items[leaf];
        if (a->left || b->left || a->previous != below || b->previous != below ||
            a->code_address != b->code_address)
            break;
        leaf--;
        if (a->offset != b->offset)
            break;   // it ran: what the copies show above it need not be its callee
    }
    if (leaf == count)
        return OP_UNREADABLE;
    walker->frames.count = 0;
    for (size_t i = leaf; i < count; i++)
        if (!frame_is_sound(walker, &first[i], now_ns))
            return OP_UNREADABLE;
        else if (!op_walk_push(walker, OP_RAW_CODE, first[i].code, first[i].offset))
            return OP_NO_MEMORY;
    walker->stats.cuts++;
    return OP_OK;
}

op_status op_walk_objects(op_walker *walker, op_walk_thread *thread, int64_t now_ns)
{
    op_frame_view *views = NULL;
    size_t count = 0;
    int agree = 0;
    int torn = 0;
    for (int try = 0; try < OP_WALK_MAX_TRIES; try++) {
        bool truncated = false;
        op_status status = torn >= TORN_TRIES ? climb_last_chain(walker, thread, now_ns) : OP_UNREADABLE;
        if (status != OP_UNREADABLE)
            return status;
        status = take_chain(walker, thread, &views, &count, &truncated);
        if (status == OP_UNREADABLE) {
            walker->stats.torn++;
            torn++;
            continue;
        }
        if (status != OP_OK)
            return status;
        if (count == 0)
            return OP_OK;
        // The first copy is kept in `verified`, leaf first, while the second is taken.
        while (thread->verified.capacity < count)
            if (!op_vector_grow((void **)(void *)&thread->verified.items, &thread->verified.capacity,
                                thread->verified.capacity, sizeof *thread->verified.items))
                return OP_NO_MEMORY;
        memcpy(thread->verified.items, views, count * sizeof *views);
        thread->verified.count = count;
        if (!predict(thread, views, count))
            return OP_NO_MEMORY;
        op_frame_view *again = NULL;
        size_t again_count = 0;
        status = take_chain(walker, thread, &again, &again_count, &truncated);
        if (status == OP_UNREADABLE) {
            walker->stats.torn++;
            torn++;
            continue;
        }
        if (status != OP_OK)
            return status;
        const op_frame_view *first = thread->verified.items;
        size_t shared = shared_depth(first, count, again, again_count);
        if (shared == 0 || ((shared < count || count != again_count) && ++agree < AGREE_TRIES)) {
            walker->stats.mispredicted++;
            continue;
        }
        if (shared < count)
            walker->stats.cuts++;
        size_t leaf = count - shared;
        walker->frames.count = 0;
        bool sound = true;
        for (size_t i = leaf; i < count && sound; i++) {
            op_frame_view *frame = &thread->verified.items[i];
            sound = frame_is_sound(walker, frame, now_ns);
            if (sound && !op_walk_push(walker, OP_RAW_CODE, frame->code, frame->offset))
                return OP_NO_MEMORY;
        }
        if (!sound) {
            walker->stats.torn++;
            torn++;
            continue;
        }
        if (truncated && !op_walk_push(walker, OP_RAW_TRUNCATED, 0, 0))
            return OP_NO_MEMORY;
        return OP_OK;
    }
    walker->stats.given_up++;
    return OP_UNREADABLE;
}

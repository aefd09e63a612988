// SPDX-License-Identifier: MIT
// One attempt of the walk from 3.11 on: what one read takes of a thread, and the chain of frames through that copy.
#include <string.h>

#include "cpython/walker_private.h"

enum {
    CHUNK_MAX_BYTES = 1 << 20,
    SLACK_BYTES = 512,   // read beyond the largest use seen lately
    APART_MAX = 512,     // frames read apart in one attempt
    EXTRA_BYTES = 256,   // of a frame outside that are copied behind its head: locals, stack
    PAGE_BYTES = 4096,
    STACK_MAX_WORDS = 1 << 20,
    LINE_BYTES =
        64,   // of a cache: chunks are pages of their own, and a copy that lies like them is loaded line by line
};

static size_t head_bytes(const op_layout *layout)
{
    const int32_t fields[] = {layout->thread_interp,        layout->thread_cframe,
                              layout->thread_current_frame, layout->thread_datastack_chunk,
                              layout->thread_datastack_top, layout->thread_native_thread_id};
    int32_t last = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i] > last)
            last = fields[i];
    return (size_t)last + 8;
}

static size_t extra_stride(const op_walker *walker)
{
    return op_walk_frame_bytes(walker) + EXTRA_BYTES;
}

// Not beyond the page: what lies there may be nobody's.
static size_t extra_bytes(const op_walker *walker, uint64_t address)
{
    size_t frame = op_walk_frame_bytes(walker), left = PAGE_BYTES - (size_t)(address % PAGE_BYTES);
    return left <= frame ? frame : left < extra_stride(walker) ? left : extra_stride(walker);
}

bool op_walk_lay_out(op_walker *walker, op_walk_thread *thread, op_walk_copy *view)
{
    const op_layout *layout = &walker->runtime->layout;
    view->head_bytes = head_bytes(layout);
    view->chunk_count = thread->chunk_count;
    view->extra_count = thread->extras.count;
    view->used_bytes = thread->used_bytes;
    size_t chunk_bytes = view->chunk_count == 0 ? 0 : view->used_bytes + (view->chunk_count - 1) * OP_CHUNK_BYTES;
    if (view->head_bytes > sizeof walker->head ||
        !op_walk_reserve(&walker->copy, &walker->copy_bytes,
                         OP_WALK_CFRAMES * 8 + LINE_BYTES + chunk_bytes + view->extra_count * extra_stride(walker)))
        return false;
    view->cframes = walker->copy;
    view->chunks = (unsigned char *)(((uintptr_t)walker->copy + OP_WALK_CFRAMES * 8 + LINE_BYTES - 1) &
                                     ~(uintptr_t)(LINE_BYTES - 1));
    view->extras = view->chunks + chunk_bytes;
    walker->spans.count = 0;
    bool ok = op_walk_add_span(walker, thread->thread.state.value, walker->head, view->head_bytes);
    for (size_t i = 0; i < OP_WALK_CFRAMES && thread->cframes[i] != 0; i++)
        ok = ok && op_walk_add_span(walker, thread->cframes[i] + (uint64_t)layout->cframe_current_frame,
                                    walker->copy + i * 8, 8);
    unsigned char *to = walker->copy + (view->chunks - walker->copy);
    for (size_t i = 0; i < view->chunk_count; i++) {
        size_t bytes = i == 0 ? view->used_bytes : OP_CHUNK_BYTES;
        ok = ok && op_walk_add_span(walker, thread->chunks[i], to, bytes);
        to += bytes;
    }
    for (size_t i = 0; i < view->extra_count; i++) {
        ok = ok &&
             op_walk_add_span(walker, thread->extras.items[i], to, extra_bytes(walker, thread->extras.items[i]));
        to += extra_stride(walker);
    }
    return ok;
}

// Follows the chunks from `newest` down by single reads, until it meets one that is known: what lies below that is as
// it was, or the next copy will tell.
static void find_chunks(op_walker *walker, op_walk_thread *thread, uint64_t newest)
{
    const op_layout *layout = &walker->runtime->layout;
    uint64_t found[64];
    size_t count = 0, known = thread->chunk_count;
    for (uint64_t chunk = newest; chunk != 0 && count < sizeof found / sizeof *found;) {
        for (known = 0; known < thread->chunk_count && thread->chunks[known] != chunk;)
            known++;
        if (known < thread->chunk_count)
            break;
        op_addr previous;
        found[count++] = chunk;
        if (op_memory_read_addr(walker->runtime->memory, (op_addr){chunk + (uint64_t)layout->chunk_previous},
                                &previous) != OP_OK)
            break;
        chunk = previous.value;
    }
    size_t kept = thread->chunk_count - known;
    if (kept > OP_WALK_MAX_CHUNKS - count)
        kept = OP_WALK_MAX_CHUNKS - count;
    memmove(thread->chunks + count, thread->chunks + known, kept * sizeof *found);
    memcpy(thread->chunks, found, count * sizeof *found);
    thread->chunk_count = count + kept;
}

static void predict_used(op_walk_thread *thread, uint64_t chunk, uint64_t top)
{
    thread->used_bytes = 1024;
    if (top > chunk && top - chunk < OP_CHUNK_BYTES)
        thread->used_bytes = (size_t)(top - chunk) + SLACK_BYTES;
    if (thread->used_bytes > OP_CHUNK_BYTES)
        thread->used_bytes = OP_CHUNK_BYTES;
}

// The newest chunk of the copy is no longer in use, but an older one that was copied too is the newest now.
static bool drop_chunks(op_walk_thread *thread, op_walk_copy *view, uint64_t chunk)
{
    size_t drop = 1;
    while (drop < view->chunk_count && thread->chunks[drop] != chunk)
        drop++;
    if (drop >= view->chunk_count)
        return false;
    view->chunks += view->used_bytes + (drop - 1) * OP_CHUNK_BYTES;
    view->chunk_count -= drop;
    view->used_bytes = OP_CHUNK_BYTES;
    thread->chunk_count -= drop;
    memmove(thread->chunks, thread->chunks + drop, thread->chunk_count * sizeof *thread->chunks);
    return true;
}

// The top frame as the thread's cframe names it. False: that was not predicted, and is for the next copy.
static bool top_of_cframe(op_walk_thread *thread, const op_walk_copy *view, uint64_t *current)
{
    size_t found = 0;
    while (found < OP_WALK_CFRAMES && thread->cframes[found] != 0 && thread->cframes[found] != thread->cframe)
        found++;
    bool predicted = found < OP_WALK_CFRAMES && thread->cframes[found] != 0;
    if (predicted)
        *current = op_peek_u64(view->cframes + found * 8);
    size_t moved = found < OP_WALK_CFRAMES ? found : OP_WALK_CFRAMES - 1;
    memmove(thread->cframes + 1, thread->cframes, moved * sizeof *thread->cframes);
    thread->cframes[0] = thread->cframe;
    return predicted;
}

// Whether the predicted chunks are those of the copy; mends the prediction where not.
static bool chunks_fit(op_walker *walker, op_walk_thread *thread, op_walk_copy *view, uint64_t *current)
{
    const op_layout *layout = &walker->runtime->layout;
    uint64_t chunk = op_peek_u64(walker->head + layout->thread_datastack_chunk);
    uint64_t top = op_peek_u64(walker->head + layout->thread_datastack_top);
    bool fits = true;
    if (layout->thread_cframe != OP_LAYOUT_NONE) {
        thread->cframe = op_peek_u64(walker->head + layout->thread_cframe);
        fits = thread->cframe == 0 || top_of_cframe(thread, view, current);
    } else {
        *current = op_peek_u64(walker->head + layout->thread_current_frame);
    }
    if (chunk == 0)
        return fits;
    if (view->chunk_count == 0 || chunk != thread->chunks[0]) {
        bool dropped = drop_chunks(thread, view, chunk);
        predict_used(thread, chunk, top);
        if (!dropped) {
            find_chunks(walker, thread, chunk);
            return false;
        }
    }
    if (top < chunk)
        return false;
    size_t used = (size_t)(top - chunk);
    if (used > view->used_bytes && view->used_bytes < OP_WALK_MAX_COPY_BYTES / 2) {
        uint64_t size = op_peek_u64(view->chunks + layout->chunk_size);
        size_t want = used + SLACK_BYTES < size ? used + SLACK_BYTES : (size_t)size;
        if (size <= OP_WALK_MAX_COPY_BYTES / 2 && want > view->used_bytes) {
            thread->used_bytes = want;
            fits = false;
        }   // else nonsense: what lies beyond is read apart
    } else if (used + SLACK_BYTES < thread->used_bytes) {
        thread->used_bytes -= (thread->used_bytes - used - SLACK_BYTES) / 64 & ~(size_t)7;
    }
    const unsigned char *at = view->chunks;
    for (size_t i = 0; i < view->chunk_count; i++) {
        uint64_t previous = op_peek_u64(at + layout->chunk_previous);
        uint64_t expected = i + 1 < view->chunk_count ? thread->chunks[i + 1] : 0;
        if (previous != expected && i + 1 < OP_WALK_MAX_CHUNKS) {
            thread->chunk_count = 0;
            find_chunks(walker, thread, chunk);
            return false;
        }
        at += i == 0 ? view->used_bytes : OP_CHUNK_BYTES;
    }
    view->fits = true;
    view->top = top;
    return fits;
}

// A part of the copy could not be read: a chunk or a frame that is gone. The head alone tells what is there now.
static op_attempt mend_after_hole(op_walker *walker, op_walk_thread *thread, const op_walk_copy *view)
{
    const op_layout *layout = &walker->runtime->layout;
    if (op_memory_read(walker->runtime->memory, thread->thread.state, walker->head, view->head_bytes) != OP_OK)
        return OP_ATTEMPT_LOST;
    uint64_t chunk = op_peek_u64(walker->head + layout->thread_datastack_chunk);
    thread->extras.count = 0;
    thread->cframe = layout->thread_cframe != OP_LAYOUT_NONE ? op_peek_u64(walker->head + layout->thread_cframe)
                                                             : 0;
    memset(thread->cframes, 0, sizeof thread->cframes);
    thread->cframes[0] = thread->cframe;
    if (chunk != 0 && thread->chunk_count > 0 && chunk == thread->chunks[0])
        thread->chunk_count = 0;   // the newest is there: an older one was not, which cannot be; learn all anew
    if (chunk != 0)
        find_chunks(walker, thread, chunk);
    else
        thread->chunk_count = 0;
    predict_used(thread, chunk, op_peek_u64(walker->head + layout->thread_datastack_top));
    return OP_ATTEMPT_AGAIN;
}

void op_walk_view_extra(const op_walker *walker, const op_walk_thread *thread, const op_walk_copy *view,
                        size_t number, op_frame_view *frame)
{
    const unsigned char *at = view->extras + number * extra_stride(walker);
    op_walk_view(walker, at, thread->extras.items[number], frame);
    frame->outside = true;
    frame->copied_at = (uint32_t)(at - walker->copy);
    frame->copied_bytes = (uint32_t)extra_bytes(walker, frame->address);
}

bool op_walk_find(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *view, uint64_t address,
                  size_t *cursor, op_frame_view *frame)
{
    size_t smallest = op_walk_frame_bytes(walker);
    for (size_t round = 0, i = *cursor; round < view->chunk_count; round++) {
        size_t bytes = i == 0 ? view->used_bytes : OP_CHUNK_BYTES;
        if (address >= thread->chunks[i] && address - thread->chunks[i] + smallest <= bytes) {
            size_t offset = (size_t)(address - thread->chunks[i]);
            const unsigned char *at = view->chunks + offset;
            at += i > 0 ? view->used_bytes + (i - 1) * OP_CHUNK_BYTES : 0;
            op_walk_view(walker, at, address, frame);
            frame->copied_at = (uint32_t)(at - walker->copy);
            frame->copied_bytes = (uint32_t)(bytes - offset);
            *cursor = i;
            return true;
        }
        if (++i == view->chunk_count)
            i = 0;
    }
    // Extras were met in the order of the chain.
    for (size_t round = 0, i = walker->next_extra; round < view->extra_count; round++, i++) {
        if (i >= view->extra_count)
            i = 0;
        if (thread->extras.items[i] != address)
            continue;
        op_walk_view_extra(walker, thread, view, i, frame);
        walker->next_extra = i + 1;
        return true;
    }
    return false;
}

void op_walk_view(const op_walker *walker, const unsigned char *at, uint64_t address, op_frame_view *out)
{
    const op_layout *layout = &walker->runtime->layout;
    memset(out, 0, sizeof *out);
    out->address = address;
    out->previous = op_peek_u64(at + layout->iframe_previous);
    out->code_address = op_peek_u64(at + layout->iframe_executable) & ~(uint64_t)3;
    out->function = op_peek_u64(at + layout->iframe_function) & ~(uint64_t)3;
    out->instruction = op_peek_u64(at + layout->iframe_instruction);
    if (walker->runtime->minor <= 13) {
        out->stack = op_peek_i32(at + layout->iframe_stack);
    } else {
        uint64_t words = (op_peek_u64(at + layout->iframe_stack) - address - op_walk_frame_bytes(walker)) / 8;
        out->stack = words <= STACK_MAX_WORDS ? (int32_t)words : OP_STACK_UNKNOWN;
    }
    out->owner = at[layout->iframe_owner];
    if (layout->iframe_is_entry != OP_LAYOUT_NONE)
        out->enters = at[layout->iframe_is_entry] != 0;
}

// Only generators' frames and shims lie outside the data stack, and frames of a chunk that is larger than most.
static bool may_lie_outside(const op_walker *walker, const op_walk_thread *thread, const op_frame_view *frame)
{
    if (frame->owner == OP_OWNED_BY_GENERATOR || op_walk_is_shim(walker, frame))
        return true;
    for (size_t i = 0; i < thread->chunk_count; i++)
        if (frame->address > thread->chunks[i] && frame->address - thread->chunks[i] < CHUNK_MAX_BYTES)
            return true;
    return false;
}

bool op_walk_leads_to(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *view,
                      op_frame_view *frame, const op_frame_view *caller)
{
    size_t cursor = 0;
    op_frame_view shim;
    // Up to 3.13 a frame that has not begun may still have the `previous` of the one that lay there before. Where it is called
    // by a frame of the data stack, that one tells.
    bool begun = walker->runtime->minor >= 14 || frame->stack == OP_STACK_RUNS || frame->offset > 0;
    if (frame->previous == caller->address)
        return begun || !caller->outside;
    if (!begun)
        return false;
    // Once it is known where shims lie, the copy of this one is not asked: it is taken last, and by then another may be in
    // its place.
    if (!op_walk_is_shim_address(thread, frame->previous) &&
        (!op_walk_find(walker, thread, view, frame->previous, &cursor, &shim) || !shim.outside ||
         !op_walk_is_shim(walker, &shim) || shim.previous != caller->address))
        return false;
    frame->enters = true;
    return true;
}

// Follows the chain through the copy. Frames that it does not hold are read apart and predicted for the next attempt.
static op_attempt follow_chain(op_walker *walker, op_walk_thread *thread, op_walk_copy *view, uint64_t current)
{
    const op_layout *layout = &walker->runtime->layout;
    uint64_t root = thread->chunk_count == 0
                        ? 0
                        : thread->chunks[thread->chunk_count - 1] + (uint64_t)layout->chunk_data + 8;
    uint64_t base = layout->thread_base_frame == OP_LAYOUT_NONE
                        ? 0
                        : thread->thread.state.value + (uint64_t)layout->thread_base_frame;
    unsigned char apart[512];
    size_t cursor = 0;
    walker->views.count = 0;
    size_t steps = 0, apart_count = 0;
    for (uint64_t address = current; address != 0 && address != base;) {
        if (++steps > 2 * OP_WALK_MAX_FRAMES || walker->views.count >= OP_WALK_MAX_FRAMES) {
            view->truncated = true;
            return OP_ATTEMPT_DONE;
        }
        op_frame_view frame;
        if (!op_walk_find(walker, thread, view, address, &cursor, &frame)) {
            if (op_walk_frame_bytes(walker) > sizeof apart || (address & 7) != 0 || ++apart_count > APART_MAX ||
                op_memory_read(walker->runtime->memory, (op_addr){address}, apart, op_walk_frame_bytes(walker)) !=
                    OP_OK)
                return OP_ATTEMPT_TORN;
            view->patched = true;
            op_walk_view(walker, apart, address, &frame);
            frame.outside = true;
            if (thread->extras.count < OP_WALK_MAX_EXTRAS) {
                uint64_t *extra = OP_VECTOR_PUSH(&thread->extras);
                if (extra == NULL)
                    return OP_ATTEMPT_TORN;
                *extra = address;
            }
        }
        if (frame.previous == address || (frame.outside && !may_lie_outside(walker, thread, &frame)))
            return OP_ATTEMPT_TORN;
        if (op_walk_is_shim(walker, &frame)) {
            if (walker->views.count > 0)
                walker->views.items[walker->views.count - 1].enters = true;
        } else {
            op_frame_view *slot = OP_VECTOR_PUSH(&walker->views);
            if (slot == NULL)
                return OP_ATTEMPT_TORN;
            *slot = frame;
            if (address == root)
                return OP_ATTEMPT_DONE;
        }
        address = frame.previous;
    }
    // The root is the lowest frame of the data stack: a chain that ends elsewhere was cut off while it was copied.
    size_t count = walker->views.count;
    if (count == 0 && !view->used)
        return OP_ATTEMPT_EMPTY;   // shims only, or 3.15's base frame: no Python code
    return count > 0 && (root == 0 || walker->views.items[count - 1].address == root) ? OP_ATTEMPT_DONE
                                                                                      : OP_ATTEMPT_TORN;
}

op_attempt op_walk_attempt(op_walker *walker, op_walk_thread *thread, op_walk_copy *view)
{
    memset(view, 0, sizeof *view);
    if (!op_walk_lay_out(walker, thread, view))
        return OP_ATTEMPT_TORN;
    size_t bytes = (size_t)(view->extras - walker->copy) + view->head_bytes +
                   view->extra_count * extra_stride(walker);
    uint64_t ticks = 0;
    op_status status = op_walk_read(walker, &ticks);
    walker->stats.tries++;
    if (status != OP_OK) {
        if (walker->spans.count == 1 || (status != OP_UNREADABLE))
            return OP_ATTEMPT_LOST;
        return mend_after_hole(walker, thread, view);
    }
    if (op_walk_was_interrupted(walker, bytes, walker->spans.count, ticks))
        return OP_ATTEMPT_INTERRUPTED;
    const op_layout *layout = &walker->runtime->layout;
    if (op_peek_u64(walker->head + layout->thread_interp) != thread->thread.interpreter.value)
        return OP_ATTEMPT_LOST;
    if (layout->thread_native_thread_id != OP_LAYOUT_NONE && thread->thread.tid != 0 &&
        (int64_t)op_peek_u64(walker->head + layout->thread_native_thread_id) != thread->thread.tid)
        return OP_ATTEMPT_LOST;
    uint64_t current = 0;
    if (!chunks_fit(walker, thread, view, &current))
        return OP_ATTEMPT_AGAIN;
    // 3.11 and 3.12 link a cframe before they fill it in: a top frame that the used data stack does not hold is none yet.
    view->used = view->fits && view->top > thread->chunks[view->chunk_count - 1] + (uint64_t)layout->chunk_data + 8;
    if (current == 0)
        return view->used ? OP_ATTEMPT_TORN : OP_ATTEMPT_EMPTY;
    if (view->fits && current >= view->top && current - thread->chunks[0] < OP_CHUNK_BYTES)
        return OP_ATTEMPT_TORN;
    return follow_chain(walker, thread, view, current);
}

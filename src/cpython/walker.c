// SPDX-License-Identifier: MIT
// The walk from 3.11 on. Invariants:
//  W1 A frame is reported as a caller only where the copy shows it suspended at an instruction that can have called
//     the frame above it.
//  W2 Whatever is not proven by one copy (an edge whose specialisation names another function, frames that were read
//     apart) is proven by a second copy that shows the same, or cut, or labelled.
//  W3 An address names nothing by itself: memory of the data stack is used again at once. Only content counts.
#include <string.h>

#include "base/clock.h"
#include "cpython/walker_private.h"

enum {
    CHUNK_BYTES = 16384,   // _PyStackChunk: DATA_STACK_CHUNK_SIZE; larger ones hold one large frame
    CHUNK_MAX_BYTES = 1 << 20,
    SLACK_BYTES = 512,        // read beyond the largest use seen lately
    OWNED_BY_GENERATOR = 1,   // enum _frameowner
    OWNED_BY_C = 3,           // and above: shims
    APART_MAX = 512,          // frames read apart in one attempt
    DISCOVER_TRIES = 6,       // reads that may learn new addresses before frames read apart are accepted
    MOVING_CHUNKS = 3,        // newest ones that a recursion may enter and leave while it is copied
    TORN_TRIES = 3,           // chains that lead nowhere before the stack is climbed from its root instead
    STACK_RUNS = -1,
    SLOTS_MAX_BYTES = 65536,   // of a frame's locals and stack
    EDGES_MAX = 1 << 20,
    EDGE_CONFIRMATIONS = 3,
    CONFIRM_TRIES = 8,    // of one second copy, while its read is interrupted
    CONFIRM_DEPTH = 12,   // callers below an edge that are confirmed with it
};
#define EDGE_CONFIRMED UINT32_MAX   // in place of a version

typedef enum {
    ATTEMPT_DONE,
    ATTEMPT_EMPTY,
    ATTEMPT_AGAIN,
    ATTEMPT_INTERRUPTED,
    ATTEMPT_TORN,
    ATTEMPT_LOST
} attempt_result;
typedef enum { EDGE_POSSIBLE, EDGE_IMPOSSIBLE, EDGE_UNSURE } edge_verdict;

// One attempt's copy: where each part lies in walker->copy.
typedef struct {
    size_t head_bytes;
    const unsigned char *cframe;
    const unsigned char *chunks;   // newest first, the newest with used_bytes, the others CHUNK_BYTES each
    const unsigned char *extras;   // iframe_bytes each
    size_t chunk_count, extra_count, used_bytes;
    uint64_t top;   // end of the used data stack when the head was read
    bool fits;      // the chunks are those of the head
    bool used;      // the data stack holds a frame
    bool patched;   // frames were read apart
    bool truncated;
} copy_view;

static size_t iframe_bytes(const op_walker *walker)
{
    return (size_t)walker->runtime->layout.iframe_localsplus;
}

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

static bool add_span(op_walker *walker, uint64_t from, void *to, size_t bytes)
{
    op_span *span = OP_VECTOR_PUSH(&walker->spans);
    if (span == NULL)
        return false;
    *span = (op_span){{from}, to, bytes};
    return true;
}

static bool reserve(unsigned char **block, size_t *have, size_t bytes)
{
    if (bytes <= *have)
        return true;
    if (bytes > OP_WALK_MAX_COPY_BYTES)
        return false;
    unsigned char *grown = op_resize(*block, bytes + bytes / 2, 1);
    if (grown == NULL)
        return false;
    *block = grown;
    *have = bytes + bytes / 2;
    return true;
}

static bool lay_out_spans(op_walker *walker, op_walk_thread *thread, copy_view *view)
{
    const op_layout *layout = &walker->runtime->layout;
    size_t frame = iframe_bytes(walker);
    view->head_bytes = head_bytes(layout);
    view->chunk_count = thread->chunk_count;
    view->extra_count = thread->extras.count;
    view->used_bytes = thread->used_bytes;
    size_t chunk_bytes = view->chunk_count == 0 ? 0 : view->used_bytes + (view->chunk_count - 1) * CHUNK_BYTES;
    if (view->head_bytes > sizeof walker->head ||
        !reserve(&walker->copy, &walker->copy_bytes, 16 + chunk_bytes + view->extra_count * frame))
        return false;
    view->cframe = walker->copy;
    view->chunks = walker->copy + 16;
    view->extras = view->chunks + chunk_bytes;
    walker->spans.count = 0;
    bool ok = add_span(walker, thread->thread.state.value, walker->head, view->head_bytes);
    if (thread->cframe != 0)
        ok = ok && add_span(walker, thread->cframe + (uint64_t)layout->cframe_current_frame, walker->copy, 8);
    unsigned char *to = walker->copy + 16;
    for (size_t i = 0; i < view->chunk_count; i++) {
        size_t bytes = i == 0 ? view->used_bytes : CHUNK_BYTES;
        ok = ok && add_span(walker, thread->chunks[i], to, bytes);
        to += bytes;
    }
    for (size_t i = 0; i < view->extra_count; i++) {
        ok = ok && add_span(walker, thread->extras.items[i], to, frame);
        to += frame;
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
    if (top > chunk && top - chunk < CHUNK_BYTES)
        thread->used_bytes = (size_t)(top - chunk) + SLACK_BYTES;
    if (thread->used_bytes > CHUNK_BYTES)
        thread->used_bytes = CHUNK_BYTES;
}

// The newest chunk of the copy is no longer in use, but an older one that was copied too is the newest now.
static bool drop_chunks(op_walk_thread *thread, copy_view *view, uint64_t chunk)
{
    size_t drop = 1;
    while (drop < view->chunk_count && thread->chunks[drop] != chunk)
        drop++;
    if (drop >= view->chunk_count)
        return false;
    view->chunks += view->used_bytes + (drop - 1) * CHUNK_BYTES;
    view->chunk_count -= drop;
    view->used_bytes = CHUNK_BYTES;
    thread->chunk_count -= drop;
    memmove(thread->chunks, thread->chunks + drop, thread->chunk_count * sizeof *thread->chunks);
    return true;
}

// Whether the predicted chunks are those of the copy; mends the prediction where not.
static bool chunks_fit(op_walker *walker, op_walk_thread *thread, copy_view *view, uint64_t *current)
{
    const op_layout *layout = &walker->runtime->layout;
    uint64_t chunk = op_peek_u64(walker->head + layout->thread_datastack_chunk);
    uint64_t top = op_peek_u64(walker->head + layout->thread_datastack_top);
    bool fits = true;
    if (layout->thread_cframe != OP_LAYOUT_NONE) {
        uint64_t cframe = op_peek_u64(walker->head + layout->thread_cframe);
        fits = cframe == 0 || cframe == thread->cframe;
        thread->cframe = cframe;
        *current = cframe == 0 ? 0 : op_peek_u64(view->cframe);
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
        at += i == 0 ? view->used_bytes : CHUNK_BYTES;
    }
    view->fits = true;
    view->top = top;
    return fits;
}

// A part of the copy could not be read: a chunk or a frame that is gone. The head alone tells what is there now.
static attempt_result mend_after_hole(op_walker *walker, op_walk_thread *thread, const copy_view *view)
{
    const op_layout *layout = &walker->runtime->layout;
    if (op_memory_read(walker->runtime->memory, thread->thread.state, walker->head, view->head_bytes) != OP_OK)
        return ATTEMPT_LOST;
    uint64_t chunk = op_peek_u64(walker->head + layout->thread_datastack_chunk);
    thread->extras.count = 0;
    thread->cframe = layout->thread_cframe != OP_LAYOUT_NONE ? op_peek_u64(walker->head + layout->thread_cframe)
                                                             : 0;
    if (chunk != 0 && thread->chunk_count > 0 && chunk == thread->chunks[0])
        thread->chunk_count = 0;   // the newest is there: an older one was not, which cannot be; learn all anew
    if (chunk != 0)
        find_chunks(walker, thread, chunk);
    else
        thread->chunk_count = 0;
    predict_used(thread, chunk, op_peek_u64(walker->head + layout->thread_datastack_top));
    return ATTEMPT_AGAIN;
}

// The copy of the frame at `address`; NULL where the copy does not hold it. *cursor: the chunk that held the last one.
static const unsigned char *locate(const op_walker *walker, const op_walk_thread *thread, const copy_view *view,
                                   uint64_t address, size_t *cursor, bool *outside)
{
    size_t frame = iframe_bytes(walker);
    for (size_t round = 0, i = *cursor; round < view->chunk_count; round++) {
        size_t bytes = i == 0 ? view->used_bytes : CHUNK_BYTES;
        if (address >= thread->chunks[i] && address - thread->chunks[i] + frame <= bytes) {
            const unsigned char *start = view->chunks;
            if (i > 0)
                start += view->used_bytes + (i - 1) * CHUNK_BYTES;
            *cursor = i;
            *outside = false;
            return start + (address - thread->chunks[i]);
        }
        if (++i == view->chunk_count)
            i = 0;
    }
    *outside = true;
    for (size_t i = 0; i < view->extra_count; i++)
        if (thread->extras.items[i] == address)
            return view->extras + i * frame;
    return NULL;
}

static void read_view(const op_walker *walker, const unsigned char *at, uint64_t address, op_frame_view *out)
{
    const op_layout *layout = &walker->runtime->layout;
    memset(out, 0, sizeof *out);
    out->address = address;
    out->previous = op_peek_u64(at + layout->iframe_previous);
    out->code_address = op_peek_u64(at + layout->iframe_executable) & ~(uint64_t)3;
    out->function = op_peek_u64(at + layout->iframe_function) & ~(uint64_t)3;
    out->instruction = op_peek_u64(at + layout->iframe_instruction);
    out->stack = walker->runtime->minor <= 13 ? op_peek_i32(at + layout->iframe_stack) : 0;
    out->owner = at[layout->iframe_owner];
    if (layout->iframe_is_entry != OP_LAYOUT_NONE)
        out->enters = at[layout->iframe_is_entry] != 0;
}

static bool is_shim(const op_walker *walker, const op_frame_view *view)
{
    return walker->runtime->minor >= 12 && view->owner >= OWNED_BY_C;
}

// Only generators' frames and shims lie outside the data stack, and frames of a chunk that is larger than most.
static bool may_lie_outside(const op_walker *walker, const op_walk_thread *thread, const op_frame_view *frame)
{
    if (frame->owner == OWNED_BY_GENERATOR || is_shim(walker, frame))
        return true;
    for (size_t i = 0; i < thread->chunk_count; i++)
        if (frame->address > thread->chunks[i] && frame->address - thread->chunks[i] < CHUNK_MAX_BYTES)
            return true;
    return false;
}

// Follows the chain through the copy. Frames that it does not hold are read apart and predicted for the next attempt.
static attempt_result follow_chain(op_walker *walker, op_walk_thread *thread, copy_view *view, uint64_t current)
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
            return ATTEMPT_DONE;
        }
        bool outside = false;
        const unsigned char *at = locate(walker, thread, view, address, &cursor, &outside);
        if (at == NULL) {
            if (iframe_bytes(walker) > sizeof apart || (address & 7) != 0 || ++apart_count > APART_MAX ||
                op_memory_read(walker->runtime->memory, (op_addr){address}, apart, iframe_bytes(walker)) != OP_OK)
                return ATTEMPT_TORN;
            view->patched = true;
            at = apart;
            if (thread->extras.count < OP_WALK_MAX_EXTRAS) {
                uint64_t *extra = OP_VECTOR_PUSH(&thread->extras);
                if (extra == NULL)
                    return ATTEMPT_TORN;
                *extra = address;
            }
        }
        op_frame_view frame;
        read_view(walker, at, address, &frame);
        if (frame.previous == address || (outside && !may_lie_outside(walker, thread, &frame)))
            return ATTEMPT_TORN;
        frame.outside = outside;
        frame.copied_at = outside ? 0 : (uint32_t)(at - walker->copy);
        if (is_shim(walker, &frame)) {
            if (walker->views.count > 0)
                walker->views.items[walker->views.count - 1].enters = true;
        } else {
            op_frame_view *slot = OP_VECTOR_PUSH(&walker->views);
            if (slot == NULL)
                return ATTEMPT_TORN;
            *slot = frame;
            if (address == root)
                return ATTEMPT_DONE;
        }
        address = frame.previous;
    }
    // The root is the lowest frame of the data stack: a chain that ends elsewhere was cut off while it was copied.
    size_t count = walker->views.count;
    if (count == 0 && !view->used)
        return ATTEMPT_EMPTY;   // shims only, or 3.15's base frame: no Python code
    return count > 0 && (root == 0 || walker->views.items[count - 1].address == root) ? ATTEMPT_DONE : ATTEMPT_TORN;
}

static attempt_result attempt(op_walker *walker, op_walk_thread *thread, copy_view *view)
{
    memset(view, 0, sizeof *view);
    if (!lay_out_spans(walker, thread, view))
        return ATTEMPT_TORN;
    size_t bytes = (size_t)(view->extras - walker->copy) + view->head_bytes +
                   view->extra_count * iframe_bytes(walker);
    uint64_t ticks = 0;
    op_status status = op_walk_read(walker, &ticks);
    walker->stats.tries++;
    if (status != OP_OK) {
        if (walker->spans.count == 1 || (status != OP_UNREADABLE))
            return ATTEMPT_LOST;
        return mend_after_hole(walker, thread, view);
    }
    if (op_walk_was_interrupted(walker, bytes, walker->spans.count, ticks))
        return ATTEMPT_INTERRUPTED;
    const op_layout *layout = &walker->runtime->layout;
    if (op_peek_u64(walker->head + layout->thread_interp) != thread->thread.interpreter.value)
        return ATTEMPT_LOST;
    if (layout->thread_native_thread_id != OP_LAYOUT_NONE && thread->thread.tid != 0 &&
        (int64_t)op_peek_u64(walker->head + layout->thread_native_thread_id) != thread->thread.tid)
        return ATTEMPT_LOST;
    uint64_t current = 0;
    if (!chunks_fit(walker, thread, view, &current))
        return ATTEMPT_AGAIN;
    // 3.11 and 3.12 link a cframe before they fill it in: a top frame that the used data stack does not hold is none yet.
    view->used = view->fits && view->top > thread->chunks[view->chunk_count - 1] + (uint64_t)layout->chunk_data + 8;
    if (current == 0)
        return view->used ? ATTEMPT_TORN : ATTEMPT_EMPTY;
    if (view->fits && current >= view->top && current - thread->chunks[0] < CHUNK_BYTES)
        return ATTEMPT_TORN;
    return follow_chain(walker, thread, view, current);
}

// ---- which frames were alive ----

static bool stands_in_its_code(op_walker *walker, op_frame_view *frame, int64_t now_ns, bool caller)
{
    frame->code = op_codes_see(walker->codes, (op_addr){frame->code_address}, now_ns);
    const op_code_entry *entry = op_codes_entry(walker->codes, frame->code);
    if (entry == NULL)
        return false;
    int64_t offset = (int64_t)(frame->instruction - frame->code_address) - walker->runtime->layout.code_bytecode;
    // 3.11 and 3.12: a frame that has not begun stands one unit before its code.
    int64_t first = walker->runtime->minor <= 12 && !caller ? -2 : 0;
    if (offset < first || offset >= entry->identity.bytecode_bytes || offset > INT32_MAX || (offset & 1) != 0)
        return false;
    frame->offset = (int32_t)offset;
    return true;
}

// Edges that a second copy has confirmed once, or that the function's version proves. Ids of code are never used again.
static op_map_key edge_key(const op_frame_view *caller, const op_frame_view *callee, uint32_t version)
{
    return (op_map_key){((uint64_t)caller->code << 32) | (uint32_t)caller->offset,
                        ((uint64_t)callee->code << 32) | version};
}

static void learn_edge(op_walker *walker, op_map_key key)
{
    uint32_t *slot = walker->edges.count < EDGES_MAX ? op_map_add(&walker->edges, key, NULL) : NULL;
    if (slot != NULL)
        ++*slot;
}

static edge_verdict version_verdict(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                    uint32_t version)
{
    op_map_key key = edge_key(caller, callee, version);
    if (op_map_find(&walker->edges, key) != NULL)
        return EDGE_POSSIBLE;
    const op_layout *layout = &walker->runtime->layout;
    unsigned char function[256];
    size_t bytes = (size_t)(layout->function_version > layout->function_code ? layout->function_version
                                                                             : layout->function_code) +
                   8;
    if (bytes > sizeof function ||
        op_memory_read(walker->runtime->memory, (op_addr){callee->function}, function, bytes) != OP_OK)
        return EDGE_UNSURE;
    if (op_peek_u64(function + layout->function_code) != callee->code_address ||
        (uint32_t)op_peek_i32(function + layout->function_version) != version)
        return EDGE_UNSURE;
    learn_edge(walker, key);
    return EDGE_POSSIBLE;
}

// Who resumes a generator holds it, in a local or on its evaluation stack; but where C code in between does (an event
// loop). Returns 1 + the lowest slot that holds the generator whose frame the callee is; 0: none.
static uint16_t slot_of_generator(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee)
{
    const op_layout *layout = &walker->runtime->layout;
    const op_code_entry *entry = op_codes_entry(walker->codes, caller->code);
    uint64_t generator = callee->address - (uint64_t)layout->gen_iframe;
    size_t first = iframe_bytes(walker);
    size_t bytes = entry == NULL ? 0 : (size_t)entry->identity.framesize_words * 8;
    if (layout->gen_iframe == OP_LAYOUT_NONE || bytes <= first || bytes > SLOTS_MAX_BYTES)
        return 0;
    const unsigned char *slots;
    if (!caller->outside) {
        slots = walker->copy + caller->copied_at + first;
        if (caller->copied_at + bytes > walker->copy_bytes)
            return 0;
    } else {
        if (!reserve(&walker->second, &walker->second_bytes, bytes) ||
            op_memory_read(walker->runtime->memory, (op_addr){caller->address + first}, walker->second,
                           bytes - first) != OP_OK)
            return 0;
        slots = walker->second;
    }
    for (size_t i = 0; (i + 1) * 8 <= bytes - first; i++)
        if ((op_peek_u64(slots + i * 8) & ~(uint64_t)3) == generator)
            return (uint16_t)(i + 1);
    return 0;
}

// At one place in the code the generator is always in the same slot. Slots above the top of the stack hold what is left
// of earlier calls, so the lowest one counts: it is learnt from an edge that a second copy confirmed, and lowered by
// every later one.
static edge_verdict judge_slot(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                               uint16_t known)
{
    if (known == 0)
        return EDGE_UNSURE;
    uint16_t slot = slot_of_generator(walker, caller, callee);
    if (slot == 0 || slot > known)
        return EDGE_IMPOSSIBLE;
    if (slot < known)
        op_codes_learn_slot(walker->codes, caller->code, caller->offset, slot);
    return EDGE_POSSIBLE;
}

static bool confirm(op_walker *walker, const op_walk_thread *thread, size_t first, size_t last, bool edge);

// W2. An edge that one copy does not prove, views[at] calling views[at - 1]: a second copy decides.
static bool confirm_edge(op_walker *walker, const op_walk_thread *thread, size_t at)
{
    const op_frame_view *caller = &walker->views.items[at], *callee = &walker->views.items[at - 1];
    // With what lies below: the edge may be live by now, but on another path.
    size_t last = at + CONFIRM_DEPTH < walker->views.count ? at + CONFIRM_DEPTH : walker->views.count - 1;
    // Twice: a target that goes round in circles may stand at the same place again once.
    for (int i = 0; i < 2; i++)
        if (!confirm(walker, thread, at - 1, last, true))
            return false;
    learn_edge(walker, edge_key(caller, callee, EDGE_CONFIRMED));
    if (callee->owner == OWNED_BY_GENERATOR) {
        uint16_t slot = slot_of_generator(walker, caller, callee);
        if (slot != 0)
            op_codes_learn_slot(walker->codes, caller->code, caller->offset, slot);
    }
    return true;
}

// W1. Whether `caller`, where it stands, can have called `callee`.
static edge_verdict judge_edge(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                               int64_t now_ns)
{
    if (walker->runtime->minor <= 13 && !callee->enters && caller->stack == STACK_RUNS)
        return EDGE_IMPOSSIBLE;
    unsigned need = callee->enters                        ? OP_OPCODE_ENTERS | OP_OPCODE_INTERRUPTIBLE
                    : callee->owner == OWNED_BY_GENERATOR ? OP_OPCODE_RESUMES
                                                          : OP_OPCODE_PUSHES;
    const op_site *site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_STALE_NS);
    if (site != NULL && !(site->flags & need))
        site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_FRESH_NS);
    if (site == NULL || !(site->flags & need))
        return EDGE_IMPOSSIBLE;
    if (callee->owner == OWNED_BY_GENERATOR)
        return judge_slot(walker, caller, callee, site->slot);
    // A call that pushes its callee itself and names no version. Up to 3.13 such a site shows mixed paths (one caller's
    // frame copied before, the other's callee after it changed): there the second copy decides, each time.
    if (need == OP_OPCODE_PUSHES &&
        (!(site->flags & OP_OPCODE_VERSIONED) || site->version == 0 || site->polymorphic))
        return walker->runtime->minor <= 13 ? EDGE_UNSURE : EDGE_POSSIBLE;
    // Entered through C: nothing in the copy proves it, so it must have been confirmed some times. Then it is an edge of
    // the program. (A push whose version names another function is never learnt: at a site with several callees each
    // edge is legal, and only the path would be wrong.)
    if (need != OP_OPCODE_PUSHES) {
        const uint32_t *confirmed = op_map_find(&walker->edges, edge_key(caller, callee, EDGE_CONFIRMED));
        return confirmed != NULL && *confirmed >= EDGE_CONFIRMATIONS ? EDGE_POSSIBLE : EDGE_UNSURE;
    }
    edge_verdict verdict = version_verdict(walker, caller, callee, site->version);
    if (verdict != EDGE_UNSURE)
        return verdict;
    site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_FRESH_NS);
    if (site == NULL || !(site->flags & OP_OPCODE_VERSIONED))
        return EDGE_UNSURE;
    return version_verdict(walker, caller, callee, site->version);
}

// Where the thread's top frame is now, taken behind the second copy.
static bool add_top_spans(op_walker *walker, const op_walk_thread *thread, uint64_t top[2])
{
    const op_layout *layout = &walker->runtime->layout;
    uint64_t state = thread->thread.state.value;
    if (layout->thread_cframe == OP_LAYOUT_NONE)
        return add_span(walker, state + (uint64_t)layout->thread_current_frame, &top[1], 8);
    return add_span(walker, state + (uint64_t)layout->thread_cframe, &top[0], 8) &&
           add_span(walker, thread->cframe + (uint64_t)layout->cframe_current_frame, &top[1], 8);
}

// W2. A second copy of frames views[first..last] (leaf first) must show the same, and the thread's top frame must be
// the first of them or stand above it: frames that were left stay in memory as they were. Only a frame that is the top
// may have moved on, and the callee of a single edge. Taken root first and then once more, so that no frame can have
// been left and entered again between.
static bool confirm(op_walker *walker, const op_walk_thread *thread, size_t first, size_t last, bool edge)
{
    size_t frame = iframe_bytes(walker), count = last - first + 1;
    uint64_t top[2] = {thread->cframe, 0};
    if (!reserve(&walker->second, &walker->second_bytes, 2 * count * frame))
        return false;
    walker->spans.count = 0;
    for (size_t i = 0; i < 2 * count; i++)
        if (!add_span(walker, walker->views.items[last - i % count].address, walker->second + i * frame, frame))
            return false;
    uint64_t ticks = 0;
    if (!add_top_spans(walker, thread, top))
        return false;
    bool interrupted = true;
    for (int i = 0; i < CONFIRM_TRIES && interrupted; i++) {
        if (op_walk_read(walker, &ticks) != OP_OK || top[0] != thread->cframe)
            return false;
        interrupted = op_walk_was_interrupted(walker, 2 * count * frame, 2 * count + 2, ticks);
    }
    if (interrupted)
        return false;
    const op_frame_view *lowest = &walker->views.items[first];
    bool above = !lowest->outside && top[1] > lowest->address && top[1] - lowest->address < CHUNK_BYTES;
    if (top[1] != lowest->address && !above && top[1] != walker->views.items[0].address)
        return false;
    for (size_t i = 0; i < 2 * count; i++) {
        size_t which = last - i % count;
        const op_frame_view *seen = &walker->views.items[which];
        op_frame_view again;
        read_view(walker, walker->second + i * frame, seen->address, &again);
        bool may_move = which == 0 || (edge && which == first);
        if (again.previous != seen->previous || again.code_address != seen->code_address ||
            (!may_move && again.instruction != seen->instruction))
            return false;
    }
    walker->stats.confirmed++;
    return true;
}

static bool same_as_verified(const op_walk_thread *thread, size_t depth, const op_frame_view *frame,
                             bool saved_stack)
{
    if (depth >= thread->verified.count)
        return false;
    const op_frame_view *old = &thread->verified.items[depth];
    return old->address == frame->address && old->code_address == frame->code_address &&
           old->instruction == frame->instruction && old->enters == frame->enters && old->owner == frame->owner &&
           (!saved_stack || frame->stack != STACK_RUNS);
}

// Cuts the views at the last live call: afterwards views[*leaf] is the frame that ran. False: not even a root.
static bool cut(op_walker *walker, op_walk_thread *thread, int64_t now_ns, size_t *leaf)
{
    op_frame_view *views = walker->views.items;
    size_t count = walker->views.count;
    if (count == 0 || !stands_in_its_code(walker, &views[count - 1], now_ns, count > 1))
        return false;
    bool saved_stack = walker->runtime->minor <= 13, same = true;
    size_t at = count - 1;
    for (; at > 0; at--) {
        op_frame_view *caller = &views[at], *callee = &views[at - 1];
        // A frame that stands where the last walk proved it, on the same frames, needs no second proof.
        same = same && same_as_verified(thread, count - 1 - at, caller, saved_stack);
        if (!stands_in_its_code(walker, callee, now_ns, at - 1 > 0))
            break;
        if (same && count - at < thread->verified.count) {
            const op_frame_view *old = &thread->verified.items[count - at];
            if (old->address == callee->address && old->code_address == callee->code_address &&
                old->enters == callee->enters && old->owner == callee->owner)
                continue;
        }
        edge_verdict verdict = judge_edge(walker, caller, callee, now_ns);
        if (verdict == EDGE_IMPOSSIBLE || (verdict == EDGE_UNSURE && !confirm_edge(walker, thread, at)))
            break;
    }
    if (at > 0)
        walker->stats.cuts++;
    *leaf = at;
    return true;
}

// Whether the site is specialised on this very callee: what stands above a top frame may be left from an earlier call.
static bool names_callee(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                         int64_t now_ns)
{
    const op_site *site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_FRESH_NS);
    return site != NULL && (site->flags & OP_OPCODE_VERSIONED) && site->version != 0 &&
           version_verdict(walker, caller, callee, site->version) == EDGE_POSSIBLE;
}

// 3.11 to 3.13: a top frame that is suspended at a call has a callee right above it in the data stack.
static bool extend(op_walker *walker, op_walk_thread *thread, const copy_view *view, int64_t now_ns, size_t *leaf)
{
    op_frame_view top = walker->views.items[*leaf];
    size_t steps = 0;
    while (top.stack != STACK_RUNS && !top.outside && top.owner == 0 && steps < 64) {
        const op_code_entry *entry = op_codes_entry(walker->codes, top.code);
        if (entry == NULL)
            break;
        uint64_t address = top.address + (uint64_t)entry->identity.framesize_words * 8;
        size_t cursor = 0;
        bool outside = false;
        const unsigned char *at = locate(walker, thread, view, address, &cursor, &outside);
        if (at == NULL || outside)
            break;
        op_frame_view next;
        read_view(walker, at, address, &next);
        next.copied_at = (uint32_t)(at - walker->copy);
        if (next.previous != top.address || next.owner != 0 || next.enters ||
            !stands_in_its_code(walker, &next, now_ns, false) ||
            judge_edge(walker, &top, &next, now_ns) != EDGE_POSSIBLE || !names_callee(walker, &top, &next, now_ns))
            break;
        if (*leaf > 0) {
            walker->views.items[--*leaf] = next;
        } else {
            op_frame_view *slot = OP_VECTOR_PUSH(&walker->views);
            if (slot == NULL)
                return false;
            memmove(walker->views.items + 1, walker->views.items, (walker->views.count - 1) * sizeof *slot);
            walker->views.items[0] = next;
        }
        walker->stats.extended++;
        steps++;
        top = next;
    }
    return true;
}

// Whether the chain of shims below `frame` ends at `caller`: a callee that was entered through C.
static bool shims_lead_to(op_walker *walker, uint64_t address, uint64_t caller)
{
    unsigned char apart[512];
    for (int steps = 0; steps < 4 && address != caller; steps++) {
        op_frame_view shim;
        if (iframe_bytes(walker) > sizeof apart || (address & 7) != 0 ||
            op_memory_read(walker->runtime->memory, (op_addr){address}, apart, iframe_bytes(walker)) != OP_OK)
            return false;
        read_view(walker, apart, address, &shim);
        if (!is_shim(walker, &shim))
            return false;
        address = shim.previous;
    }
    return address == caller;
}

// For a target that never holds still long enough for its chain to be followed from the top: climbs the data stack of
// the last copy from its root, frame by frame, as far as each can have called the next. Views become leaf first.
static bool climb(op_walker *walker, op_walk_thread *thread, const copy_view *view, int64_t now_ns)
{
    const op_layout *layout = &walker->runtime->layout;
    walker->views.count = 0;
    size_t cursor = view->chunk_count - 1;
    for (size_t chunk = view->chunk_count; chunk-- > 0;) {
        uint64_t start = thread->chunks[chunk];
        uint64_t address = start + (uint64_t)layout->chunk_data + (chunk + 1 == view->chunk_count ? 8 : 0);
        uint64_t end = chunk == 0 ? view->top : start + CHUNK_BYTES;
        while (address + iframe_bytes(walker) <= end && walker->views.count < OP_WALK_MAX_FRAMES) {
            bool outside = false;
            const unsigned char *at = locate(walker, thread, view, address, &cursor, &outside);
            op_frame_view frame;
            if (at == NULL || outside)
                break;
            read_view(walker, at, address, &frame);
            frame.copied_at = (uint32_t)(at - walker->copy);
            if (!stands_in_its_code(walker, &frame, now_ns, false))
                break;
            if (walker->views.count > 0) {
                const op_frame_view *caller = &walker->views.items[walker->views.count - 1];
                if (frame.previous != caller->address) {
                    if (!shims_lead_to(walker, frame.previous, caller->address))
                        break;
                    frame.enters = true;
                }
                if (judge_edge(walker, caller, &frame, now_ns) != EDGE_POSSIBLE)
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
    for (size_t i = 0; i < depth; i++)
        thread->verified.items[i] = walker->views.items[walker->views.count - 1 - i];
    thread->verified.count = depth;
    return true;
}

static bool emit(op_walker *walker, size_t leaf, bool proven, bool truncated)
{
    walker->frames.count = 0;
    bool ok = proven || op_walk_push(walker, OP_RAW_UNPROVEN, 0, 0);
    for (size_t i = leaf; i < walker->views.count; i++)
        ok = ok && (op_codes_entry(walker->codes, walker->views.items[i].code)->is_shim ||
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
    copy_view view;
    uint64_t ticks = 0;
    memset(&view, 0, sizeof view);
    if (thread->chunk_count <= MOVING_CHUNKS)
        return OP_UNREADABLE;
    thread->chunk_count -= MOVING_CHUNKS;
    memmove(thread->chunks, thread->chunks + MOVING_CHUNKS, thread->chunk_count * sizeof *thread->chunks);
    thread->used_bytes = CHUNK_BYTES;
    thread->extras.count = 0;
    if (!lay_out_spans(walker, thread, &view) || op_walk_read(walker, &ticks) != OP_OK)
        return OP_UNREADABLE;
    view.top = thread->chunks[0] + CHUNK_BYTES;
    if (!climb(walker, thread, &view, now_ns))
        return OP_UNREADABLE;
    walker->frames.count = 0;
    bool ok = op_walk_push(walker, OP_RAW_TRUNCATED, 0, 0);
    for (size_t i = 0; i < walker->views.count && ok; i++)
        ok = op_walk_push(walker, OP_RAW_CODE, walker->views.items[i].code, walker->views.items[i].offset);
    thread->verified.count = 0;
    return ok ? OP_OK : OP_NO_MEMORY;
}

static op_status walk_chunks(op_walker *walker, op_walk_thread *thread, int64_t now_ns)
{
    int discoveries = 0, torn = 0;
    for (int try = 0; try < OP_WALK_MAX_TRIES; try++) {
        copy_view view;
        attempt_result result = attempt(walker, thread, &view);
        if (result == ATTEMPT_EMPTY) {
            walker->frames.count = 0;
            return OP_OK;
        }
        if (result == ATTEMPT_LOST)
            return OP_BAD_DATA;
        if (result == ATTEMPT_INTERRUPTED) {
            walker->stats.interrupted++;
            continue;
        }
        size_t leaf = 0;
        if ((result == ATTEMPT_TORN || result == ATTEMPT_AGAIN) && view.fits && ++torn >= TORN_TRIES &&
            climb(walker, thread, &view, now_ns))
            return remember(walker, thread, 0) && emit(walker, 0, true, false) ? OP_OK : OP_NO_MEMORY;
        if (result == ATTEMPT_AGAIN) {
            walker->stats.mispredicted++;
            continue;
        }
        if (result == ATTEMPT_TORN) {
            walker->stats.torn++;
            if (thread->extras.count > 64)
                thread->extras.count = 0;
            continue;
        }
        if (view.patched && discoveries++ < DISCOVER_TRIES) {
            walker->stats.mispredicted++;
            continue;
        }
        if (!cut(walker, thread, now_ns, &leaf)) {
            walker->stats.torn++;
            continue;
        }
        bool proven = !view.patched || confirm(walker, thread, leaf, walker->views.count - 1, false);
        if (walker->runtime->minor <= 13 && !view.patched && !extend(walker, thread, &view, now_ns, &leaf))
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
    walker->frames.count = 0;
    op_status status = walker->runtime->minor >= 11 ? walk_chunks(walker, thread, now_ns)
                                                    : op_walk_objects(walker, thread, now_ns);
    if (status != OP_OK)
        return status;
    *frames = walker->frames.items;
    *count = walker->frames.count;
    return OP_OK;
}

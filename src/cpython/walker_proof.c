// SPDX-License-Identifier: MIT
// Which frames of a copy were alive (walker.c: W1, W2).
#include <string.h>

#include "cpython/walker_private.h"

enum {
    EDGES_MAX = 1 << 20,
    SLOTS_MAX = 256,   // of a caller, among which a generator is looked for
    DRIVEN_TIMES =
        3,   // that a second copy has to show C code run a generator before that edge is one of the program
    DRIVEN_DEPTH = 3,     // callers below that are confirmed with it
    CONFIRM_TRIES = 8,    // of one second copy, while its read is interrupted
    CONFIRM_DEPTH = 12,   // callers below an edge that are confirmed with it
    CALL_DEPTH = 8,       // known edges above that depth are judged by their call: deeper ones do not move
};

#define MAKES_GENERATOR 0x2A0u           // CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
#define EDGE_DRIVEN UINT32_MAX           // in place of a version
#define EDGE_ARGUMENT (UINT32_MAX - 1)   // same; its value: the last argument of the call

bool op_walk_stands(op_walker *walker, op_frame_view *frame, int64_t now_ns, bool caller)
{
    frame->code = op_codes_see(walker->codes, (op_addr){frame->code_address}, frame->code, now_ns);
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

static op_edge_verdict version_verdict(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                       uint32_t version)
{
    op_map_key key = edge_key(caller, callee, version);
    if (op_map_find(&walker->edges, key) != NULL)
        return OP_EDGE_POSSIBLE;
    const op_layout *layout = &walker->runtime->layout;
    unsigned char function[256];
    size_t bytes = (size_t)(layout->function_version > layout->function_code ? layout->function_version
                                                                             : layout->function_code) +
                   8;
    if (bytes > sizeof function ||
        op_memory_read(walker->runtime->memory, (op_addr){callee->function}, function, bytes) != OP_OK)
        return OP_EDGE_UNSURE;
    if (op_peek_u64(function + layout->function_code) != callee->code_address ||
        (uint32_t)op_peek_i32(function + layout->function_version) != version)
        return OP_EDGE_UNSURE;
    learn_edge(walker, key);
    return OP_EDGE_POSSIBLE;
}

// W4. Whether the frame's function and its code belong together. They may lie in two lines of the cache, copied at two moments.
static op_edge_verdict judge_function(op_walker *walker, const op_frame_view *callee)
{
    op_walk_function *known = &walker->functions[(callee->function / 16) % OP_WALK_FUNCTIONS];
    if (op_walk_is_init_shim(walker, callee) || callee->function == 0 ||
        (known->function == callee->function && known->code_address == callee->code_address))
        return OP_EDGE_POSSIBLE;
    op_addr code;
    if (op_memory_read_addr(walker->runtime->memory,
                            (op_addr){callee->function + (uint64_t)walker->runtime->layout.function_code},
                            &code) != OP_OK)
        return OP_EDGE_UNSURE;
    if (code.value != callee->code_address)
        return OP_EDGE_TORN;
    *known = (op_walk_function){callee->function, callee->code_address};
    return OP_EDGE_POSSIBLE;
}

// Whether that word is a generator that ran lately.
static bool holds_generator(const op_walker *walker, const op_frame_view *caller, size_t word)
{
    uint64_t inside = (uint64_t)walker->runtime->layout.gen_iframe;
    uint64_t object = op_walk_object(walker, caller, word);
    for (size_t i = 0; i < walker->thread->extras.count && object != 0; i++)
        if (object == walker->thread->extras.items[i] - inside)
            return true;
    return false;
}

// Whether a generator expression has the qualified name that it has when that function makes it (PEP 3155).
static bool is_expression_of(const op_walker *walker, const op_code_entry *outer, const op_code_entry *inner)
{
    static const char inside[] = ".<locals>.<genexpr>";
    op_string name = op_strings_get(&walker->codes->strings, outer->name);
    op_string expression = op_strings_get(&walker->codes->strings, inner->name);
    if (outer->file != inner->file)
        return false;
    if (strcmp(name.text, "<module>") == 0)
        return strcmp(expression.text, "<genexpr>") == 0;
    return expression.bytes == name.bytes + sizeof inside - 1 &&
           memcmp(expression.text, name.text, name.bytes) == 0 && strcmp(expression.text + name.bytes, inside) == 0;
}

bool op_walk_passes_generator(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee)
{
    const op_code_entry *outer = op_codes_entry(walker->codes, caller->code);
    const op_code_entry *inner = op_codes_entry(walker->codes, callee->code);
    uint64_t generator = callee->address - (uint64_t)walker->runtime->layout.gen_iframe;
    bool added = false;
    uint32_t *slot = walker->edges.count < EDGES_MAX
                         ? op_map_add(&walker->edges, edge_key(caller, callee, EDGE_ARGUMENT), &added)
                         : NULL;
    if (outer == NULL || inner == NULL || slot == NULL)
        return false;
    if (added) {
        int last = op_codes_last_argument(walker->codes, caller->code, caller->offset);
        if (last == OP_ARGUMENT_RESULT && !is_expression_of(walker, outer, inner))
            last = OP_ARGUMENT_UNKNOWN;
        *slot = (uint32_t)last;
    }
    int last = (int)*slot;
    return last == OP_ARGUMENT_RESULT || (last >= 0 && op_walk_object(walker, caller, (size_t)last) == generator);
}

// A generator's frame lies inside it. Who resumes it keeps it on top of the evaluation stack, from 3.15 on one below that,
// and saves where the stack ends. Where C code resumes it (next, send) the caller may have it in a local variable; what its
// evaluation stack holds then is not known, and what lies above may be left from other calls.
static op_edge_verdict judge_generator(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                       const op_site *site)
{
    const op_layout *layout = &walker->runtime->layout;
    const op_code_entry *entry = op_codes_entry(walker->codes, caller->code);
    uint64_t generator = callee->address - (uint64_t)layout->gen_iframe;
    size_t frame = op_walk_frame_bytes(walker);
    if (layout->gen_iframe == OP_LAYOUT_NONE || entry == NULL || entry->identity.framesize_words < frame / 8)
        return OP_EDGE_UNSURE;
    if (!callee->enters && caller->stack > 0 && frame + (size_t)caller->stack * 8 <= caller->copied_bytes)
        return op_walk_object(walker, caller, (size_t)caller->stack - 1) == generator ||
                       (caller->stack > 1 && op_walk_object(walker, caller, (size_t)caller->stack - 2) == generator)
                   ? OP_EDGE_POSSIBLE
                   : OP_EDGE_IMPOSSIBLE;
    if (!callee->enters)
        return OP_EDGE_UNSURE;
    // Up to 3.11 all are resumed by C code. An iterator lies on the evaluation stack: the lowest generator there, for above
    // the top, which is not known, there may be others. (The inner one of two loops is left to a second copy.)
    size_t locals = entry->identity.local_words, words = entry->identity.framesize_words - frame / 8;
    size_t first = site->iterates ? locals : 0, end = site->iterates ? words : locals;
    bool another = false;
    for (size_t i = first; i < end && i - first < SLOTS_MAX; i++) {
        if (op_walk_object(walker, caller, i) == generator)
            return another && site->iterates ? OP_EDGE_UNSURE : OP_EDGE_POSSIBLE;
        another = another ||
                  (site->iterates ? op_walk_object(walker, caller, i) != 0 : holds_generator(walker, caller, i));
    }
    if (site->iterates ? frame + words * 8 <= caller->copied_bytes : another)
        return OP_EDGE_IMPOSSIBLE;
    if (!site->iterates && op_walk_passes_generator(walker, caller, callee))
        return OP_EDGE_POSSIBLE;
    // An event loop, whose task holds it.
    const uint32_t *times = op_map_find(&walker->edges, edge_key(caller, callee, EDGE_DRIVEN));
    return times != NULL && *times >= DRIVEN_TIMES ? OP_EDGE_POSSIBLE : OP_EDGE_UNSURE;
}

bool op_walk_is_alive(op_walker *walker, const op_frame_view *frame, int64_t now_ns)
{
    // A generator's first frame is on the data stack for as long as it takes to make the generator, and is not cleared.
    const op_code_entry *entry = op_codes_entry(walker->codes, frame->code);
    if (entry == NULL || (frame->owner == 0 && (entry->identity.flags & MAKES_GENERATOR)))
        return false;
    // From 3.14 on a frame that was left has lost its function (_PyFrame_ClearExceptCode); before, one that runs has no
    // saved end of its stack, and one that calls stands at a call.
    if (walker->runtime->minor >= 14)
        return frame->function != 0;
    if (frame->stack == OP_STACK_RUNS || frame->offset <= 0)
        return true;
    const op_site *site = op_codes_site(walker->codes, frame->code, frame->offset, now_ns, OP_SITE_STALE_NS);
    return site != NULL && (site->flags & (OP_OPCODE_PUSHES | OP_OPCODE_RESUMES));
}

// The lowest of the callers below the edge at views[at] that are confirmed with it.
static size_t lowest_confirmed(const op_walker *walker, size_t at)
{
    return at + CONFIRM_DEPTH < walker->views.count ? at + CONFIRM_DEPTH : walker->views.count - 1;
}

// W2. An edge that one copy does not prove, views[at] calling views[at - 1]: a second copy decides.
static bool confirm_edge(op_walker *walker, const op_walk_thread *thread, size_t at)
{
    const op_frame_view *caller = &walker->views.items[at], *callee = &walker->views.items[at - 1];
    if (callee->enters && callee->owner == OP_OWNED_BY_GENERATOR) {
        // Few hold still for longer: what is learnt is the edge, not this path.
        size_t last = at + DRIVEN_DEPTH < walker->views.count ? at + DRIVEN_DEPTH : walker->views.count - 1;
        if (op_walk_confirm(walker, thread, at - 1, last, true))
            learn_edge(walker, edge_key(caller, callee, EDGE_DRIVEN));
    }
    // With what lies below: the edge may be live by now, but on another path.
    size_t last = lowest_confirmed(walker, at);
    // Twice: a target that goes round in circles may stand at the same place again once.
    for (int i = 0; i < 2; i++)
        if (!op_walk_confirm(walker, thread, at - 1, last, true))
            return false;
    return true;
}

// W1. Whether `caller`, where it stands, can have called `callee`.
op_edge_verdict op_walk_judge_edge(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                   int64_t now_ns)
{
    if (walker->runtime->minor <= 13 && !callee->enters && caller->stack == OP_STACK_RUNS)
        return OP_EDGE_IMPOSSIBLE;
    bool resumes = callee->owner == OP_OWNED_BY_GENERATOR;
    unsigned need = !callee->enters ? (resumes ? OP_OPCODE_RESUMES : OP_OPCODE_PUSHES)
                    : resumes       ? OP_OPCODE_ENTERS
                                    : OP_OPCODE_ENTERS | OP_OPCODE_INTERRUPTIBLE;
    const op_site *site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_STALE_NS);
    if (site != NULL && !(site->flags & need))
        site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_FRESH_NS);
    if (site == NULL || !(site->flags & need))
        return OP_EDGE_IMPOSSIBLE;
    if (callee->owner == OP_OWNED_BY_GENERATOR)
        return judge_generator(walker, caller, callee, site);
    // What C code calls lies above its caller and is alive: nothing else can be there meanwhile.
    if (callee->enters)
        return (site->flags & OP_OPCODE_ENTERS) && op_walk_is_alive(walker, callee, now_ns) ? OP_EDGE_POSSIBLE
                                                                                            : OP_EDGE_UNSURE;
    // A call that pushes its callee itself and names no version. Up to 3.13 such a site shows mixed paths (one caller's frame
    // copied before, the other's callee after it changed) but where the function that was called is the callee's. What lies
    // outside is copied later than what it calls, and its memory may be another generator's by then: there, a second copy has
    // to show the same besides.
    if (!(site->flags & OP_OPCODE_VERSIONED) || site->version == 0 || site->polymorphic) {
        bool called = op_walk_called_last(walker, caller, callee);
        if (caller->outside)
            return called ? OP_EDGE_UNSURE : OP_EDGE_IMPOSSIBLE;
        return called || walker->runtime->minor > 13 ? judge_function(walker, callee) : OP_EDGE_UNSURE;
    }
    op_edge_verdict verdict = version_verdict(walker, caller, callee, site->version);
    if (verdict != OP_EDGE_UNSURE)
        return verdict;
    site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_FRESH_NS);
    if (site == NULL || !(site->flags & OP_OPCODE_VERSIONED))
        return OP_EDGE_UNSURE;
    return version_verdict(walker, caller, callee, site->version);
}

// Where the thread's top frame is now, taken behind the second copy.
static bool add_top_spans(op_walker *walker, const op_walk_thread *thread, uint64_t top[2])
{
    const op_layout *layout = &walker->runtime->layout;
    uint64_t state = thread->thread.state.value;
    return (layout->thread_cframe == OP_LAYOUT_NONE ||
            op_walk_add_span(walker, state + (uint64_t)layout->thread_cframe, &top[0], 8)) &&
           op_walk_add_span(walker, op_walk_top_field(walker, thread), &top[1], 8);
}

// W2. A second copy of frames views[first..last] (leaf first) must show the same, and the thread's top frame must be
// the first of them or stand above it: frames that were left stay in memory as they were. Only a frame that is the top
// may have moved on, and the callee of a single edge. Taken root first and then once more, so that no frame can have
// been left and entered again between.
bool op_walk_confirm(op_walker *walker, const op_walk_thread *thread, size_t first, size_t last, bool edge)
{
    size_t frame = op_walk_frame_bytes(walker), count = last - first + 1;
    uint64_t top[2] = {thread->cframe, 0};
    if (!op_walk_reserve(&walker->second, &walker->second_bytes, 2 * count * frame))
        return false;
    walker->spans.count = 0;
    for (size_t i = 0; i < 2 * count; i++)
        if (!op_walk_add_span(walker, walker->views.items[last - i % count].address, walker->second + i * frame,
                              frame))
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
    bool above = !lowest->outside && top[1] > lowest->address && top[1] - lowest->address < OP_CHUNK_BYTES;
    if (top[1] != lowest->address && !above && top[1] != walker->views.items[0].address)
        return false;
    for (size_t i = 0; i < 2 * count; i++) {
        size_t which = last - i % count;
        const op_frame_view *seen = &walker->views.items[which];
        op_frame_view again;
        op_walk_view(walker, walker->second + i * frame, seen->address, &again);
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
           (!saved_stack || frame->stack != OP_STACK_RUNS);
}

// Cuts the views at the last live call: afterwards views[*leaf] is the frame that ran. False: not even a root, or
// frames of two moments.
bool op_walk_cut(op_walker *walker, op_walk_thread *thread, int64_t now_ns, size_t *leaf)
{
    op_frame_view *views = walker->views.items;
    size_t count = walker->views.count;
    // Most frames are those of the last walk.
    for (size_t i = 0; i < count && i < thread->verified.count; i++)
        views[count - 1 - i].code = thread->verified.items[i].code;
    if (count == 0 || !op_walk_stands(walker, &views[count - 1], now_ns, count > 1))
        return false;
    bool saved_stack = walker->runtime->minor <= 13, same = true;
    size_t at = count - 1;
    for (; at > 0; at--) {
        op_frame_view *caller = &views[at], *callee = &views[at - 1];
        // A frame that stands where the last walk proved it, on the same frames, needs no second proof.
        same = same && same_as_verified(thread, count - 1 - at, caller, saved_stack);
        if (!op_walk_stands(walker, callee, now_ns, at - 1 > 0))
            break;
        bool known = false;
        if (same && count - at < thread->verified.count) {
            const op_frame_view *old = &thread->verified.items[count - at];
            known = old->address == callee->address && old->code_address == callee->code_address &&
                    old->function == callee->function && old->enters == callee->enters &&
                    old->owner == callee->owner;
        }
        op_edge_verdict verdict = OP_EDGE_POSSIBLE;
        if (!known && at + 1 < count && op_walk_is_init_shim(walker, caller))
            verdict = op_walk_judge_init(walker, &views[at + 1], caller, callee, now_ns);
        else if (!known && !op_walk_is_init_shim(walker, callee))
            verdict = op_walk_judge_edge(walker, caller, callee, now_ns);
        if (verdict == OP_EDGE_UNSURE && confirm_edge(walker, thread, at))
            verdict = OP_EDGE_POSSIBLE;
        if (verdict == OP_EDGE_POSSIBLE && (!known || at <= CALL_DEPTH)) {
            op_edge_verdict call = op_walk_judge_call(walker, caller, callee, now_ns, known);
            verdict = call == OP_EDGE_UNSURE ? verdict : call;
        }
        if (verdict == OP_EDGE_TORN) {
            if (walker->disagreements++ < OP_DISAGREE_TRIES)
                return false;
            verdict = OP_EDGE_POSSIBLE;
        }
        if (verdict != OP_EDGE_POSSIBLE)
            break;
    }
    if (at > 0)
        walker->stats.cuts++;
    *leaf = at;
    return true;
}

// Whether the site is specialised on this very callee: what stands above a top frame may be left from an earlier call.
bool op_walk_names_callee(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                          int64_t now_ns)
{
    const op_site *site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_FRESH_NS);
    return site != NULL && (site->flags & OP_OPCODE_VERSIONED) && site->version != 0 &&
           version_verdict(walker, caller, callee, site->version) == OP_EDGE_POSSIBLE;
}

// SPDX-License-Identifier: MIT
// W4. What a call leaves in its caller. CALL moves the function and the arguments off the evaluation stack without wiping
// their places, and saves where the stack then ends; the callee's frame has that function, and its first locals are those
// arguments (ceval: CALL, _PyEvalFramePushAndInit, from 3.11 to 3.15). So two neighbours of one copy tell whether they are
// of one moment, also where the edge between them is one of the program: the same function, called by another path.
#include "cpython/walker_private.h"

static uint64_t object_at(const unsigned char *at)
{
    return op_peek_u64(at) & ~(uint64_t)3;   // 3.14+: tagged, NULL is a tag alone
}

// How much of the frame lies in the copy.
static size_t frame_words(const op_walker *walker, const op_frame_view *frame)
{
    const op_code_entry *entry = op_codes_entry(walker->codes, frame->code);
    size_t words = entry == NULL ? 0 : entry->identity.framesize_words;
    return words * 8 <= frame->copied_bytes ? words : frame->copied_bytes / 8;
}

// The end of the caller's evaluation stack in the copy, and how many words of its frame follow; NULL: not there.
static const unsigned char *stack_end(const op_walker *walker, const op_frame_view *caller, size_t *words)
{
    size_t all = frame_words(walker, caller), before = op_walk_frame_bytes(walker) / 8 + (size_t)caller->stack;
    if (caller->stack < 0 || before + 2 > all)
        return NULL;
    *words = all - before;
    return walker->copy + caller->copied_at + before * 8;
}

bool op_walk_called_last(const op_walker *walker, const op_frame_view *caller, const op_frame_view *callee)
{
    size_t words;
    const unsigned char *stack = stack_end(walker, caller, &words);
    return stack != NULL && callee->function != 0 &&
           (object_at(stack) == callee->function || object_at(stack + 8) == callee->function);
}

// Bit i: the callee's local `from` + i is not what lies where the caller would have passed argument i.
static unsigned differing_arguments(const op_walker *walker, const op_frame_view *caller,
                                    const op_frame_view *callee, size_t from, unsigned *self)
{
    const op_code_entry *entry = op_codes_entry(walker->codes, callee->code);
    size_t head = op_walk_frame_bytes(walker) / 8 + from, all = frame_words(walker, callee), words;
    const unsigned char *stack = stack_end(walker, caller, &words);
    unsigned differ = 0;
    if (stack == NULL || entry == NULL)
        return 0;
    const unsigned char *locals = walker->copy + callee->copied_at + head * 8;
    // [function, self or NULL, ...]; up to 3.12 [NULL, function, ...] or [function, self, ...].
    *self = from == 0 && object_at(stack) != 0 && object_at(stack + 8) != 0;
    size_t first = 2 - *self;
    for (size_t i = 0;
         i < OP_CODE_ARGUMENTS && from + i < entry->identity.argcount && first + i < words && head + i < all; i++)
        if (object_at(stack + (first + i) * 8) != object_at(locals + i * 8))
            differ |= 1u << i;
    return differ;
}

static unsigned passed_mask(unsigned passed)
{
    return passed < OP_CODE_ARGUMENTS ? (1u << passed) - 1u : UINT8_MAX;
}

op_edge_verdict op_walk_judge_init(op_walker *walker, const op_frame_view *caller, const op_frame_view *shim,
                                   const op_frame_view *init, int64_t now_ns)
{
    const op_site *site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_STALE_NS);
    if (site == NULL || !(site->flags & OP_OPCODE_PUSHES) || !op_walk_is_alive(walker, init, now_ns))
        return OP_EDGE_IMPOSSIBLE;
    // The new object is the first local of both; what the caller passes follows it.
    uint64_t made = op_walk_object(walker, shim, 0), object = op_walk_object(walker, init, 0);
    if (made == 0 || object == 0)
        return OP_EDGE_UNSURE;
    unsigned rebound = op_codes_rebound(walker->codes, init->code), self = 0;
    if (!(rebound & 1u) && made != object)
        return OP_EDGE_IMPOSSIBLE;
    unsigned differ = differing_arguments(walker, caller, init, 1, &self);
    if (differ == 0 || site->passes == OP_PASSES_UNKNOWN)
        return OP_EDGE_POSSIBLE;
    return differ & passed_mask(site->passes) & ~(rebound >> 1) ? OP_EDGE_TORN : OP_EDGE_POSSIBLE;
}

op_edge_verdict op_walk_judge_call(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                   int64_t now_ns, bool known)
{
    // From 3.14 on a frame that was left has lost its function (_PyFrame_ClearExceptCode).
    if (walker->runtime->minor >= 14 && callee->function == 0)
        return OP_EDGE_IMPOSSIBLE;
    if (callee->enters || callee->owner != 0 || caller->outside || caller->stack < 0 ||
        op_walk_is_init_shim(walker, callee))
        return OP_EDGE_UNSURE;
    bool called = op_walk_called_last(walker, caller, callee);
    unsigned self = 0, differ = called ? differing_arguments(walker, caller, callee, 0, &self) : 0;
    if (known && called && differ == 0)
        return OP_EDGE_POSSIBLE;
    const op_site *site = op_codes_site(walker->codes, caller->code, caller->offset, now_ns, OP_SITE_STALE_NS);
    if (site == NULL)
        return OP_EDGE_UNSURE;
    // Where calls leave their function, a caller that has another there has not called yet, or is back.
    if (!called)
        return site->leaves_function ? OP_EDGE_IMPOSSIBLE : OP_EDGE_UNSURE;
    if (!site->leaves_function)
        op_codes_learn_function(walker->codes, caller->code, caller->offset);
    if (differ == 0 || site->passes == OP_PASSES_UNKNOWN)
        return OP_EDGE_POSSIBLE;
    differ &= passed_mask(site->passes + self);
    return differ & ~(unsigned)op_codes_rebound(walker->codes, callee->code) ? OP_EDGE_TORN : OP_EDGE_POSSIBLE;
}

// SPDX-License-Identifier: MIT
// What was entered since the head was copied. The head names the top frame of a moment that is past when the frames are
// copied: by then that frame may have called another, and where calls take less than a read, it mostly has. Without this
// step stacks are as shallow as the shallower of two moments.
#include <string.h>

#include "cpython/walker_private.h"

enum { EXTEND_MAX = 64 };

static bool put(op_walker *walker, size_t *leaf, const op_frame_view *frame)
{
    if (*leaf == 0) {
        op_frame_view *slot = OP_VECTOR_PUSH(&walker->views);
        if (slot == NULL)
            return false;
        memmove(walker->views.items + 1, walker->views.items, (walker->views.count - 1) * sizeof *slot);
        ++*leaf;
    }
    walker->views.items[--*leaf] = *frame;
    walker->stats.extended++;
    return true;
}

// Where the data stack ends below the next frame; 0: not known.
static uint64_t stack_top(const op_walker *walker, size_t leaf)
{
    for (size_t i = leaf; i < walker->views.count; i++) {
        const op_frame_view *view = &walker->views.items[i];
        const op_code_entry *entry = op_codes_entry(walker->codes, view->code);
        if (!view->outside)
            return entry == NULL ? 0 : view->address + (uint64_t)entry->identity.framesize_words * 8;
    }
    return 0;
}

static bool can_call(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee, int64_t now_ns)
{
    if (op_walk_judge_edge(walker, caller, callee, now_ns) != OP_EDGE_POSSIBLE)
        return false;
    if (callee->enters || callee->owner == OP_OWNED_BY_GENERATOR)
        return true;
    op_edge_verdict call = op_walk_judge_call(walker, caller, callee, now_ns, false);
    return call == OP_EDGE_POSSIBLE ||
           (call == OP_EDGE_UNSURE && op_walk_names_callee(walker, caller, callee, now_ns));
}

// The frame right above on the data stack; an inlined __init__ with its shim are two.
static size_t find_on_stack(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *copy,
                            int64_t now_ns, size_t leaf, op_frame_view found[2])
{
    const op_frame_view *top = &walker->views.items[leaf];
    uint64_t address = stack_top(walker, leaf);
    size_t cursor = 0;
    op_frame_view *frame = &found[0], *init = &found[1];
    if (address == 0 || !op_walk_find(walker, thread, copy, address, &cursor, frame) || frame->outside ||
        frame->owner != 0 || !op_walk_stands(walker, frame, now_ns, false) ||
        !op_walk_leads_to(walker, thread, copy, frame, top))
        return 0;
    if (!op_walk_is_init_shim(walker, frame))
        return can_call(walker, top, frame, now_ns) ? 1 : 0;
    address += (uint64_t)op_codes_entry(walker->codes, frame->code)->identity.framesize_words * 8;
    return op_walk_find(walker, thread, copy, address, &cursor, init) && !init->outside && init->owner == 0 &&
                   init->previous == frame->address && op_walk_stands(walker, init, now_ns, false) &&
                   op_walk_judge_init(walker, top, frame, init, now_ns) == OP_EDGE_POSSIBLE
               ? 2
               : 0;
}

// The generator that the caller resumes where it stands. Its frame is copied a little later than the caller, and may have
// yielded by then, with all that it delegates to: that it ran is told by the caller.
static bool find_resumed(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *copy, int64_t now_ns,
                         const op_frame_view *top, op_frame_view *found)
{
    const op_layout *layout = &walker->runtime->layout;
    const op_site *site = op_codes_site(walker->codes, top->code, top->offset, now_ns, OP_SITE_STALE_NS);
    bool yielded = top->owner == OP_OWNED_BY_GENERATOR && top->previous == 0;
    if (site == NULL || !(yielded ? site->delegates : (site->flags & OP_OPCODE_RESUMES) != 0) || top->stack <= 0 ||
        layout->gen_iframe == OP_LAYOUT_NONE)
        return false;
    for (int32_t below = 1; below <= 2 && below <= top->stack; below++) {
        size_t cursor = 0;
        uint64_t object = op_walk_object(walker, top, (size_t)(top->stack - below));
        uint64_t address = object + (uint64_t)layout->gen_iframe;
        if (object != 0 && op_walk_find(walker, thread, copy, address, &cursor, found) && found->outside &&
            found->owner == OP_OWNED_BY_GENERATOR && (found->previous == 0 || found->previous == top->address) &&
            op_walk_stands(walker, found, now_ns, false))
            return true;
    }
    return false;
}

// A generator that C code runs for this caller, above a shim. One that has yielded since has no caller any more. The shim is
// copied at another moment, and may be gone by then; a site that calls C code only runs the generator that it passes.
static bool find_driven(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *copy, int64_t now_ns,
                        const op_frame_view *top, op_frame_view *found)
{
    const op_site *site = op_codes_site(walker->codes, top->code, top->offset, now_ns, OP_SITE_STALE_NS);
    bool has_shims = walker->runtime->minor >= 12;
    uint64_t through = has_shims ? 0 : top->address;
    if (site == NULL || !(site->flags & OP_OPCODE_ENTERS))
        return false;
    for (size_t i = 0; i < copy->extra_count && through == 0; i++) {
        op_frame_view shim;
        op_walk_view_extra(walker, thread, copy, i, &shim);
        if (op_walk_is_shim(walker, &shim) && shim.previous == top->address)
            through = shim.address;
    }
    bool only_enters = has_shims && !(site->flags & OP_OPCODE_PUSHES);
    for (size_t i = 0; i < copy->extra_count && (through != 0 || only_enters); i++) {
        op_walk_view_extra(walker, thread, copy, i, found);
        found->enters = has_shims || found->enters;
        if (found->previous == 0 || found->owner != OP_OWNED_BY_GENERATOR || !found->enters ||
            !op_walk_stands(walker, found, now_ns, false))
            continue;
        bool linked = found->previous == through;
        if (!linked && only_enters && op_walk_is_shim_address(thread, found->previous))
            linked = op_walk_passes_generator(walker, top, found);
        if (linked && can_call(walker, top, found, now_ns))
            return true;
    }
    return false;
}

bool op_walk_extend(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *copy, int64_t now_ns,
                    size_t *leaf)
{
    for (size_t steps = 0; steps < EXTEND_MAX; steps++) {
        op_frame_view found[2], top = walker->views.items[*leaf];
        size_t count = find_on_stack(walker, thread, copy, now_ns, *leaf, found);
        if (count == 0 && copy->extra_count > 0 &&
            (find_resumed(walker, thread, copy, now_ns, &top, &found[0]) ||
             find_driven(walker, thread, copy, now_ns, &top, &found[0])))
            count = 1;
        if (count == 0)
            return true;
        for (size_t i = 0; i < count; i++)
            if (!put(walker, leaf, &found[i]))
                return false;
    }
    return true;
}

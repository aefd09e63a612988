// SPDX-License-Identifier: MIT
// What calls need beside the hot path: returns that do not fit, and generators that wait.
#include <string.h>
#include "agent/agent.h"

void op_leave_below(op_thread *thread, uintptr_t key, uint64_t now, bool exception)
{
    op_segment_frame *found = thread->top;
    while (found != thread->root && (found->key & ~(uintptr_t)1) != key) {
        found--;
    }
    if (found == thread->root) {
        return;   // it was open before the tracer
    }
    if (found != thread->top) {
        // Another greenlet's frames lie above: they stay open, for they are left later.
        op_segment_frame left = *found;
        memmove(found, found + 1, (size_t)(thread->top - found) * sizeof *found);
        *thread->top = left;
    }
    bool inherited = (thread->top->key & 1) != 0;
    op_segment_edge *edge = (op_segment_edge *)thread->top->edge;
    op_leave_top(thread, now, exception);
    if (inherited) {   // entered by the parent of this process: the time is ours, the call is not
        edge->calls--;
        edge->recursive -= edge->open != 0;
        edge->nested -= thread->open[edge->callee] != 0;
        edge->exceptions -= exception;
    }
}

// --- suspended generators -------------------------------------------------------------------------------------------

enum { FIRST_SUSPENSIONS = 256, MOST_SUSPENSIONS = 1 << 20 };

static size_t suspension_slot(const op_suspension *items, size_t mask, const void *frame)
{
    size_t at = (size_t)(((uint64_t)(uintptr_t)frame * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (items[at].frame != NULL && items[at].frame != frame) {
        at = (at + 1) & mask;
    }
    return at;
}

// Keeps what is suspended; frames that went on are dropped.
static bool grow_suspensions(op_thread *thread)
{
    size_t live = 0, old = thread->suspensions != NULL ? thread->suspension_mask + 1 : 0;
    for (size_t i = 0; i < old; i++) {
        live += thread->suspensions[i].since != 0;
    }
    size_t count = FIRST_SUSPENSIONS;
    while (count < live * 4) {
        count *= 2;
    }
    if (count >
        MOST_SUSPENSIONS) {   // all are forgotten, and that seldom: looking for room at each yield takes long
        count = MOST_SUSPENSIONS;
        live = 0;
    }
    op_suspension *items = PyMem_RawCalloc(count, sizeof *items);
    if (items == NULL) {
        return false;
    }
    for (size_t i = 0; i < old && live > 0; i++) {
        if (thread->suspensions[i].since != 0) {
            items[suspension_slot(items, count - 1, thread->suspensions[i].frame)] = thread->suspensions[i];
        }
    }
    PyMem_RawFree(thread->suspensions);
    thread->suspensions = items;
    thread->suspension_mask = count - 1;
    thread->suspension_count = live;
    return true;
}

void op_note_suspended(op_thread *thread, const void *frame, uint64_t now)
{
    if (thread->suspensions == NULL || thread->suspension_count * 2 > thread->suspension_mask) {
        if (!grow_suspensions(thread)) {
            return;
        }
    }
    op_suspension *item =
        &thread->suspensions[suspension_slot(thread->suspensions, thread->suspension_mask, frame)];
    thread->suspension_count += item->frame == NULL;
    *item = (op_suspension){frame, now};
}

void op_note_resumed(op_thread *thread, op_segment_edge *edge, const void *frame, uint64_t now)
{
    if (thread->suspensions == NULL) {
        return;
    }
    op_suspension *item =
        &thread->suspensions[suspension_slot(thread->suspensions, thread->suspension_mask, frame)];
    if (item->frame != NULL && item->since != 0) {
        edge->suspended += now - item->since;
        item->since = 0;
    }
}

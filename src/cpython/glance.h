// SPDX-License-Identifier: MIT
// What changes from moment to moment in an interpreter, by one read: who holds the GIL, whether garbage is collected,
// the newest thread.
#ifndef OP_CPYTHON_GLANCE_H
#define OP_CPYTHON_GLANCE_H

#include "cpython/runtime.h"

typedef struct {
    op_addr gil;            // of the structure; learnt at the first read, 3.12+ only
    op_addr holder;         // thread state; 0: nobody
    op_addr threads_head;   // newest thread state: a new thread changes it
    bool collecting;
} op_glance;

// Zero *glance before the first read. On failure *glance says: nobody holds it, nothing is collected.
op_status op_glance_read(op_runtime *runtime, op_addr interpreter, op_glance *glance) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// coroutine_object: how a CachedCoroutine lies in memory, and what asyncio's messages and debuggers ask of it.
#ifndef OP_CACHE_COROUTINE_OBJECT_H
#define OP_CACHE_COROUTINE_OBJECT_H

#include "cache/missed.h"

typedef enum {
    OP_CREATED,    // not awaited yet
    OP_WAITING,    // `inner` has to be passed the next step
    OP_RUNNING,    // in the midst of a step
    OP_FINISHED,   // holds nothing any more
} op_phase;

typedef struct {
    PyObject_VAR_HEAD op_held_call held;
    PyObject *inner;   // owned: the coroutine that loads; NULL before a miss
    PyObject *weak_references;
    uint8_t phase;
    bool pooled;         // has room for POOLED_ITEMS
    bool finalized;      // the collector will not finalize it again
    PyObject *items[];   // owned: arguments, then the values of keywords
} op_coroutine;

#define BIND(self) op_coroutine *coroutine = (op_coroutine *)(self)

// `inner` is dropped by a step and read by attributes, maybe of another thread.
#ifdef Py_GIL_DISABLED
#define BEGIN_INNER(self) Py_BEGIN_CRITICAL_SECTION(self)
#define END_INNER() Py_END_CRITICAL_SECTION()
#else
#define BEGIN_INNER(self) {
#define END_INNER() }
#endif

// Of its function: `__name__` or `__qualname__`; of its type, where there is none. New reference, or NULL with an exception.
PyObject *op_coroutine_name(op_coroutine *coroutine, const char *attribute);

PyObject *op_coroutine_repr(PyObject *self);
extern PyGetSetDef op_coroutine_attributes[];

#endif

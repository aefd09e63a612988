// SPDX-License-Identifier: MIT
// What the interpreter holds of a tracer while it is enabled: it keeps the owner, and so the tracer, alive.
#ifndef OP_AGENT_CALLBACK_H
#define OP_AGENT_CALLBACK_H

#include "agent/agent.h"

typedef struct {
    PyObject_HEAD vectorcallfunc vectorcall;
    op_tracer *tracer;   // alive as `owner` is
    PyObject *owner;     // owned
    uint64_t generation;
    int slot;
} op_callback;

extern PyTypeObject op_callback_type;
int op_callback_ready(void);   // 0, or -1 with a Python exception
// A new reference, for the tracer as it is enabled now; NULL with a Python exception.
PyObject *op_callback_new(op_tracer *tracer, PyObject *owner, vectorcallfunc function);
uint64_t op_callback_generation(void);   // a new one, never 0

#endif

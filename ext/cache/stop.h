// SPDX-License-Identifier: MIT
// stop: the result of an await, as tp_iternext has to give it: by raising StopIteration.
//
// From 3.12 to 3.14 `await` takes the result of what is no coroutine of Python's own that way, though all that becomes of
// the exception is that its value is taken out. To make one and to raise it costs about 100 ns, more than a hit. So what is
// raised there is a subclass, and the one that died last is used again: a fifth of that.
#ifndef OP_CACHE_STOP_H
#define OP_CACHE_STOP_H

#include "cache/cache.h"

// Ends tp_iternext with `value`, which it takes over. Always NULL.
PyObject *op_stop_iteration(op_module *state, PyObject *value);

// Ends a method as a generator's `send` ends: raises StopIteration(value). Takes over `value`. Always NULL.
PyObject *op_stop_method(PyObject *value);

int op_stop_ready(PyObject *module, op_module *state);

#endif

// SPDX-License-Identifier: MIT
// own: the caches that instances have of their own: for one method, a CachedFunction an instance.
//
// They are found by the instance's address, as its weak reference proves it to be that very instance. The instance owns
// its cache where it has a `__dict__`: so the collector sees a cycle through a value that refers to the instance. Else the
// method owns it until the instance dies. What lies in the `__dict__` belongs to the instance that it was made for: in a
// copy of the instance it counts for nothing, and a pickle or a deep copy of it is None.
#ifndef OP_CACHE_OWN_H
#define OP_CACHE_OWN_H

#include "cache/function.h"

typedef struct op_owns op_owns;   // of one method

// NULL with MemoryError.
op_owns *op_owns_new(void);
// Forgets all, so that no instance has one any more; may run code of the program. Then the method lets go of it.
void op_owns_drop(op_owns *owns);
void op_owns_release(op_owns *owns);
int op_owns_traverse(op_owns *owns, visitproc visit, void *arg);

// The cache of `self`: a new reference, or NULL without an exception where it has none. Runs no code of the program.
op_function *op_owns_find(op_owns *owns, PyObject *self);

// Makes `function` the cache of `self`, unless it has one by now. The one that it has: a new reference, or NULL with an
// exception. Its type takes weak references. `name`: a str under which nothing else lies in a `__dict__`.
op_function *op_owns_add(op_owns *owns, op_module *state, PyObject *self, PyObject *name, op_function *function);

// All of them: a new list of CachedFunctions, or NULL with an exception.
PyObject *op_owns_list(op_owns *owns);

// Adds its types to `state`. 0, or -1 with an exception.
int op_own_ready(PyObject *module, op_module *state);

#endif

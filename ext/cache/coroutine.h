// SPDX-License-Identifier: MIT
// coroutine: what a call of a cached `async def` gives, outpace._cache.CachedCoroutine.
//
// It holds the call and does nothing until it is awaited, as a coroutine does. Its first step looks the key up. A hit ends it
// there: no frame, no task, the loop is not entered. A miss hands the call over to a MissedCall (missed.h) and calls
// outpace._loads.load with that, which gives the coroutine that waits for the flight of the key, or makes one; all
// further steps are passed on to that one.
#ifndef OP_CACHE_COROUTINE_H
#define OP_CACHE_COROUTINE_H

#include "cache/function.h"

// A call of `function` (coroutine is true) with a vector of arguments. New reference, or NULL with an exception.
PyObject *op_coroutine_new(op_function *function, PyObject *const *args, size_t nargsf, PyObject *names);

// The same for outpace.Cache: get_or_load(key, loader) with an `async def` loader. `home` is the mapping, which owns `store`.
PyObject *op_coroutine_of_mapping(PyObject *home, op_store *store, op_module *state, PyObject *key,
                                  PyObject *loader);

// The module goes away: frees the coroutines that are kept for reuse, and keeps none from now on.
void op_coroutine_forget(op_module *state);

#endif

// SPDX-License-Identifier: MIT
// loader: what outpace.Cache.get_or_load is given to load with.
#ifndef OP_CACHE_LOADER_H
#define OP_CACHE_LOADER_H

#include "cache/store.h"

// Whether a call of `loader` gives a coroutine: an `async def`, also in a functools.partial, a method, a CachedFunction, or a
// `__call__`, or what is marked as one. 1, 0, or -1 with TypeError where it can't be called or gives a generator, which
// would be empty at its second use.
int op_loader_is_coroutine(op_module *state, PyObject *loader);

// The value for `call`, whose key was just missed: loader(key), once a key whatever the number of threads (flight.h), and kept
// in `store`, which `home` owns. New reference, or NULL with an exception.
PyObject *op_loader_load(PyObject *home, op_store *store, op_module *state, const op_call *call, PyObject *loader);

#endif

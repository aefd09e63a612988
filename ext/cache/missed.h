// SPDX-License-Identifier: MIT
// missed: a call that found nothing, outpace._cache.MissedCall: what outpace._loads has in hands of a CachedCoroutine. It knows
// the call and its key, and is the only way from there to the store. Not thread-safe: whoever waits has one of its own.
//
//   flight()         the flight of its key, or None
//   take_off(flight) makes that the flight of its key; returns None, or the one that the key has already
//   land(flight)     ends that, if it still is the flight of its key
//   look()           (value,) where a fresh one is kept meanwhile, else None
//   begin()          a load begins: its ticket is taken
//   call()           calls the function: a coroutine
//   keep(value)      the load has ended well: keeps its result, and returns it as it is kept
//   fail(error)      the load has raised: keeps the exception where cache_exceptions says so
//   drop()           the load has ended, and nothing is to be kept of it
//   give(value)      what is handed out for a result as it is kept
//   count_wait()     this call waits for the load of another
#ifndef OP_CACHE_MISSED_H
#define OP_CACHE_MISSED_H

#include "cache/function.h"

// A call as a coroutine holds it; the pointers are owned.
typedef struct {
    PyObject *home;   // the op_function or the mapping that `store` is in; NULL once nothing is held
    op_store *store;
    PyObject *loader;   // of a mapping; NULL: `home` is an op_function
    PyObject *names;    // of keywords, or NULL
} op_held_call;

// A MissedCall that takes over the names that `held` holds, the `count` items, and `made`, if any, which are those of
// *call. NULL with MemoryError, and then all of them remain the caller's.
PyObject *op_missed_new(op_module *state, op_held_call *held, PyObject **items, Py_ssize_t count,
                        const op_call *call, PyObject *made);

// Of a call, found or not: the function that it is of, borrowed; NULL once nothing is held.
PyObject *op_held_function(const op_held_call *held);
// What is handed out of `value`, which it takes over; NULL with an exception.
PyObject *op_held_give(const op_held_call *held, PyObject *value);

int op_missed_ready(PyObject *module, op_module *state);

#endif

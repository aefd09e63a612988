// SPDX-License-Identifier: MIT
// flight: one load a key, for threads. The first thread that misses a key loads; those that miss it meanwhile wait and get
// the same result, or the same exception.
//
// Nobody waits for ever:
//   1. A thread that asks for a key that it is loading itself goes through: it loads without a flight.
//   2. So does one whose wait would close a circle: the thread that it would wait for waits, maybe through others, for
//      a flight of its own. Who waits for what is kept in one list of the process, under one lock.
//   3. A load that raises, or whose key is forgotten, frees those that wait.
//   4. After a fork the child has only the thread that forked: flights of other threads are void there.
//   5. When the program ends, daemon threads stop where they are: nobody waits then.
//   6. A flight of coroutines, which an outpace.Cache may have for the same key, is not waited for by threads.
// A wait can be interrupted by signals, as Lock.acquire can.
#ifndef OP_CACHE_FLIGHT_H
#define OP_CACHE_FLIGHT_H

#include "cache/store.h"

// What is to become of a value that was loaded (or, where it is NULL, of the exception that is set): keeps it in the store
// with `ticket`. 0, or -1 with an exception, which then is the call's, its waiters' too.
typedef int (*op_keeper)(void *context, PyObject *value, uint64_t ticket);

// The value for `call`, which was just missed: waits for the flight of its key, or makes one and loads. New reference, or
// NULL with an exception. Before it loads it looks in the store again (OP_LOOK), as a flight may have landed in between, and
// gives what is fresh there. The load is by op_store_load. A thread that waited counts in store->waits.
PyObject *op_flight_load(op_store *store, op_module *state, const op_call *call, op_loader loader, op_keeper keeper,
                         void *context);

// Whether a load of this key is under way, by a thread. For stale entries: whoever finds none refreshes.
// 1, 0, or -1 with an exception.
int op_flight_is_loading(op_store *store, const op_call *call);

#endif

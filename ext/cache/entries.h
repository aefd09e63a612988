// SPDX-License-Identifier: MIT
// entries: those of a whole store, whose keys are lone objects (outpace.Cache): as lists, and one after another.
// The order is that of eviction: least recently used first, or small queue, then main; without a bound it is that of slots.
#ifndef OP_CACHE_ENTRIES_H
#define OP_CACHE_ENTRIES_H

#include "cache/store.h"

typedef enum {
    OP_ENTRIES_KEYS = 1,    // key, key, ...
    OP_ENTRIES_PAIRS = 2,   // key, value, key, value, ...
    OP_ENTRIES_TIMES = 3,   // key, value, seconds left (infinite where it does not expire), ...
} op_entries_width;

// The live entries of one moment as a new flat list, or NULL with an exception.
PyObject *op_entries_list(op_store *store, op_entries_width width);

// Removes the first live entry, which is put into *key and *value (new references): 1; 0 where there is none; -1 with an
// exception. `cursor`: of the caller, 0 at first; where the search goes on in a store without a bound.
int op_entries_pop(op_store *store, uint32_t *cursor, PyObject **key, PyObject **value);

#endif

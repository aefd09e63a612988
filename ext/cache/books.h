// SPDX-License-Identifier: MIT
// books: what store.c and keep.c share: the books of a store, under its lock.
#ifndef OP_CACHE_BOOKS_H
#define OP_CACHE_BOOKS_H

#include "cache/clock.h"
#include "cache/store.h"

#define OP_COARSE_FROM_NS OP_NS_A_SECOND   // hits of what lives as long as that ask the coarse clock first

// What was in an entry that is gone: references to be released without the lock. `key` 0: nothing.
typedef struct {
    op_key key;
    PyObject *value;
} op_remains;

// Evicts the entry at `slot`: what it held goes into *remains, or where that is taken already, to the dead.
void op_books_evict(op_store *store, uint32_t slot, op_remains *remains);

// The flight of a key: its slot of store->flights, OP_ABSENT, or OP_RAISED with an exception.
int64_t op_books_flight(op_store *store, const op_call *call);

// What the order counts: weights where their sum is bounded, else entries.
OP_INLINE const uint64_t *op_books_ordered_weights(const op_store *store)
{
    return store->max_weight > 0 ? store->table.weights : NULL;
}

OP_INLINE uint64_t op_books_weight(const op_store *store, uint32_t slot)
{
    const uint64_t *weights = op_books_ordered_weights(store);
    return weights == NULL ? 1 : weights[slot];
}

// Whether what expires then can't be given out any more.
OP_INLINE bool op_books_is_past(const op_store *store, int64_t expires, int64_t now)
{
    return now >= expires &&
           (uint64_t)now - (uint64_t)expires >= (uint64_t)store->stale_ns;   // may exceed an int64_t
}

OP_INLINE bool op_books_is_over(const op_store *store, uint32_t slot, int64_t now)
{
    return op_books_is_past(store, store->table.expires[slot], now);
}

// Whether a key with this hash was forgotten since `ticket`.
OP_INLINE bool op_books_forgot(const op_store *store, Py_hash_t hash, uint64_t ticket)
{
    if (OP_LIKELY(store->forgettings == ticket)) {
        return false;
    }
    if (store->cleared > ticket || store->forgettings - ticket > OP_FORGOTTEN) {
        return true;
    }
    for (uint64_t i = ticket; i < store->forgettings; i++) {
        if (store->forgotten[i % OP_FORGOTTEN] == hash) {
            return true;
        }
    }
    return false;
}

#endif

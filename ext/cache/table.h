// SPDX-License-Identifier: MIT
// table: slots of (hash, key, value), and an index over them with linear probing. A slot keeps its number while it is
// taken. What an entry needs beyond that (its place in the order, when it expires, what it weighs) lies in arrays of
// their own, which are there only where a store asks for them. The caller holds the store's lock (cache.h).
#ifndef OP_CACHE_TABLE_H
#define OP_CACHE_TABLE_H

#include "cache/key.h"
#include "cache/order.h"

typedef struct {
    Py_hash_t hash;    // of a free or dead slot: the next one of its chain
    op_key key;        // 0: the slot is free
    PyObject *value;   // owned
} op_entry;

typedef struct {
    uint32_t *index;     // owned; 0 is empty, else a slot plus 1; NULL before the first entry
    op_entry *entries;   // owned
    op_order *order;     // borrowed; NULL where nothing is evicted
    int64_t *expires;    // owned; by slot, in ns of the store's clock; INT64_MAX never; NULL where nothing expires
    uint64_t *weights;   // owned; by slot; NULL where each entry weighs 1
    uint64_t version;    // changes when entries are moved in the index: one goes, or the index grows
    uint32_t capacity;   // slots that there is room for
    uint32_t used;       // slots that were ever taken
    uint32_t count;      // of live entries
    uint32_t free;       // chain of free slots, or OP_NO_SLOT
    uint32_t dead;       // chain of slots to be buried, or OP_NO_SLOT
    uint8_t shift;       // of a mixed hash to a place of the index
} op_table;

// What op_table_find gives besides a slot.
#define OP_ABSENT (-1)
#define OP_RAISED (-2)

void op_table_init(op_table *table, op_order *order);
// Of an empty table (op_table_clear, op_table_bury).
void op_table_fini(op_table *table);

// The array of expiry times, or of weights, from now on. False: no memory.
bool op_table_with_expiry(op_table *table);
bool op_table_with_weights(op_table *table);

// The slot of the entry whose key equals `call`, OP_ABSENT, or OP_RAISED with the exception of an `__eq__`. May free
// the lock while an `__eq__` runs; what it gives is true as of its return, with the lock held again.
int64_t op_table_find(op_table *table, const op_call *call, op_lock *lock);

// A new entry, whose key no entry has. Takes over `key` and `value`. Its slot, or OP_RAISED with MemoryError, and then
// key and value remain the caller's. Neither expiry nor order is set: store.c does.
int64_t op_table_add(op_table *table, Py_hash_t hash, op_key key, PyObject *value);

// Takes the entry out of the index; its key and value are buried later. The order is the caller's business.
void op_table_take(op_table *table, uint32_t slot);
// The same at once: the references are the caller's, and the slot is free.
void op_table_take_out(op_table *table, uint32_t slot, op_key *key, PyObject **value);
// All of them.
void op_table_clear(op_table *table);

// Takes one dead slot's key and value, to be released by the caller without the lock. False where none is dead.
bool op_table_exhume(op_table *table, op_key *key, PyObject **value);

int op_table_traverse(op_table *table, visitproc visit, void *arg);
// Whether `slot`, below table->used, holds an entry.
OP_INLINE bool op_table_is_live(const op_table *table, uint32_t slot)
{
    op_key key = table->entries[slot].key;
    return key != 0 && (key & OP_KEY_DEAD) == 0;
}

// What its arrays take.
size_t op_table_bytes(const op_table *table);

// The place of the index at which a search for `hash` begins. Fibonacci hashing: consecutive ints spread.
OP_INLINE size_t op_table_place(const op_table *table, Py_hash_t hash)
{
    return (size_t)(((uint64_t)hash * UINT64_C(0x9E3779B97F4A7C15)) >> table->shift);
}

#endif

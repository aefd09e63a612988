// SPDX-License-Identifier: MIT
// probe: what a hit is made of, inline: the hash of an argument, its comparison with one that is kept, and the search in
// a table's index. None of it runs code of the program but op_object_hash where a type has its own `__hash__`.
#ifndef OP_CACHE_PROBE_H
#define OP_CACHE_PROBE_H

#include <string.h>
#include "cache/owner.h"

// ---- exact ints and strings, without a call of Python's -------------------------------------------------------------

// Whether `object`, exactly an int, is small enough to be read at once.
OP_INLINE bool op_int_value(PyObject *object, Py_ssize_t *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)object)) {
        return false;
    }
    *value = PyUnstable_Long_CompactValue((PyLongObject *)object);
    return true;
#else
    Py_ssize_t size = Py_SIZE(object);
    if (size < -1 || size > 1) {
        return false;
    }
    *value = size == 0 ? 0 : size * (Py_ssize_t)((PyLongObject *)object)->ob_digit[0];
    return true;
#endif
}

// Both exactly str, and hashed before, which makes them ready on Pythons that know unready ones.
OP_INLINE bool op_strings_equal(PyObject *one, PyObject *other)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(one);
    if (length != PyUnicode_GET_LENGTH(other) || PyUnicode_KIND(one) != PyUnicode_KIND(other)) {
        return false;
    }
    return memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other), (size_t)length * PyUnicode_KIND(one)) == 0;
}

// ---- hashing --------------------------------------------------------------------------------------------------------

// As `hash(object)`: an int that is equal to a float has to have its hash.
OP_INLINE Py_hash_t op_object_hash(PyObject *object)
{
    if (PyUnicode_CheckExact(object)) {
#ifdef Py_GIL_DISABLED
        Py_hash_t hash = __atomic_load_n(&((PyASCIIObject *)object)->hash, __ATOMIC_RELAXED);
#else
        Py_hash_t hash = ((PyASCIIObject *)object)->hash;
#endif
        if (OP_LIKELY(hash != -1)) {
            return hash;
        }
    } else if (PyLong_CheckExact(object)) {
        Py_ssize_t value;
        if (OP_LIKELY(op_int_value(object, &value))) {
            return value == -1 ? -2 : value;
        }
    }
    return PyObject_Hash(object);
}

// One round of xxHash64 (Collet), whose constants these are: the order of the items counts.
OP_INLINE uint64_t op_hash_mix(uint64_t all, Py_hash_t item)
{
    all += (uint64_t)item * UINT64_C(0xC2B2AE3D27D4EB4F);
    all = (all << 31) | (all >> 33);
    return all * UINT64_C(0x9E3779B185EBCA87);
}

// Of an instance that is held weakly.
OP_INLINE Py_hash_t op_address_hash(PyObject *object)
{
    return (Py_hash_t)((uintptr_t)object >> 4);
}

// ---- comparing ------------------------------------------------------------------------------------------------------

// The objects are neither identical, nor both str, nor both small ints.
op_likeness op_objects_compare_rarer(PyObject *one, PyObject *other);

OP_INLINE op_likeness op_objects_compare(PyObject *one, PyObject *other)
{
    if (one == other) {
        return OP_EQUAL;
    }
    PyTypeObject *type = Py_TYPE(one);
    if (type == Py_TYPE(other)) {
        if (type == &PyUnicode_Type) {
            return op_strings_equal(one, other) ? OP_EQUAL : OP_DIFFERENT;
        }
        Py_ssize_t left, right;
        if (type == &PyLong_Type && op_int_value(one, &left) && op_int_value(other, &right)) {
            return left == right ? OP_EQUAL : OP_DIFFERENT;
        }
    }
    return op_objects_compare_rarer(one, other);
}

// ---- finding --------------------------------------------------------------------------------------------------------

OP_INLINE size_t op_table_mask(const op_table *table)
{
    return ((size_t)1 << (64 - table->shift)) - 1;
}

// What op_table_probe gives where op_table_find has to be asked.
#define OP_UNSURE (-4)

// The slot of the entry that equals a lone int or str, which is a key of that form; OP_ABSENT; or OP_UNSURE. Under the lock.
OP_INLINE int64_t op_table_probe_lone(const op_table *table, op_key_form form, Py_hash_t hash, PyObject *object)
{
    if (OP_UNLIKELY(table->index == NULL)) {
        return OP_ABSENT;
    }
    size_t mask = op_table_mask(table);
    for (size_t place = op_table_place(table, hash);; place = (place + 1) & mask) {
        uint32_t cell = table->index[place];
        if (OP_UNLIKELY(cell == 0)) {
            return OP_ABSENT;
        }
        const op_entry *entry = &table->entries[cell - 1];
        if (entry->hash != hash || op_key_form_of(entry->key) != form) {
            continue;
        }
        PyObject *kept = op_key_object(entry->key);
        if (OP_LIKELY(kept == object)) {
            return cell - 1;
        }
        op_likeness like = op_objects_compare(kept, object);
        if (like == OP_EQUAL) {
            return cell - 1;
        }
        if (like == OP_ASK) {
            return OP_UNSURE;
        }
    }
}

// Fills in the hash of a call, as op_call_hash does. False: that has to be asked.
OP_INLINE bool op_call_hash_quickly(op_call *call)
{
    if (OP_UNLIKELY(call->form != OP_KEY_MANY || call->names != NULL)) {
        return false;
    }
    uint64_t all = (uint64_t)call->count;
    Py_ssize_t i = 0;
    if (call->weak) {
        all = op_hash_mix(all, op_address_hash(call->items[0]));
        i = 1;
    }
    for (; i < call->count; i++) {
        PyObject *item = call->items[i];
        if (!PyUnicode_CheckExact(item) && !PyLong_CheckExact(item)) {
            return false;
        }
        Py_hash_t hash = op_object_hash(item);
        if (OP_UNLIKELY(hash == -1)) {   // an int or a str always has one
            return false;
        }
        all = op_hash_mix(all, hash);
    }
    call->hash = (Py_hash_t)(all == (uint64_t)-1 ? 0 : all);
    return true;
}

// Whether the arguments are those very objects.
OP_INLINE bool op_key_is_identical(op_key key, const op_call *call)
{
    if (op_key_form_of(key) != OP_KEY_MANY) {
        return call->form == op_key_form_of(key) && op_key_object(key) == call->items[0];
    }
    const op_many *many = op_key_many(key);
    if (call->form != OP_KEY_MANY || many->count != call->count || many->names != call->names ||
        many->weak != call->weak) {
        return false;
    }
    for (Py_ssize_t i = 0; i < call->count; i++) {
        if (many->items[i] != call->items[i]) {
            return false;
        }
    }
    return !call->weak || op_owner_is(key, call->items[0]);
}

// The same for any call, hashed. What `__eq__` would have to tell is OP_UNSURE.
OP_INLINE int64_t op_table_probe(const op_table *table, const op_call *call)
{
    if (OP_UNLIKELY(table->index == NULL)) {
        return OP_ABSENT;
    }
    size_t mask = op_table_mask(table);
    for (size_t place = op_table_place(table, call->hash);; place = (place + 1) & mask) {
        uint32_t cell = table->index[place];
        if (OP_UNLIKELY(cell == 0)) {
            return OP_ABSENT;
        }
        const op_entry *entry = &table->entries[cell - 1];
        if (entry->hash != call->hash) {
            continue;
        }
        if (OP_LIKELY(op_key_is_identical(entry->key, call))) {
            return cell - 1;
        }
        op_likeness like = op_key_compare(entry->key, call);
        if (OP_LIKELY(like == OP_EQUAL)) {
            return cell - 1;
        }
        if (like == OP_ASK) {
            return OP_UNSURE;
        }
    }
}

// Whether an object is exactly an int or a str: its hash and its comparison with another run no code of the program.
OP_INLINE bool op_object_is_lone(PyObject *object)
{
    return PyLong_CheckExact(object) || PyUnicode_CheckExact(object);
}

// ---- a hit ----------------------------------------------------------------------------------------------------------

// What of a store's entries may have a time to live.
typedef enum {
    OP_LIVE_ON,      // none
    OP_LIVE_MAYBE,   // some, once a load has given one of its own (Loaded): the clock is not read before
    OP_EXPIRE,       // all
} op_lives;

// What was found at `slot` (or OP_ABSENT, OP_UNSURE), and what follows from it: a hit is counted, and its value is given, a
// new reference; what is absent is counted as a miss where `misses`, and *missed is set; else the store has to be asked. Frees the lock.
OP_INLINE PyObject *op_store_hit(op_store *store, int64_t slot, op_lives lives, int64_t now, bool misses,
                                 bool *missed)
{
    PyObject *value = NULL;
    *missed = false;
    if (OP_LIKELY(slot >= 0)) {
        bool fresh = lives == OP_LIVE_ON ||
                     (lives == OP_EXPIRE ? now < store->table.expires[slot] : store->table.expires == NULL);
        if (OP_LIKELY(fresh)) {
            value = Py_NewRef(store->table.entries[slot].value);
            if (store->table.order != NULL) {
                op_order_touch(&store->order, (uint32_t)slot);
            }
            store->hits++;
        }
    } else if (misses && slot == OP_ABSENT) {
        store->misses++;
        *missed = true;
    }
    OP_UNLOCK(&store->lock);
    return value;
}

// The value for a key of the form ONE that is exactly an int or a str, where that is all it takes: a new reference. NULL, with nothing counted and no exception:
// it takes more.
OP_INLINE PyObject *op_store_get_lone(op_store *store, PyObject *key)
{
    if (!op_object_is_lone(key) || OP_UNLIKELY(store->timer != NULL)) {
        return NULL;
    }
    Py_hash_t hash = op_object_hash(key);
    bool expires = op_store_expires(store), missed;
    int64_t now = expires ? op_store_soon(store) : 0;
    op_store_lock(store);
    int64_t slot = op_table_probe_lone(&store->table, OP_KEY_ONE, hash, key);
    return op_store_hit(store, slot, expires ? OP_EXPIRE : OP_LIVE_MAYBE, now, false, &missed);
}

#endif

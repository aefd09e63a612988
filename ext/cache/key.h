// SPDX-License-Identifier: MIT
// key: the arguments of a call as a key.
//
// An op_call is how a call comes in: a vector of arguments that the caller owns. It is hashed and compared where it lies.
// An op_key is what a table keeps. Two keys are equal as functools' are: the same number of positional arguments and
// equal keywords in the same order, each pair of values identical or equal; with `typed`, of the same types too.
// A lone argument that is exactly an int or a str is equal to its like only: f(1) and f(1.0) are two keys,
// f(1, 2) and f(1.0, 2) are one. An outpace.Cache has lone objects only, compared as a dict does.
#ifndef OP_CACHE_KEY_H
#define OP_CACHE_KEY_H

#include "cache/cache.h"

typedef struct op_owner op_owner;

// What kind of key it is; also the tag of an op_key. Keys of different forms are never equal.
typedef enum {
    OP_KEY_BARE = 0,   // a lone int or str, exactly of that type
    OP_KEY_ONE = 1,    // another lone object
    OP_KEY_MANY = 2,   // anything else
} op_key_form;

typedef struct {
    PyObject *const *items;   // borrowed: positional arguments, then the keywords' values
    Py_ssize_t count;         // of items
    PyObject *names;          // borrowed tuple of the keywords' names, or NULL
    Py_hash_t hash;           // by op_call_hash
    op_key_form form;
    bool typed;
    bool weak;   // items[0] is an instance that is to be held weakly; form is OP_KEY_MANY
} op_call;

// An owned key: a pointer with its form in the lowest two bits; 0 is none. BARE and ONE: the object. MANY: an op_many.
// The next bit is set where its entry was removed and waits to be buried (table.h).
typedef uintptr_t op_key;
#define OP_KEY_DEAD ((op_key)4)

// The arguments of one call, kept. `items[0]` of a weak one is borrowed from its owner, which removes the entry when
// that instance dies; `tail` then lies behind the items.
typedef struct {
    PyObject *names;   // owned, or NULL
    uint32_t references;
    uint16_t count;
    uint16_t weak;
    PyObject *items[];   // owned
} op_many;

// Where a weak key stands among those of its instance (owner.h).
typedef struct op_tail {
    op_owner *owner;   // owned reference, or NULL before op_owner_add; dropped with the key
    op_key previous, next;
    uint32_t slot;   // of the table
} op_tail;

OP_INLINE op_key_form op_key_form_of(op_key key)
{
    return (op_key_form)(key & 3);
}

OP_INLINE PyObject *op_key_object(op_key key)
{
    return (PyObject *)(key & ~(op_key)7);
}

OP_INLINE op_many *op_key_many(op_key key)
{
    return (op_many *)(key & ~(op_key)7);
}

OP_INLINE op_tail *op_key_tail(op_key key)
{
    op_many *many = op_key_many(key);
    return (op_tail *)(void *)&many->items[many->count];
}

OP_INLINE bool op_key_is_weak(op_key key)
{
    return op_key_form_of(key) == OP_KEY_MANY && op_key_many(key)->weak;
}

// A lone object's call, as outpace.Cache and key= have them; `slot` holds the object and outlives the call.
OP_INLINE op_call op_call_of_object(PyObject *const *slot)
{
    return (op_call){.items = slot, .count = 1, .form = OP_KEY_ONE};
}

// Fills in call->hash. -1 with the exception of a `__hash__`, which may run; call->hash is then the number of that item.
int op_call_hash(op_call *call);

typedef enum {
    OP_DIFFERENT = 0,
    OP_EQUAL = 1,
    OP_ASK = 2,   // only `__eq__` can tell
} op_likeness;

// Compares without running code of the program. The hashes are equal already.
op_likeness op_key_compare(op_key key, const op_call *call);

// Compares with `__eq__`: runs code of the program; the caller holds `key` (op_key_hold), not the lock.
// 1, 0, or -1 with an exception.
int op_key_ask(op_key key, const op_call *call);

// A new key of `call`, which owns what it holds; 0 with MemoryError. A weak one has no owner yet: owner.h.
// Calls with more than OP_KEY_ITEMS_MAX items have no key: 0 with OverflowError.
#define OP_KEY_ITEMS_MAX 65535
op_key op_key_new(const op_call *call);

// One more reference, under the lock; and one less, which may run code of the program where it was the last.
void op_key_hold(op_key key);
void op_key_release(op_key key);

// For the collector. A weak key's instance is not visited.
int op_key_traverse(op_key key, visitproc visit, void *arg);

#endif

// SPDX-License-Identifier: MIT
// owner: an instance that a store's keys hold weakly. When it dies, the entries of its keys are removed.
//
// A store maps the addresses of such instances to their owners. An owner has one weak reference to its instance, whose
// callback removes the entries; as an address may be used again before a callback ran, or without one (finalizers, the
// collector), an owner counts as that of an object only while its weak reference points to that very object.
#ifndef OP_CACHE_OWNER_H
#define OP_CACHE_OWNER_H

#include "cache/store.h"
#include "cache/weak.h"

// Whether instances of `type` are equal to themselves alone, by object's own __eq__ and __hash__, and can be weakly referenced:
// then nobody can ask for the key of a dead one.
OP_INLINE bool op_owner_suits(const PyTypeObject *type)
{
    return type->tp_hash == PyBaseObject_Type.tp_hash && type->tp_richcompare == PyBaseObject_Type.tp_richcompare &&
           type->tp_weaklistoffset != 0;
}

// Whether the weak key's instance is `self`, and alive. Under the lock; runs no code of the program.
OP_INLINE bool op_owner_is(op_key key, PyObject *self)
{
    const op_weak *owner = (const op_weak *)(const void *)op_key_tail(key)->owner;   // begins with one
    return owner != NULL && op_weak_is(owner, self);
}

// Finds or makes the owner of `self` in the store, which `home` owns and which lives as long: a new reference, or NULL with
// an exception. `home` takes weak references. Takes and frees the lock.
op_owner *op_owner_get(op_store *store, PyObject *home, op_module *state, PyObject *self);

// Under the lock: the weak key at `slot` of store->table is one of `owner`'s from now on, and takes a reference to it of
// its own; and no longer (the reference is dropped with the key, op_key_release).
void op_owner_add(op_owner *owner, op_key key, uint32_t slot);
void op_owner_remove(op_key key);

// The store, which has no entries any more, goes away.
void op_owners_fini(op_store *store);

#endif

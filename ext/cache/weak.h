// SPDX-License-Identifier: MIT
// weak: weak references of kinds of our own, and a table of them by the address of what they refer to.
//
// A kind is a subclass of weakref.ref with a callback that all its references share and that is called with the
// reference: so a reference holds nothing that holds the reference, and goes when the last one who holds it lets go.
#ifndef OP_CACHE_WEAK_H
#define OP_CACHE_WEAK_H

#include "cache/cache.h"

// How each kind begins.
typedef struct {
    PyWeakReference reference;
    PyObject *address;   // of the object; not to be followed: the object may be gone
} op_weak;

// Whether it refers to `object`, which the caller holds. As a reference is cut before the memory of its object is used
// again, an object at the same address is that very object. Runs no code of the program.
OP_INLINE bool op_weak_is(const op_weak *weak, const PyObject *object)
{
    return __atomic_load_n(&weak->reference.wr_object, __ATOMIC_RELAXED) == object;
}

// Whether it was cut from its object. It may have been without a call of its callback: the collector does so with what
// is garbage together with its object, and the death of an object with references that were made during it.
OP_INLINE bool op_weak_is_cut(const op_weak *weak)
{
    return op_weak_is(weak, Py_None);
}

// A kind, whose objects begin with an op_weak; its traverse is, or ends with, op_weak_traverse. NULL with an exception.
PyTypeObject *op_weak_type(PyObject *module, PyType_Spec *spec);
int op_weak_traverse(PyObject *weak, visitproc visit, void *arg);
// The last step of its dealloc.
void op_weak_dealloc(PyObject *weak);

// A new reference to `object`, whose type takes weak references; what the kind adds to op_weak is zero. NULL with an
// exception. Where none that holds it tells the collector so, it counts as reachable, and its callback is called.
op_weak *op_weak_new(PyTypeObject *kind, PyObject *object, PyObject *died);

// What a weak reference of any kind refers to: a new reference, or NULL without an exception where it is gone.
PyObject *op_weak_get(PyObject *weak);

// The table: open addressing, linear probing. It borrows what it holds; two in it never have one address.
typedef struct {
    op_weak **places;
    uint32_t count;
    uint32_t mask;   // places less 1; 0 without any
    uint32_t seen;   // the place that op_weaks_find_cut looked at last
} op_weaks;

// The one with this address, or NULL.
op_weak *op_weaks_find(const op_weaks *weaks, const PyObject *address);

// One that was cut from its object, if there is one at the next few places, or NULL: whoever asks with each addition gets
// them all in time.
op_weak *op_weaks_find_cut(op_weaks *weaks);

// Whose address none has. False: no memory.
bool op_weaks_add(op_weaks *weaks, op_weak *weak);
// False where it is not in the table.
bool op_weaks_remove(op_weaks *weaks, const op_weak *weak);
void op_weaks_fini(op_weaks *weaks);

#endif

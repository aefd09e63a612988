// SPDX-License-Identifier: MIT
// cache: caches for Python in C. What all files of this module share.
//
// The rooms, from the bottom up:
//   key       a call's arguments as a key: hashed and compared in place, copied only when a result is kept
//   order     who is evicted: least recently used, or S3-FIFO; knows numbers of slots, nothing of Python
//   table     slots of (hash, key, value) with an index over them
//   weak      weak references of kinds of our own, found by the address of their object
//   owner     instances that are held weakly, and the slots that die with them
//   store     one cache: a table, its bounds, its clock, its statistics, what was forgotten while loads ran
//   twin      a second exception like a first, for another thread or another call
//   flight    one load a key for threads
//   stop      how an await ends with a value; missed: a call that found nothing, as outpace._loads sees it
//   coroutine one load a key for coroutines: what a call of an `async def` gives
//   function  the decorated function; mapping: outpace.Cache
//   own       functions an instance: who holds them; method: the decorated method; bound: that on an instance
//
// Locks. With a GIL, the GIL is the lock. Without one, a store has a mutex (op_lock) that is held while its tables are
// read or written, and never while code of the program may run (comparisons, hashes, destructors, callbacks): that
// code may call this very cache. The rules that follow hold on both:
//   1. What calls the program holds references to all that it needs, and looks again afterwards: `op_table.version`
//      tells whether a table was changed meanwhile.
//   2. What is removed from a table is buried, that is its references are dropped, only when the table is whole again
//      and the lock is free (op_store_unlock does so).
#ifndef OP_CACHE_CACHE_H
#define OP_CACHE_CACHE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OP_LIKELY(x) __builtin_expect(!!(x), 1)
#define OP_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define OP_INLINE static inline __attribute__((always_inline))
#define OP_NOINLINE __attribute__((noinline))

#ifdef Py_GIL_DISABLED
typedef PyMutex op_lock;
#define OP_LOCK(lock) PyMutex_Lock(lock)
#define OP_UNLOCK(lock) PyMutex_Unlock(lock)
#else
typedef struct {
    char none;
} op_lock;
#define OP_LOCK(lock) ((void)(lock))
#define OP_UNLOCK(lock) ((void)(lock))
#endif

#define OP_UNUSED_COROUTINES 16

// A word that is written under a lock (OP_WRITE) and also read without it (OP_READ): whole, and maybe of a moment ago. Who
// reads what was written sees all that was done before.
#define OP_READ(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define OP_WRITE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELEASE)

// The last reference to `object` went, its deallocator keeps it, and this is a new one: for debug builds, which count all
// references, too.
OP_INLINE void op_revive(PyObject *object)
{
#ifdef Py_REF_DEBUG
    _Py_NewReference(object);
#else
    Py_SET_REFCNT(object, 1);
#endif
}

// What the module keeps for one interpreter.
typedef struct {
    PyTypeObject *function_type;    // CachedFunction
    PyTypeObject *owner_type;       // not shown
    PyObject *owner_died;           // the callback of owners
    PyTypeObject *flight_type;      // not shown
    PyTypeObject *own_type;         // not shown
    PyObject *own_died;             // the callback of owns
    PyTypeObject *holder_type;      // what lies in an instance's __dict__
    PyTypeObject *method_type;      // CachedMethod, for per_instance=True
    PyTypeObject *bound_type;       // what CachedMethod.__get__ gives
    PyTypeObject *coroutine_type;   // CachedCoroutine
    PyTypeObject *mapping_type;     // Mapping, the base of outpace.Cache
    PyTypeObject *loaded_type;      // Loaded: a load's result with its time to live
    PyTypeObject *raised_type;      // not shown: an exception that is kept as a result
    PyTypeObject *missed_type;      // MissedCall
    PyTypeObject *stop_type;   // not shown: what ends an await (stop.h), NULL where nothing is to be gained by it
    PyObject *stop;            // one of these that is not in use, or NULL
    PyObject *start_load;      // outpace._loads.load, imported at the first miss of a coroutine
    PyObject *start_refresh;   // outpace._loads.refresh, imported at the first stale value of one
    PyObject *stats_type;      // CacheStats, a struct sequence
    size_t unused_count;
    PyObject *unused[OP_UNUSED_COROUTINES];   // owned: coroutines that ended and are to be used again (coroutine.c)
} op_module;

extern struct PyModuleDef op_cache_module;

// The state of the module that `type`, or a base of it, was made by. Never NULL for this module's types.
op_module *op_module_of_type(PyTypeObject *type);

// Each file's part in making the module: adds its types to `state` (and to the module where they are shown).
// 0, or -1 with an exception.
int op_owner_ready(PyObject *module, op_module *state);
int op_flight_ready(PyObject *module, op_module *state);
int op_function_ready(PyObject *module, op_module *state);
int op_method_ready(PyObject *module, op_module *state);
int op_coroutine_ready(PyObject *module, op_module *state);
int op_mapping_ready(PyObject *module, op_module *state);
int op_store_ready(PyObject *module, op_module *state);

#endif

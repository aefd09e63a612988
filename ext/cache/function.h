// SPDX-License-Identifier: MIT
// function: the decorated function, outpace._cache.CachedFunction.
//
// CachedFunction(function, *, maxsize=128, typed=False, key=None, ttl=None, jitter=None, stale=None, max_bytes=None,
//                weigh=None, policy="lru", cache_exceptions=None, copy=None, once=False, coroutine=False,
//                skip_self=False, timer=None, info_type)
//
// The decorators of outpace._caching check these and call it. maxsize: None or an int >= 0. ttl, jitter, stale: seconds as
// float, or None. max_bytes: None or an int > 0. policy: "lru" or "s3fifo". cache_exceptions: None or a tuple of pairs
// (class, seconds or None). copy: None or a callable. coroutine: `function` is an `async def`, and a call gives a CachedCoroutine.
// skip_self: the first argument is no part of the key (instance.c). info_type: functools' class of what cache_info gives.
#ifndef OP_CACHE_FUNCTION_H
#define OP_CACHE_FUNCTION_H

#include "cache/store.h"

typedef struct {
    PyObject_HEAD vectorcallfunc vectorcall;
    op_store store;
    PyObject *function;     // owned, as all that follow
    PyObject *key;          // or NULL
    PyObject *copy;         // or NULL
    PyObject *exceptions;   // tuple of pairs (class, seconds or None), or NULL
    PyObject *info_type;
    PyObject *dict;
    PyObject *weak_references;
    op_module *state;   // borrowed: the type holds the module
    bool typed, once, coroutine, skip_self;
    bool quick;   // a hit takes a probe and a clock at most: no key=, copy=, cache_exceptions=, timer, or skip_self
    bool method;   // stands in a class: the first argument is an instance, held weakly where that may be
} op_function;

// The key of a call, hashed. Where key= made it, it is in *made, a reference of the caller's that is dropped after the last
// use of *call, and `made` itself has to stay where it is as long; else NULL. 0, or -1 with an exception, which names an argument without a hash.
int op_function_key(op_function *function, PyObject *const *args, Py_ssize_t positional, PyObject *names,
                    PyObject **made, op_call *call);

// What is handed out for a value as it is kept: that value, its copy, or NULL with the exception that was kept. Takes over `value`.
PyObject *op_function_give(op_function *function, PyObject *value);

// Keeps what a load gave: `value` (a Loaded is unpacked), or where it is NULL the exception that is set, if cache_exceptions
// says so; it remains set. 0, or -1 with an exception that replaces it.
int op_function_keep(op_function *function, const op_call *call, PyObject *value, uint64_t ticket);

// A load's result without its time to live: takes over `value`, which may be a Loaded.
PyObject *op_function_unwrap(op_function *function, PyObject *value);

// A call of a CachedFunction by its own vectorcall; `self` is one, checked by the caller.
OP_INLINE PyObject *op_function_call(op_function *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    return self->vectorcall((PyObject *)self, args, nargsf, names);
}

#endif

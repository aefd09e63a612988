// SPDX-License-Identifier: MIT
// method: a method of which each instance has a cache of its own, outpace._cache.CachedMethod, for per_instance=True.
//
// CachedMethod(function, **options): as CachedFunction, which is made with these options for each instance at its first
// call. It stands in a class; called with an instance first, it calls that instance's CachedFunction.
#ifndef OP_CACHE_METHOD_H
#define OP_CACHE_METHOD_H

#include "cache/own.h"

typedef struct {
    PyObject_HEAD vectorcallfunc vectorcall;
    op_owns *owns;        // owned
    PyObject *function;   // owned, as all that follow: what is decorated
    PyObject *options;    // a dict, for CachedFunction
    PyObject *name;       // under which caches lie in a `__dict__`; NULL before it was seen in a class
    PyObject *dict;
    PyObject *weak_references;
    op_module *state;   // borrowed: the type holds the module
    bool of_classes;    // it stands in a metaclass, so that its instances are classes
} op_method;

// The cache of `self`, which is made where there is none: a new reference, or NULL with an exception.
op_function *op_method_cache(op_method *method, PyObject *self);

// What `method` is on the instance `self`: a new reference, or NULL with an exception.
PyObject *op_bound_new(op_method *method, PyObject *self);

int op_bound_ready(PyObject *module, op_module *state);

#endif

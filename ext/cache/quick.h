// SPDX-License-Identifier: MIT
// quick: a hit of a function of which `quick` is true.
#ifndef OP_CACHE_QUICK_H
#define OP_CACHE_QUICK_H

#include "cache/function.h"
#include "cache/probe.h"

// The arguments as a key that is not hashed yet.
OP_INLINE op_call op_function_arguments(const op_function *function, PyObject *const *args, Py_ssize_t positional,
                                        PyObject *names)
{
    op_call call = {.items = args, .count = positional, .form = OP_KEY_MANY, .typed = function->typed};
    if (OP_UNLIKELY(names != NULL) && PyTuple_GET_SIZE(names) > 0) {
        call.names = names;
        call.count += PyTuple_GET_SIZE(names);
    } else if (positional == 1) {
        PyTypeObject *type = Py_TYPE(args[0]);
        if (type == &PyLong_Type || type == &PyUnicode_Type) {
            call.form = OP_KEY_BARE;
        } else if (!function->typed) {
            call.form = OP_KEY_ONE;
        }
    }
    if (OP_UNLIKELY(OP_READ(function->method)) && positional > 0 && op_owner_suits(Py_TYPE(args[0]))) {
        call.form = OP_KEY_MANY;
        call.weak = true;
    }
    return call;
}

// The value for a call, a new reference, where a probe finds it fresh; it counts as a hit. NULL, with nothing counted and no
// exception: it takes more. A `__hash__` may run.
OP_INLINE PyObject *op_function_get_quickly(op_function *function, PyObject *const *args, Py_ssize_t positional,
                                            PyObject *names)
{
    op_store *store = &function->store;
    op_call call = op_function_arguments(function, args, positional, names);
    if (call.form == OP_KEY_BARE) {
        call.hash = op_object_hash(args[0]);
    } else if (!op_call_hash_quickly(&call) && OP_UNLIKELY(op_call_hash(&call) != 0)) {
        PyErr_Clear();   // to be told, with the argument's name, by whoever takes the long way
        return NULL;
    }
    bool expires = op_store_expires(store), missed;
    int64_t now = expires ? op_store_soon(store) : 0;
    op_store_lock(store);
    int64_t slot = op_table_probe(&store->table, &call);
    return op_store_hit(store, slot, expires ? OP_EXPIRE : OP_LIVE_MAYBE, now, false, &missed);
}

#endif

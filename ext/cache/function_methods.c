// SPDX-License-Identifier: MIT
#include "cache/function_methods.h"

#include "cache/owner.h"

#define BIND(self) op_function *function = (op_function *)(self)

void op_function_is_method(op_function *function)
{
    // With key= there is no instance in the key, and a cache an instance has none there either.
    OP_WRITE(function->method, function->key == NULL && !function->skip_self);
}

static PyObject *cache_info(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (op_store_expire(&function->store) != 0) {
        return NULL;
    }
    op_store_lock(&function->store);   // all three are of one moment
    Py_ssize_t hits = function->store.hits, misses = function->store.misses;
    Py_ssize_t count = (Py_ssize_t)function->store.table.count;
    op_store_unlock(&function->store);
    PyObject *maxsize = function->store.maxsize < 0 ? Py_NewRef(Py_None)
                                                    : PyLong_FromSsize_t(function->store.maxsize);
    if (maxsize == NULL) {
        return NULL;
    }
    PyObject *info = PyObject_CallFunction(function->info_type, "nnOn", hits, misses, maxsize, count);
    Py_DECREF(maxsize);
    return info;
}

static PyObject *cache_clear(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    op_store_clear(&function->store, true);
    Py_RETURN_NONE;
}

static PyObject *cache_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (op_store_expire(&function->store) != 0) {
        return NULL;
    }
    return op_store_stats(&function->store, function->state);
}

static PyObject *cache_invalidate(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    BIND(self);
    PyObject *made;
    op_call call;
    if (op_function_key(function, args, count, names, &made, &call) != 0) {
        return NULL;
    }
    int found = op_store_forget(&function->store, &call, NULL);
    Py_XDECREF(made);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

// What is kept for a call, fresh or stale: a new reference in *value.
static op_found look(op_function *function, PyObject *const *args, Py_ssize_t count, PyObject *names,
                     PyObject **value)
{
    PyObject *made;
    op_call call;
    if (op_function_key(function, args, count, names, &made, &call) != 0) {
        return OP_FOUND_ERROR;
    }
    op_found found = op_store_get(&function->store, &call, OP_LOOK, value);
    Py_XDECREF(made);
    return found;
}

static PyObject *cache_contains(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    BIND(self);
    PyObject *value;
    op_found found = look(function, args, count, names, &value);
    if (found == OP_FOUND_ERROR) {
        return NULL;
    }
    if (found != OP_FOUND_NONE) {
        Py_DECREF(value);
    }
    return PyBool_FromLong(found == OP_FOUND_FRESH);
}

static PyObject *cache_peek(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    BIND(self);
    PyObject *value;
    op_found found = look(function, args, count, names, &value);
    if (found == OP_FOUND_FRESH) {
        return op_function_give(function, value);
    }
    if (found == OP_FOUND_STALE) {
        Py_DECREF(value);
    }
    if (found != OP_FOUND_ERROR) {
        PyErr_SetString(PyExc_KeyError, "nothing is kept for these arguments");
    }
    return NULL;
}

static PyObject *cache_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    BIND(self);
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "cache_put(value, /, *args, **kwargs) misses the value");
        return NULL;
    }
    PyObject *made;
    op_call call;
    if (op_function_key(function, args + 1, count - 1, names, &made, &call) != 0) {
        return NULL;
    }
    int kept = op_store_keep(&function->store, self, &call, args[0], OP_TTL_OF_STORE, 0, OP_KEEP_SET);
    Py_XDECREF(made);
    if (kept < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *invalidate_key(PyObject *self, PyObject *key)
{
    BIND(self);
    op_call call = op_call_of_object(&key);
    if (op_call_hash(&call) != 0) {
        return NULL;
    }
    int found = op_store_forget(&function->store, &call, NULL);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

static PyObject *contains_key(PyObject *self, PyObject *key)
{
    BIND(self);
    op_call call = op_call_of_object(&key);
    if (op_call_hash(&call) != 0) {
        return NULL;
    }
    PyObject *value;
    op_found found = op_store_get(&function->store, &call, OP_LOOK, &value);
    if (found == OP_FOUND_ERROR) {
        return NULL;
    }
    if (found != OP_FOUND_NONE) {
        Py_DECREF(value);
    }
    return PyBool_FromLong(found == OP_FOUND_FRESH);
}

static PyObject *set_name(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t count)
{
    BIND(self);
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "__set_name__(owner, name) takes two arguments");
        return NULL;
    }
    op_function_is_method(function);
    Py_RETURN_NONE;
}

// By name, as functions are.
static PyObject *reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyObject *copy_itself(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

static PyObject *size_of(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    op_store_lock(&function->store);
    size_t bytes = (size_t)Py_TYPE(self)->tp_basicsize + op_table_bytes(&function->store.table);
    op_store_unlock(&function->store);
    return PyLong_FromSize_t(bytes);
}

#define WITH_CALL METH_FASTCALL | METH_KEYWORDS

PyMethodDef op_function_methods[] = {
    {"cache_info", cache_info, METH_NOARGS,
     PyDoc_STR("cache_info($self, /)\n--\n\nHits, misses, maxsize and currsize, as functools tells them.")},
    {"cache_clear", cache_clear, METH_NOARGS,
     PyDoc_STR(
         "cache_clear($self, /)\n--\n\nForgets all results, and those of loads under way, and sets the statistics to zero.")},
    {"cache_stats", cache_stats, METH_NOARGS,
     PyDoc_STR("cache_stats($self, /)\n--\n\nA CacheStats: what the cache did since the last cache_clear.")},
    {"cache_invalidate", (PyCFunction)(void (*)(void))cache_invalidate, WITH_CALL,
     PyDoc_STR(
         "cache_invalidate($self, /, *args, **kwargs)\n--\n\n"
         "Forgets the result for these arguments, and that of a load under way; whether there was a result.")},
    {"cache_contains", (PyCFunction)(void (*)(void))cache_contains, WITH_CALL,
     PyDoc_STR("cache_contains($self, /, *args, **kwargs)\n--\n\n"
               "Whether a result is kept for these arguments. No statistics, no recency.")},
    {"cache_peek", (PyCFunction)(void (*)(void))cache_peek, WITH_CALL,
     PyDoc_STR("cache_peek($self, /, *args, **kwargs)\n--\n\n"
               "The result that is kept for these arguments, or KeyError. No statistics, no recency.")},
    {"cache_put", (PyCFunction)(void (*)(void))cache_put, WITH_CALL,
     PyDoc_STR(
         "cache_put($self, value, /, *args, **kwargs)\n--\n\nKeeps `value` as the result for these arguments.")},
    {"_invalidate_key", invalidate_key, METH_O, PyDoc_STR("cache_invalidate by what key= gave.")},
    {"_contains_key", contains_key, METH_O, PyDoc_STR("cache_contains by what key= gave.")},
    {"__set_name__", (PyCFunction)(void (*)(void))set_name, METH_FASTCALL, NULL},
    {"__reduce__", reduce, METH_NOARGS, NULL},
    {"__copy__", copy_itself, METH_NOARGS, NULL},
    {"__deepcopy__", copy_itself, METH_O, NULL},
    {"__sizeof__", size_of, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

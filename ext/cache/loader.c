// SPDX-License-Identifier: MIT
#include "cache/loader.h"

#include <string.h>

#include "cache/flight.h"
#include "cache/function.h"

// Without what only changes how it is called: a new reference, or NULL with an exception.
static PyObject *innermost(PyObject *loader)
{
    Py_INCREF(loader);
    for (;;) {
        PyObject *inner;
        if (PyMethod_Check(loader)) {
            inner = Py_NewRef(PyMethod_GET_FUNCTION(loader));
        } else if (strcmp(Py_TYPE(loader)->tp_name, "functools.partial") == 0) {
            inner = PyObject_GetAttrString(loader, "func");
        } else {
            return loader;
        }
        Py_DECREF(loader);
        if (inner == NULL) {
            return NULL;
        }
        loader = inner;
    }
}

static int refuse_generators(PyObject *loader, int flags)
{
    if ((flags & (CO_GENERATOR | CO_ASYNC_GENERATOR)) == 0) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "loader %R gives a generator, which would be empty the second time it is used",
                 loader);
    return -1;
}

// What has a mark, or hides its code.
OP_NOINLINE static int ask_python(PyObject *loader)
{
    PyObject *module = PyImport_ImportModule("outpace._coroutines");
    PyObject *answer = NULL;
    if (module != NULL) {
        answer = PyObject_CallMethod(module, "are_given_by", "O", loader);
        Py_DECREF(module);
    }
    int is = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return is;
}

int op_loader_is_coroutine(op_module *state, PyObject *loader)
{
    if (!PyCallable_Check(loader)) {
        PyErr_Format(PyExc_TypeError, "loader must be callable, and is a %.100s", Py_TYPE(loader)->tp_name);
        return -1;
    }
    PyObject *inner = innermost(loader);
    if (inner == NULL) {
        return -1;
    }
    int is = -1;
    if (PyFunction_Check(inner)) {
        int flags = ((PyCodeObject *)PyFunction_GET_CODE(inner))->co_flags;
        PyObject *marks = ((PyFunctionObject *)inner)->func_dict;
        if ((flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE)) != 0) {
            is = 1;
        } else if (refuse_generators(loader, flags) == 0) {
            // Only one with attributes can be marked as a coroutine function.
            is = marks == NULL || PyDict_GET_SIZE(marks) == 0 ? 0 : ask_python(inner);
        }
    } else if (Py_TYPE(inner) == state->function_type) {
        is = ((op_function *)inner)->coroutine;
    } else if (PyCFunction_Check(inner) || PyType_Check(inner)) {
        is = 0;
    } else {
        is = ask_python(inner);
    }
    Py_DECREF(inner);
    return is;
}

typedef struct {
    PyObject *home;
    op_store *store;
    const op_call *call;
    PyObject *loader;
} op_loading;

static PyObject *run_loader(void *context)
{
    const op_loading *loading = context;
    PyObject *value = PyObject_CallOneArg(loading->loader, loading->call->items[0]);
    if (value != NULL && (PyCoro_CheckExact(value) || PyGen_CheckExact(value) || PyAsyncGen_CheckExact(value))) {
        PyErr_Format(PyExc_TypeError,
                     "loader %R gave a %.100s, which can be used only once (an `async def` loader is awaited)",
                     loading->loader, Py_TYPE(value)->tp_name);
        Py_CLEAR(value);
    }
    return value;
}

static int keep_loaded(void *context, PyObject *value, uint64_t ticket)
{
    const op_loading *loading = context;
    if (value == NULL) {
        return 0;
    }
    int kept = op_store_keep(loading->store, loading->home, loading->call, value, OP_TTL_OF_STORE, ticket,
                             OP_KEEP_REPLACE);
    return kept < 0 ? -1 : 0;
}

PyObject *op_loader_load(PyObject *home, op_store *store, op_module *state, const op_call *call, PyObject *loader)
{
    op_loading loading = {home, store, call, loader};
    return op_flight_load(store, state, call, run_loader, keep_loaded, &loading);
}

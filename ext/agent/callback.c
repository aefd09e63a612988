// SPDX-License-Identifier: MIT
#include "agent/callback.h"

#include <stddef.h>

static void callback_dealloc(PyObject *self)
{
    Py_XDECREF(((op_callback *)self)->owner);
    Py_TYPE(self)->tp_free(self);
}

PyTypeObject op_callback_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "outpace._agent.Callback",
    .tp_basicsize = sizeof(op_callback),
    .tp_dealloc = callback_dealloc,
    .tp_vectorcall_offset = offsetof(op_callback, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = PyDoc_STR("Handles one event of the interpreter."),
};

int op_callback_ready(void)
{
    return PyType_Ready(&op_callback_type);
}

PyObject *op_callback_new(op_tracer *tracer, PyObject *owner, vectorcallfunc function)
{
    op_callback *callback = PyObject_New(op_callback, &op_callback_type);
    if (callback != NULL) {
        callback->vectorcall = function;
        callback->tracer = tracer;
        callback->owner = Py_NewRef(owner);
        callback->generation = tracer->generation;
        callback->slot = tracer->slot;
    }
    return (PyObject *)callback;
}

uint64_t op_callback_generation(void)
{
    static uint64_t last;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

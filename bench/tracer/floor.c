// SPDX-License-Identifier: MIT
// The floor under every tracer: callbacks that count and do nothing else. From Python 3.12 on a callable with its own
// vectorcall, which is the cheapest that sys.monitoring calls; before, the C hooks of a thread. Compiled by driver.py
// with the headers of the interpreter that is measured.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

#if PY_VERSION_HEX >= 0x030c0000

typedef struct {
    PyObject_HEAD vectorcallfunc call;
    unsigned long long count;
} empty;

static PyObject *empty_call(PyObject *self, PyObject *const *arguments, size_t count, PyObject *names)
{
    (void)arguments, (void)count, (void)names;
    ((empty *)self)->count++;
    Py_RETURN_NONE;
}

static PyObject *empty_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    (void)arguments, (void)names;
    empty *self = (empty *)type->tp_alloc(type, 0);
    if (self) {
        self->call = empty_call;
    }
    return (PyObject *)self;
}

static PyObject *empty_count(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((empty *)self)->count);
}

static PyGetSetDef empty_getset[] = {{"count", empty_count, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyTypeObject empty_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "outpace_floor.Empty",
    .tp_basicsize = sizeof(empty),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(empty, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = empty_new,
    .tp_getset = empty_getset,
};

static PyMethodDef functions[] = {{NULL, NULL, 0, NULL}};

static int fill(PyObject *module)
{
    return PyModule_AddType(module, &empty_type);
}

#else

static unsigned long long counts[8];   // by kind of event, PyTrace_CALL to PyTrace_OPCODE

static int empty_hook(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self, (void)frame, (void)argument;
    counts[what & 7]++;
    return 0;
}

static PyObject *set_profile(PyObject *module, PyObject *on)
{
    (void)module;
    PyEval_SetProfile(PyObject_IsTrue(on) ? empty_hook : NULL, NULL);
    Py_RETURN_NONE;
}

static PyObject *set_trace(PyObject *module, PyObject *on)
{
    (void)module;
    PyEval_SetTrace(PyObject_IsTrue(on) ? empty_hook : NULL, NULL);
    Py_RETURN_NONE;
}

static PyObject *count(PyObject *module, PyObject *what)
{
    (void)module;
    return PyLong_FromUnsignedLongLong(counts[PyLong_AsLong(what) & 7]);
}

static PyMethodDef functions[] = {
    {"set_profile", set_profile, METH_O, NULL},
    {"set_trace", set_trace, METH_O, NULL},
    {"count", count, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module)
{
    (void)module;
    return 0;
}

#endif

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outpace_floor",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_outpace_floor(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made && fill(made) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

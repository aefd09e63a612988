// SPDX-License-Identifier: MIT
#include "cache/stop.h"

PyObject *op_stop_method(PyObject *value)
{
    // Made here: PyErr_SetObject would take a tuple apart, and an exception for the one to be raised.
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    return NULL;
}

#if PY_VERSION_HEX >= 0x030C0000 && !defined(Py_GIL_DISABLED)

typedef struct {
    PyStopIterationObject stop;
    op_module *state;   // borrowed: the type holds the module
} op_stop;

static PyTypeObject *base_type(void)
{
    return (PyTypeObject *)PyExc_StopIteration;
}

static int stop_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return base_type()->tp_traverse(self, visit, arg);
}

static int stop_clear(PyObject *self)
{
    return base_type()->tp_clear(self);
}

// Whether nobody wrote anything into it but its value.
static bool is_clean(const PyStopIterationObject *stop)
{
    return stop->dict == NULL && stop->notes == NULL && stop->traceback == NULL && stop->context == NULL &&
           stop->cause == NULL && !stop->suppress_context && stop->args != NULL &&
           PyTuple_GET_SIZE(stop->args) == 0;
}

static void stop_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyStopIterationObject *stop = &((op_stop *)self)->stop;
    // A type that the collector took apart does not hold the module any more.
    op_module *state = ((PyHeapTypeObject *)type)->ht_module == NULL ? NULL : ((op_stop *)self)->state;
    if (OP_LIKELY(state != NULL && state->stop_type == type && state->stop == NULL && is_clean(stop))) {
        // It remains known to the collector, as an object that the module owns.
        op_revive(self);
        state->stop = self;
        Py_CLEAR(stop->value);
        return;
    }
    PyObject_GC_UnTrack(self);
    stop_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *new_stop(op_module *state)
{
    PyTypeObject *type = state->stop_type;
    op_stop *stop = (op_stop *)type->tp_alloc(type, 0);
    if (stop != NULL) {
        stop->state = state;
        stop->stop.args = PyTuple_New(0);
        if (stop->stop.args == NULL) {
            Py_CLEAR(stop);
        }
    }
    return (PyObject *)stop;
}

PyObject *op_stop_iteration(op_module *state, PyObject *value)
{
    if (value == Py_None) {
        Py_DECREF(value);
        return NULL;   // without an exception that is a StopIteration(None)
    }
    PyObject *stop = state->stop;
    state->stop = NULL;
    if (OP_UNLIKELY(stop == NULL)) {
        if (state->stop_type == NULL) {   // the module is being collected
            return op_stop_method(value);
        }
        stop = new_stop(state);
        if (stop == NULL) {
            Py_DECREF(value);
            return NULL;
        }
    }
    ((PyStopIterationObject *)stop)->value = value;
    PyErr_SetRaisedException(stop);
    return NULL;
}

// It is made without them, as nearly nobody asks.
static PyObject *stop_args(PyObject *self, void *Py_UNUSED(ignored))
{
    const PyStopIterationObject *stop = (PyStopIterationObject *)self;
    if (stop->args != NULL && PyTuple_GET_SIZE(stop->args) > 0) {
        return Py_NewRef(stop->args);
    }
    return stop->value == NULL ? PyTuple_New(0) : PyTuple_Pack(1, stop->value);
}

static int stop_set_args(PyObject *self, PyObject *args, void *Py_UNUSED(ignored))
{
    if (args == NULL) {
        PyErr_SetString(PyExc_TypeError, "args may not be deleted");
        return -1;
    }
    PyObject *made = PySequence_Tuple(args);
    if (made == NULL) {
        return -1;
    }
    Py_XSETREF(((PyStopIterationObject *)self)->args, made);
    return 0;
}

static PyGetSetDef stop_attributes[] = {
    {"args", stop_args, stop_set_args, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot stop_slots[] = {
    {Py_tp_doc, "The result of an await."},  {Py_tp_dealloc, (void *)stop_dealloc},
    {Py_tp_traverse, (void *)stop_traverse}, {Py_tp_clear, (void *)stop_clear},
    {Py_tp_getset, (void *)stop_attributes}, {0, NULL},
};

static PyType_Spec stop_spec = {
    .name = "outpace._cache.StopIteration",
    .basicsize = sizeof(op_stop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = stop_slots,
};

int op_stop_ready(PyObject *module, op_module *state)
{
    state->stop_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &stop_spec, PyExc_StopIteration);
    return state->stop_type == NULL ? -1 : 0;
}

#else

PyObject *op_stop_iteration(op_module *state, PyObject *value)
{
    (void)state;
    if (value == Py_None) {
        Py_DECREF(value);
        return NULL;
    }
    return op_stop_method(value);
}

int op_stop_ready(PyObject *module, op_module *state)
{
    (void)module;
    (void)state;
    return 0;
}

#endif

// SPDX-License-Identifier: MIT
#include "cache/coroutine_object.h"

PyObject *op_coroutine_name(op_coroutine *coroutine, const char *attribute)
{
    PyObject *function = op_held_function(&coroutine->held);
    PyObject *name = function == NULL ? NULL : PyObject_GetAttrString(function, attribute);
    if (name != NULL && PyUnicode_Check(name)) {
        return name;
    }
    Py_XDECREF(name);
    PyErr_Clear();
    PyTypeObject *type = function == NULL ? Py_TYPE(coroutine) : Py_TYPE(function);
    return PyObject_GetAttrString((PyObject *)type, attribute);
}

PyObject *op_coroutine_repr(PyObject *self)
{
    PyObject *name = op_coroutine_name((op_coroutine *)self, "__qualname__");
    PyObject *text = name == NULL ? NULL : PyUnicode_FromFormat("<cached coroutine object %U at %p>", name, self);
    Py_XDECREF(name);
    return text;
}

static PyObject *get_name(PyObject *self, void *attribute)
{
    return op_coroutine_name((op_coroutine *)self, attribute);
}

static PyObject *get_phase(PyObject *self, void *phase)
{
    return PyBool_FromLong(((op_coroutine *)self)->phase == *(const uint8_t *)phase);
}

// In inspect's words.
static PyObject *get_state(PyObject *self, void *Py_UNUSED(ignored))
{
    static const char *const words[] = {"CORO_CREATED", "CORO_SUSPENDED", "CORO_RUNNING", "CORO_CLOSED"};
    return PyUnicode_InternFromString(words[((op_coroutine *)self)->phase]);
}

// As of the coroutine that loads; None where there is none. There is no frame and no code of a call that loads nothing.
static PyObject *get_of_inner(PyObject *self, void *attribute)
{
    BIND(self);
    PyObject *inner;
    BEGIN_INNER(coroutine);
    inner = Py_XNewRef(coroutine->inner);
    END_INNER();
    if (inner == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *value = PyObject_GetAttrString(inner, attribute);
    Py_DECREF(inner);
    return value;
}

static PyObject *get_none(PyObject *Py_UNUSED(self), void *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

static uint8_t waiting = OP_WAITING,
               running = OP_RUNNING;   // a getter's closure is a pointer to what may be written

PyGetSetDef op_coroutine_attributes[] = {
    {"__name__", get_name, NULL, NULL, "__name__"},
    {"__qualname__", get_name, NULL, NULL, "__qualname__"},
    {"cr_await", get_of_inner, NULL, PyDoc_STR("What is awaited, or None."), "cr_await"},
    {"cr_frame", get_of_inner, NULL, PyDoc_STR("The frame that waits for a load, or None."), "cr_frame"},
    {"cr_code", get_of_inner, NULL, PyDoc_STR("The code of that frame, or None."), "cr_code"},
    {"cr_origin", get_none, NULL, PyDoc_STR("None: where it was made is not recorded."), NULL},
    {"cr_running", get_phase, NULL, PyDoc_STR("Whether it is being run."), &running},
    {"cr_suspended", get_phase, NULL, PyDoc_STR("Whether it waits."), &waiting},
    {"cr_state", get_state, NULL, PyDoc_STR("What inspect.getcoroutinestate tells."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

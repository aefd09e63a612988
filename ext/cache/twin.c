// SPDX-License-Identifier: MIT
// See twin.h.
#include "cache/twin.h"

#include <structmember.h>

// Copies the fields that built-in exceptions have in C: an OSError's filename is none of its arguments. 0, or -1 with an exception.
static int copy_fields(PyTypeObject *built_in, PyObject *from, PyObject *to)
{
    for (PyTypeObject *type = built_in; type != NULL; type = type->tp_base) {
        for (PyMemberDef *member = type->tp_members; member != NULL && member->name != NULL; member++) {
            if (member->type != T_OBJECT || (member->flags & READONLY) != 0) {
                continue;
            }
            PyObject *value = PyMember_GetOne((const char *)from, member);
            if (value == NULL) {
                return -1;
            }
            // None may stand for nothing, which an exception tells from None.
            int done = value == Py_None ? 0 : PyMember_SetOne((char *)to, member, value);
            Py_DECREF(value);
            if (done != 0) {
                return -1;
            }
        }
    }
    return 0;
}

// The list that add_note appends to is each one's own.
static int copy_notes(PyObject *attributes)
{
    PyObject *name = PyUnicode_InternFromString("__notes__");
    PyObject *notes = name == NULL ? NULL : PyDict_GetItemWithError(attributes, name);
    int done = PyErr_Occurred() ? -1 : 0;
    if (notes != NULL && PyList_CheckExact(notes)) {
        PyObject *copied = PyList_GetSlice(notes, 0, PyList_GET_SIZE(notes));
        done = copied == NULL ? -1 : PyDict_SetItem(attributes, name, copied);
        Py_XDECREF(copied);
    }
    Py_XDECREF(name);
    return done;
}

PyObject *op_twin(PyObject *exception)
{
    PyTypeObject *type = Py_TYPE(exception);
    PyObject *args = ((PyBaseExceptionObject *)exception)->args;   // whatever its class makes of that name
    PyTypeObject *built_in = type;
    while ((built_in->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
        built_in = built_in->tp_base;
    }
    Py_INCREF(args);
    PyObject *other = built_in->tp_new(type, args, NULL);
    PyObject *own = NULL;
    PyObject *attributes = NULL;
    if (other == NULL || Py_TYPE(other) != type || built_in->tp_init(other, args, NULL) != 0 ||
        copy_fields(built_in, exception, other) != 0) {
        goto failed;
    }
    attributes = PyObject_GenericGetDict(exception, NULL);
    own = attributes == NULL ? NULL : PyObject_GenericGetDict(other, NULL);
    if (own == NULL || PyDict_Update(own, attributes) != 0 || copy_notes(own) != 0) {
        goto failed;
    }
    goto done;
failed:
    if (other != NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "no second %.200s can be made", type->tp_name);
    }
    Py_CLEAR(other);
done:
    Py_XDECREF(own);
    Py_XDECREF(attributes);
    Py_DECREF(args);
    return other;
}

#ifdef Py_GIL_DISABLED

// The causes themselves are shared: who raises an exception sets nothing of them.
static void copy_causes(PyObject *from, PyObject *to)
{
    PyException_SetContext(to, PyException_GetContext(from));   // both take over what they are given
    PyException_SetCause(to, PyException_GetCause(from));
    ((PyBaseExceptionObject *)to)->suppress_context = ((PyBaseExceptionObject *)from)->suppress_context;
}

PyObject *op_twin_for_thread(PyObject *exception)
{
    PyObject *other = op_twin(exception);
    if (other != NULL) {
        copy_causes(exception, other);
    } else if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
    }
    return other;
}

#else

PyObject *op_twin_for_thread(PyObject *exception)
{
    return Py_NewRef(exception);
}

#endif

PyObject *op_twin_method(PyObject *Py_UNUSED(module), PyObject *exception)
{
    if (!PyExceptionInstance_Check(exception)) {
        PyErr_Format(PyExc_TypeError, "an exception is wanted, not %.100s", Py_TYPE(exception)->tp_name);
        return NULL;
    }
    PyObject *other = op_twin_for_thread(exception);
    return other != NULL || PyErr_Occurred() ? other : Py_NewRef(Py_None);
}

// SPDX-License-Identifier: MIT
#include "cache/arguments.h"

static int take_named(const op_signature *wanted, PyObject *name, PyObject *value, PyObject **taken)
{
    Py_ssize_t at = 0;
    while (at < wanted->most && PyUnicode_CompareWithASCIIString(name, wanted->names[at]) != 0) {
        at++;
    }
    if (at == wanted->most) {
        PyErr_Format(PyExc_TypeError, "%s() has no argument %R", wanted->method, name);
        return -1;
    }
    if (taken[at] != NULL) {
        PyErr_Format(PyExc_TypeError, "%s() got the argument %R twice", wanted->method, name);
        return -1;
    }
    taken[at] = value;
    return 0;
}

int op_arguments_rest(const op_signature *wanted, PyObject *const *args, Py_ssize_t count, PyObject *names,
                      PyObject **taken)
{
    if (count > wanted->most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments, not %zd", wanted->method, wanted->most,
                     count);
        return -1;
    }
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
        if (take_named(wanted, PyTuple_GET_ITEM(names, i), args[count + i], taken) != 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < wanted->required; i++) {
        if (taken[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() needs the argument '%s'", wanted->method, wanted->names[i]);
            return -1;
        }
    }
    return 0;
}

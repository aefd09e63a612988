// SPDX-License-Identifier: MIT
// The rooms that are still being built: each definition here gives way to the real one. Goes with the last of them.
#include "cache/coroutine.h"
#define WEAK __attribute__((weak))
WEAK int op_coroutine_ready(PyObject *Py_UNUSED(module), op_module *Py_UNUSED(state))
{
    return 0;
}
WEAK PyObject *op_coroutine_new(op_function *Py_UNUSED(function), PyObject *const *Py_UNUSED(args),
                                size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(names))
{
    return NULL;
}
WEAK PyObject *op_coroutine_of_mapping(PyObject *Py_UNUSED(home), op_store *Py_UNUSED(store),
                                       op_module *Py_UNUSED(state), PyObject *Py_UNUSED(key),
                                       PyObject *Py_UNUSED(loader))
{
    return NULL;
}

// SPDX-License-Identifier: MIT
// function_methods: what a decorated function offers besides being called.
#ifndef OP_CACHE_FUNCTION_METHODS_H
#define OP_CACHE_FUNCTION_METHODS_H

#include "cache/function.h"

extern PyMethodDef op_function_methods[];

// From now on the first argument of a call is an instance, which is held weakly where that may be. Before the first call.
void op_function_is_method(op_function *function);

// Adds the types Loaded and that of kept exceptions.
int op_result_ready(PyObject *module, op_module *state);

#endif

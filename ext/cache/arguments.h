// SPDX-License-Identifier: MIT
// arguments: those of a method's call, by position or by name, without a tuple or a dict.
#ifndef OP_CACHE_ARGUMENTS_H
#define OP_CACHE_ARGUMENTS_H

#include "cache/cache.h"

#define OP_ARGUMENTS_MAX 3

typedef struct {
    const char *method;
    const char *names[OP_ARGUMENTS_MAX];
    Py_ssize_t required, most;
} op_signature;

// The rare half of op_arguments: what was given by name (`names`, not NULL), or the exception that says what is wrong.
int op_arguments_rest(const op_signature *wanted, PyObject *const *args, Py_ssize_t count, PyObject *names,
                      PyObject **taken);

// Puts the arguments of a METH_FASTCALL | METH_KEYWORDS call where they belong in `taken`, borrowed; NULL stands for what
// was not given. 0, or -1 with TypeError.
OP_INLINE int op_arguments(const op_signature *wanted, PyObject *const *args, Py_ssize_t count, PyObject *names,
                           PyObject **taken)
{
    for (Py_ssize_t i = 0; i < wanted->most; i++) {
        taken[i] = i < count ? args[i] : NULL;
    }
    bool simple = names == NULL && count >= wanted->required && count <= wanted->most;
    return OP_LIKELY(simple) ? 0 : op_arguments_rest(wanted, args, count, names, taken);
}

#endif

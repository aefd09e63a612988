// SPDX-License-Identifier: MIT
// twin: a second exception like a first.
#ifndef OP_CACHE_TWIN_H
#define OP_CACHE_TWIN_H

#include "cache/cache.h"

// An exception with the same class, arguments and attributes, and neither traceback nor context: what is kept must pin no
// frames, and two calls that raise what was kept must not share a traceback. As the class's own __init__ may take other
// arguments than those of the exception, the one of the nearest built-in class is called. New reference, or NULL with an exception.
PyObject *op_twin(PyObject *exception);

// What another thread may raise for `exception`, which one raises already or will. To raise sets the traceback, which two threads
// must not do at once where there is no GIL: there it is a twin, with the same cause and context. With a GIL it is `exception`
// itself. `exception` is not raised by others while this runs. New reference; NULL without an exception where no twin can be made,
// with MemoryError where there is no memory.
PyObject *op_twin_for_thread(PyObject *exception);

// outpace._cache.exception_for_thread(exception): the same for Python; None where no twin can be made.
PyObject *op_twin_method(PyObject *module, PyObject *exception);

#endif

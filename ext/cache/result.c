// SPDX-License-Identifier: MIT
// What a load gives, what is kept of it, and what a hit hands out.
#include "cache/bounds.h"
#include "cache/function_methods.h"
#include "cache/twin.h"

// ---- Loaded: a result with a time to live of its own ------------------------------------------------------------------

typedef struct {
    PyObject_HEAD PyObject *value;
    int64_t ttl_ns;   // or 0: handed out, and not kept
} op_loaded;

static PyObject *loaded_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"value", "ttl", NULL};
    PyObject *value, *ttl = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:Loaded", names, &value, &ttl)) {
        return NULL;
    }
    int64_t ttl_ns = 0;
    if (ttl == NULL || !PyFloat_CheckExact(ttl) || PyFloat_AS_DOUBLE(ttl) != 0) {
        bool failed = false;
        ttl_ns = op_bounds_ttl_or_own(ttl, "ttl", &failed);
        if (failed) {
            return NULL;
        }
    }
    op_loaded *loaded = (op_loaded *)type->tp_alloc(type, 0);
    if (loaded != NULL) {
        loaded->value = Py_NewRef(value);
        loaded->ttl_ns = ttl_ns;
    }
    return (PyObject *)loaded;
}

// ---- Raised: an exception that is kept as a result ---------------------------------------------------------------------

typedef struct {
    PyObject_HEAD PyObject *exception;
} op_raised;

// Both types hold one object, first.
static int held_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((op_raised *)self)->exception);
    return 0;
}

static int held_clear(PyObject *self)
{
    Py_CLEAR(((op_raised *)self)->exception);
    return 0;
}

static void held_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    held_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static void raised_dealloc(PyObject *self)   // of this name, to know one by
{
    held_dealloc(self);
}

PyObject *op_result_weighed(PyObject *value)
{
    return Py_TYPE(value)->tp_dealloc == raised_dealloc ? ((op_raised *)value)->exception : value;
}

static PyType_Slot loaded_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Loaded(value, ttl=None)\n--\n\nWhat a load returns where its result has a time to live of its own; 0.0: not kept.")},
    {Py_tp_new, (void *)loaded_new},
    {Py_tp_dealloc, (void *)held_dealloc},
    {Py_tp_traverse, (void *)held_traverse},
    {Py_tp_clear, (void *)held_clear},
    {0, NULL},
};

static PyType_Spec loaded_spec = {
    .name = "outpace._cache.Loaded",
    .basicsize = sizeof(op_loaded),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = loaded_slots,
};

static PyType_Slot raised_slots[] = {
    {Py_tp_dealloc, (void *)raised_dealloc},
    {Py_tp_traverse, (void *)held_traverse},
    {Py_tp_clear, (void *)held_clear},
    {0, NULL},
};

static PyType_Spec raised_spec = {
    .name = "outpace._cache.Raised",
    .basicsize = sizeof(op_raised),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,   // by C only: see op_result_ready
    .slots = raised_slots,
};

int op_result_ready(PyObject *module, op_module *state)
{
    state->loaded_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &loaded_spec, NULL);
    state->raised_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &raised_spec, NULL);
    if (state->loaded_type == NULL || state->raised_type == NULL) {
        return -1;
    }
    state->raised_type->tp_new = NULL;
    return PyModule_AddType(module, state->loaded_type);
}

// ---- what is kept, what is given ----------------------------------------------------------------------------------------

// Keeps `exception` where cache_exceptions says so. 0, or -1 with an exception.
static int keep_exception(op_function *function, const op_call *call, PyObject *exception, uint64_t ticket)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(function->exceptions); i++) {
        PyObject *pair = PyTuple_GET_ITEM(function->exceptions, i);
        if (!PyErr_GivenExceptionMatches(exception, PyTuple_GET_ITEM(pair, 0))) {
            continue;
        }
        bool failed = false;
        int64_t ttl_ns = op_bounds_ttl_or_own(PyTuple_GET_ITEM(pair, 1), "ttl", &failed);
        PyTypeObject *type = function->state->raised_type;
        op_raised *raised = failed ? NULL : (op_raised *)type->tp_alloc(type, 0);
        if (raised == NULL) {
            return -1;
        }
        raised->exception = op_twin(exception);
        int kept = 0;
        if (raised->exception != NULL) {
            kept = op_store_keep(&function->store, (PyObject *)function, call, (PyObject *)raised, ttl_ns, ticket,
                                 OP_KEEP_REPLACE);
        } else if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            kept = -1;
        } else {
            PyErr_Clear();   // there is no second one like it: it is raised, and not kept
        }
        Py_DECREF(raised);
        return kept < 0 ? -1 : 0;
    }
    return 0;
}

// The exception that is set replaces `exception`, which becomes its context as if it had been raised by a handler of it.
// Takes over both.
static void replace_exception(PyObject *exception, PyObject *traceback)
{
    PyObject *type, *worse, *own_traceback;
    PyErr_Fetch(&type, &worse, &own_traceback);
    PyErr_NormalizeException(&type, &worse, &own_traceback);
    if (traceback != NULL) {
        (void)PyException_SetTraceback(exception, traceback);
        Py_DECREF(traceback);
    }
    PyObject *context = PyException_GetContext(worse);
    if (context == NULL && worse != exception) {
        PyException_SetContext(worse, exception);   // takes it over
    } else {
        Py_DECREF(exception);
    }
    Py_XDECREF(context);
    PyErr_Restore(type, worse, own_traceback);
}

int op_function_keep(op_function *function, const op_call *call, PyObject *value, uint64_t ticket)
{
    if (value == NULL) {
        if (function->exceptions == NULL) {
            return 0;
        }
        PyObject *type, *exception, *traceback;
        PyErr_Fetch(&type, &exception, &traceback);
        PyErr_NormalizeException(&type, &exception, &traceback);
        int kept = keep_exception(function, call, exception, ticket);
        if (kept == 0) {
            PyErr_Restore(type, exception, traceback);
        } else {
            replace_exception(exception, traceback);
            Py_XDECREF(type);
        }
        return kept;
    }
    int64_t ttl_ns = OP_TTL_OF_STORE;
    if (Py_TYPE(value) == function->state->loaded_type) {
        ttl_ns = ((op_loaded *)value)->ttl_ns;
        value = ((op_loaded *)value)->value;
        if (ttl_ns == 0) {
            return 0;
        }
    }
    op_keep how = function->once || function->coroutine ? OP_KEEP_REPLACE : op_store_habit(&function->store);
    int kept = op_store_keep(&function->store, (PyObject *)function, call, value, ttl_ns, ticket, how);
    return kept < 0 ? -1 : 0;
}

PyObject *op_function_unwrap(op_function *function, PyObject *value)
{
    if (OP_LIKELY(Py_TYPE(value) != function->state->loaded_type)) {
        return value;
    }
    PyObject *inner = Py_NewRef(((op_loaded *)value)->value);
    Py_DECREF(value);
    return inner;
}

PyObject *op_function_give(op_function *function, PyObject *value)
{
    if (OP_UNLIKELY(function->exceptions != NULL) && Py_TYPE(value) == function->state->raised_type) {
        PyObject *exception = op_twin(((op_raised *)value)->exception);
        if (exception != NULL) {
            PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
            Py_DECREF(exception);
        }
        Py_DECREF(value);
        return NULL;
    }
    if (OP_UNLIKELY(function->copy != NULL)) {
        PyObject *copied = PyObject_CallOneArg(function->copy, value);
        Py_DECREF(value);
        return copied;
    }
    return value;
}

// SPDX-License-Identifier: MIT
#include "cache/missed.h"

#include "cache/clock.h"

#include <string.h>

typedef struct {
    PyObject_VAR_HEAD op_held_call held;
    PyObject *made;   // owned: what key= gave, or NULL
    op_call call;     // its items are some of `items`, or `made`
    uint64_t ticket;
    int64_t began_ns;
    bool begun;          // between begin() and keep(), fail() or drop()
    PyObject *items[];   // owned
} op_missed;

#define BIND(self) op_missed *missed = (op_missed *)(self)

PyObject *op_held_function(const op_held_call *held)
{
    if (held->loader != NULL || held->home == NULL) {
        return held->loader;
    }
    return ((op_function *)held->home)->function;
}

PyObject *op_held_give(const op_held_call *held, PyObject *value)
{
    return held->loader == NULL ? op_function_give((op_function *)held->home, value) : value;
}

PyObject *op_missed_new(op_module *state, op_held_call *held, PyObject **items, Py_ssize_t count,
                        const op_call *call, PyObject *made)
{
    op_missed *missed = PyObject_GC_NewVar(op_missed, state->missed_type, count);
    if (missed == NULL) {
        return NULL;
    }
    missed->held = *held;
    Py_INCREF(held->home);
    Py_XINCREF(held->loader);
    held->names = NULL;
    missed->made = made;
    missed->call = *call;
    missed->call.items = made != NULL ? &missed->made : missed->items + (call->items - items);
    missed->call.names = missed->held.names == NULL ? NULL : call->names;
    missed->begun = false;
    memcpy(missed->items, items, (size_t)count * sizeof *items);
    PyObject_GC_Track(missed);
    return (PyObject *)missed;
}

static int missed_traverse(PyObject *self, visitproc visit, void *arg)
{
    BIND(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(missed->held.home);
    Py_VISIT(missed->held.loader);
    Py_VISIT(missed->held.names);
    Py_VISIT(missed->made);
    for (Py_ssize_t i = 0; i < Py_SIZE(missed); i++) {
        Py_VISIT(missed->items[i]);
    }
    return 0;
}

// The load that began, if any, is over after `took_ns`.
static void end(op_missed *missed, void (*count)(op_store *store, int64_t took_ns))
{
    if (!missed->begun) {
        return;
    }
    missed->begun = false;
    int64_t took_ns = op_clock_ns() - missed->began_ns;
    op_store *store = missed->held.store;
    op_store_lock(store);
    store->loading--;
    if (count != NULL) {
        count(store, took_ns);
    }
    op_store_unlock(store);
}

static void count_well(op_store *store, int64_t took_ns)
{
    op_store_count_load(store, true, took_ns);
}

static void count_error(op_store *store, int64_t took_ns)
{
    op_store_count_load(store, false, took_ns);
}

static int missed_clear(PyObject *self)
{
    BIND(self);
    if (missed->held.home != NULL) {
        end(missed, NULL);
    }
    // Its key is gone with its items.
    missed->call.count = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(missed); i++) {
        Py_CLEAR(missed->items[i]);
    }
    Py_CLEAR(missed->made);
    Py_CLEAR(missed->held.names);
    Py_CLEAR(missed->held.loader);
    Py_CLEAR(missed->held.home);
    return 0;
}

static void missed_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    missed_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

// False with an exception where the collector has taken it apart.
static bool is_whole(const op_missed *missed)
{
    if (OP_LIKELY(missed->held.home != NULL)) {
        return true;
    }
    PyErr_SetString(PyExc_ReferenceError, "the call is being collected");
    return false;
}

static PyObject *flight(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (!is_whole(missed)) {
        return NULL;
    }
    PyObject *found = op_store_flight(missed->held.store, &missed->call);
    return found != NULL || PyErr_Occurred() ? found : Py_NewRef(Py_None);
}

static PyObject *take_off(PyObject *self, PyObject *own)
{
    BIND(self);
    PyObject *other = NULL;
    int done = is_whole(missed) ? op_store_take_off(missed->held.store, &missed->call, own, &other) : -1;
    return done < 0 ? NULL : done ? Py_NewRef(Py_None) : other;
}

static PyObject *land(PyObject *self, PyObject *own)
{
    BIND(self);
    if (!is_whole(missed) || op_store_land(missed->held.store, &missed->call, own) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *look(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (!is_whole(missed)) {
        return NULL;
    }
    PyObject *value = NULL;
    op_found found = op_store_get(missed->held.store, &missed->call, OP_LOOK, &value);
    PyObject *told = found == OP_FOUND_ERROR   ? NULL
                     : found == OP_FOUND_FRESH ? PyTuple_Pack(1, value)
                                               : Py_NewRef(Py_None);
    Py_XDECREF(value);
    return told;
}

static PyObject *begin(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (!is_whole(missed)) {
        return NULL;
    }
    if (missed->begun) {
        PyErr_SetString(PyExc_RuntimeError, "its load has begun already");
        return NULL;
    }
    op_store *store = missed->held.store;
    missed->begun = true;
    op_store_lock(store);
    store->loading++;
    missed->ticket = op_store_ticket(store);
    op_store_unlock(store);
    missed->began_ns = op_clock_ns();
    Py_RETURN_NONE;
}

static PyObject *call(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    PyObject *function = op_held_function(&missed->held);
    if (function == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "the cached function is being collected");
        return NULL;
    }
    PyObject *names = missed->held.names;
    Py_ssize_t positional = Py_SIZE(missed) - (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    Py_INCREF(function);
    PyObject *coroutine = PyObject_Vectorcall(function, missed->items, (size_t)positional, names);
    Py_DECREF(function);
    return coroutine;
}

static PyObject *keep(PyObject *self, PyObject *value)
{
    BIND(self);
    if (!is_whole(missed)) {
        return NULL;
    }
    end(missed, count_well);
    op_held_call *held = &missed->held;
    if (held->loader != NULL) {
        int kept = op_store_keep(held->store, held->home, &missed->call, value, OP_TTL_OF_STORE, missed->ticket,
                                 OP_KEEP_REPLACE);
        return kept < 0 ? NULL : Py_NewRef(value);
    }
    op_function *function = (op_function *)held->home;
    if (op_function_keep(function, &missed->call, value, missed->ticket) != 0) {
        return NULL;
    }
    return op_function_unwrap(function, Py_NewRef(value));
}

static PyObject *fail(PyObject *self, PyObject *error)
{
    BIND(self);
    if (!PyExceptionInstance_Check(error)) {
        PyErr_Format(PyExc_TypeError, "an exception is wanted, not %.100s", Py_TYPE(error)->tp_name);
        return NULL;
    }
    if (!is_whole(missed)) {
        return NULL;
    }
    end(missed, count_error);
    if (missed->held.loader == NULL && ((op_function *)missed->held.home)->exceptions != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        if (op_function_keep((op_function *)missed->held.home, &missed->call, NULL, missed->ticket) != 0) {
            return NULL;
        }
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

static PyObject *drop(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (missed->held.home != NULL) {
        end(missed, NULL);
    }
    Py_RETURN_NONE;
}

static PyObject *give(PyObject *self, PyObject *value)
{
    BIND(self);
    return is_whole(missed) ? op_held_give(&missed->held, Py_NewRef(value)) : NULL;
}

static PyObject *count_wait(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    if (!is_whole(missed)) {
        return NULL;
    }
    op_store_lock(missed->held.store);
    missed->held.store->waits++;
    op_store_unlock(missed->held.store);
    Py_RETURN_NONE;
}

static PyMethodDef missed_methods[] = {
    {"flight", flight, METH_NOARGS, NULL},
    {"take_off", take_off, METH_O, NULL},
    {"land", land, METH_O, NULL},
    {"look", look, METH_NOARGS, NULL},
    {"begin", begin, METH_NOARGS, NULL},
    {"call", call, METH_NOARGS, NULL},
    {"keep", keep, METH_O, NULL},
    {"fail", fail, METH_O, NULL},
    {"drop", drop, METH_NOARGS, NULL},
    {"give", give, METH_O, NULL},
    {"count_wait", count_wait, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot missed_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A call of a cached coroutine function that found nothing.")},
    {Py_tp_dealloc, (void *)missed_dealloc},
    {Py_tp_traverse, (void *)missed_traverse},
    {Py_tp_clear, (void *)missed_clear},
    {Py_tp_methods, (void *)missed_methods},
    {0, NULL},
};

static PyType_Spec missed_spec = {
    .name = "outpace._cache.MissedCall",
    .basicsize = offsetof(op_missed, items),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = missed_slots,
};

int op_missed_ready(PyObject *module, op_module *state)
{
    state->missed_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &missed_spec, NULL);
    return state->missed_type == NULL ? -1 : PyModule_AddType(module, state->missed_type);
}

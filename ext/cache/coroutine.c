// SPDX-License-Identifier: MIT
#include "cache/coroutine.h"

#include <structmember.h>

#include "cache/coroutine_object.h"
#include "cache/quick.h"
#include "cache/stop.h"

#define POOLED_ITEMS 4   // what fits into a coroutine that is used again

// ---- making and dropping ----------------------------------------------------------------------------------------------

// Drops the arguments, and of a mapping's call all. A function is held on to for its name.
OP_INLINE void drop_call(op_coroutine *coroutine)
{
    Py_ssize_t count = Py_SIZE(coroutine);
    Py_SET_SIZE((PyVarObject *)coroutine, 0);
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DECREF(coroutine->items[i]);
    }
    if (OP_UNLIKELY(coroutine->held.names != NULL)) {
        Py_CLEAR(coroutine->held.names);
    }
    if (OP_UNLIKELY(coroutine->held.loader != NULL)) {
        PyObject *home = coroutine->held.home;
        coroutine->held.home = NULL;
        Py_CLEAR(coroutine->held.loader);
        Py_DECREF(home);
    }
}

static void drop_inner(op_coroutine *coroutine)
{
    PyObject *inner;
    BEGIN_INNER(coroutine);
    inner = coroutine->inner;
    coroutine->inner = NULL;
    END_INNER();
    Py_XDECREF(inner);
}

#ifndef Py_GIL_DISABLED

// Those that are used again are tracked by the collector all the time: as long as they are unused, the module owns them.
OP_INLINE bool put_back(op_coroutine *coroutine)
{
    PyObject *module = ((PyHeapTypeObject *)Py_TYPE(coroutine))->ht_module;
    // One that was finalized would not be finalized again, and so not tell that it was never awaited.
    if (OP_UNLIKELY(module == NULL || coroutine->finalized)) {
        return false;
    }
    const op_held_call *held = &coroutine->held;
    bool short_way = OP_LIKELY(held->loader == NULL && held->home != NULL);
    op_module *state = short_way ? ((op_function *)held->home)->state : PyModule_GetState(module);
    if (OP_UNLIKELY(state == NULL || state->coroutine_type == NULL ||
                    state->unused_count >= OP_UNUSED_COROUTINES)) {
        return false;
    }
    // The last reference to the function may run code of the program, and by then this one is no longer ours.
    PyObject *home = held->home;
    coroutine->held.home = NULL;
    op_revive((PyObject *)coroutine);
    state->unused[state->unused_count++] = (PyObject *)coroutine;
    Py_XDECREF(home);
    return true;
}

static op_coroutine *new_coroutine(op_module *state, Py_ssize_t count)
{
    if (OP_LIKELY(state->unused_count > 0 && count <= POOLED_ITEMS)) {
        return (op_coroutine *)state->unused[--state->unused_count];
    }
    Py_ssize_t room = count < POOLED_ITEMS ? POOLED_ITEMS : count;
    op_coroutine *coroutine = PyObject_GC_NewVar(op_coroutine, state->coroutine_type, room);
    if (coroutine != NULL) {
        Py_SET_SIZE((PyVarObject *)coroutine, 0);
        coroutine->held = (op_held_call){0};
        coroutine->inner = coroutine->weak_references = NULL;
        coroutine->pooled = room == POOLED_ITEMS;
        coroutine->finalized = false;
        PyObject_GC_Track(coroutine);
    }
    return coroutine;
}

#else

static bool put_back(op_coroutine *coroutine)
{
    (void)coroutine;
    return false;
}

static op_coroutine *new_coroutine(op_module *state, Py_ssize_t count)
{
    op_coroutine *coroutine = PyObject_GC_NewVar(op_coroutine, state->coroutine_type, count);
    if (coroutine != NULL) {
        Py_SET_SIZE((PyVarObject *)coroutine, 0);
        coroutine->held = (op_held_call){0};
        coroutine->inner = coroutine->weak_references = NULL;
        coroutine->pooled = coroutine->finalized = false;
        PyObject_GC_Track(coroutine);
    }
    return coroutine;
}

#endif

PyObject *op_coroutine_new(op_function *function, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (OP_UNLIKELY(names != NULL)) {
        count += PyTuple_GET_SIZE(names);
    }
    op_coroutine *coroutine = new_coroutine(function->state, count);
    if (OP_UNLIKELY(coroutine == NULL)) {
        return NULL;
    }
    coroutine->phase = OP_CREATED;
    coroutine->held.home = Py_NewRef((PyObject *)function);
    coroutine->held.store = &function->store;
    coroutine->held.names = Py_XNewRef(names);
    for (Py_ssize_t i = 0; i < count; i++) {
        coroutine->items[i] = Py_NewRef(args[i]);
    }
    Py_SET_SIZE((PyVarObject *)coroutine, count);
    return (PyObject *)coroutine;
}

PyObject *op_coroutine_of_mapping(PyObject *home, op_store *store, op_module *state, PyObject *key,
                                  PyObject *loader)
{
    op_coroutine *coroutine = new_coroutine(state, 1);
    if (coroutine == NULL) {
        return NULL;
    }
    coroutine->phase = OP_CREATED;
    coroutine->held = (op_held_call){.home = Py_NewRef(home), .store = store, .loader = Py_NewRef(loader)};
    coroutine->items[0] = Py_NewRef(key);
    Py_SET_SIZE((PyVarObject *)coroutine, 1);
    return (PyObject *)coroutine;
}

static int coroutine_traverse(PyObject *self, visitproc visit, void *arg)
{
    BIND(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(coroutine->held.home);
    Py_VISIT(coroutine->held.loader);
    Py_VISIT(coroutine->held.names);
    Py_VISIT(coroutine->inner);
    for (Py_ssize_t i = 0; i < Py_SIZE(coroutine); i++) {
        Py_VISIT(coroutine->items[i]);
    }
    return 0;
}

static int coroutine_clear(PyObject *self)
{
    BIND(self);
    coroutine->phase = OP_FINISHED;
    drop_inner(coroutine);
    drop_call(coroutine);
    Py_CLEAR(coroutine->held.home);
    return 0;
}

static void coroutine_finalize(PyObject *self)
{
    BIND(self);
    coroutine->finalized = true;
    if (coroutine->phase != OP_CREATED) {
        return;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyObject *name = op_coroutine_name(coroutine, "__qualname__");
    if (name == NULL || PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%U' was never awaited", name) != 0) {
        PyErr_WriteUnraisable(self);
    }
    Py_XDECREF(name);
    PyErr_Restore(type, error, traceback);
}

static void coroutine_dealloc(PyObject *self)
{
    BIND(self);
    if (OP_LIKELY(coroutine->phase == OP_FINISHED && coroutine->pooled && coroutine->weak_references == NULL) &&
        OP_LIKELY(put_back(coroutine))) {
        return;
    }
    if (coroutine->phase == OP_CREATED && PyObject_CallFinalizerFromDealloc(self) != 0) {
        return;   // it lives on
    }
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (coroutine->weak_references != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    coroutine_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

void op_coroutine_forget(op_module *state)
{
#ifndef Py_GIL_DISABLED
    Py_CLEAR(state->coroutine_type);   // which is the sign to keep no more
    while (state->unused_count > 0) {
        Py_DECREF(state->unused[--state->unused_count]);
    }
#else
    (void)state;
#endif
}

// ---- steps ------------------------------------------------------------------------------------------------------------

// Begins a step where one may begin now; the phase that was before tells.
OP_INLINE op_phase begin_step(op_coroutine *coroutine)
{
#ifdef Py_GIL_DISABLED
    uint8_t before = __atomic_load_n(&coroutine->phase, __ATOMIC_RELAXED);
    while (before < OP_RUNNING && !__atomic_compare_exchange_n(&coroutine->phase, &before, (uint8_t)OP_RUNNING,
                                                               false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    }
#else
    uint8_t before = coroutine->phase;
    if (before < OP_RUNNING) {
        coroutine->phase = OP_RUNNING;
    }
#endif
    return (op_phase)before;
}

OP_INLINE void end_step(op_coroutine *coroutine, op_phase phase)
{
#ifdef Py_GIL_DISABLED
    __atomic_store_n(&coroutine->phase, (uint8_t)phase, __ATOMIC_RELEASE);
#else
    coroutine->phase = (uint8_t)phase;
#endif
}

OP_INLINE void finish(op_coroutine *coroutine)
{
    if (OP_UNLIKELY(coroutine->inner != NULL)) {
        drop_inner(coroutine);
    }
    drop_call(coroutine);
    end_step(coroutine, OP_FINISHED);
}

// Why no step could begin.
static void complain(op_phase phase)
{
    if (phase == OP_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    } else {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    }
}

// outpace._loads.`name`, imported at its first use. Borrowed, or NULL with an exception.
static PyObject *loads_function(PyObject **slot, const char *name)
{
    PyObject *function = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (OP_UNLIKELY(function == NULL)) {
        PyObject *loads = PyImport_ImportModule("outpace._loads");
        PyObject *imported = loads == NULL ? NULL : PyObject_GetAttrString(loads, name);
        Py_XDECREF(loads);
        if (imported == NULL) {
            return NULL;
        }
        if (__atomic_compare_exchange_n(slot, &function, imported, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            return imported;
        }
        Py_DECREF(imported);   // another thread was faster
    }
    return function;
}

// What `start` makes of the missed call, which takes over what the coroutine holds of it, and *made.
static PyObject *hand_over(op_coroutine *coroutine, const op_call *call, PyObject **made, PyObject *start)
{
    if (start == NULL) {
        return NULL;
    }
    op_module *state = op_module_of_type(Py_TYPE(coroutine));
    PyObject *missed = op_missed_new(state, &coroutine->held, coroutine->items, Py_SIZE(coroutine), call, *made);
    if (missed == NULL) {
        return NULL;
    }
    *made = NULL;
    Py_SET_SIZE((PyVarObject *)coroutine, 0);
    PyObject *started = PyObject_CallOneArg(start, missed);
    Py_DECREF(missed);
    return started;
}

OP_NOINLINE static PyObject *start_load(op_coroutine *coroutine, const op_call *call, PyObject **made)
{
    op_module *state = op_module_of_type(Py_TYPE(coroutine));
    return hand_over(coroutine, call, made, loads_function(&state->start_load, "load"));
}

// The old value is given out at once; a new one is loaded unless somebody does so already.
OP_NOINLINE static void refresh(op_coroutine *coroutine, const op_call *call, PyObject **made)
{
    op_module *state = op_module_of_type(Py_TYPE(coroutine));
    PyObject *done = hand_over(coroutine, call, made, loads_function(&state->start_refresh, "refresh"));
    if (done == NULL) {
        PyErr_WriteUnraisable((PyObject *)coroutine);
    }
    Py_XDECREF(done);
}

static int key_of(op_coroutine *coroutine, PyObject **made, op_call *call)
{
    op_held_call *held = &coroutine->held;
    if (OP_UNLIKELY(held->loader != NULL)) {
        *made = NULL;
        *call = op_call_of_object(coroutine->items);
        return op_call_hash(call);
    }
    Py_ssize_t positional = Py_SIZE(coroutine) - (held->names == NULL ? 0 : PyTuple_GET_SIZE(held->names));
    return op_function_key((op_function *)held->home, coroutine->items, positional, held->names, made, call);
}

static PySendResult pass_on(op_coroutine *coroutine, PyObject *argument, PyObject **result)
{
    PySendResult sent = PyIter_Send(coroutine->inner, argument, result);
    if (sent == PYGEN_NEXT) {
        end_step(coroutine, OP_WAITING);
    } else {
        finish(coroutine);
    }
    return sent;
}

OP_NOINLINE static PySendResult look_up(op_coroutine *coroutine, PyObject **result)
{
    op_held_call *held = &coroutine->held;
    op_call call;
    PyObject *made, *value = NULL;
    op_found found = OP_FOUND_ERROR;
    if (OP_LIKELY(key_of(coroutine, &made, &call) == 0)) {
        found = op_store_get(held->store, &call, OP_HIT, &value);
    }
    if (OP_UNLIKELY(found != OP_FOUND_FRESH)) {
        if (found == OP_FOUND_NONE) {
            coroutine->inner = start_load(coroutine, &call, &made);
        } else if (found == OP_FOUND_STALE) {
            refresh(coroutine, &call, &made);   // whatever is given: an exception that is kept gets old, too
            value = op_held_give(held, value);
        }
    } else {
        value = op_held_give(held, value);
    }
    Py_XDECREF(made);
    if (OP_UNLIKELY(coroutine->inner != NULL)) {
        return pass_on(coroutine, Py_None, result);
    }
    *result = value;
    finish(coroutine);
    return value == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

OP_INLINE PySendResult first_step(op_coroutine *coroutine, PyObject **result)
{
    const op_held_call *held = &coroutine->held;
    op_function *function = held->loader == NULL ? (op_function *)held->home : NULL;
    if (OP_LIKELY(function != NULL && function->quick)) {
        Py_ssize_t positional = Py_SIZE(coroutine) - (held->names == NULL ? 0 : PyTuple_GET_SIZE(held->names));
        *result = op_function_get_quickly(function, coroutine->items, positional, held->names);
        if (OP_LIKELY(*result != NULL)) {
            finish(coroutine);
            return PYGEN_RETURN;
        }
    }
    return look_up(coroutine, result);
}

OP_INLINE PySendResult step(op_coroutine *coroutine, PyObject *argument, PyObject **result)
{
    op_phase phase = begin_step(coroutine);
    if (OP_LIKELY(phase == OP_CREATED)) {
        if (OP_LIKELY(argument == Py_None)) {
            return first_step(coroutine, result);
        }
        end_step(coroutine, OP_CREATED);
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    } else if (OP_LIKELY(phase == OP_WAITING)) {
        return pass_on(coroutine, argument, result);
    } else {
        complain(phase);
    }
    *result = NULL;
    return PYGEN_ERROR;
}

static PySendResult coroutine_am_send(PyObject *self, PyObject *argument, PyObject **result)
{
    return step((op_coroutine *)self, argument, result);
}

static PyObject *coroutine_next(PyObject *self)
{
    BIND(self);
    const op_held_call *held = &coroutine->held;
    bool short_way = OP_LIKELY(held->loader == NULL && held->home != NULL);
    op_module *state = short_way ? ((op_function *)held->home)->state : op_module_of_type(Py_TYPE(self));
    PyObject *result;
    return OP_LIKELY(step(coroutine, Py_None, &result) == PYGEN_RETURN) ? op_stop_iteration(state, result) : result;
}

static PyObject *coroutine_send(PyObject *self, PyObject *argument)
{
    PyObject *result;
    return step((op_coroutine *)self, argument, &result) == PYGEN_RETURN ? op_stop_method(result) : result;
}

// Sets the exception that throw's arguments say.
static void set_thrown(PyObject *const *args, Py_ssize_t count)
{
    PyObject *type = args[0];
    PyObject *value = count > 1 && args[1] != Py_None ? args[1] : NULL;
    PyObject *traceback = count > 2 && args[2] != Py_None ? Py_NewRef(args[2]) : NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
    } else if (PyExceptionInstance_Check(type) && value != NULL) {
        PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
    } else if (PyExceptionInstance_Check(type)) {
        if (traceback == NULL) {
            traceback = PyException_GetTraceback(type);
        }
        PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(type)), Py_NewRef(type), traceback);
        return;
    } else if (PyExceptionClass_Check(type)) {
        PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), traceback);
        return;
    } else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from BaseException, not %.100s",
                     Py_TYPE(type)->tp_name);
    }
    Py_XDECREF(traceback);
}

static PyObject *coroutine_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    BIND(self);
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError, "throw() takes from 1 to 3 arguments");
        return NULL;
    }
    op_phase phase = begin_step(coroutine);
    if (phase >= OP_RUNNING) {
        complain(phase);
        return NULL;
    }
    PyObject *result = NULL;
    if (phase == OP_CREATED) {
        set_thrown(args, count);
    } else {
        PyObject *throw = PyObject_GetAttrString(coroutine->inner, "throw");
        if (throw != NULL) {
            result = PyObject_Vectorcall(throw, args, (size_t)count, NULL);
            Py_DECREF(throw);
        }
    }
    if (result != NULL) {
        end_step(coroutine, OP_WAITING);
    } else {
        finish(coroutine);
    }
    return result;
}

static PyObject *coroutine_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    BIND(self);
    op_phase phase = begin_step(coroutine);
    if (phase == OP_RUNNING) {
        complain(phase);
        return NULL;
    }
    PyObject *closed = phase == OP_WAITING ? PyObject_CallMethod(coroutine->inner, "close", NULL)
                                           : Py_NewRef(Py_None);
    if (phase != OP_FINISHED) {
        finish(coroutine);
    }
    return closed;
}

// It is what awaits it, and what a `__await__` by hand goes through with `yield from`.
static PyObject *coroutine_await(PyObject *self)
{
    return Py_NewRef(self);
}

static PyMethodDef coroutine_methods[] = {
    {"send", coroutine_send, METH_O,
     PyDoc_STR("send($self, value, /)\n--\n\nGoes on; what is awaited, or StopIteration with the result.")},
    {"throw", (PyCFunction)(void (*)(void))coroutine_throw, METH_FASTCALL,
     PyDoc_STR("throw($self, type, value=None, traceback=None, /)\n--\n\nGoes on by raising an exception there.")},
    {"close", coroutine_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nEnds it by raising GeneratorExit there.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef coroutine_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(op_coroutine, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot coroutine_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("What a call of a cached coroutine function gives. It is looked up when awaited.")},
    {Py_tp_dealloc, (void *)coroutine_dealloc},
    {Py_tp_finalize, (void *)coroutine_finalize},
    {Py_tp_traverse, (void *)coroutine_traverse},
    {Py_tp_clear, (void *)coroutine_clear},
    {Py_tp_repr, (void *)op_coroutine_repr},
    {Py_tp_iter, (void *)coroutine_await},
    {Py_tp_iternext, (void *)coroutine_next},
    {Py_am_await, (void *)coroutine_await},
    {Py_am_send, (void *)coroutine_am_send},
    {Py_tp_methods, (void *)coroutine_methods},
    {Py_tp_members, (void *)coroutine_members},
    {Py_tp_getset, (void *)op_coroutine_attributes},
    {0, NULL},
};

static PyType_Spec coroutine_spec = {
    .name = "outpace._cache.CachedCoroutine",
    .basicsize = offsetof(op_coroutine, items),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = coroutine_slots,
};

int op_coroutine_ready(PyObject *module, op_module *state)
{
    if (op_stop_ready(module, state) != 0 || op_missed_ready(module, state) != 0) {
        return -1;
    }
    state->coroutine_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &coroutine_spec, NULL);
    return state->coroutine_type == NULL ? -1 : PyModule_AddType(module, state->coroutine_type);
}

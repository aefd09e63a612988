// SPDX-License-Identifier: MIT
// See flight.h.
//
// A flight lies in store->flights while its owner loads. It is LOADING there, and ends as
//   LANDED  its value or its exception is that of all who wait;
//   VOID    there is nothing to be had from it: who waits starts over, and one of them loads. So ends a load that was
//           interrupted (KeyboardInterrupt, SystemExit and whatever else is no Exception): that is a matter of the thread
//           that it came to.
// So ends, without a GIL, a load whose exception can't be had twice (twin.h).
// A flight that can't be taken out of the table, because a comparison raises, is VOID too; who finds it there tries again.
#include "cache/flight.h"

#include "cache/twin.h"

#include <pthread.h>
#include <pythread.h>

typedef enum { LOADING, LANDED, VOID } flight_state;

typedef struct {
    PyObject_HEAD op_lock lock;   // of gate and state
    PyThread_type_lock gate;      // owned; held until the flight ends; NULL before anybody waits
    flight_state state;
    uint64_t owner;        // the thread that loads
    uint32_t generation;   // `forks` when it began
    PyObject *value;       // owned, as what follows; where it LANDED: this one,
    PyObject *exception;   // or this one, of which each who waited raises what is its own (op_twin_for_thread),
    PyObject *traceback;   // with the traceback, or NULL, that it had when the load ended
} op_flight;

// ---- threads ----------------------------------------------------------------------------------------------------------

// A thread that waits. Lies on its stack.
typedef struct wait {
    uint64_t thread;
    const op_flight *flight;   // held by the thread
    struct wait *next, **here;
} wait;

// One list for the process, as a circle may lead through several caches. Its lock is held for a few steps only, and never
// while one for the GIL is waited for.
static pthread_mutex_t waits_lock = PTHREAD_MUTEX_INITIALIZER;
static wait *waits;

// Forks since the process that loaded this module. `survivor` is the thread that forked last.
static uint32_t forks;
static uint64_t survivor;

// A number for this thread. Unlike the system's it is never used for another, in a forked child neither.
static uint64_t this_thread(void)
{
    static uint64_t given;
    static _Thread_local uint64_t own;
    if (own == 0) {
        own = __atomic_add_fetch(&given, 1, __ATOMIC_RELAXED);
    }
    return own;
}

static void before_fork(void)
{
    pthread_mutex_lock(&waits_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&waits_lock);
}

static void after_fork_in_child(void)
{
    waits = NULL;   // those were other threads; this one does not wait, but forks
    forks++;
    survivor = this_thread();
    pthread_mutex_unlock(&waits_lock);
}

static int fork_watch;   // what pthread_atfork gave

static void watch_forks(void)
{
    fork_watch = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

// Whether the thread that loads is one of this process.
static bool owner_lives(const op_flight *flight)
{
    return flight->generation == forks || flight->owner == survivor;
}

static bool is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

// ---- flights ----------------------------------------------------------------------------------------------------------

static flight_state state_of(const op_flight *flight)
{
    return __atomic_load_n(&flight->state, __ATOMIC_ACQUIRE);
}

static op_flight *new_flight(const op_module *state)
{
    op_flight *flight = PyObject_New(op_flight, state->flight_type);
    if (flight != NULL) {
        memset((char *)flight + sizeof(PyObject), 0, sizeof *flight - sizeof(PyObject));
        flight->owner = this_thread();
        flight->generation = forks;
    }
    return flight;
}

static void flight_dealloc(PyObject *object)
{
    op_flight *flight = (op_flight *)(void *)object;
    PyTypeObject *type = Py_TYPE(object);
    // A gate from before a fork may count those who waited there: it is left as it is.
    if (flight->gate != NULL && flight->generation == forks) {
        PyThread_free_lock(flight->gate);
    }
    Py_XDECREF(flight->value);
    Py_XDECREF(flight->exception);
    Py_XDECREF(flight->traceback);
    PyObject_Free(object);
    Py_DECREF(type);
}

// NULL where it is not one of threads: those of coroutines lie in the same tables.
static op_flight *as_flight(PyObject *object)
{
    return Py_TYPE(object)->tp_dealloc == flight_dealloc ? (op_flight *)(void *)object : NULL;
}

static PyType_Slot flight_slots[] = {
    {Py_tp_dealloc, (void *)flight_dealloc},
    {0, NULL},
};

// No part of the collector's work: while a flight lies in a table it holds nothing, and later only those hold it who wait.
static PyType_Spec flight_spec = {
    .name = "outpace._cache.Flight",
    .basicsize = sizeof(op_flight),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = flight_slots,
};

int op_flight_ready(PyObject *module, op_module *state)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    if (fork_watch != 0) {
        PyErr_NoMemory();   // its only reason
        return -1;
    }
    state->flight_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &flight_spec, NULL);
    return state->flight_type == NULL ? -1 : 0;
}

// ---- exceptions -------------------------------------------------------------------------------------------------------

// Takes the exception that is set, and in *traceback the traceback that it has by now, or NULL.
static PyObject *take_exception(PyObject **traceback)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *exception = PyErr_GetRaisedException();
    *traceback = PyException_GetTraceback(exception);
    return exception;
#else
    PyObject *type, *exception;
    PyErr_Fetch(&type, &exception, traceback);
    PyErr_NormalizeException(&type, &exception, traceback);
    Py_DECREF(type);
    return exception;
#endif
}

// Raises it with that traceback: what other threads added to it on their way up is not of this one. Borrows both.
static void raise_exception(PyObject *exception, PyObject *traceback)
{
#if PY_VERSION_HEX >= 0x030C0000
    (void)PyException_SetTraceback(exception, traceback == NULL ? Py_None : traceback);
    PyErr_SetRaisedException(Py_NewRef(exception));
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), Py_NewRef(exception), Py_XNewRef(traceback));
#endif
}

// ---- waiting ----------------------------------------------------------------------------------------------------------

// False where the wait would close a circle; else it is in the list.
static bool enlist(wait *own)
{
    pthread_mutex_lock(&waits_lock);
    const wait *next;
    uint64_t thread = own->flight->owner;
    do {
        next = waits;
        while (next != NULL && (next->thread != thread || state_of(next->flight) != LOADING)) {
            next = next->next;
        }
        thread = next == NULL ? thread : next->flight->owner;
    } while (next != NULL && thread != own->thread);
    if (thread != own->thread) {
        own->next = waits;
        own->here = &waits;
        if (waits != NULL) {
            waits->here = &own->next;
        }
        waits = own;
    }
    pthread_mutex_unlock(&waits_lock);
    return thread != own->thread;
}

static void delist(wait *own)
{
    pthread_mutex_lock(&waits_lock);
    *own->here = own->next;
    if (own->next != NULL) {
        own->next->here = own->here;
    }
    pthread_mutex_unlock(&waits_lock);
}

// Makes the flight's gate where it has none. False: no memory.
static bool with_gate(op_flight *flight)
{
    OP_LOCK(&flight->lock);
    if (flight->gate == NULL && state_of(flight) == LOADING) {
        flight->gate = PyThread_allocate_lock();
        if (flight->gate != NULL) {
            PyThread_acquire_lock(flight->gate, NOWAIT_LOCK);
        }
    }
    bool there = flight->gate != NULL || state_of(flight) != LOADING;
    OP_UNLOCK(&flight->lock);
    return there;
}

typedef enum { ENDED, CIRCLE, INTERRUPTED } wait_end;

// Waits until the flight, which the caller holds, has ended. INTERRUPTED: with an exception.
static wait_end wait_for(op_flight *flight)
{
    if (!with_gate(flight)) {
        PyErr_NoMemory();
        return INTERRUPTED;
    }
    wait own = {.thread = this_thread(), .flight = flight};
    while (state_of(flight) == LOADING) {
        // At the end of the program the thread that loads may never run again.
        if (is_finalizing() || !enlist(&own)) {
            return CIRCLE;
        }
        PyLockStatus status;
        Py_BEGIN_ALLOW_THREADS status = PyThread_acquire_lock_timed(flight->gate, -1, 1);
        if (status == PY_LOCK_ACQUIRED) {
            PyThread_release_lock(flight->gate);   // for the next one
        }
        delist(&own);   // before the GIL is waited for, which may be for ever: this stack may be gone then
        Py_END_ALLOW_THREADS
            // What a signal's handler calls may wait itself, so this thread is not in the list meanwhile.
            if (status == PY_LOCK_INTR && PyErr_CheckSignals() != 0)
        {
            return INTERRUPTED;
        }
    }
    return ENDED;
}

// ---- loading ----------------------------------------------------------------------------------------------------------

// A call of op_flight_load.
typedef struct {
    op_store *store;
    const op_call *call;
    op_loader loader;
    op_keeper keeper;
    void *context;
    bool waited;
} op_errand;

static PyObject *load(const op_errand *errand)
{
    op_store_lock(errand->store);
    uint64_t ticket = op_store_ticket(errand->store);
    op_store_unlock(errand->store);
    PyObject *value = op_store_load(errand->store, errand->loader, errand->context);
    if (errand->keeper(errand->context, value, ticket) != 0) {
        Py_CLEAR(value);
    }
    return value;
}

// Ends the flight with `value`, or with the exception that is set, and gives the same.
static PyObject *land(const op_errand *errand, op_flight *flight, PyObject *value)
{
    PyObject *exception = NULL, *traceback = NULL;
    flight_state state = LANDED;
    if (value == NULL) {
        exception = take_exception(&traceback);
        if (!PyErr_GivenExceptionMatches(exception, PyExc_Exception)) {
            state = VOID;
        }
    }
    if (op_store_land(errand->store, errand->call, (PyObject *)flight) != 0) {
        state = VOID;
        if (exception == NULL) {
            exception = take_exception(&traceback);
            Py_CLEAR(value);
        } else {
            PyErr_Clear();   // why the load failed says more
        }
    }
    // Made here, as from now on this thread raises its own.
    PyObject *shown = state == LANDED && exception != NULL ? op_twin_for_thread(exception) : NULL;
    if (state == LANDED && exception != NULL && shown == NULL) {
        PyErr_Clear();
        state = VOID;
    }
    OP_LOCK(&flight->lock);
    if (state == LANDED) {
        flight->value = Py_XNewRef(value);
        flight->exception = shown;
        flight->traceback = Py_XNewRef(traceback);
    }
    __atomic_store_n(&flight->state, state, __ATOMIC_RELEASE);
    if (flight->gate != NULL) {
        PyThread_release_lock(flight->gate);
    }
    OP_UNLOCK(&flight->lock);
    if (exception != NULL) {
        raise_exception(exception, traceback);
        Py_DECREF(exception);
        Py_XDECREF(traceback);
    }
    return value;
}

static PyObject *fly(const op_errand *errand, op_flight *flight)
{
    PyObject *value = NULL;
    op_found found = op_store_get(errand->store, errand->call, OP_LOOK, &value);
    if (found == OP_FOUND_NONE || found == OP_FOUND_STALE) {
        Py_CLEAR(value);
        value = load(errand);
    }
    return land(errand, flight, value);
}

// What the flight of another call has to give. True where there is nothing to be had from it, and it is out of the way.
static bool join(op_errand *errand, PyObject *other, PyObject **value)
{
    op_flight *flight = as_flight(other);
    if (flight == NULL || flight->owner == this_thread()) {
        *value = load(errand);
        return false;
    }
    if (!owner_lives(flight) || state_of(flight) == VOID) {
        return op_store_land(errand->store, errand->call, other) == 0;
    }
    if (!errand->waited) {
        errand->waited = true;
        op_store_lock(errand->store);
        errand->store->waits++;
        op_store_unlock(errand->store);
    }
    wait_end end = wait_for(flight);
    if (end == CIRCLE) {
        *value = load(errand);
    } else if (end == ENDED) {
        if (state_of(flight) == VOID) {
            return true;
        }
        if (flight->exception != NULL) {
            PyObject *own = op_twin_for_thread(flight->exception);
            if (own == NULL) {
                return !PyErr_Occurred();
            }
            raise_exception(own, flight->traceback);
            Py_DECREF(own);
        }
        *value = Py_XNewRef(flight->value);
    }
    return false;
}

PyObject *op_flight_load(op_store *store, op_module *state, const op_call *call, op_loader loader, op_keeper keeper,
                         void *context)
{
    op_flight *flight = new_flight(state);
    if (flight == NULL) {
        return NULL;
    }
    op_errand errand = {.store = store, .call = call, .loader = loader, .keeper = keeper, .context = context};
    PyObject *value = NULL;
    bool again;
    do {
        PyObject *other = NULL;
        int first = op_store_take_off(store, call, (PyObject *)flight, &other);
        again = first == 0 && join(&errand, other, &value);
        if (first == 1) {
            value = fly(&errand, flight);
        }
        Py_XDECREF(other);
    } while (again);
    Py_DECREF(flight);
    return value;
}

int op_flight_is_loading(op_store *store, const op_call *call)
{
    PyObject *other = op_store_flight(store, call);
    if (other == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    const op_flight *flight = as_flight(other);
    int loading = flight == NULL || (state_of(flight) == LOADING && owner_lives(flight));
    Py_DECREF(other);
    return loading;
}

// SPDX-License-Identifier: MIT
// The calls of a decorated function. Its methods are in function_methods.c, what it keeps of a load in result.c.
#include "cache/function.h"

#include <structmember.h>

#include "cache/bounds.h"
#include "cache/coroutine.h"
#include "cache/flight.h"
#include "cache/function_methods.h"
#include "cache/owner.h"
#include "cache/quick.h"

// ---- keys -------------------------------------------------------------------------------------------------------------

// Says which argument has no hash, where that is what is wrong.
OP_NOINLINE static void explain_unhashable(op_function *function, const op_call *call, Py_ssize_t skipped)
{
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *whose = function->function != NULL ? function->function : Py_None;   // none: it is being collected
    PyObject *name = PyObject_GetAttrString(whose, "__qualname__");
    if (name == NULL) {
        PyErr_Clear();
        name = PyObject_Repr(whose);
    }
    Py_ssize_t keywords = call->names == NULL ? 0 : PyTuple_GET_SIZE(call->names);
    Py_ssize_t keyword = (Py_ssize_t)call->hash - (call->count - keywords);
    if (name == NULL) {
        PyErr_Clear();
    } else if (keyword >= 0 && keyword < keywords) {
        PyErr_Format(PyExc_TypeError, "%U(): argument %R: %S", name, PyTuple_GET_ITEM(call->names, keyword), value);
    } else {
        PyErr_Format(PyExc_TypeError, "%U(): argument %zd: %S", name, (Py_ssize_t)call->hash + 1 + skipped, value);
    }
    Py_XDECREF(name);
    if (!PyErr_Occurred()) {
        PyErr_Restore(type, value, traceback);
        return;
    }
    PyObject *said_type, *said, *said_traceback;
    PyErr_Fetch(&said_type, &said, &said_traceback);
    PyErr_NormalizeException(&said_type, &said, &said_traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    PyException_SetCause(said, value);   // takes over the reference
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    PyErr_Restore(said_type, said, said_traceback);
}

int op_function_key(op_function *function, PyObject *const *args, Py_ssize_t positional, PyObject *names,
                    PyObject **made, op_call *call)
{
    *made = NULL;
    if (function->key != NULL) {
        *made = PyObject_Vectorcall(function->key, args, (size_t)positional, names);
        if (*made == NULL) {
            return -1;
        }
        *call = op_call_of_object(made);
        if (op_call_hash(call) != 0) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Clear();
                PyErr_Format(PyExc_TypeError, "key=%R gave %.100s, which has no hash", function->key,
                             Py_TYPE(*made)->tp_name);
            }
            Py_CLEAR(*made);
            return -1;
        }
        return 0;
    }
    Py_ssize_t skipped = function->skip_self && positional > 0 ? 1 : 0;
    *call = op_function_arguments(function, args + skipped, positional - skipped, names);
    if (OP_UNLIKELY(op_call_hash(call) != 0)) {
        explain_unhashable(function, call, skipped);
        return -1;
    }
    return 0;
}

// ---- loads ------------------------------------------------------------------------------------------------------------

typedef struct {
    op_function *function;
    const op_call *call;
    PyObject *const *args;
    size_t nargsf;
    PyObject *names;
} op_request;

static PyObject *call_function(void *context)
{
    const op_request *request = context;
    PyObject *function = request->function->function;
    if (OP_UNLIKELY(function == NULL)) {
        PyErr_SetString(PyExc_ReferenceError, "the cached function is being collected");
        return NULL;
    }
    Py_INCREF(function);
    PyObject *value = PyObject_Vectorcall(function, request->args, request->nargsf, request->names);
    Py_DECREF(function);
    return value;
}

static int keep_loaded(void *context, PyObject *value, uint64_t ticket)
{
    const op_request *request = context;
    return op_function_keep(request->function, request->call, value, ticket);
}

// Loads without a flight.
static PyObject *load_alone(op_request *request)
{
    op_store *store = &request->function->store;
    uint64_t ticket = op_store_ticket(store);
    PyObject *value = op_store_load(store, call_function, request);
    if (keep_loaded(request, value, ticket) != 0) {
        Py_CLEAR(value);
    }
    return value;
}

static PyObject *load(op_request *request)
{
    op_function *function = request->function;
    PyObject *value = !function->once ? load_alone(request)
                                      : op_flight_load(&function->store, function->state, request->call,
                                                       call_function, keep_loaded, request);
    return value == NULL ? NULL : op_function_give(function, op_function_unwrap(function, value));
}

// A value past its time: the first to see it loads anew, and the others, or all where that fails, get the old one.
static PyObject *refresh(op_request *request, PyObject *old)
{
    op_function *function = request->function;
    op_store_lock(&function->store);
    uint64_t cleared = function->store.cleared;
    op_store_unlock(&function->store);
    int loading = op_flight_is_loading(&function->store, request->call);
    if (loading == 0) {
        PyObject *value = load(request);
        if (value != NULL || !PyErr_ExceptionMatches(PyExc_Exception)) {
            op_store_lock(&function->store);
            if (function->store.cleared == cleared &&
                function->store.hits > 0) {   // else the statistics began anew
                function->store.hits--;       // it was counted as one when the old value was found
                function->store.misses++;
            }
            op_store_unlock(&function->store);
            Py_DECREF(old);
            return value;
        }
        PyErr_Clear();   // counted in load_errors
    } else if (loading < 0) {
        Py_DECREF(old);
        return NULL;
    }
    return op_function_give(function, old);
}

// ---- calls ------------------------------------------------------------------------------------------------------------

// maxsize=0: nothing is kept, nothing is hashed.
static PyObject *call_uncached(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    op_function *function = (op_function *)self;
    op_store_lock(&function->store);
    function->store.misses++;
    op_store_unlock(&function->store);
    op_request request = {.function = function, .args = args, .nargsf = nargsf, .names = names};
    return op_store_load(&function->store, call_function, &request);
}

// Each has two ways to end where it was no hit. `missed`: nothing is kept, and that was counted; else the store has to be
// asked, as only `__eq__` can tell, or the value is not fresh.
typedef PyObject *(*op_finish)(op_function *, op_call, PyObject *const *, size_t, PyObject *, bool missed);

// Its time is taken by the coarse clock: right in the sum, and a tenth of the cost.
OP_NOINLINE static PyObject *finish_plain(op_function *function, op_call call, PyObject *const *args, size_t nargsf,
                                          PyObject *names, bool missed)
{
    op_store *store = &function->store;
    PyObject *value;
    if (!missed) {
        op_found found = op_store_get(store, &call, OP_HIT, &value);
        if (found != OP_FOUND_NONE) {
            return found == OP_FOUND_ERROR ? NULL : value;
        }
    }
    op_request request = {.function = function, .call = &call, .args = args, .nargsf = nargsf, .names = names};
    uint64_t ticket = op_store_ticket(store);
    value = op_store_load_coarse(store, call_function, &request);
    if (value != NULL && op_store_keep(store, (PyObject *)function, &call, value, OP_TTL_OF_STORE, ticket,
                                       op_store_habit(store)) < 0) {
        Py_CLEAR(value);
    }
    return value;
}

OP_NOINLINE static PyObject *finish(op_function *function, op_call call, PyObject *const *args, size_t nargsf,
                                    PyObject *names, bool missed)
{
    op_request request = {.function = function, .call = &call, .args = args, .nargsf = nargsf, .names = names};
    if (missed) {
        return load(&request);
    }
    PyObject *value = NULL;
    switch (op_store_get(&function->store, &call, OP_HIT, &value)) {
    case OP_FOUND_FRESH: return op_function_give(function, value);
    case OP_FOUND_STALE: return refresh(&request, value);
    case OP_FOUND_NONE: return load(&request);
    case OP_FOUND_ERROR: break;
    }
    return NULL;
}

OP_NOINLINE static PyObject *fail_unhashable(op_function *function, op_call call)
{
    explain_unhashable(function, &call, 0);
    return NULL;
}

// A call whose key is a lone int or str.
OP_INLINE PyObject *call_bare(op_function *function, PyObject *const *args, size_t nargsf, op_lives lives,
                              op_finish finish_call)
{
    op_store *store = &function->store;
    Py_hash_t hash = op_object_hash(args[0]);
    int64_t now = lives == OP_EXPIRE ? op_store_soon(store) : 0;
    op_store_lock(store);
    bool missed;
    int64_t slot = op_table_probe_lone(&store->table, OP_KEY_BARE, hash, args[0]);
    PyObject *value = op_store_hit(store, slot, lives, now, true, &missed);
    if (OP_LIKELY(value != NULL)) {
        return value;
    }
    op_call call = {.items = args, .count = 1, .form = OP_KEY_BARE, .typed = function->typed, .hash = hash};
    return finish_call(function, call, args, nargsf, NULL, missed);
}

// Any other call.
OP_INLINE PyObject *call_many(op_function *function, PyObject *const *args, size_t nargsf, PyObject *names,
                              op_lives lives, op_finish finish_call)
{
    op_store *store = &function->store;
    op_call call = op_function_arguments(function, args, PyVectorcall_NARGS(nargsf), names);
    if (!op_call_hash_quickly(&call) && OP_UNLIKELY(op_call_hash(&call) != 0)) {
        return fail_unhashable(function, call);
    }
    int64_t now = lives == OP_EXPIRE ? op_store_soon(store) : 0;
    op_store_lock(store);
    bool missed;
    int64_t slot = op_table_probe(&store->table, &call);
    PyObject *value = op_store_hit(store, slot, lives, now, true, &missed);
    if (OP_LIKELY(value != NULL)) {
        return value;
    }
    return finish_call(function, call, args, nargsf, names, missed);
}

// Three ways to call, each with its own code for what a hit needs and no more. The first is functools.lru_cache's habit:
// no expiry, no flights. What the two kinds of keys need stays in functions of their own, so that the choice costs no frame.
#define CALL(NAME, LIVES, FINISH)                                                                                  \
    OP_NOINLINE static PyObject *NAME##_bare(op_function *function, PyObject *const *args, size_t nargsf)          \
    {                                                                                                              \
        return call_bare(function, args, nargsf, LIVES, FINISH);                                                   \
    }                                                                                                              \
    OP_NOINLINE static PyObject *NAME##_many(op_function *function, PyObject *const *args, size_t nargsf,          \
                                             PyObject *names)                                                      \
    {                                                                                                              \
        return call_many(function, args, nargsf, names, LIVES, FINISH);                                            \
    }                                                                                                              \
    static PyObject *NAME(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)                   \
    {                                                                                                              \
        op_function *function = (op_function *)self;                                                               \
        bool bare = names == NULL && PyVectorcall_NARGS(nargsf) == 1 && op_object_is_lone(args[0]);                \
        return OP_LIKELY(bare) ? NAME##_bare(function, args, nargsf) : NAME##_many(function, args, nargsf, names); \
    }

CALL(call_plain, OP_LIVE_ON, finish_plain)
CALL(call_once, OP_LIVE_MAYBE, finish)
CALL(call_expiring, OP_EXPIRE, finish)

// Where key=, copy=, cache_exceptions=, a timer, or the cache of an instance need more.
static PyObject *call_general(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    op_function *function = (op_function *)self;
    PyObject *made;
    op_call call;
    if (OP_UNLIKELY(op_function_key(function, args, PyVectorcall_NARGS(nargsf), names, &made, &call) != 0)) {
        return NULL;
    }
    PyObject *value = finish(function, call, args, nargsf, names, false);
    Py_XDECREF(made);
    return value;
}

// ---- life -------------------------------------------------------------------------------------------------------------

static vectorcallfunc chosen_call(const op_function *function)
{
    if (function->coroutine) {
        return (vectorcallfunc)op_coroutine_new;
    }
    if (function->store.maxsize == 0 && !function->once) {
        return call_uncached;
    }
    if (!function->quick) {
        return call_general;
    }
    return function->store.ttl_ns > 0 ? call_expiring : function->once ? call_once : call_plain;
}

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {
        "",       "maxsize",          "typed", "key",  "ttl",       "jitter",    "stale", "max_bytes", "weigh",
        "policy", "cache_exceptions", "copy",  "once", "coroutine", "skip_self", "timer", "info_type", NULL};
    PyObject *wrapped = NULL, *key = Py_None, *exceptions = Py_None, *copy = Py_None, *info_type = NULL;
    op_bounds_given given = {.maxsize = Py_None};
    int typed = 0, once = 0, coroutine = 0, skip_self = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|$OpOOOOOOOOOpppOO:CachedFunction", names, &wrapped,
                                     &given.maxsize, &typed, &key, &given.ttl, &given.jitter, &given.stale,
                                     &given.max_bytes, &given.weigh, &given.policy, &exceptions, &copy, &once,
                                     &coroutine, &skip_self, &given.timer, &info_type)) {
        return NULL;
    }
    if (!PyCallable_Check(wrapped)) {
        PyErr_SetString(PyExc_TypeError, "the first argument must be callable");
        return NULL;
    }
    if (info_type == NULL || (exceptions != Py_None && !PyTuple_Check(exceptions))) {
        PyErr_SetString(PyExc_TypeError, "info_type is a must, cache_exceptions is a tuple of pairs");
        return NULL;
    }
    op_bounds bounds;
    if (op_bounds_parse(&given, &bounds) != 0) {
        return NULL;
    }
    op_function *function = (op_function *)type->tp_alloc(type, 0);
    if (function == NULL) {
        return NULL;
    }
    function->state = op_module_of_type(type);
    function->function = Py_NewRef(wrapped);
    function->info_type = Py_NewRef(info_type);
    function->key = key == Py_None ? NULL : Py_NewRef(key);
    function->copy = copy == Py_None ? NULL : Py_NewRef(copy);
    function->exceptions = exceptions == Py_None ? NULL : Py_NewRef(exceptions);
    function->typed = typed != 0;
    function->once = once != 0;
    function->coroutine = coroutine != 0;
    function->skip_self = skip_self != 0;
    if (op_store_init(&function->store, &bounds) != 0) {
        Py_DECREF(function);
        return NULL;
    }
    function->quick = function->key == NULL && function->copy == NULL && function->exceptions == NULL &&
                      function->store.timer == NULL && !function->skip_self;
    function->vectorcall = chosen_call(function);
    return (PyObject *)function;
}

static int function_traverse(PyObject *self, visitproc visit, void *arg)
{
    op_function *function = (op_function *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(function->function);
    Py_VISIT(function->key);
    Py_VISIT(function->copy);
    Py_VISIT(function->exceptions);
    Py_VISIT(function->info_type);
    Py_VISIT(function->dict);
    return op_store_traverse(&function->store, visit, arg);
}

static int function_clear(PyObject *self)
{
    op_function *function = (op_function *)self;
    op_store_drop(&function->store);
    Py_CLEAR(function->function);
    Py_CLEAR(function->key);
    Py_CLEAR(function->copy);
    Py_CLEAR(function->exceptions);
    Py_CLEAR(function->info_type);
    Py_CLEAR(function->dict);
    return 0;
}

static void function_dealloc(PyObject *self)
{
    op_function *function = (op_function *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (function->weak_references != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    function_clear(self);
    op_store_fini(&function->store);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *function_bind(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    op_function *function = (op_function *)self;
    if (instance == NULL || instance == Py_None) {
        return Py_NewRef(self);
    }
    if (OP_UNLIKELY(!OP_READ(function->method))) {
        op_store_lock(&function->store);
        bool empty = function->store.table.count == 0;
        op_store_unlock(&function->store);
        if (empty) {
            op_function_is_method(function);
        }
    }
    return PyMethod_New(self, instance);
}

static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(op_function, vectorcall), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(op_function, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(op_function, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef function_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot function_slots[] = {
    {Py_tp_doc, "A function whose results are kept. Made by outpace.lru_cache, cache and ttl_cache."},
    {Py_tp_new, (void *)function_new},
    {Py_tp_dealloc, (void *)function_dealloc},
    {Py_tp_traverse, (void *)function_traverse},
    {Py_tp_clear, (void *)function_clear},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_descr_get, (void *)function_bind},
    {Py_tp_methods, (void *)op_function_methods},
    {Py_tp_members, (void *)function_members},
    {Py_tp_getset, (void *)function_attributes},
    {0, NULL},
};

static PyType_Spec function_spec = {
    .name = "outpace._cache.CachedFunction",
    .basicsize = sizeof(op_function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR |
             Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = function_slots,
};

int op_function_ready(PyObject *module, op_module *state)
{
    state->function_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &function_spec, NULL);
    if (state->function_type == NULL || PyModule_AddType(module, state->function_type) != 0) {
        return -1;
    }
    return op_result_ready(module, state);
}

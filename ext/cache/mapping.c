// SPDX-License-Identifier: MIT
// mapping: outpace._cache.Mapping, the part of outpace.Cache that is in C. Its keys are lone objects, compared as a dict does.
#include "cache/cache.h"
#include "cache/probe.h"

#include <string.h>
#include <structmember.h>

#include "cache/arguments.h"
#include "cache/bounds.h"
#include "cache/coroutine.h"
#include "cache/entries.h"
#include "cache/loader.h"
#include "cache/mapping.h"

// ---- life -------------------------------------------------------------------------------------------------------------

static PyObject *mapping_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    op_mapping *self = (op_mapping *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    // A subclass may give __init__ other parameters, and may do without it: what new makes works, without bounds.
    const op_bounds unbounded = {.maxsize = -1};
    self->state = op_module_of_type(type);
    if (op_store_init(&self->store, &unbounded) != 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->missing = PyObject_HasAttrString((PyObject *)type, "__missing__");
    return (PyObject *)self;
}

static bool is_used(const op_store *store)
{
    return store->table.capacity > 0 || store->flights.capacity > 0;
}

static int mapping_init(PyObject *op, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"maxsize", "ttl", "jitter", "max_bytes", "weigh", "policy", "timer", NULL};
    op_mapping *self = (op_mapping *)op;
    op_bounds_given given = {0};
    op_bounds bounds;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O$OOOOOO:Cache", names, &given.maxsize, &given.ttl,
                                     &given.jitter, &given.max_bytes, &given.weigh, &given.policy, &given.timer) ||
        op_bounds_parse(&given, &bounds) != 0) {
        return -1;
    }
    if (self->begun || is_used(&self->store)) {
        PyErr_SetString(PyExc_TypeError, "the bounds of a cache are set once, by __init__, before its first use");
        return -1;
    }
    self->begun = true;
    op_store_fini(&self->store);
    memset(&self->store, 0, sizeof self->store);
    return op_store_init(&self->store, &bounds);
}

static int mapping_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return op_store_traverse(&((op_mapping *)op)->store, visit, arg);
}

static int mapping_clear_references(PyObject *op)
{
    op_store_drop(&((op_mapping *)op)->store);
    return 0;
}

static void mapping_dealloc(PyObject *op)
{
    op_mapping *self = (op_mapping *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    op_store_drop(&self->store);
    op_store_fini(&self->store);
    type->tp_free(op);
    Py_DECREF(type);
}

// ---- keys -------------------------------------------------------------------------------------------------------------

// A `__hash__` raised. Where it was a TypeError, the key is named.
OP_NOINLINE static int name_unhashable(PyObject *key)
{
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
        return -1;
    }
    PyObject *type, *cause, *traceback;
    PyErr_Fetch(&type, &cause, &traceback);
    PyErr_NormalizeException(&type, &cause, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(cause, traceback);
    }
    PyErr_Format(PyExc_TypeError, "key %.100R of a cache has no hash: %S", key, cause);
    PyObject *error_type, *error, *error_traceback;
    PyErr_Fetch(&error_type, &error, &error_traceback);
    PyErr_NormalizeException(&error_type, &error, &error_traceback);
    if (error != NULL && cause != NULL) {
        PyException_SetCause(error, Py_NewRef(cause));
        PyException_SetContext(error, Py_NewRef(cause));
    }
    PyErr_Restore(error_type, error, error_traceback);
    Py_XDECREF(type);
    Py_XDECREF(cause);
    Py_XDECREF(traceback);
    return -1;
}

// `key` is a variable of the caller that outlives *call.
OP_INLINE int hash_key(PyObject *const *key, op_call *call)
{
    *call = op_call_of_object(key);
    return OP_LIKELY(op_call_hash(call) == 0) ? 0 : name_unhashable(*key);
}

static void raise_key_error(PyObject *key)
{
    PyObject *error = PyObject_CallOneArg(PyExc_KeyError, key);   // a tuple would be taken for the arguments
    if (error != NULL) {
        PyErr_SetObject(PyExc_KeyError, error);
        Py_DECREF(error);
    }
}

// ---- the protocol of mappings -----------------------------------------------------------------------------------------

static PyObject *call_missing(op_mapping *self, PyObject *key)
{
    PyObject *name = PyUnicode_InternFromString("__missing__");
    if (name == NULL) {
        return NULL;
    }
    PyObject *value = PyObject_CallMethodOneArg((PyObject *)self, name, key);
    Py_DECREF(name);
    return value;
}

static PyObject *mapping_subscript(PyObject *op, PyObject *key)
{
    op_mapping *self = (op_mapping *)op;
    PyObject *value = op_store_get_lone(&self->store, key);
    if (OP_LIKELY(value != NULL)) {
        return value;
    }
    op_call call;
    if (hash_key(&key, &call) != 0) {
        return NULL;
    }
    op_found found = op_store_get(&self->store, &call, OP_HIT, &value);
    if (OP_UNLIKELY(found == OP_FOUND_NONE)) {
        if (self->missing) {
            return call_missing(self, key);
        }
        raise_key_error(key);
    }
    return value;
}

static int forget(op_mapping *self, PyObject *key, PyObject **value)
{
    op_call call;
    return hash_key(&key, &call) != 0 ? -1 : op_store_forget(&self->store, &call, value);
}

static int mapping_assign(PyObject *op, PyObject *key, PyObject *value)
{
    op_mapping *self = (op_mapping *)op;
    if (value == NULL) {
        int found = forget(self, key, NULL);
        if (found == 0) {
            raise_key_error(key);
        }
        return found == 1 ? 0 : -1;
    }
    op_call call;
    if (hash_key(&key, &call) != 0) {
        return -1;
    }
    return op_store_keep(&self->store, op, &call, value, OP_TTL_OF_STORE, 0, OP_KEEP_SET) < 0 ? -1 : 0;
}

// The value for `key` without a trace in statistics and order.
static op_found look(op_mapping *self, PyObject *key, PyObject **value)
{
    op_call call;
    return hash_key(&key, &call) != 0 ? OP_FOUND_ERROR : op_store_get(&self->store, &call, OP_LOOK, value);
}

static int mapping_contains(PyObject *op, PyObject *key)
{
    PyObject *value = NULL;
    op_found found = look((op_mapping *)op, key, &value);
    Py_XDECREF(value);
    return found == OP_FOUND_ERROR ? -1 : found != OP_FOUND_NONE;
}

static Py_ssize_t mapping_length(PyObject *op)
{
    return op_store_count(&((op_mapping *)op)->store);
}

static PyObject *mapping_iterate(PyObject *op)
{
    PyObject *keys = op_entries_list(&((op_mapping *)op)->store, OP_ENTRIES_KEYS);
    PyObject *iterator = keys == NULL ? NULL : PyObject_GetIter(keys);
    Py_XDECREF(keys);
    return iterator;
}

// ---- methods ----------------------------------------------------------------------------------------------------------

PyDoc_STRVAR(get_doc,
             "get($self, /, key, default=None)\n--\n\n"
             "The value for the key, which counts as a use; the default where there is none that is alive.");

static PyObject *mapping_get(PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    static const op_signature wanted = {"get", {"key", "default"}, 1, 2};
    op_mapping *self = (op_mapping *)op;
    PyObject *taken[OP_ARGUMENTS_MAX];
    if (op_arguments(&wanted, args, count, names, taken) != 0) {
        return NULL;
    }
    PyObject *value = op_store_get_lone(&self->store, taken[0]);
    op_call call;
    if (OP_LIKELY(value != NULL)) {
        return value;
    }
    if (hash_key(&taken[0], &call) != 0) {
        return NULL;
    }
    if (op_store_get(&self->store, &call, OP_HIT, &value) == OP_FOUND_NONE) {
        return Py_NewRef(taken[1] != NULL ? taken[1] : Py_None);
    }
    return value;
}

PyDoc_STRVAR(set_doc, "set($self, /, key, value, ttl=None)\n--\n\n"
                      "As cache[key] = value; it lives for ttl seconds, where they are given.");

static PyObject *mapping_set(PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    static const op_signature wanted = {"set", {"key", "value", "ttl"}, 2, 3};
    op_mapping *self = (op_mapping *)op;
    PyObject *taken[OP_ARGUMENTS_MAX];
    if (op_arguments(&wanted, args, count, names, taken) != 0) {
        return NULL;
    }
    bool failed;
    int64_t ttl_ns = op_bounds_ttl_or_own(taken[2], "ttl", &failed);
    op_call call;
    if (failed || hash_key(&taken[0], &call) != 0 ||
        op_store_keep(&self->store, op, &call, taken[1], ttl_ns, 0, OP_KEEP_SET) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(peek_doc,
             "peek($self, key, /)\n--\n\n"
             "The value for the key. It counts neither as a use nor in the statistics. KeyError if absent.");

static PyObject *mapping_peek(PyObject *op, PyObject *key)
{
    PyObject *value = NULL;
    if (look((op_mapping *)op, key, &value) == OP_FOUND_NONE) {
        raise_key_error(key);
    }
    return value;
}

PyDoc_STRVAR(pop_doc,
             "pop($self, /, key[, default])\n--\n\n"
             "Removes the key and gives its value; where it is absent the default, or KeyError without one.");

static PyObject *mapping_pop(PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    static const op_signature wanted = {"pop", {"key", "default"}, 1, 2};
    PyObject *taken[OP_ARGUMENTS_MAX];
    if (op_arguments(&wanted, args, count, names, taken) != 0) {
        return NULL;
    }
    PyObject *value = NULL;
    if (forget((op_mapping *)op, taken[0], &value) == 0) {
        if (taken[1] != NULL) {
            return Py_NewRef(taken[1]);
        }
        raise_key_error(taken[0]);
    }
    return value;
}

PyDoc_STRVAR(popitem_doc,
             "popitem($self, /)\n--\n\n"
             "Removes an entry, of a bounded cache the one least recently used, and gives (key, value).");

static PyObject *mapping_popitem(PyObject *op, PyObject *Py_UNUSED(unused))
{
    op_mapping *self = (op_mapping *)op;
    PyObject *pair = PyTuple_New(2);   // before anything is removed
    if (pair == NULL) {
        return NULL;
    }
    PyObject *key, *value;
    int found = op_entries_pop(&self->store, &self->cursor, &key, &value);
    if (found == 1) {
        PyTuple_SET_ITEM(pair, 0, key);
        PyTuple_SET_ITEM(pair, 1, value);
        return pair;
    }
    Py_DECREF(pair);
    if (found == 0) {
        PyErr_SetString(PyExc_KeyError, "popitem(): the cache is empty");
    }
    return NULL;
}

PyDoc_STRVAR(setdefault_doc,
             "setdefault($self, /, key, default=None)\n--\n\n"
             "The value for the key, which is set to the default first where it is absent: in one step.");

// `value` is kept unless there is one: the one that counts, a new reference.
static PyObject *keep_first(op_mapping *self, const op_call *call, PyObject *value)
{
    op_store *store = &self->store;
    for (;;) {
        uint64_t ticket = op_store_ticket(store);
        int kept = op_store_keep(store, (PyObject *)self, call, value, OP_TTL_OF_STORE, ticket, OP_KEEP_FIRST);
        if (kept != 0) {
            return kept < 0 ? NULL : Py_NewRef(value);
        }
        PyObject *other = NULL;
        op_found found = op_store_get(store, call, OP_LOOK, &other);
        if (found != OP_FOUND_NONE) {
            return found == OP_FOUND_ERROR ? NULL : other;
        }
        if (ticket == op_store_ticket(store)) {
            // It was not kept for its weight, or as nothing is. (Or another's was there and gone again since.)
            int set = op_store_keep(store, (PyObject *)self, call, value, OP_TTL_OF_STORE, 0, OP_KEEP_SET);
            return set < 0 ? NULL : Py_NewRef(value);
        }
    }
}

static PyObject *mapping_setdefault(PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    static const op_signature wanted = {"setdefault", {"key", "default"}, 1, 2};
    op_mapping *self = (op_mapping *)op;
    PyObject *taken[OP_ARGUMENTS_MAX];
    op_call call;
    if (op_arguments(&wanted, args, count, names, taken) != 0 || hash_key(&taken[0], &call) != 0) {
        return NULL;
    }
    PyObject *value = NULL;
    if (op_store_get(&self->store, &call, OP_HIT, &value) != OP_FOUND_NONE) {
        return value;
    }
    return keep_first(self, &call, taken[1] != NULL ? taken[1] : Py_None);
}

PyDoc_STRVAR(
    get_or_load_doc,
    "get_or_load($self, /, key, loader)\n--\n\n"
    "The value for the key. Where it is absent, loader(key) is called, and its result kept: once,\n"
    "whatever the number of threads that ask meanwhile. With an `async def` loader it gives an awaitable.");

static PyObject *mapping_get_or_load(PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    static const op_signature wanted = {"get_or_load", {"key", "loader"}, 2, 2};
    op_mapping *self = (op_mapping *)op;
    PyObject *taken[OP_ARGUMENTS_MAX];
    if (op_arguments(&wanted, args, count, names, taken) != 0) {
        return NULL;
    }
    int coroutine = op_loader_is_coroutine(self->state, taken[1]);
    op_call call;
    if (coroutine < 0 || hash_key(&taken[0], &call) != 0) {
        return NULL;
    }
    if (coroutine) {   // the key was hashed to have what can't be refused here, not where it is awaited
        return op_coroutine_of_mapping(op, &self->store, self->state, taken[0], taken[1]);
    }
    PyObject *value = NULL;
    if (op_store_get(&self->store, &call, OP_HIT, &value) != OP_FOUND_NONE) {
        return value;
    }
    return op_loader_load(op, &self->store, self->state, &call, taken[1]);
}

PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\n"
                        "Removes all entries. The statistics go on. Loads that are under way will not be kept.");

static PyObject *mapping_clear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    op_store_clear(&((op_mapping *)op)->store, false);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(expire_doc, "expire($self, /)\n--\n\nRemoves what has expired now, to have its memory back.");

static PyObject *mapping_expire(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (op_store_expire(&((op_mapping *)op)->store) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stats_doc, "stats($self, /)\n--\n\nA CacheStats: what the cache did so far.");

static PyObject *mapping_stats(PyObject *op, PyObject *Py_UNUSED(unused))
{
    op_mapping *self = (op_mapping *)op;
    return op_store_expire(&self->store) != 0 ? NULL : op_store_stats(&self->store, self->state);
}

PyDoc_STRVAR(pairs_doc,
             "_pairs($self, /)\n--\n\nThe live entries, least recently used first: [key, value, key, ...].");

static PyObject *mapping_pairs(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return op_entries_list(&((op_mapping *)op)->store, OP_ENTRIES_PAIRS);
}

PyDoc_STRVAR(times_doc, "_times($self, /)\n--\n\nAs _pairs, each with the seconds that it has left, or inf.");

static PyObject *mapping_times(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return op_entries_list(&((op_mapping *)op)->store, OP_ENTRIES_TIMES);
}

static PyObject *mapping_sizeof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    op_store *store = &((op_mapping *)op)->store;
    op_store_lock(store);
    size_t bytes = op_table_bytes(&store->table) + op_table_bytes(&store->flights);
    op_store_unlock(store);
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize + bytes);
}

// ---- the type ---------------------------------------------------------------------------------------------------------

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"get", FAST(mapping_get), METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"set", FAST(mapping_set), METH_FASTCALL | METH_KEYWORDS, set_doc},
    {"peek", mapping_peek, METH_O, peek_doc},
    {"pop", FAST(mapping_pop), METH_FASTCALL | METH_KEYWORDS, pop_doc},
    {"popitem", mapping_popitem, METH_NOARGS, popitem_doc},
    {"setdefault", FAST(mapping_setdefault), METH_FASTCALL | METH_KEYWORDS, setdefault_doc},
    {"get_or_load", FAST(mapping_get_or_load), METH_FASTCALL | METH_KEYWORDS, get_or_load_doc},
    {"clear", mapping_clear, METH_NOARGS, clear_doc},
    {"expire", mapping_expire, METH_NOARGS, expire_doc},
    {"stats", mapping_stats, METH_NOARGS, stats_doc},
    {"_pairs", mapping_pairs, METH_NOARGS, pairs_doc},
    {"_times", mapping_times, METH_NOARGS, times_doc},
    {"__sizeof__", mapping_sizeof, METH_NOARGS, PyDoc_STR("Its own memory, in bytes, without keys and values.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, PyDoc_STR("For Mapping[K, V] in annotations.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(op_mapping, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define MAPPING_DOC                                                                                                \
    "Mapping(maxsize=None, *, ttl=None, jitter=None, max_bytes=None, weigh=None, policy='lru', timer=None)\n"      \
    "--\n\nThe part of outpace.Cache that is in C."

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR(MAPPING_DOC)},
    {Py_tp_new, (void *)mapping_new},
    {Py_tp_init, (void *)mapping_init},
    {Py_tp_dealloc, (void *)mapping_dealloc},
    {Py_tp_traverse, (void *)mapping_traverse},
    {Py_tp_clear, (void *)mapping_clear_references},
    {Py_tp_iter, (void *)mapping_iterate},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, op_mapping_attributes},
    {Py_mp_subscript, (void *)mapping_subscript},
    {Py_mp_ass_subscript, (void *)mapping_assign},
    {Py_mp_length, (void *)mapping_length},
    {Py_sq_contains, (void *)mapping_contains},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "outpace._cache.Mapping",
    .basicsize = sizeof(op_mapping),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int op_mapping_ready(PyObject *module, op_module *state)
{
    state->mapping_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return state->mapping_type == NULL ? -1 : PyModule_AddType(module, state->mapping_type);
}

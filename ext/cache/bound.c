// SPDX-License-Identifier: MIT
// What a CachedMethod is on an instance: a bound method whose cache_info and the like are of the instance's own cache.
// Its other attributes are those of the CachedMethod.
#include "cache/method.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD vectorcallfunc vectorcall;
    op_method *method;   // owned
    PyObject *self;      // owned
    PyObject *weak_references;
} op_bound;

// ---- calls ------------------------------------------------------------------------------------------------------------

#define FEW 6   // arguments that are passed on from the stack

// Calls the method `name` of the instance's cache with `first` (or NULL), the instance, and these arguments.
static PyObject *call_cache(op_bound *bound, const char *name, PyObject *first, PyObject *const *args,
                            Py_ssize_t positional, PyObject *names)
{
    size_t count = (size_t)positional + (names == NULL ? 0 : (size_t)PyTuple_GET_SIZE(names));
    PyObject *few[FEW + 3], **all = few;
    if (count > FEW) {
        all = PyMem_Malloc((count + 3) * sizeof *all);
        if (all == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject *result = NULL;
    PyObject *method = PyUnicode_InternFromString(name);
    PyObject *cache = method == NULL ? NULL : (PyObject *)op_method_cache(bound->method, bound->self);
    if (cache != NULL) {
        size_t used = 0;
        all[used++] = cache;
        if (first != NULL) {
            all[used++] = first;
        }
        all[used++] = bound->self;
        memcpy(all + used, args, count * sizeof *all);
        result = PyObject_VectorcallMethod(method, all, used + (size_t)positional, names);
    }
    Py_XDECREF(cache);
    Py_XDECREF(method);
    if (all != few) {
        PyMem_Free(all);
    }
    return result;
}

static PyObject *bound_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    op_bound *bound = (op_bound *)object;
    Py_ssize_t positional = PyVectorcall_NARGS(nargsf);
    op_function *cache = op_method_cache(bound->method, bound->self);
    if (cache == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    if ((nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET) != 0) {
        PyObject **all = (PyObject **)(uintptr_t)(args - 1);   // the caller lends that place
        PyObject *before = all[0];
        all[0] = bound->self;
        result = op_function_call(cache, all, (size_t)positional + 1, names);
        all[0] = before;
    } else {
        size_t count = (size_t)positional + (names == NULL ? 0 : (size_t)PyTuple_GET_SIZE(names));
        PyObject *few[FEW + 1], **all = count <= FEW ? few : PyMem_Malloc((count + 1) * sizeof *all);
        if (all != NULL) {
            all[0] = bound->self;
            memcpy(all + 1, args, count * sizeof *all);
            result = op_function_call(cache, all, (size_t)positional + 1, names);
        } else {
            PyErr_NoMemory();
        }
        if (all != few) {
            PyMem_Free(all);
        }
    }
    Py_DECREF((PyObject *)cache);
    return result;
}

// ---- methods ----------------------------------------------------------------------------------------------------------

static PyObject *without_arguments(PyObject *object, const char *name)
{
    op_bound *bound = (op_bound *)object;
    op_function *cache = op_method_cache(bound->method, bound->self);
    PyObject *result = cache == NULL ? NULL : PyObject_CallMethod((PyObject *)cache, name, NULL);
    Py_XDECREF((PyObject *)cache);
    return result;
}

static PyObject *cache_info(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return without_arguments(object, "cache_info");
}

static PyObject *cache_clear(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return without_arguments(object, "cache_clear");
}

static PyObject *cache_stats(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return without_arguments(object, "cache_stats");
}

static PyObject *cache_invalidate(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return call_cache((op_bound *)object, "cache_invalidate", NULL, args, count, names);
}

static PyObject *cache_contains(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return call_cache((op_bound *)object, "cache_contains", NULL, args, count, names);
}

static PyObject *cache_peek(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    return call_cache((op_bound *)object, "cache_peek", NULL, args, count, names);
}

static PyObject *cache_put(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "cache_put(value, /, *args, **kwargs) misses the value");
        return NULL;
    }
    return call_cache((op_bound *)object, "cache_put", args[0], args + 1, count - 1, names);
}

// As a bound method: by its instance and its name.
static PyObject *reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const op_bound *bound = (op_bound *)object;
    PyObject *builtins = PyImport_ImportModule("builtins");
    PyObject *get = builtins == NULL ? NULL : PyObject_GetAttrString(builtins, "getattr");
    PyObject *name = get == NULL ? NULL : PyObject_GetAttrString((PyObject *)bound->method, "__name__");
    PyObject *result = name == NULL ? NULL : Py_BuildValue("O(OO)", get, bound->self, name);
    Py_XDECREF(builtins);
    Py_XDECREF(get);
    Py_XDECREF(name);
    return result;
}

#define WITH_CALL METH_FASTCALL | METH_KEYWORDS

static PyMethodDef bound_methods[] = {
    {"cache_info", cache_info, METH_NOARGS,
     PyDoc_STR("cache_info($self, /)\n--\n\nHits, misses, maxsize and currsize of the instance's cache.")},
    {"cache_clear", cache_clear, METH_NOARGS,
     PyDoc_STR("cache_clear($self, /)\n--\n\nForgets all results of the instance, and those of loads under way.")},
    {"cache_stats", cache_stats, METH_NOARGS,
     PyDoc_STR(
         "cache_stats($self, /)\n--\n\nA CacheStats: what the instance's cache did since the last cache_clear.")},
    {"cache_invalidate", (PyCFunction)(void (*)(void))cache_invalidate, WITH_CALL,
     PyDoc_STR("cache_invalidate($self, /, *args, **kwargs)\n--\n\n"
               "Forgets the instance's result for these arguments; whether there was one.")},
    {"cache_contains", (PyCFunction)(void (*)(void))cache_contains, WITH_CALL,
     PyDoc_STR("cache_contains($self, /, *args, **kwargs)\n--\n\n"
               "Whether a result of the instance is kept for these arguments. No statistics, no recency.")},
    {"cache_peek", (PyCFunction)(void (*)(void))cache_peek, WITH_CALL,
     PyDoc_STR("cache_peek($self, /, *args, **kwargs)\n--\n\n"
               "The instance's result for these arguments, or KeyError. No statistics, no recency.")},
    {"cache_put", (PyCFunction)(void (*)(void))cache_put, WITH_CALL,
     PyDoc_STR("cache_put($self, value, /, *args, **kwargs)\n--\n\n"
               "Keeps `value` as the instance's result for these arguments.")},
    {"__reduce__", reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

// ---- attributes -------------------------------------------------------------------------------------------------------

static PyObject *get_attribute(PyObject *object, PyObject *name)
{
    PyObject *method = (PyObject *)((op_bound *)object)->method;
    // The type has these, too, and means itself.
    if (PyUnicode_CompareWithASCIIString(name, "__doc__") == 0 ||
        PyUnicode_CompareWithASCIIString(name, "__module__") == 0) {
        return PyObject_GetAttr(method, name);
    }
    PyObject *value = PyObject_GenericGetAttr(object, name);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return value;
    }
    PyErr_Clear();
    return PyObject_GetAttr(method, name);
}

// Without the instance, as inspect has it of any bound method.
static PyObject *get_signature(PyObject *object, void *Py_UNUSED(closure))
{
    const op_bound *bound = (op_bound *)object;
    PyObject *function = bound->method->function;
    PyObject *inspect = function == NULL ? NULL : PyImport_ImportModule("inspect");
    PyObject *plain = inspect == NULL ? NULL : PyMethod_New(function, bound->self);
    PyObject *signature = plain == NULL ? NULL : PyObject_CallMethod(inspect, "signature", "O", plain);
    Py_XDECREF(inspect);
    Py_XDECREF(plain);
    if (function == NULL) {
        PyErr_SetString(PyExc_AttributeError, "__signature__");
    }
    return signature;
}

static PyObject *represent(PyObject *object)
{
    const op_bound *bound = (op_bound *)object;
    PyObject *name = PyObject_GetAttrString((PyObject *)bound->method, "__qualname__");
    if (name == NULL) {
        PyErr_Clear();
        name = PyUnicode_FromString("?");
    }
    PyObject *result = name == NULL ? NULL
                                    : PyUnicode_FromFormat("<bound cached method %S of %R>", name, bound->self);
    Py_XDECREF(name);
    return result;
}

static PyObject *compare(PyObject *one, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(one) != Py_TYPE(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const op_bound *left = (op_bound *)one, *right = (op_bound *)other;
    bool equal = left->method == right->method && left->self == right->self;
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

static Py_hash_t hash(PyObject *object)
{
    const op_bound *bound = (op_bound *)object;
    Py_hash_t mixed = (Py_hash_t)(((uintptr_t)bound->self >> 4) * 31 + ((uintptr_t)bound->method >> 4));
    return mixed == -1 ? -2 : mixed;
}

// ---- the type ---------------------------------------------------------------------------------------------------------

PyObject *op_bound_new(op_method *method, PyObject *self)
{
    op_bound *bound = PyObject_GC_New(op_bound, method->state->bound_type);
    if (bound == NULL) {
        return NULL;
    }
    bound->vectorcall = bound_call;
    bound->method = (op_method *)Py_NewRef((PyObject *)method);
    bound->self = Py_NewRef(self);
    bound->weak_references = NULL;
    PyObject_GC_Track((PyObject *)bound);
    return (PyObject *)bound;
}

static int bound_traverse(PyObject *object, visitproc visit, void *arg)
{
    op_bound *bound = (op_bound *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT((PyObject *)bound->method);
    Py_VISIT(bound->self);
    return 0;
}

// No tp_clear, as a bound method has none: it refers to nothing that refers to it but through an instance or a function.
static void bound_dealloc(PyObject *object)
{
    op_bound *bound = (op_bound *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (bound->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    Py_DECREF((PyObject *)bound->method);
    Py_DECREF(bound->self);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef bound_members[] = {
    {"__self__", T_OBJECT, offsetof(op_bound, self), READONLY, NULL},
    {"__func__", T_OBJECT, offsetof(op_bound, method), READONLY, NULL},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(op_bound, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(op_bound, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef bound_attributes[] = {
    {"__signature__", get_signature, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, "A cached method and its instance, which has a cache of its own."},
    {Py_tp_dealloc, (void *)bound_dealloc},
    {Py_tp_traverse, (void *)bound_traverse},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_getattro, (void *)get_attribute},
    {Py_tp_repr, (void *)represent},
    {Py_tp_richcompare, (void *)compare},
    {Py_tp_hash, (void *)hash},
    {Py_tp_methods, (void *)bound_methods},
    {Py_tp_members, (void *)bound_members},
    {Py_tp_getset, (void *)bound_attributes},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "outpace._cache.BoundCachedMethod",
    .basicsize = sizeof(op_bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = bound_slots,
};

int op_bound_ready(PyObject *module, op_module *state)
{
    state->bound_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    return state->bound_type == NULL ? -1 : 0;
}

// SPDX-License-Identifier: MIT
// See method.h.
#include "cache/method.h"

#include <structmember.h>

// ---- whose cache ------------------------------------------------------------------------------------------------------

// `format` begins with %U, for what was decorated, and may go on with what one %s stands for.
static void refuse(op_method *method, const char *format, const char *more)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)method, "__qualname__");
    if (name == NULL || !PyUnicode_Check(name)) {
        PyErr_Clear();
        Py_XSETREF(name, PyObject_Repr((PyObject *)method));
    }
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, format, name, more);
        Py_DECREF(name);
    }
}

// The name under which the caches of this method lie in a `__dict__`. No attribute that a program writes has a space in it.
static int name_caches(op_method *method, PyObject *owner, PyObject *name)
{
    PyObject *module = PyObject_GetAttrString(owner, "__module__");
    PyObject *class = module == NULL ? NULL : PyObject_GetAttrString(owner, "__qualname__");
    PyObject *made = class == NULL ? NULL : PyUnicode_FromFormat("<cache of %S.%S.%S>", module, class, name);
    Py_XDECREF(module);
    Py_XDECREF(class);
    if (made == NULL) {
        return -1;
    }
    PyUnicode_InternInPlace(&made);
    method->of_classes = PyType_Check(owner) && PyType_IsSubtype((PyTypeObject *)owner, &PyType_Type);
    PyObject *none = NULL;
    if (!__atomic_compare_exchange_n(&method->name, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        Py_DECREF(made);   // it stands in two classes, or two threads have found it in one
    }
    return 0;
}

// Looks for the method in the classes of `self`, for where it was put after its class was made nobody told it so.
// 1, 0, or -1 with an exception.
static int look_for_place(op_method *method, PyObject *self)
{
    PyObject *classes = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__mro__");
    int found = classes == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; found == 0 && i < PyTuple_GET_SIZE(classes); i++) {
        PyObject *owner = PyTuple_GET_ITEM(classes, i);
        PyObject *names = PyObject_GetAttrString(owner, "__dict__");
        PyObject *items = names == NULL ? NULL : PyMapping_Items(names);
        Py_XDECREF(names);
        if (items == NULL) {
            found = -1;
        }
        for (Py_ssize_t k = 0; found == 0 && k < PyList_GET_SIZE(items); k++) {
            PyObject *item = PyList_GET_ITEM(items, k);
            if (PyTuple_GET_ITEM(item, 1) == (PyObject *)method) {
                found = name_caches(method, owner, PyTuple_GET_ITEM(item, 0)) == 0 ? 1 : -1;
            }
        }
        Py_XDECREF(items);
    }
    Py_XDECREF(classes);
    return found;
}

// Whether `self` can have a cache: 0, or -1 with an exception.
static int check_instance(op_method *method, PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    int placed = __atomic_load_n(&method->name, __ATOMIC_ACQUIRE) != NULL ? 1 : look_for_place(method, self);
    if (placed < 0) {
        return -1;
    }
    if (PyType_Check(self) && !method->of_classes) {
        refuse(method,
               "%U() has a cache for each instance (per_instance=True) and got the class '%.200s' as one:"
               " a @classmethod is cached without per_instance",
               ((PyTypeObject *)self)->tp_name);
        return -1;
    }
    if (!placed) {
        refuse(method,
               "%U() has a cache for each instance (per_instance=True), but is no method of '%.200s':"
               " a function or a @staticmethod is cached without per_instance",
               type->tp_name);
        return -1;
    }
    if (!PyType_SUPPORTS_WEAKREFS(type)) {
        refuse(method,
               "%U() can't have a cache for each '%.200s' (per_instance=True), as these take no weak references:"
               " '__weakref__' among its __slots__ (of a dataclass: weakref_slot=True) lets them",
               type->tp_name);
        return -1;
    }
    return 0;
}

OP_NOINLINE static op_function *make_cache(op_method *method, PyObject *self)
{
    if (check_instance(method, self) != 0) {
        return NULL;
    }
    if (method->function == NULL || method->options == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "the cached method is being collected");
        return NULL;
    }
    PyObject *arguments = PyTuple_Pack(1, method->function);
    PyObject *made = arguments == NULL
                         ? NULL
                         : PyObject_Call((PyObject *)method->state->function_type, arguments, method->options);
    Py_XDECREF(arguments);
    if (made == NULL) {
        return NULL;
    }
    op_function *cache = op_owns_add(method->owns, method->state, self, method->name, (op_function *)made);
    Py_DECREF(made);
    return cache;
}

op_function *op_method_cache(op_method *method, PyObject *self)
{
    op_function *cache = op_owns_find(method->owns, self);
    return OP_LIKELY(cache != NULL) ? cache : make_cache(method, self);
}

static PyObject *method_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    op_method *method = (op_method *)object;
    if (OP_UNLIKELY(PyVectorcall_NARGS(nargsf) == 0)) {
        refuse(method, "%U() has a cache for each instance (per_instance=True) and was called without one%s", "");
        return NULL;
    }
    op_function *cache = op_method_cache(method, args[0]);
    if (cache == NULL) {
        return NULL;
    }
    PyObject *value = op_function_call(cache, args, nargsf, names);
    Py_DECREF((PyObject *)cache);
    return value;
}

// ---- the type ---------------------------------------------------------------------------------------------------------

static PyObject *method_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    if (PyTuple_GET_SIZE(args) != 1) {
        PyErr_SetString(PyExc_TypeError, "CachedMethod(function, **options) takes one function");
        return NULL;
    }
    op_module *state = op_module_of_type(type);
    PyObject *options = keywords == NULL ? PyDict_New() : PyDict_Copy(keywords);
    if (options == NULL || PyDict_SetItemString(options, "skip_self", Py_True) != 0) {
        Py_XDECREF(options);
        return NULL;
    }
    // What is wrong with the options is to be told now, not at an instance's first call.
    PyObject *tried = PyObject_Call((PyObject *)state->function_type, args, options);
    op_owns *owns = tried == NULL ? NULL : op_owns_new();
    op_method *method = owns == NULL ? NULL : (op_method *)type->tp_alloc(type, 0);
    Py_XDECREF(tried);
    if (method == NULL) {
        Py_DECREF(options);
        if (owns != NULL) {
            op_owns_release(owns);
        }
        return NULL;
    }
    method->vectorcall = method_call;
    method->owns = owns;
    method->function = Py_NewRef(PyTuple_GET_ITEM(args, 0));
    method->options = options;
    method->state = state;
    return (PyObject *)method;
}

static int method_traverse(PyObject *object, visitproc visit, void *arg)
{
    op_method *method = (op_method *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(method->function);
    Py_VISIT(method->options);
    Py_VISIT(method->dict);
    return op_owns_traverse(method->owns, visit, arg);
}

static int method_clear(PyObject *object)
{
    op_method *method = (op_method *)object;
    op_owns_drop(method->owns);
    Py_CLEAR(method->function);
    Py_CLEAR(method->options);
    Py_CLEAR(method->dict);
    return 0;
}

static void method_dealloc(PyObject *object)
{
    op_method *method = (op_method *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (method->weak_references != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    method_clear(object);
    op_owns_release(method->owns);
    Py_XDECREF(method->name);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *method_bind(PyObject *object, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    if (instance == NULL || instance == Py_None) {
        return Py_NewRef(object);
    }
    return op_bound_new((op_method *)object, instance);
}

static PyObject *set_name(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    op_method *method = (op_method *)object;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "__set_name__(owner, name) takes two arguments");
        return NULL;
    }
    if (method->name == NULL && name_caches(method, args[0], args[1]) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *cache_clear(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    op_method *method = (op_method *)object;
    PyObject *caches = op_owns_list(method->owns);
    if (caches == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(caches); i++) {
        op_store_clear(&((op_function *)PyList_GET_ITEM(caches, i))->store, true);
    }
    Py_DECREF(caches);
    Py_RETURN_NONE;
}

// By name, as functions are.
static PyObject *reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyObject_GetAttrString(object, "__qualname__");
}

static PyObject *copy_itself(PyObject *object, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(object);
}

static PyMethodDef method_methods[] = {
    {"cache_clear", cache_clear, METH_NOARGS,
     PyDoc_STR(
         "cache_clear($self, /)\n--\n\nForgets the results of all instances, and sets their statistics to zero.")},
    {"__set_name__", (PyCFunction)(void (*)(void))set_name, METH_FASTCALL, NULL},
    {"__reduce__", reduce, METH_NOARGS, NULL},
    {"__copy__", copy_itself, METH_NOARGS, NULL},
    {"__deepcopy__", copy_itself, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(op_method, vectorcall), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(op_method, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(op_method, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef method_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_doc, "A method of which each instance keeps its own results. Made by lru_cache(per_instance=True)."},
    {Py_tp_new, (void *)method_new},
    {Py_tp_dealloc, (void *)method_dealloc},
    {Py_tp_traverse, (void *)method_traverse},
    {Py_tp_clear, (void *)method_clear},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_descr_get, (void *)method_bind},
    {Py_tp_methods, (void *)method_methods},
    {Py_tp_members, (void *)method_members},
    {Py_tp_getset, (void *)method_attributes},
    {0, NULL},
};

static PyType_Spec method_spec = {
    .name = "outpace._cache.CachedMethod",
    .basicsize = sizeof(op_method),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = method_slots,
};

int op_method_ready(PyObject *module, op_module *state)
{
    state->method_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &method_spec, NULL);
    if (state->method_type == NULL || PyModule_AddType(module, state->method_type) != 0) {
        return -1;
    }
    return op_own_ready(module, state) != 0 ? -1 : op_bound_ready(module, state);
}

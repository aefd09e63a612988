// SPDX-License-Identifier: MIT
// See own.h.
//
// Who holds whom: the table holds owns (here its references are counted, unlike an owner's), an own its op_owns. Where the
// instance has a `__dict__`, a holder lies there that holds the own and the function, and the own borrows both; where not,
// the own holds the function. All that changes is under the lock of op_owns, which lives until the last own of it is gone.
#include "cache/own.h"

#include "cache/weak.h"

typedef struct op_own op_own;

// What lies in the instance's `__dict__`.
typedef struct {
    PyObject_HEAD op_own *own;   // owned
    op_function *function;       // owned; NULL where it is no instance's cache any more
} op_holder;

struct op_own {
    op_weak weak;            // of the instance
    op_owns *owns;           // counted
    op_holder *holder;       // borrowed: it takes itself out when it goes
    op_function *function;   // owned where there is no holder; NULL where the holder is gone
    op_own *next;            // of those that were taken out of the table and wait to be dropped
};

struct op_owns {
    op_lock lock;
    uint32_t references;
    op_weaks weaks;
};

// ---- owns -------------------------------------------------------------------------------------------------------------

op_owns *op_owns_new(void)
{
    op_owns *owns = PyMem_Calloc(1, sizeof *owns);
    if (owns == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    owns->references = 1;
    return owns;
}

void op_owns_release(op_owns *owns)
{
    if (__atomic_fetch_sub(&owns->references, 1, __ATOMIC_ACQ_REL) == 1) {
        op_weaks_fini(&owns->weaks);
        PyMem_Free(owns);
    }
}

// Under the lock: the function is the instance's no more. Its reference, for the caller, or NULL.
static op_function *cut(op_own *own)
{
    op_function *function = own->function;
    own->function = NULL;
    if (own->holder != NULL) {
        own->holder->function = NULL;
        own->holder = NULL;
    }
    return function;
}

// Under the lock: takes it out of the table, onto the chain of those that are to be dropped. Nothing where it is not in it.
static void take(op_own *own, op_own **dropped)
{
    if (op_weaks_remove(&own->owns->weaks, &own->weak)) {
        own->next = *dropped;
        *dropped = own;
    }
}

static void drop(op_own *own)
{
    while (own != NULL) {
        op_own *next = own->next;
        Py_DECREF((PyObject *)own);
        own = next;
    }
}

static void own_dealloc(PyObject *object)
{
    op_own *own = (op_own *)(void *)object;
    PyObject_GC_UnTrack(object);
    if (own->holder == NULL) {
        Py_CLEAR(own->function);
    }
    if (own->owns != NULL) {
        op_owns_release(own->owns);
    }
    op_weak_dealloc(object);
}

static PyType_Slot own_slots[] = {
    {Py_tp_dealloc, (void *)own_dealloc},
    // The function is visited by the method, or by the holder.
    {Py_tp_traverse, (void *)op_weak_traverse},
    {0, NULL},
};

static PyType_Spec own_spec = {
    .name = "outpace._cache.Own",
    .basicsize = sizeof(op_own),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = own_slots,
};

// The callback: the instance died. A copy of it may still have the holder.
static PyObject *own_died(PyObject *Py_UNUSED(module), PyObject *object)
{
    if (Py_TYPE(object)->tp_dealloc != own_dealloc) {
        PyErr_SetString(PyExc_TypeError, "not the cache of an instance");
        return NULL;
    }
    op_own *own = (op_own *)(void *)object, *dropped = NULL;
    OP_LOCK(&own->owns->lock);
    op_function *function = cut(own);
    take(own, &dropped);
    OP_UNLOCK(&own->owns->lock);
    Py_XDECREF((PyObject *)function);
    drop(dropped);
    Py_RETURN_NONE;
}

static PyMethodDef own_died_method = {"own_died", own_died, METH_O, NULL};

// ---- holders ----------------------------------------------------------------------------------------------------------

static int holder_traverse(PyObject *object, visitproc visit, void *arg)
{
    op_holder *holder = (op_holder *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(holder->function);
    return 0;
}

static int holder_clear(PyObject *object)
{
    op_holder *holder = (op_holder *)object;
    if (holder->own == NULL) {
        return 0;
    }
    OP_LOCK(&holder->own->owns->lock);
    op_function *function = holder->function;
    if (holder->own->holder == holder) {
        (void)cut(holder->own);
    }
    OP_UNLOCK(&holder->own->owns->lock);
    Py_XDECREF((PyObject *)function);
    return 0;
}

static void holder_dealloc(PyObject *object)
{
    op_holder *holder = (op_holder *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    holder_clear(object);
    Py_XDECREF((PyObject *)holder->own);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *holder_reduce(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O()", Py_TYPE(Py_None));
}

static PyMethodDef holder_methods[] = {
    {"__reduce__", holder_reduce, METH_NOARGS, PyDoc_STR("As None: a cache is not copied with its instance.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot holder_slots[] = {
    {Py_tp_doc, "The cache that an instance has of a method's results. Lies in its __dict__."},
    {Py_tp_dealloc, (void *)holder_dealloc},
    {Py_tp_traverse, (void *)holder_traverse},
    {Py_tp_clear, (void *)holder_clear},
    {Py_tp_methods, holder_methods},
    {0, NULL},
};

static PyType_Spec holder_spec = {
    .name = "outpace._cache.InstanceCache",
    .basicsize = sizeof(op_holder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = holder_slots,
};

// NULL with MemoryError.
static op_holder *new_holder(const op_module *state, op_own *own, op_function *function)
{
    op_holder *holder = PyObject_GC_New(op_holder, state->holder_type);
    if (holder != NULL) {
        holder->own = (op_own *)Py_NewRef((PyObject *)own);
        holder->function = (op_function *)Py_NewRef((PyObject *)function);
        PyObject_GC_Track((PyObject *)holder);
    }
    return holder;
}

// Whether the holder of another method's cache of `self` lies under that name: of one with the same qualified name.
// 1, 0, or -1 with an exception.
static int is_taken(const op_owns *owns, PyObject *self, PyObject *name)
{
    PyObject *there = PyObject_GenericGetAttr(self, name);
    if (there == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    int taken = 0;
    if (Py_TYPE(there)->tp_dealloc == holder_dealloc) {
        const op_own *own = ((op_holder *)there)->own;
        taken = own->owns != owns && op_weak_is(&own->weak, self);
    }
    Py_DECREF(there);
    return taken;
}

// Puts the holder into the instance's `__dict__`, past a `__setattr__` of its class: a frozen dataclass has one, too.
static int put_holder(const op_owns *owns, PyObject *self, PyObject *name, op_holder *holder)
{
    int taken = -1;
    PyObject *free = Py_NewRef(name);
    while (free != NULL && (taken = is_taken(owns, self, free)) > 0) {
        Py_SETREF(free, PyUnicode_FromFormat("%U'", free));
    }
    int done = free == NULL || taken < 0 ? -1 : PyObject_GenericSetAttr(self, free, (PyObject *)holder);
    Py_XDECREF(free);
    return done;
}

// ---- finding and adding -----------------------------------------------------------------------------------------------

// Under the lock: the function of `self`, borrowed, or NULL.
static op_function *find(const op_owns *owns, const PyObject *self)
{
    const op_own *own = (const op_own *)op_weaks_find(&owns->weaks, self);
    return own != NULL && op_weak_is(&own->weak, self) ? own->function : NULL;
}

op_function *op_owns_find(op_owns *owns, PyObject *self)
{
    OP_LOCK(&owns->lock);
    op_function *function = find(owns, self);
    Py_XINCREF((PyObject *)function);
    OP_UNLOCK(&owns->lock);
    return function;
}

// A class or a module has a `__dict__` that is more than that.
static bool has_dict(PyObject *self)
{
    return Py_TYPE(self)->tp_dictoffset != 0 && !PyType_Check(self) && !PyModule_Check(self);
}

static op_own *new_own(op_owns *owns, op_module *state, PyObject *self)
{
    op_own *own = (op_own *)op_weak_new(state->own_type, self, state->own_died);
    if (own != NULL) {
        __atomic_fetch_add(&owns->references, 1, __ATOMIC_RELAXED);
        own->owns = owns;
    }
    return own;
}

// Enters `own`, whose instance is `self`, unless another has a function for it: that one, a new reference. NULL: entered, or
// with an exception.
static op_function *enter(op_owns *owns, PyObject *self, op_own *own)
{
    op_own *dropped = NULL;
    OP_LOCK(&owns->lock);
    op_function *there = find(owns, self);
    bool failed = false;
    if (there == NULL) {
        op_own *before = (op_own *)op_weaks_find(&owns->weaks, self);
        if (before != NULL) {
            take(before, &dropped);
        }
        op_own *cut_off = (op_own *)op_weaks_find_cut(&owns->weaks);
        if (cut_off != NULL) {
            take(cut_off, &dropped);
        }
        failed = !op_weaks_add(&owns->weaks, &own->weak);
        Py_XINCREF(failed ? NULL : (PyObject *)own);
    }
    Py_XINCREF((PyObject *)there);
    OP_UNLOCK(&owns->lock);
    drop(dropped);
    if (failed) {
        PyErr_NoMemory();
    }
    return there;
}

op_function *op_owns_add(op_owns *owns, op_module *state, PyObject *self, PyObject *name, op_function *function)
{
    op_own *own = new_own(owns, state, self);
    if (own == NULL) {
        return NULL;
    }
    op_holder *holder = NULL;
    if (has_dict(self)) {
        holder = new_holder(state, own, function);
        if (holder == NULL) {
            Py_DECREF((PyObject *)own);
            return NULL;
        }
        own->holder = holder;
        own->function = function;
    } else {
        own->function = (op_function *)Py_NewRef((PyObject *)function);
    }
    op_function *result = enter(owns, self, own);
    if (result == NULL && !PyErr_Occurred() && (holder == NULL || put_holder(owns, self, name, holder) == 0)) {
        result = (op_function *)Py_NewRef((PyObject *)function);
    }
    // Without a place in the `__dict__` the holder goes here, and the own stays behind without a function.
    Py_XDECREF((PyObject *)holder);
    Py_DECREF((PyObject *)own);
    return result;
}

// ---- all of them ------------------------------------------------------------------------------------------------------

PyObject *op_owns_list(op_owns *owns)
{
    OP_LOCK(&owns->lock);
    Py_ssize_t count = 0;
    PyObject **functions = PyMem_Malloc(((size_t)owns->weaks.count + 1) * sizeof *functions);
    for (uint32_t i = 0; functions != NULL && owns->weaks.places != NULL && i <= owns->weaks.mask; i++) {
        const op_own *own = (op_own *)owns->weaks.places[i];
        if (own != NULL && own->function != NULL) {
            functions[count++] = Py_NewRef((PyObject *)own->function);
        }
    }
    OP_UNLOCK(&owns->lock);
    if (functions == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (list != NULL) {
            PyList_SET_ITEM(list, i, functions[i]);
        } else {
            Py_DECREF(functions[i]);
        }
    }
    PyMem_Free(functions);
    return list;
}

int op_owns_traverse(op_owns *owns, visitproc visit, void *arg)
{
    for (uint32_t i = 0; owns->weaks.places != NULL && i <= owns->weaks.mask; i++) {
        const op_own *own = (op_own *)owns->weaks.places[i];
        if (own != NULL && own->holder == NULL) {
            Py_VISIT(own->function);
        }
    }
    return 0;
}

void op_owns_drop(op_owns *owns)
{
    OP_LOCK(&owns->lock);
    op_weaks all = owns->weaks;
    owns->weaks = (op_weaks){0};
    OP_UNLOCK(&owns->lock);
    for (uint32_t i = 0; all.places != NULL && i <= all.mask; i++) {
        op_own *own = (op_own *)all.places[i];
        if (own != NULL) {
            OP_LOCK(&owns->lock);
            op_function *function = cut(own);
            OP_UNLOCK(&owns->lock);
            Py_XDECREF((PyObject *)function);
            Py_DECREF((PyObject *)own);
        }
    }
    op_weaks_fini(&all);
}

int op_own_ready(PyObject *module, op_module *state)
{
    state->own_type = op_weak_type(module, &own_spec);
    state->holder_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &holder_spec, NULL);
    state->own_died = PyCFunction_New(&own_died_method, module);
    return state->own_type == NULL || state->holder_type == NULL || state->own_died == NULL ? -1 : 0;
}

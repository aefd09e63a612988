// SPDX-License-Identifier: MIT
#include "cache/key.h"

#include "cache/probe.h"

// ---- hashing --------------------------------------------------------------------------------------------------------

int op_call_hash(op_call *call)
{
    if (call->form != OP_KEY_MANY) {
        Py_hash_t hash = op_object_hash(call->items[0]);
        call->hash = hash == -1 ? 0 : hash;
        return hash == -1 ? -1 : 0;
    }
    uint64_t all = (uint64_t)call->count;
    Py_ssize_t i = 0;
    if (call->weak) {
        all = op_hash_mix(all, op_address_hash(call->items[0]));
        i = 1;
    }
    for (; i < call->count; i++) {
        Py_hash_t item = op_object_hash(call->items[i]);
        if (OP_UNLIKELY(item == -1)) {
            call->hash = i;
            return -1;
        }
        all = op_hash_mix(all, item);
    }
    if (call->names != NULL) {
        for (i = 0; i < PyTuple_GET_SIZE(call->names); i++) {
            Py_hash_t name = op_object_hash(PyTuple_GET_ITEM(call->names, i));
            if (OP_UNLIKELY(name == -1)) {
                call->hash = call->count - PyTuple_GET_SIZE(call->names) + i;
                return -1;
            }
            all = op_hash_mix(all, name);
        }
    }
    call->hash = (Py_hash_t)(all == (uint64_t)-1 ? 0 : all);
    return 0;
}

// ---- comparing ------------------------------------------------------------------------------------------------------

// Types whose comparison with each other runs no code of the program and can't fail.
OP_INLINE bool is_plain(PyTypeObject *type)
{
    return type == &PyUnicode_Type || type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type ||
           type == Py_TYPE(Py_None);
}

op_likeness op_objects_compare_rarer(PyObject *one, PyObject *other)
{
    PyTypeObject *type = Py_TYPE(one);
    if ((is_plain(type) && is_plain(Py_TYPE(other))) || (PyBytes_CheckExact(one) && PyBytes_CheckExact(other))) {
        int equal = PyObject_RichCompareBool(one, other, Py_EQ);
        if (OP_UNLIKELY(equal < 0)) {
            PyErr_Clear();
            return OP_DIFFERENT;
        }
        return equal ? OP_EQUAL : OP_DIFFERENT;
    }
    return OP_ASK;
}

OP_INLINE op_likeness compare_names(PyObject *one, PyObject *other)
{
    if (one == other) {   // the same call site
        return OP_EQUAL;
    }
    if (one == NULL || other == NULL || PyTuple_GET_SIZE(one) != PyTuple_GET_SIZE(other)) {
        return OP_DIFFERENT;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(one); i++) {
        op_likeness like = op_objects_compare(PyTuple_GET_ITEM(one, i), PyTuple_GET_ITEM(other, i));
        if (like != OP_EQUAL) {
            return like;
        }
    }
    return OP_EQUAL;
}

op_likeness op_key_compare(op_key key, const op_call *call)
{
    if (op_key_form_of(key) != call->form) {
        return OP_DIFFERENT;
    }
    if (call->form != OP_KEY_MANY) {
        return op_objects_compare(op_key_object(key), call->items[0]);
    }
    const op_many *many = op_key_many(key);
    if (many->count != call->count || (many->weak != 0) != call->weak) {
        return OP_DIFFERENT;
    }
    Py_ssize_t i = 0;
    if (call->weak) {
        if (many->items[0] != call->items[0] || !op_owner_is(key, call->items[0])) {
            return OP_DIFFERENT;
        }
        i = 1;
    }
    op_likeness all = compare_names(many->names, call->names);
    for (; i < call->count && all != OP_DIFFERENT; i++) {
        if (call->typed && Py_TYPE(many->items[i]) != Py_TYPE(call->items[i])) {
            return OP_DIFFERENT;
        }
        op_likeness like = op_objects_compare(many->items[i], call->items[i]);
        all = like == OP_EQUAL ? all : like;
    }
    return all;
}

int op_key_ask(op_key key, const op_call *call)
{
    if (call->form != OP_KEY_MANY) {
        return PyObject_RichCompareBool(op_key_object(key), call->items[0], Py_EQ);
    }
    const op_many *many = op_key_many(key);
    int equal = many->names == call->names ? 1 : PyObject_RichCompareBool(many->names, call->names, Py_EQ);
    // The instance of a weak key was compared already.
    for (Py_ssize_t i = call->weak ? 1 : 0; i < call->count && equal > 0; i++) {
        equal = PyObject_RichCompareBool(many->items[i], call->items[i], Py_EQ);
    }
    return equal;
}

// ---- owning ---------------------------------------------------------------------------------------------------------

op_key op_key_new(const op_call *call)
{
    if (call->form != OP_KEY_MANY) {
        return (op_key)Py_NewRef(call->items[0]) | call->form;
    }
    if (call->count > OP_KEY_ITEMS_MAX) {
        PyErr_Format(PyExc_OverflowError, "a call with more than %d arguments has no key", OP_KEY_ITEMS_MAX);
        return 0;
    }
    size_t bytes = sizeof(op_many) + (size_t)call->count * sizeof(PyObject *) + (call->weak ? sizeof(op_tail) : 0);
    op_many *many = PyMem_Malloc(bytes);
    if (many == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    many->names = Py_XNewRef(call->names);
    many->references = 1;
    many->count = (uint16_t)call->count;
    many->weak = call->weak;
    for (Py_ssize_t i = 0; i < call->count; i++) {
        many->items[i] = call->weak && i == 0 ? call->items[0] : Py_NewRef(call->items[i]);
    }
    op_key key = (op_key)many | OP_KEY_MANY;
    if (call->weak) {
        *op_key_tail(key) = (op_tail){.owner = NULL};
    }
    return key;
}

void op_key_hold(op_key key)
{
    if (op_key_form_of(key) == OP_KEY_MANY) {
        __atomic_fetch_add(&op_key_many(key)->references, 1, __ATOMIC_RELAXED);
    } else {
        Py_INCREF(op_key_object(key));
    }
}

void op_key_release(op_key key)
{
    if (op_key_form_of(key) != OP_KEY_MANY) {
        Py_DECREF(op_key_object(key));
        return;
    }
    op_many *many = op_key_many(key);
    if (__atomic_fetch_sub(&many->references, 1, __ATOMIC_ACQ_REL) != 1) {
        return;
    }
    if (many->weak) {
        Py_XDECREF((PyObject *)op_key_tail(key)->owner);
    }
    Py_XDECREF(many->names);
    for (Py_ssize_t i = many->weak ? 1 : 0; i < many->count; i++) {
        Py_DECREF(many->items[i]);
    }
    PyMem_Free(many);
}

int op_key_traverse(op_key key, visitproc visit, void *arg)
{
    if (op_key_form_of(key) != OP_KEY_MANY) {
        Py_VISIT(op_key_object(key));
        return 0;
    }
    const op_many *many = op_key_many(key);
    Py_VISIT(many->names);
    for (Py_ssize_t i = many->weak ? 1 : 0; i < many->count; i++) {
        Py_VISIT(many->items[i]);
    }
    return 0;
}

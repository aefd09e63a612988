// SPDX-License-Identifier: MIT
#include "cache/bounds.h"
#include "cache/mapping.h"

static const op_store *store_of(PyObject *op)
{
    return &((op_mapping *)op)->store;
}

static PyObject *or_none(PyObject *object)
{
    return Py_NewRef(object != NULL ? object : Py_None);
}

static PyObject *get_maxsize(PyObject *op, void *Py_UNUSED(closure))
{
    return store_of(op)->maxsize < 0 ? or_none(NULL) : PyLong_FromSsize_t(store_of(op)->maxsize);
}

static PyObject *get_max_bytes(PyObject *op, void *Py_UNUSED(closure))
{
    return store_of(op)->max_weight == 0 ? or_none(NULL) : PyLong_FromUnsignedLongLong(store_of(op)->max_weight);
}

static PyObject *get_ttl(PyObject *op, void *Py_UNUSED(closure))
{
    return store_of(op)->ttl_ns == 0 ? or_none(NULL) : op_bounds_seconds(store_of(op)->ttl_ns);
}

static PyObject *get_jitter(PyObject *op, void *Py_UNUSED(closure))
{
    return store_of(op)->jitter_ns == 0 ? or_none(NULL) : op_bounds_seconds(store_of(op)->jitter_ns);
}

static PyObject *get_weigh(PyObject *op, void *Py_UNUSED(closure))
{
    return or_none(store_of(op)->weigh);
}

static PyObject *get_timer(PyObject *op, void *Py_UNUSED(closure))
{
    return or_none(store_of(op)->timer);
}

static PyObject *get_policy(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(op_bounds_policy_name(store_of(op)->order.policy));
}

static PyObject *get_currsize(PyObject *op, void *Py_UNUSED(closure))
{
    op_store *store = &((op_mapping *)op)->store;
    if (op_store_expire(store) != 0) {
        return NULL;
    }
    op_store_lock(store);
    uint64_t size = store->table.weights != NULL ? store->weight : store->table.count;
    op_store_unlock(store);
    return PyLong_FromUnsignedLongLong(size);
}

PyGetSetDef op_mapping_attributes[] = {
    {"maxsize", get_maxsize, NULL, PyDoc_STR("The most entries, or None."), NULL},
    {"max_bytes", get_max_bytes, NULL, PyDoc_STR("The most that all values may weigh, or None."), NULL},
    {"currsize", get_currsize, NULL, PyDoc_STR("What all values weigh; where none is weighed, how many there are."),
     NULL},
    {"ttl", get_ttl, NULL, PyDoc_STR("Seconds that an entry lives, or None."), NULL},
    {"jitter", get_jitter, NULL, PyDoc_STR("Up to so many seconds of ttl are taken off an entry, or None."), NULL},
    {"weigh", get_weigh, NULL, PyDoc_STR("What gives the weight of a value, or None."), NULL},
    {"timer", get_timer, NULL, PyDoc_STR("What gives the seconds, or None for the kernel's monotonic clock."),
     NULL},
    {"policy", get_policy, NULL, PyDoc_STR("'lru' or 's3fifo'."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

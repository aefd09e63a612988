// SPDX-License-Identifier: MIT
// See bounds.h.
#include "cache/bounds.h"
#include <math.h>

#define NS_PER_SECOND 1e9

static bool is_given(PyObject *object)
{
    return object != NULL && object != Py_None;
}

// A finite or infinite number of seconds, not NaN; -1 with an exception otherwise, which is told apart by PyErr_Occurred.
static double seconds_of(PyObject *object, const char *name)
{
    PyNumberMethods *number = Py_TYPE(object)->tp_as_number;
    if (number == NULL || (number->nb_float == NULL && number->nb_index == NULL)) {
        PyErr_Format(PyExc_TypeError, "%s must be a number of seconds, not %.100s", name, Py_TYPE(object)->tp_name);
        return -1;
    }
    double seconds = PyFloat_AsDouble(object);
    if (seconds == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear();   // an int beyond all floats
        PyObject *zero = PyLong_FromLong(0);
        int below = zero == NULL ? -1 : PyObject_RichCompareBool(object, zero, Py_LT);
        Py_XDECREF(zero);
        if (below < 0) {
            return -1;
        }
        seconds = below ? -HUGE_VAL : HUGE_VAL;
    }
    if (isnan(seconds)) {
        PyErr_Format(PyExc_ValueError, "%s must not be NaN", name);
        return -1;
    }
    return seconds;
}

// Of a number that is not negative; at most OP_TTL_MOST_NS.
static int64_t clamped_ns(double seconds)
{
    double ns = seconds * NS_PER_SECOND;
    return ns >= (double)OP_TTL_MOST_NS ? OP_TTL_MOST_NS : (int64_t)llrint(ns);
}

int64_t op_bounds_ttl_ns(PyObject *seconds, const char *name)
{
    double value = seconds_of(seconds, name);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value <= 0) {
        PyErr_Format(PyExc_ValueError, "%s must be more than 0 seconds, not %R", name, seconds);
        return -1;
    }
    int64_t ns = clamped_ns(value);
    if (ns >= OP_TTL_MOST_NS) {
        return OP_NEVER;
    }
    return ns > 0 ? ns : 1;
}

int64_t op_bounds_ttl_or_own(PyObject *seconds, const char *name, bool *failed)
{
    *failed = false;
    if (!is_given(seconds)) {
        return OP_TTL_OF_STORE;
    }
    int64_t ns = op_bounds_ttl_ns(seconds, name);
    *failed = ns < 0;
    return ns;
}

// jitter and stale: 0 or more, and only beside a ttl.
static int parse_beside_ttl(PyObject *object, const char *name, PyObject *ttl, int64_t *ns)
{
    *ns = 0;
    if (!is_given(object)) {
        return 0;
    }
    double seconds = seconds_of(object, name);
    if (seconds == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (seconds < 0) {
        PyErr_Format(PyExc_ValueError, "%s must not be negative, and is %R", name, object);
        return -1;
    }
    if (!is_given(ttl)) {
        PyErr_Format(PyExc_ValueError, "%s needs a ttl", name);
        return -1;
    }
    *ns = clamped_ns(seconds);
    return 0;
}

static int parse_times(const op_bounds_given *given, op_bounds *bounds)
{
    int64_t ttl_ns = 0;
    if (is_given(given->ttl)) {
        ttl_ns = op_bounds_ttl_ns(given->ttl, "ttl");
        if (ttl_ns < 0) {
            return -1;
        }
    }
    if (parse_beside_ttl(given->jitter, "jitter", given->ttl, &bounds->jitter_ns) != 0 ||
        parse_beside_ttl(given->stale, "stale", given->ttl, &bounds->stale_ns) != 0) {
        return -1;
    }
    if (bounds->jitter_ns > 0 && bounds->jitter_ns >= ttl_ns) {
        PyErr_Format(PyExc_ValueError, "jitter must be less than ttl, and is %R of %R", given->jitter, given->ttl);
        return -1;
    }
    if (ttl_ns == OP_NEVER) {
        ttl_ns = bounds->jitter_ns = bounds->stale_ns = 0;
    }
    bounds->ttl_ns = ttl_ns;
    return 0;
}

// A whole number that is at least `least`; -1 with an exception.
static Py_ssize_t whole_of(PyObject *object, const char *name, Py_ssize_t least)
{
    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int or None, not %.100s", name, Py_TYPE(object)->tp_name);
        return -1;
    }
    Py_ssize_t value = PyNumber_AsSsize_t(object, NULL);   // clamps: what is beyond is beyond all memory
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value < least) {
        PyErr_Format(PyExc_ValueError, "%s must be %zd or more, not %R", name, least, object);
        return -1;
    }
    return value;
}

static int parse_sizes(const op_bounds_given *given, op_bounds *bounds)
{
    bounds->maxsize = -1;
    if (is_given(given->maxsize)) {
        bounds->maxsize = whole_of(given->maxsize, "maxsize", 0);
        if (bounds->maxsize < 0) {
            return -1;
        }
    }
    if (is_given(given->max_bytes)) {
        Py_ssize_t most = whole_of(given->max_bytes, "max_bytes", 1);
        if (most < 0) {
            return -1;
        }
        bounds->max_weight = (uint64_t)most;
    }
    return 0;
}

static int parse_policy(PyObject *policy, op_policy *result)
{
    *result = OP_POLICY_LRU;
    if (policy == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(policy)) {
        PyErr_Format(PyExc_TypeError, "policy must be 'lru' or 's3fifo', not a %.100s", Py_TYPE(policy)->tp_name);
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(policy, "s3fifo") == 0) {
        *result = OP_POLICY_S3FIFO;
    } else if (PyUnicode_CompareWithASCIIString(policy, "lru") != 0) {
        PyErr_Format(PyExc_ValueError, "policy must be 'lru' or 's3fifo', not %R", policy);
        return -1;
    }
    return 0;
}

static int parse_callable(PyObject *object, const char *name, PyObject **result)
{
    *result = is_given(object) ? object : NULL;
    if (*result != NULL && !PyCallable_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be a callable or None, not %.100s", name, Py_TYPE(object)->tp_name);
        return -1;
    }
    return 0;
}

int op_bounds_parse(const op_bounds_given *given, op_bounds *bounds)
{
    *bounds = (op_bounds){0};
    if (parse_sizes(given, bounds) != 0 || parse_times(given, bounds) != 0 ||
        parse_policy(given->policy, &bounds->policy) != 0 ||
        parse_callable(given->weigh, "weigh", &bounds->weigh) != 0 ||
        parse_callable(given->timer, "timer", &bounds->timer) != 0) {
        return -1;
    }
    return 0;
}

PyObject *op_bounds_seconds(int64_t ns)
{
    return PyFloat_FromDouble((double)ns / NS_PER_SECOND);
}

const char *op_bounds_policy_name(op_policy policy)
{
    return policy == OP_POLICY_S3FIFO ? "s3fifo" : "lru";
}

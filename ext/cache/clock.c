// SPDX-License-Identifier: MIT
#include "cache/clock.h"

#include <math.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);   // of these clocks, with valid memory, it can't fail
    return (int64_t)now.tv_sec * OP_NS_A_SECOND + now.tv_nsec;
}

int64_t op_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t op_clock_coarse_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t op_clock_ask(PyObject *timer)
{
    PyObject *told = PyObject_CallNoArgs(timer);
    if (told == NULL) {
        return -1;
    }
    double seconds = PyFloat_AsDouble(told);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) && !PyNumber_Check(told)) {
            PyErr_Format(PyExc_TypeError, "timer=%R gave %.100s, which is no time in seconds", timer,
                         Py_TYPE(told)->tp_name);
        }
        Py_DECREF(told);
        return -1;
    }
    if (!(seconds >= -9e9 && seconds <= 9e9)) {
        PyErr_Format(PyExc_ValueError, "timer=%R gave %R, which is no time in seconds", timer, told);
        Py_DECREF(told);
        return -1;
    }
    Py_DECREF(told);
    return (int64_t)floor(seconds * OP_NS_A_SECOND);
}

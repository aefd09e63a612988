// SPDX-License-Identifier: MIT
#include <math.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include "agent/agent.h"

bool op_ticks_are_ns;

int64_t op_clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// "Invariant TSC": Intel SDM 3B 18.17.1, AMD APM 3 CPUID 8000_0007 EDX[8].
bool op_clock_is_invariant(void)
{
#if defined(__x86_64__)
    unsigned int eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1u << 8)) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

static __thread const op_tracer *timing;   // whose timer this thread runs

bool op_timer_runs_here(const op_tracer *tracer)
{
    return timing == tracer;
}

bool op_timer_read(op_tracer *tracer, uint64_t *ticks)
{
    uint64_t generation = tracer->generation;
    *ticks = op_timer_ticks(tracer);
    return tracer->enabled && tracer->generation == generation;
}

// An exception of the timer is reported as unraisable; the time is 0 then.
uint64_t op_timer_ticks(op_tracer *tracer)
{
    op_saved_error saved = op_error_save();   // an event may come while an exception is on its way
    const op_tracer *before = timing;
    timing = tracer;   // until the result is a number, as that may run code too
    tracer->in_timer++;
    PyObject *result = PyObject_CallNoArgs(tracer->timer);
    int64_t ticks = 0;
    if (result != NULL) {
        if (tracer->timer_unit > 0) {
            ticks = PyLong_AsLongLong(result);
        } else {
            double seconds = PyFloat_AsDouble(result);
            bool good = PyErr_Occurred() == NULL && fabs(seconds) < 9e9;
            ticks = good ? (int64_t)floor(seconds * 1e9) : 0;   // as cProfile
        }
        Py_DECREF(result);
    }
    if (PyErr_Occurred() != NULL) {
        PyErr_WriteUnraisable(tracer->timer);
        ticks = 0;
    }
    tracer->in_timer--;
    timing = before;
    op_error_restore(saved);
    return (uint64_t)ticks;
}

uint64_t op_now_outside(op_tracer *tracer)
{
    if (tracer->timer == NULL) {
        return op_ticks();
    }
    PyThreadState *state = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030B0000
    PyThreadState_EnterTracing(state);
    uint64_t now = op_timer_ticks(tracer);
    PyThreadState_LeaveTracing(state);
#else
    int used = state->cframe->use_tracing;
    state->tracing++;
    state->cframe->use_tracing = 0;
    uint64_t now = op_timer_ticks(tracer);
    state->tracing--;
    state->cframe->use_tracing = used;
#endif
    return now;
}

// SPDX-License-Identifier: MIT
// Calls by sys.monitoring. Events: PY_START and PY_RESUME, PY_THROW enter; PY_RETURN, PY_YIELD, PY_UNWIND leave; CALL
// enters a C function and C_RETURN, C_RAISE leave it. CALL comes for Python callees too, which PY_START tells.
#include "agent/monitoring.h"

#if OP_HAS_MONITORING

// Arguments of all events: code, offset (or line), and what belongs to the event.
#define HANDLER(name)                                                                                              \
    static PyObject *name(PyObject *self, PyObject *const *arguments, size_t count, PyObject *keywords)
#define BEGIN                                                                                                      \
    (void)count, (void)keywords;                                                                                   \
    const op_callback *callback = (const op_callback *)self;                                                       \
    op_tracer *tracer = callback->tracer;                                                                          \
    op_thread *thread = op_thread_current(tracer, callback->slot, callback->generation);                           \
    if (OP_UNLIKELY(thread == NULL)) {                                                                             \
        Py_RETURN_NONE;                                                                                            \
    }

// Of what CALL and its ends tell of, functions written in C alone are ours.
#define BUILTIN_KEY                                                                                                \
    uintptr_t key = op_builtin_key(arguments[2]);                                                                  \
    if (key == 0) {                                                                                                \
        Py_RETURN_NONE;                                                                                            \
    }

// While a timer of the user's runs, another thread may let the profiler go: the callback keeps it.
#define BEGIN_TIMED(timed)                                                                                         \
    BEGIN if (timed)                                                                                               \
    {                                                                                                              \
        Py_INCREF(self);                                                                                           \
    }
#define END_TIMED(timed)                                                                                           \
    if (timed) {                                                                                                   \
        Py_DECREF(self);                                                                                           \
    }                                                                                                              \
    Py_RETURN_NONE;

#define START_HANDLER(name, timed)                                                                                 \
    HANDLER(name)                                                                                                  \
    {                                                                                                              \
        BEGIN_TIMED(timed)                                                                                         \
        op_enter(tracer, thread, (uintptr_t)arguments[0], arguments[0], false, timed);                             \
        END_TIMED(timed)                                                                                           \
    }
#define RESUME_HANDLER(name, timed)                                                                                \
    HANDLER(name)                                                                                                  \
    {                                                                                                              \
        BEGIN_TIMED(timed)                                                                                         \
        op_segment_edge *edge = op_enter(tracer, thread, (uintptr_t)arguments[0], arguments[0], false, timed);     \
        if (OP_LIKELY(edge != NULL)) {                                                                             \
            edge->resumes++;                                                                                       \
            op_note_resumed(thread, edge, op_frame_running(), thread->top->start);                                 \
        }                                                                                                          \
        END_TIMED(timed)                                                                                           \
    }
#define RETURN_HANDLER(name, exception, timed)                                                                     \
    HANDLER(name)                                                                                                  \
    {                                                                                                              \
        BEGIN_TIMED(timed)                                                                                         \
        op_leave(tracer, thread, (uintptr_t)arguments[0], exception, timed);                                       \
        END_TIMED(timed)                                                                                           \
    }
#define YIELD_HANDLER(name, timed)                                                                                 \
    HANDLER(name)                                                                                                  \
    {                                                                                                              \
        BEGIN_TIMED(timed)                                                                                         \
        op_leave(tracer, thread, (uintptr_t)arguments[0], false, timed);                                           \
        op_note_suspended(thread, op_frame_running(), thread->record->last_ticks);                                 \
        END_TIMED(timed)                                                                                           \
    }
#define CALL_HANDLER(name, timed)                                                                                  \
    HANDLER(name)                                                                                                  \
    {                                                                                                              \
        BUILTIN_KEY                                                                                                \
        BEGIN_TIMED(timed)                                                                                         \
        op_enter(tracer, thread, key, arguments[2], true, timed);                                                  \
        END_TIMED(timed)                                                                                           \
    }
#define C_RETURN_HANDLER(name, exception, timed)                                                                   \
    HANDLER(name)                                                                                                  \
    {                                                                                                              \
        BUILTIN_KEY                                                                                                \
        BEGIN_TIMED(timed)                                                                                         \
        op_leave(tracer, thread, key, exception, timed);                                                           \
        END_TIMED(timed)                                                                                           \
    }

START_HANDLER(on_start, false)
RESUME_HANDLER(on_resume, false)
RETURN_HANDLER(on_return, false, false)
RETURN_HANDLER(on_unwind, true, false)
YIELD_HANDLER(on_yield, false)
CALL_HANDLER(on_call, false)
C_RETURN_HANDLER(on_c_return, false, false)
C_RETURN_HANDLER(on_c_raise, true, false)
// The same with a timer of the user's.
START_HANDLER(on_start_timed, true)
RESUME_HANDLER(on_resume_timed, true)
RETURN_HANDLER(on_return_timed, false, true)
RETURN_HANDLER(on_unwind_timed, true, true)
YIELD_HANDLER(on_yield_timed, true)
CALL_HANDLER(on_call_timed, true)
C_RETURN_HANDLER(on_c_return_timed, false, true)
C_RETURN_HANDLER(on_c_raise_timed, true, true)

HANDLER(count_start)
{
    BEGIN
    op_count(tracer, thread, (uintptr_t)arguments[0], arguments[0], false, false);
    Py_RETURN_NONE;
}
HANDLER(count_resume)
{
    BEGIN
    op_count(tracer, thread, (uintptr_t)arguments[0], arguments[0], false, true);
    Py_RETURN_NONE;
}
HANDLER(count_call)
{
    BUILTIN_KEY
    BEGIN
    op_count(tracer, thread, key, arguments[2], true, false);
    Py_RETURN_NONE;
}

static const op_event_handler ticking[] = {
    {OP_EVENT_PY_START, on_start},   {OP_EVENT_PY_RESUME, on_resume},  {OP_EVENT_PY_THROW, on_resume},
    {OP_EVENT_PY_RETURN, on_return}, {OP_EVENT_PY_YIELD, on_yield},    {OP_EVENT_PY_UNWIND, on_unwind},
    {OP_EVENT_CALL, on_call},        {OP_EVENT_C_RETURN, on_c_return}, {OP_EVENT_C_RAISE, on_c_raise},
};
static const op_event_handler timed[] = {
    {OP_EVENT_PY_START, on_start_timed},  {OP_EVENT_PY_RESUME, on_resume_timed},
    {OP_EVENT_PY_THROW, on_resume_timed}, {OP_EVENT_PY_RETURN, on_return_timed},
    {OP_EVENT_PY_YIELD, on_yield_timed},  {OP_EVENT_PY_UNWIND, on_unwind_timed},
    {OP_EVENT_CALL, on_call_timed},       {OP_EVENT_C_RETURN, on_c_return_timed},
    {OP_EVENT_C_RAISE, on_c_raise_timed},
};
static const op_event_handler counting[] = {
    {OP_EVENT_PY_START, count_start},
    {OP_EVENT_PY_RESUME, count_resume},
    {OP_EVENT_PY_THROW, count_resume},
    {OP_EVENT_CALL, count_call},
};

int op_calls_enable(op_tracer *tracer, PyObject *owner)
{
    const op_event_handler *handlers = tracer->timer != NULL ? timed : ticking;
    size_t count = sizeof ticking / sizeof *ticking;
    if ((tracer->modes & OP_SEGMENT_COUNTS) != 0) {
        handlers = counting;
        count = sizeof counting / sizeof *counting;
    }
    uint32_t set = 0;
    for (size_t i = 0; i < count; i++) {
        // C_RETURN and C_RAISE come with CALL and cannot be asked for alone.
        bool builtin = handlers[i].event == OP_EVENT_CALL || handlers[i].event == OP_EVENT_C_RETURN ||
                       handlers[i].event == OP_EVENT_C_RAISE;
        set |= !builtin || (tracer->modes & OP_SEGMENT_BUILTINS) != 0 ? 1u << handlers[i].event : 0;
    }
    return op_monitoring_start(tracer, owner, handlers, count, set);
}

void op_calls_disable(op_tracer *tracer)
{
    op_monitoring_stop(tracer);
    op_tracer_close_open(tracer);
}
#endif

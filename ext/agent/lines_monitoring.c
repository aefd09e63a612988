// SPDX-License-Identifier: MIT
// Lines by sys.monitoring: events of chosen code objects only, so that other code runs at full speed. PY_UNWIND cannot
// be local before 3.15 and is on for all code; it comes with exceptions only. PY_START is on for all code where
// functions are chosen by name, and switches itself off for each other function after its first call.
#include "agent/lines.h"
#include "agent/monitoring.h"

#if OP_HAS_MONITORING

enum {
    LOCAL_EVENTS = 1u << OP_EVENT_LINE | 1u << OP_EVENT_PY_RETURN | 1u << OP_EVENT_PY_YIELD |
                   1u << OP_EVENT_PY_RESUME,
};

#define HANDLER(name)                                                                                              \
    static PyObject *name(PyObject *self, PyObject *const *arguments, size_t count, PyObject *keywords)
#define BEGIN                                                                                                      \
    (void)count, (void)keywords;                                                                                   \
    const op_callback *callback = (const op_callback *)self;                                                       \
    op_thread *thread = op_thread_current(callback->tracer, callback->slot, callback->generation);                 \
    if (OP_UNLIKELY(thread == NULL)) {                                                                             \
        Py_RETURN_NONE;                                                                                            \
    }

HANDLER(on_line)
{
    BEGIN
    op_line_table *table = op_line_table_current(thread, arguments[0]);
    if (OP_LIKELY(table != NULL)) {
        op_line_open(table, (uint32_t)PyLong_AsLong(arguments[1]), op_frame_running(), op_ticks());
    }
    Py_RETURN_NONE;
}

HANDLER(on_leave)
{
    BEGIN
    op_line_table *table = op_line_table_current(thread, arguments[0]);
    if (OP_LIKELY(table != NULL)) {
        op_line_pop(table, op_frame_running(), op_ticks());
    }
    Py_RETURN_NONE;
}

// The rest of the line that yielded: its time, and no hit.
HANDLER(on_resume)
{
    BEGIN
    op_line_table *table = op_line_table_current(thread, arguments[0]);
    uint32_t unit = (uint32_t)PyLong_AsLong(arguments[1]) / 2;
    if (OP_LIKELY(table != NULL && unit < table->unit_count)) {
        op_line_push(table, op_frame_running(), op_ticks());
        table->open = table->line_at[unit];
    }
    Py_RETURN_NONE;
}

HANDLER(on_unwind)
{
    BEGIN
    if (thread->tables == NULL) {
        Py_RETURN_NONE;
    }
    op_line_profiler *profiler = (op_line_profiler *)callback->owner;
    bool chosen = op_line_profiler_has(profiler, (PyCodeObject *)arguments[0]);
    op_line_table *table = chosen ? op_line_table_current(thread, arguments[0]) : NULL;
    if (table != NULL) {
        op_line_pop(table, op_frame_running(), op_ticks());
    }
    Py_RETURN_NONE;
}

HANDLER(on_start)
{
    (void)count, (void)keywords;
    op_line_profiler *profiler = (op_line_profiler *)((const op_callback *)self)->owner;
    PyCodeObject *code = (PyCodeObject *)arguments[0];
    if (op_line_profiler_has(profiler, code)) {
        Py_RETURN_NONE;
    }
    if (!op_line_profiler_chooses(profiler, code)) {
        return Py_NewRef(op_monitoring_disable());
    }
    if (op_line_profiler_add(profiler, arguments[0]) != 0) {
        PyErr_WriteUnraisable(arguments[0]);
    }
    Py_RETURN_NONE;
}

static const op_event_handler handlers[] = {
    {OP_EVENT_LINE, on_line},        {OP_EVENT_PY_RETURN, on_leave},  {OP_EVENT_PY_YIELD, on_leave},
    {OP_EVENT_PY_RESUME, on_resume}, {OP_EVENT_PY_UNWIND, on_unwind}, {OP_EVENT_PY_START, on_start},
};

static uint32_t global_events(const op_line_profiler *self)
{
    return 1u << OP_EVENT_PY_UNWIND | (self->choice_count > 0 ? 1u << OP_EVENT_PY_START : 0);
}

// From 3.13 on, a function whose body begins on the line of its RESUME (a lambda, a def on one line) has no LINE event
// there unless PY_START is on for it too: found by trial on 3.13.0, 3.14.10 and 3.15.2.
static bool begins_on_one_line(PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030D0000
    uint32_t resume = (uint32_t)code->_co_firsttraceable * 2;   // in bytes; a code unit has two
    return op_line_of(code, resume) != 0 && op_line_of(code, resume) == op_line_of(code, resume + 2);
#else
    (void)code;
    return false;
#endif
}

static int watch(op_line_profiler *self, PyObject *code, bool on)
{
    uint32_t set = LOCAL_EVENTS | (begins_on_one_line((PyCodeObject *)code) ? 1u << OP_EVENT_PY_START : 0);
    return op_monitoring_set_local(&self->tracer, code, on ? set : 0);
}

int op_lines_watch(op_line_profiler *self, PyObject *code)
{
    return watch(self, code, true);
}

int op_lines_watch_first_calls(op_line_profiler *self)
{
    return op_monitoring_set_global(&self->tracer, global_events(self));
}

static int watch_all(op_line_profiler *self, bool on)
{
    const op_functions *functions = &self->tracer.functions;
    for (size_t id = 1; id < functions->count; id++) {
        if (watch(self, functions->items[id].object, on) != 0) {
            return -1;
        }
    }
    return 0;
}

int op_lines_enable(op_line_profiler *self)
{
    if (op_monitoring_start(&self->tracer, (PyObject *)self, handlers, sizeof handlers / sizeof *handlers,
                            global_events(self)) != 0) {
        return -1;
    }
    if (watch_all(self, true) != 0) {
        op_lines_disable(self);
        return -1;
    }
    return 0;
}

void op_lines_disable(op_line_profiler *self)
{
    if (!self->tracer.enabled) {
        return;
    }
    op_saved_error saved = op_error_save();
    watch_all(self, false);
    PyErr_Clear();
    op_error_restore(saved);
    op_monitoring_stop(&self->tracer);
    op_lines_close_open(&self->tracer);
}
#endif

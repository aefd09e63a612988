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

// From 3.13 on, who disables PY_START for a function gets no LINE event at that instruction either, which is all
// lines of a function on one line. So it is not disabled for what is profiled.
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

int op_lines_watch(op_line_profiler *self, PyObject *code)
{
    return op_monitoring_set_local(&self->tracer, code, LOCAL_EVENTS);
}

int op_lines_watch_first_calls(op_line_profiler *self)
{
    return op_monitoring_set_global(&self->tracer, global_events(self));
}

static int set_all(op_line_profiler *self, uint32_t set)
{
    const op_functions *functions = &self->tracer.functions;
    for (size_t id = 1; id < functions->count; id++) {
        if (op_monitoring_set_local(&self->tracer, functions->items[id].object, set) != 0) {
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
    if (set_all(self, LOCAL_EVENTS) != 0) {
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
    set_all(self, 0);
    PyErr_Clear();
    op_error_restore(saved);
    op_monitoring_stop(&self->tracer);
    op_lines_close_open(&self->tracer);
}
#endif

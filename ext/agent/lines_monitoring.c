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

// From 3.13 on, a function whose body begins on the line of its RESUME (a lambda, a def on one line) has no LINE event
// there unless PY_START is on for it too: found by trial on 3.13.0, 3.14.10 and 3.15.2.
bool op_line_code_needs_start(PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *bytes = PyCode_GetCode(code);
    if (bytes == NULL) {
        PyErr_Clear();
        return false;
    }
    uint32_t resume = (uint32_t)code->_co_firsttraceable * 2, next = resume + 2;   // in bytes; a code unit has two
    uint32_t end = (uint32_t)PyBytes_GET_SIZE(bytes);
    while (next < end && PyBytes_AS_STRING(bytes)[next] == 0) {   // the cache that RESUME has since 3.15
        next += 2;
    }
    Py_DECREF(bytes);
    uint32_t line = op_line_of(code, resume);
    return line != 0 && line == op_line_of(code, next);
#else
    (void)code;
    return false;
#endif
}

HANDLER(on_start)
{
    op_line_profiler *profiler = (op_line_profiler *)((const op_callback *)self)->owner;
    PyCodeObject *code = (PyCodeObject *)arguments[0];
    if (!op_line_profiler_has(profiler, code)) {
        if (!op_line_profiler_chooses(profiler, code)) {
            return op_monitoring_disable(&profiler->tracer);
        }
        if (op_line_profiler_add(profiler, arguments[0]) != 0) {
            PyErr_WriteUnraisable(arguments[0]);
        }
    }
    BEGIN
    op_line_table *table = op_line_table_current(thread, arguments[0]);
    if (table != NULL && table->needs_start) {
        Py_RETURN_NONE;
    }
    return op_monitoring_disable(&profiler->tracer);
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
    uint32_t start = op_line_code_needs_start((PyCodeObject *)code) ? 1u << OP_EVENT_PY_START : 0;
    return op_monitoring_set_local(&self->tracer, code, LOCAL_EVENTS | start);
}

int op_lines_watch_first_calls(op_line_profiler *self)
{
    int status = op_monitoring_set_global(&self->tracer, global_events(self));
    return status == 0 ? op_monitoring_undo_disable(&self->tracer) : status;
}

static int watch_all(op_line_profiler *self)
{
    const op_functions *functions = &self->tracer.functions;
    for (size_t id = 1; id < functions->count; id++) {
        if (op_lines_watch(self, functions->items[id].object) != 0) {
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
    if (watch_all(self) != 0) {
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
    for (size_t id = 1; id < self->tracer.functions.count; id++) {
        op_monitoring_set_local(&self->tracer, self->tracer.functions.items[id].object, 0);
        PyErr_Clear();
    }
    op_error_restore(saved);
    op_monitoring_stop(&self->tracer);
    op_lines_close_open(&self->tracer);
}
#endif

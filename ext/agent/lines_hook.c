// SPDX-License-Identifier: MIT
// Lines by the hooks of Python 3.10 and 3.11. The profile hook tells of each call and return; the trace hook, which
// costs an event a line, is on only while a chosen function is the innermost.
#include "agent/hook.h"
#include "agent/lines.h"

#if !OP_HAS_MONITORING

static bool is_chosen(op_line_profiler *self, PyCodeObject *code)
{
    if (op_line_profiler_has(self, code)) {
        return true;
    }
    if (self->choice_count == 0 || !op_line_profiler_chooses(self, code)) {
        return false;
    }
    op_saved_error saved = op_error_save();
    bool added = op_line_profiler_add(self, (PyObject *)code) == 0;
    PyErr_Clear();
    op_error_restore(saved);
    return added;
}

static int on_line(PyObject *object, PyFrameObject *frame, int what, PyObject *arg)
{
    (void)arg;
    op_callback *callback = (op_callback *)object;
    op_thread *thread = what == PyTrace_LINE && callback->tracer->enabled
                            ? op_thread_current(callback->tracer, callback->slot, callback->generation)
                            : NULL;
    if (thread == NULL) {
        return 0;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_DECREF(code);
    op_line_table *table = op_line_table_current(thread, (PyObject *)code);
    if (table != NULL) {
        op_line_open(table, (uint32_t)PyFrame_GetLineNumber(frame), frame, op_ticks());
    }
    return 0;
}

static PyObject *line_callback;   // owned: what on_line is given

// The trace hook as Python sees it: a program (doctest, a debugger) put back what sys.gettrace() gave. The real one
// takes its place, until the profile hook knows better.
static PyObject *on_python_trace(PyObject *self, PyObject *const *arguments, size_t count, PyObject *keywords)
{
    (void)arguments, (void)count, (void)keywords;
    PyThreadState *state = PyThreadState_Get();
    if (state->c_traceobj == self) {
        if (self == line_callback) {
            state->c_tracefunc = on_line;
        } else {
            PyEval_SetTrace(NULL, NULL);   // of a profiler that is off
        }
    }
    Py_RETURN_NONE;
}

// A debugger's or coverage's trace function is left alone: then lines of chosen functions are not seen in that thread.
static void trace_lines(op_thread *thread, bool on)
{
    PyThreadState *state = _PyThreadState_UncheckedGet();
    if (line_callback == NULL) {
        return;   // it is switched on just now
    }
    if (on && state->c_tracefunc == NULL) {
        state->c_traceobj = Py_NewRef(line_callback);
        state->c_tracefunc = on_line;
    } else if (on && state->c_traceobj == line_callback) {
        state->c_tracefunc = on_line;
    } else if (on && state->c_tracefunc != on_line) {
        thread->tracer->segment.header->lost_lines++;
    } else if (!on && state->c_tracefunc == on_line) {
        state->c_tracefunc = NULL;
        Py_CLEAR(state->c_traceobj);
    }
}

static int on_call(PyObject *object, PyFrameObject *frame, int what, PyObject *arg)
{
    (void)arg;
    if (what != PyTrace_CALL && what != PyTrace_RETURN) {
        return 0;
    }
    op_callback *callback = (op_callback *)object;
    op_thread *thread = op_thread_current(callback->tracer, callback->slot, callback->generation);
    if (thread == NULL) {
        return 0;
    }
    op_line_profiler *self = (op_line_profiler *)callback->owner;
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_DECREF(code);
    bool chosen = is_chosen(self, code);
    op_line_table *table = chosen ? op_line_table_current(thread, (PyObject *)code) : NULL;
    if (what == PyTrace_CALL) {
        trace_lines(thread, chosen);
        if (table != NULL && op_frame_resumes(frame, code)) {
            op_line_push(table, frame, op_ticks());
            uint32_t index = (uint32_t)PyFrame_GetLineNumber(frame) - table->first_line;
            table->open = index < table->line_count ? index : 0;
        }
        return 0;
    }
    if (table != NULL) {
        op_line_pop(table, frame, op_ticks());
    }
    PyCodeObject *caller = op_frame_caller(frame);
    trace_lines(thread, caller != NULL && is_chosen(self, caller));
    return 0;
}

bool op_line_code_needs_start(PyCodeObject *code)
{
    (void)code;
    return false;
}

int op_lines_watch(op_line_profiler *self, PyObject *code)
{
    (void)self, (void)code;
    return 0;
}

int op_lines_watch_first_calls(op_line_profiler *self)
{
    (void)self;
    return 0;
}

int op_lines_enable(op_line_profiler *self)
{
    if (op_hook_start(&self->tracer, (PyObject *)self, on_call) != 0) {
        return -1;
    }
    line_callback = op_callback_new(&self->tracer, (PyObject *)self, on_python_trace);
    if (line_callback == NULL) {
        op_hook_stop(&self->tracer);
        return -1;
    }
    return 0;
}

void op_lines_disable(op_line_profiler *self)
{
    if (!self->tracer.enabled) {
        return;
    }
    op_hook_stop(&self->tracer);
    PyThreadState *state = PyInterpreterState_ThreadHead(PyThreadState_Get()->interp);
    for (; state != NULL; state = PyThreadState_Next(state)) {
        if (state->c_traceobj == line_callback) {
            state->c_tracefunc = NULL;
            Py_CLEAR(state->c_traceobj);
        }
    }
    Py_CLEAR(line_callback);
    op_lines_close_open(&self->tracer);
}
#endif

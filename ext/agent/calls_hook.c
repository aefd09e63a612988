// SPDX-License-Identifier: MIT
// Calls by the profile hook of Python 3.10 and 3.11.
#include "agent/hook.h"

#if !OP_HAS_MONITORING

static inline int handle(op_callback *callback, PyFrameObject *frame, int what, PyObject *arg, const bool timed)
{
    op_tracer *tracer = callback->tracer;
    op_thread *thread = op_thread_current(tracer, callback->slot, callback->generation);
    if (OP_UNLIKELY(thread == NULL)) {
        return 0;
    }
    bool builtins = (tracer->modes & OP_SEGMENT_BUILTINS) != 0;
    switch (what) {
    case PyTrace_CALL: {
        PyCodeObject *code = PyFrame_GetCode(frame);
        Py_DECREF(code);   // the frame holds it
        bool resumed = op_frame_resumes(frame, code);
        if ((tracer->modes & OP_SEGMENT_COUNTS) != 0) {
            op_count(tracer, thread, (uintptr_t)code, (PyObject *)code, false, resumed);
            break;
        }
        op_segment_edge *edge = op_enter(tracer, thread, (uintptr_t)code, (PyObject *)code, false, timed);
        if (resumed && edge != NULL) {
            edge->resumes++;
            op_note_resumed(thread, edge, frame, thread->top->start);
        }
        break;
    }
    case PyTrace_RETURN: {
        if ((tracer->modes & OP_SEGMENT_COUNTS) != 0) {
            break;
        }
        PyCodeObject *code = PyFrame_GetCode(frame);
        Py_DECREF(code);
        op_leave(tracer, thread, (uintptr_t)code, arg == NULL, timed);
        if (arg != NULL && op_frame_yields(frame, code)) {
            op_note_suspended(thread, frame, thread->record->last_ticks);
        }
        break;
    }
    case PyTrace_C_CALL:
        if (builtins && op_builtin_key(arg) != 0) {
            if ((tracer->modes & OP_SEGMENT_COUNTS) != 0) {
                op_count(tracer, thread, op_builtin_key(arg), arg, true, false);
            } else {
                op_enter(tracer, thread, op_builtin_key(arg), arg, true, timed);
            }
        }
        break;
    case PyTrace_C_RETURN:
    case PyTrace_C_EXCEPTION:
        if (builtins && op_builtin_key(arg) != 0 && (tracer->modes & OP_SEGMENT_COUNTS) == 0) {
            op_leave(tracer, thread, op_builtin_key(arg), what == PyTrace_C_EXCEPTION, timed);
        }
        break;
    default: break;
    }
    return 0;
}

static int on_event(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    return handle((op_callback *)self, frame, what, arg, false);
}

static int on_event_timed(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    Py_INCREF(self);   // while the timer runs, another thread may let the profiler go
    int status = handle((op_callback *)self, frame, what, arg, true);
    Py_DECREF(self);
    return status;
}

int op_calls_enable(op_tracer *tracer, PyObject *owner)
{
    return op_hook_start(tracer, owner, tracer->timer != NULL ? on_event_timed : on_event);
}

void op_calls_disable(op_tracer *tracer)
{
    op_hook_stop(tracer);
    op_tracer_close_open(tracer);
}
#endif

// SPDX-License-Identifier: MIT
// The profile and trace hooks of Python 3.10 and 3.11, which belong to a thread each: set in all threads that run, and
// through threading.setprofile in those that start later. One tracer at a time holds them. Threads that C code or
// _thread.start_new_thread makes after that get no hook.
#ifndef OP_AGENT_HOOK_H
#define OP_AGENT_HOOK_H

#include "agent/callback.h"
#include <frameobject.h>   // 3.10 has the fields of a frame there

#if !OP_HAS_MONITORING
// 0; -1 with ValueError where another tracer of ours holds the hooks.
int op_hook_start(op_tracer *tracer, PyObject *owner, Py_tracefunc function);
// Gives each thread back the hook that it had, where nobody replaced ours since.
void op_hook_stop(op_tracer *tracer);
// The opcode at which a frame stands, and in *oparg its argument; -1: it has not begun.
int op_frame_opcode(PyFrameObject *frame, PyCodeObject *code, int *oparg);
// The code that called it, borrowed; NULL: none. Makes no frame object, as PyFrame_GetBack would.
PyCodeObject *op_frame_caller(PyFrameObject *frame);
// An entry that is a resumption; a return that is a yield or an await.
bool op_frame_resumes(PyFrameObject *frame, PyCodeObject *code);
bool op_frame_yields(PyFrameObject *frame, PyCodeObject *code);
#endif
#endif

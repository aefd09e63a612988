// SPDX-License-Identifier: MIT
// outpace._agent.LineProfiler: hits and time of each line of chosen functions.
//
// A moment counts for one line of a function: the open line of its innermost activation in that thread. Calls that a
// line makes count for it, but for those that lead into the same function again.
#ifndef OP_AGENT_LINES_H
#define OP_AGENT_LINES_H

#include "agent/agent.h"

int op_line_profiler_ready(PyObject *module);
// A new one that runs, into a segment in `folder`; NULL with a Python exception.
PyObject *op_line_profiler_new(const char *folder);

// Functions that are profiled once they are first called.
typedef struct {
    PyObject *file;     // owned: str; a folder ends in '/'
    PyObject *prefix;   // owned: str: the qualified name, or what it is inside of; "" all
} op_line_choice;

typedef struct {
    PyObject_HEAD op_tracer tracer;
    bool ready;
    op_line_choice *choices;   // owned
    Py_ssize_t choice_count;
} op_line_profiler;

bool op_line_profiler_chooses(const op_line_profiler *self, PyCodeObject *code);
// The line of the instruction at `offset` (bytes), by co_lines(): PyCode_Addr2Line misleads once code is instrumented
// (3.15.2). 0: none.
uint32_t op_line_of(PyCodeObject *code, uint32_t offset);
// Profiles `code` from now on; 0, or -1 with a Python exception.
int op_line_profiler_add(op_line_profiler *self, PyObject *code);

// By version: lines_monitoring.c, lines_hook.c.
int op_lines_enable(op_line_profiler *self);
void op_lines_disable(op_line_profiler *self);
bool op_line_code_needs_start(PyCodeObject *code);            // LINE tells of its first line only beside PY_START
int op_lines_watch(op_line_profiler *self, PyObject *code);   // events of that code, while enabled
int op_lines_watch_first_calls(op_line_profiler *self);       // so that choices are seen, while enabled

// The open line of an activation. `now`: ticks.
static inline void op_line_close(op_line_table *table, uint64_t now)
{
    table->lines[table->open].ticks += now - table->stamp;
    table->stamp = now;
}

static inline void op_line_open(op_line_table *table, uint32_t line, const void *frame, uint64_t now)
{
    if (OP_LIKELY(table->frame == frame)) {
        op_line_close(table, now);
    } else {
        op_line_push(table, frame, now);
    }
    uint32_t index = line - table->first_line;
    table->open = OP_LIKELY(index < table->line_count) ? index : 0;
    table->lines[table->open].hits++;
}

static inline bool op_line_profiler_has(const op_line_profiler *self, PyCodeObject *code)
{
    return op_functions_knows(&self->tracer.functions, (uintptr_t)code);
}

static inline op_line_table *op_line_table_current(op_thread *thread, PyObject *code)
{
    op_line_table *last = thread->last_table;
    return OP_LIKELY(last != NULL && last->code == (uintptr_t)code)
               ? last
               : op_line_table_find(thread, (PyCodeObject *)code);
}

#endif

// SPDX-License-Identifier: MIT
// sys.monitoring (PEP 669, Python 3.12 on) from C: a tool id, and callables whose own vectorcall handles an event. A
// type of its own with tp_vectorcall_offset is the cheapest callback there is: about 10 ns an event, against 15 for a
// built-in function and 50 to 90 for a Python one.
#ifndef OP_AGENT_MONITORING_H
#define OP_AGENT_MONITORING_H

#include "agent/callback.h"

#if OP_HAS_MONITORING

// The numbers of events as PyMonitoring and sys.monitoring.events have them; a bit of set_events each.
enum {
    OP_EVENT_PY_START,
    OP_EVENT_PY_RESUME,
    OP_EVENT_PY_RETURN,
    OP_EVENT_PY_YIELD,
    OP_EVENT_CALL,
    OP_EVENT_LINE,
    OP_EVENT_C_RETURN,
    OP_EVENT_C_RAISE,
    OP_EVENT_PY_THROW,
    OP_EVENT_PY_UNWIND,
    OP_EVENT_COUNT
};

typedef struct {
    int event;   // OP_EVENT_*
    vectorcallfunc function;
} op_event_handler;

int op_monitoring_ready(void);   // once; 0, or -1 with a Python exception

// Takes a free tool id and registers the handlers of `set` (bits 1 << event) and more of `handlers`. ValueError names
// who holds the ids where none is free. `global_set`: events that are switched on for all code.
int op_monitoring_start(op_tracer *tracer, PyObject *owner, const op_event_handler *handlers, size_t count,
                        uint32_t global_set);
// Gives the id back. Does not touch ids of others.
void op_monitoring_stop(op_tracer *tracer);
int op_monitoring_set_global(op_tracer *tracer, uint32_t set);
// Switches events on for one code object only.
int op_monitoring_set_local(op_tracer *tracer, PyObject *code, uint32_t set);
// sys.monitoring.DISABLE, a new reference: what a handler returns for an event that it does not want at that place.
PyObject *op_monitoring_disable(op_tracer *tracer);
// A disabled event stays so, also for the next holder of the id: all are switched on again where there are any. Those
// of other tools too, which disable them again.
int op_monitoring_undo_disable(op_tracer *tracer);

#endif
#endif

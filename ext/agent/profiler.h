// SPDX-License-Identifier: MIT
#ifndef OP_AGENT_PROFILER_H
#define OP_AGENT_PROFILER_H

#include "agent/agent.h"

extern PyTypeObject op_profiler_type;
int op_profiler_ready(PyObject *module);   // adds the types; 0, or -1 with a Python exception
// A list of profiler_entry as getstats() gives it; NULL with a Python exception.
PyObject *op_tracer_stats(op_tracer *tracer, double seconds_per_tick, bool subcalls);

#endif

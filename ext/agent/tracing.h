// SPDX-License-Identifier: MIT
#ifndef OP_AGENT_TRACING_H
#define OP_AGENT_TRACING_H

#include "agent/agent.h"

#define OP_TRACING_START_DOC                                                                                       \
    "start(folder, modes, /)\n--\n\n"                                                                              \
    "Trace this process from now to its end into a new segment in `folder`. modes: \"calls\", \"counts\" or "      \
    "\"lines\",\nand \"builtins\" behind a comma. Returns None, for lines the LineProfiler.\n"                     \
    "Raises OSError where no segment can be made, ValueError where another tool is in the way, RuntimeError the\n" \
    "second time."
PyObject *op_tracing_start(PyObject *module, PyObject *arguments);

#endif

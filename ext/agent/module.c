// SPDX-License-Identifier: MIT
// outpace._agent: the tracer inside a Python program. See agent.h.
#include "agent/agent.h"
#include "agent/lines.h"
#include "agent/profiler.h"
#include "agent/tracing.h"

static int module_exec(PyObject *module)
{
    return op_profiler_ready(module) != 0 ? -1 : op_line_profiler_ready(module);
}

static PyMethodDef methods[] = {
    {"start", op_tracing_start, METH_VARARGS, PyDoc_STR(OP_TRACING_START_DOC)},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    // No Py_mod_gil: a free-threaded Python switches its GIL on for this module. What the threads count is kept apart,
    // but no such Python has run it yet, and counts that might be wrong are worse than a GIL.
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outpace._agent",
    .m_doc = "The tracer inside a Python program: exact calls and lines.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__agent(void);
PyMODINIT_FUNC PyInit__agent(void)
{
    return PyModuleDef_Init(&definition);
}

// SPDX-License-Identifier: MIT
// outpace._agent: the tracer inside a Python program. See agent.h.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outpace._agent",
    .m_doc = "The tracer inside a Python program: exact calls and lines.",
    .m_size = 0,
};

PyMODINIT_FUNC PyInit__agent(void);
PyMODINIT_FUNC PyInit__agent(void)
{
    return PyModuleDef_Init(&module);
}

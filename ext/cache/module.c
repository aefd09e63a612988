// SPDX-License-Identifier: MIT
// outpace._cache: caches of what functions return, and of keys and values.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outpace._cache",
    .m_doc = "Caches of what functions return, and of keys and values.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__cache(void);
PyMODINIT_FUNC PyInit__cache(void)
{
    return PyModuleDef_Init(&definition);
}

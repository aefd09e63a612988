// SPDX-License-Identifier: MIT
// An agent that traces nothing and writes down what is asked of it: for the tests of the start-up hook. What it does
// is said in Python, in the file that the environment variable FAKE_AGENT names.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>

static int run(PyObject *module)
{
    const char *path = getenv("FAKE_AGENT");
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    if (file == NULL) {
        PyErr_SetString(PyExc_ImportError, "FAKE_AGENT names no file");
        return -1;
    }
    PyObject *names = PyModule_GetDict(module);
    PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins());
    PyObject *done = PyRun_FileEx(file, path, Py_file_input, names, names, 1);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)run}, {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "outpace._agent", .m_slots = slots};

PyMODINIT_FUNC PyInit__agent(void);
PyMODINIT_FUNC PyInit__agent(void)
{
    return PyModuleDef_Init(&definition);
}

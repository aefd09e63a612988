// SPDX-License-Identifier: MIT
// Where the start of Python ends and the program begins. The hook that starts the tracer runs while Python still
// prepares itself: it looks for usercustomize, and for an importer that may take the script. That is none of the
// program's, and cProfile does not show it.
#include <limits.h>
#include <string.h>
#include "agent/agent.h"
#include <frameobject.h>   // 3.10 has the fields of a frame there

static char library[PATH_MAX];   // the folder of the standard library; "" where it is not known

static void take_folder(PyObject *path, bool of_file)
{
    Py_ssize_t length = 0;
    const char *text = path != NULL && PyUnicode_Check(path) ? PyUnicode_AsUTF8AndSize(path, &length) : NULL;
    if (text == NULL || length <= 0 || (size_t)length >= sizeof library) {
        PyErr_Clear();
        return;
    }
    memcpy(library, text, (size_t)length + 1);
    char *slash = strrchr(library, '/');
    if (of_file && slash != NULL) {
        *slash = '\0';
    }
}

void op_program_prepare(void)
{
    take_folder(PySys_GetObject("_stdlib_dir"), false);   // 3.11 on
    if (library[0] == '\0') {
        PyObject *name = PyUnicode_FromString("os");
        PyObject *module = name != NULL ? PyImport_GetModule(name) : NULL;
        PyObject *file = module != NULL ? PyObject_GetAttrString(module, "__file__") : NULL;
        take_folder(file, true);
        Py_XDECREF(file);
        Py_XDECREF(module);
        Py_XDECREF(name);
        PyErr_Clear();
    }
}

static bool ends_with(const char *text, size_t length, const char *ending)
{
    size_t tail = strlen(ending);
    return length >= tail && memcmp(text + length - tail, ending, tail) == 0;
}

static bool is_of_start(const char *file, size_t length)
{
    static const char *const ours[] = {"/sitecustomize.py", "/usercustomize.py", "/outpace/_hook.py"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (ends_with(file, length, ours[i])) {
            return true;
        }
    }
    if (strncmp(file, "<frozen ", 8) == 0) {
        return true;
    }
    size_t prefix = strlen(library);
    return prefix > 0 && strncmp(file, library, prefix) == 0 && file[prefix] == '/' &&
           strstr(file + prefix, "/site-packages/") == NULL && strstr(file + prefix, "/dist-packages/") == NULL;
}

static bool is_main(PyObject *globals)
{
    PyObject *name = globals != NULL ? PyDict_GetItemString(globals, "__name__") : NULL;
    return name != NULL && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__main__") == 0;
}

bool op_program_runs(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    bool runs = false;
    while (frame != NULL && !runs) {
#if PY_VERSION_HEX >= 0x030B0000
        PyObject *globals = PyFrame_GetGlobals(frame);
#else
        PyObject *globals = Py_NewRef(frame->f_globals);
#endif
        runs = is_main(globals);
        Py_XDECREF(globals);
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    return runs;
}

bool op_program_began(void)
{
    PyFrameObject *frame = PyEval_GetFrame();   // borrowed, as are the globals
    if (frame == NULL) {
        return false;
    }
    if (is_main(PyEval_GetGlobals())) {
        return true;
    }
    // Without a __main__, as where Python is embedded: at the first module that is not the library's. Its functions
    // tell nothing, for the importers that packages have added are asked during the start, too.
    PyCodeObject *code = PyFrame_GetCode(frame);
    Py_ssize_t length = 0;
    const char *file = PyUnicode_AsUTF8AndSize(code->co_filename, &length);
    bool began = file != NULL && PyUnicode_CompareWithASCIIString(code->co_name, "<module>") == 0 &&
                 !is_of_start(file, (size_t)length);
    PyErr_Clear();
    Py_DECREF(code);
    return began;
}

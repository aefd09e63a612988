// SPDX-License-Identifier: MIT
// Tracing a whole program into a segment file: what the start-up hook begins and nothing ends, for the segment
// outlives the process.
#include "agent/tracing.h"

#include <string.h>
#include "agent/lines.h"

typedef struct {
    PyObject_HEAD op_tracer tracer;
} op_tracing;

static PyTypeObject tracing_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "outpace._agent.Tracing",
    .tp_basicsize = sizeof(op_tracing),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = PyDoc_STR("Calls of this process, on their way into a segment."),
};

static const struct {
    const char *name;
    uint32_t bit;
} mode_names[] = {{"calls", OP_SEGMENT_CALLS},
                  {"counts", OP_SEGMENT_COUNTS},
                  {"lines", OP_SEGMENT_LINES},
                  {"builtins", OP_SEGMENT_BUILTINS}};

// "calls,builtins" as bits; 0 with ValueError.
static uint32_t modes_of(const char *text)
{
    uint32_t modes = 0;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, ",");
        uint32_t bit = 0;
        for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++) {
            if (strlen(mode_names[i].name) == length && memcmp(mode_names[i].name, at, length) == 0) {
                bit = mode_names[i].bit;
            }
        }
        if (bit == 0) {
            PyErr_Format(PyExc_ValueError, "no mode of tracing is called '%.40s'", at);
            return 0;
        }
        modes |= bit;
        at += length + (at[length] == ',');
    }
    uint32_t kind = modes & (OP_SEGMENT_CALLS | OP_SEGMENT_COUNTS | OP_SEGMENT_LINES);
    if (kind != OP_SEGMENT_CALLS && kind != OP_SEGMENT_COUNTS && kind != OP_SEGMENT_LINES) {
        PyErr_SetString(PyExc_ValueError, "give one of the modes calls, counts and lines");
        return 0;
    }
    return modes;
}

PyObject *op_tracing_start(PyObject *module, PyObject *arguments)
{
    (void)module;
    static bool started;
    PyObject *folder;
    const char *mode_text;
    if (!PyArg_ParseTuple(arguments, "O&s:start", PyUnicode_FSConverter, &folder, &mode_text)) {
        return NULL;
    }
    uint32_t modes = modes_of(mode_text);
    PyObject *result = NULL;
    if (modes != 0 && started) {
        PyErr_SetString(PyExc_RuntimeError, "this process is traced already");
    } else if (modes != 0 && (modes & OP_SEGMENT_LINES) != 0) {
        result = op_line_profiler_new(PyBytes_AS_STRING(folder));
        started = result != NULL;
    } else if (modes != 0 && PyType_Ready(&tracing_type) == 0) {
        op_tracing *tracing = PyObject_New(op_tracing, &tracing_type);
        if (tracing != NULL && op_tracer_init(&tracing->tracer, PyBytes_AS_STRING(folder), modes) == 0) {
            op_program_prepare();
            tracing->tracer.waits = !op_program_runs();
            // Never freed once it runs: threads end, and counts go on, until the process is gone.
            started = op_calls_enable(&tracing->tracer, (PyObject *)tracing) == 0;
            result = started ? Py_NewRef(Py_None) : NULL;
            if (!started) {
                op_tracer_fini(&tracing->tracer);
            }
        }
        if (!started) {
            Py_XDECREF(tracing);
        }
    }
    Py_DECREF(folder);
    return result;
}

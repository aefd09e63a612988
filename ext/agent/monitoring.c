// SPDX-License-Identifier: MIT
#include "agent/monitoring.h"

#if OP_HAS_MONITORING
static const char *const event_names[OP_EVENT_COUNT] = {"PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD",
                                                        "CALL",     "LINE",      "C_RETURN",  "C_RAISE",
                                                        "PY_THROW", "PY_UNWIND"};
static long event_bits[OP_EVENT_COUNT];   // as this Python numbers them
static PyObject *disable_object;
// 0 is for debuggers, 1 for coverage; 5 is the optimizer's. 2 is taken last: cProfile knows no other, and a program
// that uses it must be able to.
enum { FIRST_TOOL = 2 };
static const int slot_order[OP_SLOTS] = {1, 2, 0};
static op_tracer *holders[OP_SLOTS];

static PyObject *monitoring(void)
{
    return PySys_GetObject("monitoring");   // borrowed
}

int op_monitoring_ready(void)
{
    if (disable_object != NULL) {
        return 0;
    }
    PyObject *module = monitoring();
    PyObject *events = module != NULL ? PyObject_GetAttrString(module, "events") : NULL;
    if (events == NULL || op_callback_ready() != 0) {
        Py_XDECREF(events);
        return -1;
    }
    for (int i = 0; i < OP_EVENT_COUNT; i++) {
        PyObject *bit = PyObject_GetAttrString(events, event_names[i]);
        event_bits[i] = bit != NULL ? PyLong_AsLong(bit) : -1;
        Py_XDECREF(bit);
        if (event_bits[i] <= 0) {
            Py_DECREF(events);
            return -1;
        }
    }
    Py_DECREF(events);
    disable_object = PyObject_GetAttrString(module, "DISABLE");
    return disable_object != NULL ? 0 : -1;
}

PyObject *op_monitoring_disable(op_tracer *tracer)
{
    tracer->disabled_events = true;
    return Py_NewRef(disable_object);
}

int op_monitoring_undo_disable(op_tracer *tracer)
{
    if (!tracer->disabled_events) {
        return 0;
    }
    tracer->disabled_events = false;
    PyObject *done = PyObject_CallMethod(monitoring(), "restart_events", NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static long bits_of(uint32_t set)
{
    long bits = 0;
    for (int i = 0; i < OP_EVENT_COUNT; i++) {
        bits |= (set & (1u << i)) != 0 ? event_bits[i] : 0;
    }
    return bits;
}

static int tool_of(const op_tracer *tracer)
{
    return tracer->slot + FIRST_TOOL;
}

// "2 by cProfile, 3 by coverage"
static PyObject *who_holds(PyObject *module)
{
    PyObject *text = PyUnicode_FromString("");
    for (int slot = 0; slot < OP_SLOTS && text != NULL; slot++) {
        PyObject *name = PyObject_CallMethod(module, "get_tool", "i", slot + FIRST_TOOL);
        if (name == NULL) {
            Py_DECREF(text);
            return NULL;
        }
        PyObject *longer = PyUnicode_FromFormat("%U%s%d by %S", text, slot == 0 ? "" : ", ", slot + FIRST_TOOL,
                                                name);
        Py_DECREF(name);
        Py_DECREF(text);
        text = longer;
    }
    return text;
}

static int take_tool(op_tracer *tracer)
{
    PyObject *module = monitoring();
    for (int i = 0; i < OP_SLOTS; i++) {
        int slot = slot_order[i];
        PyObject *name = PyObject_CallMethod(module, "get_tool", "i", slot + FIRST_TOOL);
        bool is_free = name == Py_None;
        Py_XDECREF(name);
        if (name == NULL) {
            return -1;
        }
        if (is_free) {
            PyObject *done = PyObject_CallMethod(module, "use_tool_id", "is", slot + FIRST_TOOL, "outpace");
            Py_XDECREF(done);
            tracer->slot = done != NULL ? slot : -1;
            return done != NULL ? 0 : -1;
        }
    }
    PyObject *holders_text = who_holds(module);
    if (holders_text != NULL) {
        PyErr_Format(PyExc_ValueError,
                     "Another profiling tool is already active: the ids of sys.monitoring for profilers are taken "
                     "(%U)",
                     holders_text);
        Py_DECREF(holders_text);
    }
    return -1;
}

static int register_callback(op_tracer *tracer, int event, PyObject *callback)
{
    PyObject *old = PyObject_CallMethod(monitoring(), "register_callback", "ilO", tool_of(tracer),
                                        event_bits[event], callback);
    Py_XDECREF(old);
    return old != NULL ? 0 : -1;
}

int op_monitoring_start(op_tracer *tracer, PyObject *owner, const op_event_handler *handlers, size_t count,
                        uint32_t global_set)
{
    if (op_monitoring_ready() != 0 || take_tool(tracer) != 0) {
        return -1;
    }
    tracer->generation = op_callback_generation();
    holders[tracer->slot] = tracer;
    tracer->enabled = true;
    for (size_t i = 0; i < count; i++) {
        PyObject *callback = op_callback_new(tracer, owner, handlers[i].function);
        if (callback == NULL) {
            op_monitoring_stop(tracer);
            return -1;
        }
        int status = register_callback(tracer, handlers[i].event, callback);
        Py_DECREF(callback);
        if (status != 0) {
            op_monitoring_stop(tracer);
            return -1;
        }
    }
    if (op_monitoring_set_global(tracer, global_set) != 0) {
        op_monitoring_stop(tracer);
        return -1;
    }
    return 0;
}

int op_monitoring_set_global(op_tracer *tracer, uint32_t set)
{
    PyObject *done = PyObject_CallMethod(monitoring(), "set_events", "il", tool_of(tracer), bits_of(set));
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

// A program may free any id, and another tool take it.
static bool has_tool(const op_tracer *tracer)
{
    PyObject *name = PyObject_CallMethod(monitoring(), "get_tool", "i", tool_of(tracer));
    bool ours = name != NULL && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "outpace") == 0;
    Py_XDECREF(name);
    PyErr_Clear();
    return ours;
}

static void take_callback_back(op_tracer *tracer, int event)
{
    PyObject *old = PyObject_CallMethod(monitoring(), "register_callback", "ilO", tool_of(tracer),
                                        event_bits[event], Py_None);
    if (old != NULL && old != Py_None && Py_TYPE(old) != &op_callback_type) {
        register_callback(tracer, event, old);
    }
    Py_XDECREF(old);
    PyErr_Clear();
}

void op_monitoring_stop(op_tracer *tracer)
{
    if (tracer->slot < 0) {
        return;
    }
    op_saved_error saved = op_error_save();
    tracer->enabled = false;
    PyObject *module = monitoring();
    if (module != NULL && holders[tracer->slot] == tracer) {
        bool ours = has_tool(tracer);
        if (ours) {
            Py_XDECREF(PyObject_CallMethod(module, "set_events", "ii", tool_of(tracer), 0));
            PyErr_Clear();
        }
        for (int i = 0; i < OP_EVENT_COUNT; i++) {
            take_callback_back(tracer, i);
        }
        op_monitoring_undo_disable(tracer);
        PyErr_Clear();
        if (ours) {
            Py_XDECREF(PyObject_CallMethod(module, "free_tool_id", "i", tool_of(tracer)));
            PyErr_Clear();
        }
        holders[tracer->slot] = NULL;
    }
    tracer->slot = -1;
    op_error_restore(saved);
}

int op_monitoring_set_local(op_tracer *tracer, PyObject *code, uint32_t set)
{
    PyObject *done = PyObject_CallMethod(monitoring(), "set_local_events", "iOl", tool_of(tracer), code,
                                         bits_of(set));
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}
#endif

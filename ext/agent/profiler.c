// SPDX-License-Identifier: MIT
// outpace._agent.Profiler: calls of this process, kept in its memory; what cProfile's own C type offers.
#include "agent/profiler.h"

#include <stddef.h>
#include <structseq.h>

typedef struct {
    PyObject_HEAD op_tracer tracer;
    bool ready;
} op_profiler;

static PyTypeObject entry_type, subentry_type;

static PyStructSequence_Field entry_fields[] = {
    {"code", "code object, or the name of a C function"},
    {"callcount", "entries: calls, and resumptions of generators and coroutines"},
    {"reccallcount", "of them: while the function was already running in that thread"},
    {"totaltime", "seconds in it and in what it called, each moment once"},
    {"inlinetime", "seconds in itself"},
    {"calls", "what it called (a list of profiler_subentry), or None"},
    {NULL, NULL},
};
static PyStructSequence_Field subentry_fields[] = {
    {"code", "the called code object, or the name of a C function"},
    {"callcount", "entries by this caller"},
    {"reccallcount", "of them: while this caller's call was already running in that thread"},
    {"totaltime", "seconds in it and in what it called, each moment once"},
    {"inlinetime", "seconds in itself"},
    {NULL, NULL},
};
static PyStructSequence_Desc entry_description = {"outpace._agent.profiler_entry", NULL, entry_fields, 6};
static PyStructSequence_Desc subentry_description = {"outpace._agent.profiler_subentry", NULL, subentry_fields, 5};

// --- results -------------------------------------------------------------------------------------------------------

static void set_item(PyObject *row, Py_ssize_t at, PyObject *item, bool *failed)
{
    *failed = *failed || item == NULL;
    PyStructSequence_SetItem(row, at, item != NULL ? item : Py_NewRef(Py_None));
}

// One row for figures that were summed in `edge`.
static PyObject *make_row(PyTypeObject *type, PyObject *code, const op_segment_edge *edge, uint64_t recursive,
                          uint64_t total, double seconds_per_tick)
{
    PyObject *row = PyStructSequence_New(type);
    if (row == NULL) {
        return NULL;
    }
    bool failed = false;
    set_item(row, 0, Py_NewRef(code), &failed);
    set_item(row, 1, PyLong_FromUnsignedLongLong(edge->calls), &failed);
    set_item(row, 2, PyLong_FromUnsignedLongLong(recursive), &failed);
    set_item(row, 3, PyFloat_FromDouble((double)(int64_t)total * seconds_per_tick), &failed);
    set_item(row, 4, PyFloat_FromDouble((double)(int64_t)edge->own * seconds_per_tick), &failed);
    if (type == &entry_type) {
        set_item(row, 5, Py_NewRef(Py_None), &failed);
    }
    if (failed) {
        Py_CLEAR(row);
    }
    return row;
}

static void add_edge(op_segment_edge *sum, const op_segment_edge *edge)
{
    sum->calls += edge->calls;
    sum->own += edge->own;
    sum->total += edge->total;
    sum->outer_total += edge->outer_total;
    sum->recursive += edge->recursive;
    sum->nested += edge->nested;
}

static int compare_edges(const void *a, const void *b)
{
    const op_segment_edge *one = a, *two = b;
    if (one->caller != two->caller) {
        return one->caller < two->caller ? -1 : 1;
    }
    return (one->callee > two->callee) - (one->callee < two->callee);
}

// All edges that were left at least once, summed over threads, by caller and callee. The caller frees with
// PyMem_RawFree; NULL: none, or no memory (*failed).
static op_segment_edge *sum_edges(const op_tracer *tracer, size_t *count, bool *failed)
{
    size_t room = 0;
    for (const op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        room += thread->edge_count;
    }
    *count = 0;
    op_segment_edge *edges = room > 0 ? PyMem_RawCalloc(room, sizeof *edges) : NULL;
    *failed = room > 0 && edges == NULL;
    if (edges == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (const op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        for (size_t i = 0; i <= thread->slot_mask && used < room; i++) {
            const op_segment_edge *edge = thread->slots[i].edge;
            if (edge != NULL && edge->calls > 0) {
                edges[used++] = *edge;
            }
        }
    }
    qsort(edges, used, sizeof *edges, compare_edges);
    for (size_t i = 0; i < used; i++) {
        if (*count > 0 && compare_edges(&edges[*count - 1], &edges[i]) == 0) {
            add_edge(&edges[*count - 1], &edges[i]);
        } else {
            edges[(*count)++] = edges[i];
        }
    }
    return edges;
}

static int add_subentry(PyObject *entry, PyObject *code, const op_segment_edge *edge, double seconds_per_tick)
{
    PyObject *list = PyStructSequence_GetItem(entry, 5);   // borrowed
    if (list == Py_None) {
        list = PyList_New(0);
        if (list == NULL) {
            return -1;
        }
        PyStructSequence_SetItem(entry, 5, list);   // takes it over; None needs no release
    }
    PyObject *row = make_row(&subentry_type, code, edge, edge->recursive, edge->total, seconds_per_tick);
    int status = row != NULL ? PyList_Append(list, row) : -1;
    Py_XDECREF(row);
    return status;
}

PyObject *op_tracer_stats(op_tracer *tracer, double seconds_per_tick, bool subcalls)
{
    size_t count, functions = tracer->functions.count;
    bool failed;
    op_segment_edge *edges = sum_edges(tracer, &count, &failed);
    op_segment_edge *sums = functions > 0 ? PyMem_RawCalloc(functions, sizeof *sums) : NULL;
    PyObject **entries = functions > 0 ? PyMem_RawCalloc(functions, sizeof *entries) : NULL;   // borrowed from list
    PyObject *list = PyList_New(0);
    failed = failed || list == NULL || (functions > 0 && (sums == NULL || entries == NULL));
    for (size_t i = 0; i < count && sums != NULL && !failed; i++) {
        add_edge(&sums[edges[i].callee], &edges[i]);
    }
    for (size_t id = 1; id < functions && !failed; id++) {
        if (sums[id].calls > 0) {
            entries[id] = make_row(&entry_type, tracer->functions.items[id].object, &sums[id], sums[id].nested,
                                   sums[id].outer_total, seconds_per_tick);
            failed = entries[id] == NULL || PyList_Append(list, entries[id]) != 0;
            Py_XDECREF(entries[id]);
        }
    }
    for (size_t i = 0; i < count && entries != NULL && !failed && subcalls; i++) {
        PyObject *entry = edges[i].caller != 0 ? entries[edges[i].caller] : NULL;   // one still open has no row yet
        if (entry != NULL) {
            failed = add_subentry(entry, tracer->functions.items[edges[i].callee].object, &edges[i],
                                  seconds_per_tick) != 0;
        }
    }
    PyMem_RawFree(edges);
    PyMem_RawFree(sums);
    PyMem_RawFree(entries);
    if (failed) {
        Py_CLEAR(list);
        if (PyErr_Occurred() == NULL) {
            PyErr_NoMemory();
        }
    }
    return list;
}

// --- the type ------------------------------------------------------------------------------------------------------

static int refuse_in_timer(const op_profiler *self, const char *what)
{
    if (!self->ready) {
        PyErr_SetString(PyExc_RuntimeError, "the profiler was not initialised");
        return -1;
    }
    if (op_timer_runs_here(&self->tracer)) {
        PyErr_Format(PyExc_RuntimeError, "cannot %s profiler in external timer", what);
        return -1;
    }
    return 0;
}

static int profiler_init(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"timer", "timeunit", "subcalls", "builtins", NULL};
    op_profiler *self = (op_profiler *)object;
    PyObject *timer = NULL;
    double unit = 0;
    int subcalls = 1, builtins = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|Odpp:Profiler", names, &timer, &unit, &subcalls,
                                     &builtins)) {
        return -1;
    }
    if (timer != NULL && timer != Py_None && !PyCallable_Check(timer)) {
        PyErr_SetString(PyExc_TypeError, "timer must be a callable that returns the time");
        return -1;
    }
    if (self->ready) {
        if (refuse_in_timer(self, "initialise") != 0) {
            return -1;
        }
        if (self->tracer.enabled || self->tracer.in_timer > 0) {   // in another thread
            PyErr_SetString(PyExc_RuntimeError, "the profiler is enabled: disable() it first");
            return -1;
        }
        op_tracer_fini(&self->tracer);
        self->ready = false;
    }
    if (op_tracer_init(&self->tracer, NULL, OP_SEGMENT_CALLS | (builtins ? OP_SEGMENT_BUILTINS : 0)) != 0) {
        return -1;
    }
    self->tracer.subcalls = subcalls != 0;
    if (timer != NULL && timer != Py_None) {
        self->tracer.timer = Py_NewRef(timer);
        self->tracer.timer_unit = unit;
    }
    self->ready = true;
    return 0;
}

static void profiler_dealloc(PyObject *object)
{
    op_profiler *self = (op_profiler *)object;
    PyObject_GC_UnTrack(object);
    if (self->ready) {
        if (self->tracer.enabled) {
            op_calls_disable(&self->tracer);
        }
        op_tracer_fini(&self->tracer);
    }
    Py_TYPE(object)->tp_free(object);
}

static int profiler_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((op_profiler *)object)->tracer.timer);
    return 0;
}

static int profiler_gc_clear(PyObject *object)
{
    op_profiler *self = (op_profiler *)object;
    if (!self->tracer.enabled) {
        Py_CLEAR(self->tracer.timer);
    }
    return 0;
}

static PyObject *profiler_enable(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"subcalls", "builtins", NULL};
    op_profiler *self = (op_profiler *)object;
    int subcalls = -1, builtins = -1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|pp:enable", names, &subcalls, &builtins) ||
        refuse_in_timer(self, "enable") != 0) {
        return NULL;
    }
    if (self->tracer.enabled) {
        Py_RETURN_NONE;
    }
    if (subcalls >= 0) {
        self->tracer.subcalls = subcalls != 0;
    }
    if (builtins >= 0) {
        self->tracer.modes = OP_SEGMENT_CALLS | (builtins ? OP_SEGMENT_BUILTINS : 0);
    }
    if (op_calls_enable(&self->tracer, object) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *profiler_disable(PyObject *object, PyObject *unused)
{
    (void)unused;
    op_profiler *self = (op_profiler *)object;
    if (refuse_in_timer(self, "disable") != 0) {
        return NULL;
    }
    if (self->tracer.enabled) {
        op_calls_disable(&self->tracer);
    }
    Py_RETURN_NONE;
}

static PyObject *profiler_clear(PyObject *object, PyObject *unused)
{
    (void)unused;
    op_profiler *self = (op_profiler *)object;
    if (refuse_in_timer(self, "clear") != 0 || op_tracer_clear(&self->tracer) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *profiler_getstats(PyObject *object, PyObject *unused)
{
    (void)unused;
    op_profiler *self = (op_profiler *)object;
    if (refuse_in_timer(self, "ask") != 0) {
        return NULL;
    }
    op_tracer *tracer = &self->tracer;
    double unit = tracer->timer == NULL    ? op_tracer_seconds_per_tick(tracer)
                  : tracer->timer_unit > 0 ? tracer->timer_unit
                                           : 1e-9;
    return op_tracer_stats(tracer, unit, tracer->subcalls);
}

static PyMethodDef profiler_methods[] = {
    {"enable", (PyCFunction)(void (*)(void))profiler_enable, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("enable($self, /, subcalls=True, builtins=True)\n--\n\n"
               "Start counting calls, in all threads. subcalls: callers apart; builtins: C functions too.\n"
               "Raises ValueError where other tools hold all ids of sys.monitoring for profilers.")},
    {"disable", profiler_disable, METH_NOARGS,
     PyDoc_STR("disable($self, /)\n--\n\nStop counting. Calls that still run are counted as if they ended now.")},
    {"clear", profiler_clear, METH_NOARGS, PyDoc_STR("clear($self, /)\n--\n\nForget what was counted so far.")},
    {"getstats", profiler_getstats, METH_NOARGS,
     PyDoc_STR("getstats($self, /)\n--\n\n"
               "A list of profiler_entry: code, callcount, reccallcount, totaltime, inlinetime, calls. Times in "
               "seconds,\nsummed over threads, each of which has its own stack.")},
    {NULL, NULL, 0, NULL},
};

PyTypeObject op_profiler_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name =
        "outpace.Profiler",   // as wide as _lsprof.Profiler, whose methods stand in tables
    .tp_basicsize = sizeof(op_profiler),
    .tp_dealloc = profiler_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = PyDoc_STR("Profiler(timer=None, timeunit=0.0, subcalls=True, builtins=True)\n--\n\n"
                        "Exact counts and times of calls. timer: a callable that gives the time, by default the "
                        "processor's\ncounter; timeunit: seconds of one unit of a timer that gives integers."),
    .tp_traverse = profiler_traverse,
    .tp_clear = profiler_gc_clear,
    .tp_methods = profiler_methods,
    .tp_init = profiler_init,
    .tp_new = PyType_GenericNew,
};

int op_profiler_ready(PyObject *module)
{
    if (entry_type.tp_name == NULL && (PyStructSequence_InitType2(&entry_type, &entry_description) != 0 ||
                                       PyStructSequence_InitType2(&subentry_type, &subentry_description) != 0)) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "profiler_entry", (PyObject *)&entry_type) != 0 ||
                   PyModule_AddObjectRef(module, "profiler_subentry", (PyObject *)&subentry_type) != 0
               ? -1
               : PyModule_AddType(module, &op_profiler_type);
}

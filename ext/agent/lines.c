// SPDX-License-Identifier: MIT
#include "agent/lines.h"

#include "agent/hot.h"

// --- what is chosen ------------------------------------------------------------------------------------------------

static bool name_is_inside(PyObject *name, PyObject *prefix)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(prefix);
    if (length == 0) {
        return true;
    }
    return PyUnicode_Tailmatch(name, prefix, 0, length, -1) == 1 &&
           (PyUnicode_GET_LENGTH(name) == length || PyUnicode_READ_CHAR(name, length) == '.');
}

bool op_line_profiler_chooses(const op_line_profiler *self, PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *name = code->co_qualname;
#else
    PyObject *name = code->co_name;   // a method is told by its own name only
#endif
    PyObject *file = code->co_filename;
    for (Py_ssize_t i = 0; i < self->choice_count; i++) {
        PyObject *wanted = self->choices[i].file, *prefix = self->choices[i].prefix;
        Py_ssize_t length = PyUnicode_GET_LENGTH(wanted);
        bool folder = length > 0 && PyUnicode_READ_CHAR(wanted, length - 1) == '/';
        if (folder ? PyUnicode_Tailmatch(file, wanted, 0, length, -1) != 1 : PyUnicode_Compare(file, wanted) != 0) {
            continue;
        }
#if PY_VERSION_HEX < 0x030B0000
        Py_ssize_t dot = PyUnicode_FindChar(prefix, '.', 0, PyUnicode_GET_LENGTH(prefix), -1);
        PyObject *last = dot >= 0 ? PyUnicode_Substring(prefix, dot + 1, PyUnicode_GET_LENGTH(prefix)) : NULL;
        bool fits = name_is_inside(name, last != NULL ? last : prefix);
        Py_XDECREF(last);
#else
        bool fits = name_is_inside(name, prefix);
#endif
        if (fits) {
            return true;
        }
    }
    return false;
}

int op_line_profiler_add(op_line_profiler *self, PyObject *code)
{
    if (op_line_profiler_has(self, (PyCodeObject *)code)) {
        return 0;
    }
    if (self->tracer.forked) {
        (void)op_thread_find(&self->tracer);   // a segment of its own, before a function goes into the parent's
    }
    op_tracer_lock(&self->tracer);
    uint32_t id = op_functions_code(&self->tracer, (PyCodeObject *)code);
    op_tracer_unlock(&self->tracer);
    if (id == 0) {
        PyErr_NoMemory();
        return -1;
    }
    return self->tracer.enabled ? op_lines_watch(self, code) : 0;
}

// --- the type ------------------------------------------------------------------------------------------------------

static PyTypeObject line_profiler_type;

static int line_profiler_setup(op_line_profiler *self, const char *folder)
{
    if (op_tracer_init(&self->tracer, folder, OP_SEGMENT_LINES) != 0) {
        return -1;
    }
    self->ready = true;
    return 0;
}

static void forget_choices(op_line_profiler *self)
{
    for (Py_ssize_t i = 0; i < self->choice_count; i++) {
        Py_DECREF(self->choices[i].file);
        Py_DECREF(self->choices[i].prefix);
    }
    PyMem_Free(self->choices);
    self->choices = NULL;
    self->choice_count = 0;
}

static int line_profiler_init(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    op_line_profiler *self = (op_line_profiler *)object;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, ":LineProfiler", names)) {
        return -1;
    }
    if (self->ready) {
        PyErr_SetString(PyExc_RuntimeError, "a LineProfiler is initialised once");
        return -1;
    }
    return line_profiler_setup(self, NULL);
}

static void line_profiler_dealloc(PyObject *object)
{
    op_line_profiler *self = (op_line_profiler *)object;
    if (self->ready) {
        op_lines_disable(self);
        op_tracer_fini(&self->tracer);
    }
    forget_choices(self);
    Py_TYPE(object)->tp_free(object);
}

PyObject *op_line_profiler_new(const char *folder)
{
    op_line_profiler *self = (op_line_profiler *)line_profiler_type.tp_alloc(&line_profiler_type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->tracer.segment.fd = -1;
    if (line_profiler_setup(self, folder) != 0 || op_lines_enable(self) != 0) {
        Py_DECREF(self);
        return NULL;
    }
    Py_INCREF(self);   // for ever, as what runs into a segment is never taken down
    return (PyObject *)self;
}

static int check_ready(const op_line_profiler *self)
{
    if (!self->ready) {
        PyErr_SetString(PyExc_RuntimeError, "the profiler was not initialised");
    }
    return self->ready ? 0 : -1;
}

static PyObject *line_profiler_add_code(PyObject *object, PyObject *code)
{
    op_line_profiler *self = (op_line_profiler *)object;
    if (!PyCode_Check(code)) {
        return PyErr_Format(PyExc_TypeError, "a code object is needed, not %.100s", Py_TYPE(code)->tp_name);
    }
    if (check_ready(self) != 0 || op_line_profiler_add(self, code) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *line_profiler_select(PyObject *object, PyObject *list)
{
    op_line_profiler *self = (op_line_profiler *)object;
    PyObject *items = check_ready(self) == 0 ? PySequence_Fast(list, "a list of (filename, name) is needed") : NULL;
    if (items == NULL) {
        return NULL;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    op_line_choice *choices = PyMem_Calloc((size_t)count + 1, sizeof *choices);
    Py_ssize_t used = 0;
    bool failed = choices == NULL;
    for (; used < count && !failed; used++) {
        PyObject *file, *prefix;
        PyObject *item = PySequence_Fast_GET_ITEM(items, used);
        failed = !PyTuple_Check(item) || !PyArg_ParseTuple(item, "UU", &file, &prefix);
        if (failed) {
            if (PyErr_Occurred() == NULL) {
                PyErr_SetString(PyExc_TypeError, "a list of (filename, name) is needed");
            }
            break;
        }
        choices[used] = (op_line_choice){Py_NewRef(file), Py_NewRef(prefix)};
    }
    Py_DECREF(items);
    op_line_choice *old = self->choices;
    Py_ssize_t old_count = self->choice_count;
    self->choices = choices;
    self->choice_count = used;
    if (failed) {
        forget_choices(self);
        self->choices = old;
        self->choice_count = old_count;
        return PyErr_Occurred() != NULL ? NULL : PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < old_count; i++) {
        Py_DECREF(old[i].file);
        Py_DECREF(old[i].prefix);
    }
    PyMem_Free(old);
    if (self->tracer.enabled && op_lines_watch_first_calls(self) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *line_profiler_enable(PyObject *object, PyObject *unused)
{
    (void)unused;
    op_line_profiler *self = (op_line_profiler *)object;
    if (check_ready(self) != 0 || (!self->tracer.enabled && op_lines_enable(self) != 0)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *line_profiler_disable(PyObject *object, PyObject *unused)
{
    (void)unused;
    op_line_profiler *self = (op_line_profiler *)object;
    if (check_ready(self) != 0) {
        return NULL;
    }
    if (self->tracer.enabled) {
        op_lines_disable(self);
    }
    Py_RETURN_NONE;
}

// [(line, hits, ns), ...] of one function, summed over threads.
static PyObject *lines_of(op_line_profiler *self, uintptr_t code, double ns_per_tick)
{
    op_segment_line *sums = NULL;
    uint32_t count = 0, first = 0;
    for (op_thread *thread = self->tracer.threads; thread != NULL; thread = thread->next) {
        const op_line_table *table = op_line_table_known(thread, code);
        if (table == NULL) {
            continue;
        }
        if (sums == NULL) {
            sums = PyMem_Calloc(table->line_count, sizeof *sums);
            if (sums == NULL) {
                return PyErr_NoMemory();
            }
            count = table->line_count;
            first = table->first_line;
        }
        for (uint32_t i = 0; i < count; i++) {
            sums[i].hits += table->lines[i].hits;
            sums[i].ticks += table->lines[i].ticks;
        }
    }
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; sums != NULL && i < count && list != NULL; i++) {
        if (sums[i].hits > 0) {
            PyObject *row = Py_BuildValue("(IKK)", first + i, (unsigned long long)sums[i].hits,
                                          (unsigned long long)((double)sums[i].ticks * ns_per_tick + 0.5));
            if (row == NULL || PyList_Append(list, row) != 0) {
                Py_CLEAR(list);
            }
            Py_XDECREF(row);
        }
    }
    PyMem_Free(sums);
    return list;
}

static PyObject *line_profiler_results(PyObject *object, PyObject *unused)
{
    (void)unused;
    op_line_profiler *self = (op_line_profiler *)object;
    if (check_ready(self) != 0) {
        return NULL;
    }
    double ns_per_tick = op_tracer_seconds_per_tick(&self->tracer) * 1e9;
    PyObject *list = PyList_New(0);
    for (size_t id = 1; id < self->tracer.functions.count && list != NULL; id++) {
        PyCodeObject *code = (PyCodeObject *)self->tracer.functions.items[id].object;
        PyObject *lines = lines_of(self, (uintptr_t)code, ns_per_tick);
#if PY_VERSION_HEX >= 0x030B0000
        PyObject *name = code->co_qualname;
#else
        PyObject *name = code->co_name;
#endif
        PyObject *row = lines != NULL
                            ? Py_BuildValue("(OiON)", code->co_filename, code->co_firstlineno, name, lines)
                            : NULL;
        if (row == NULL || PyList_Append(list, row) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

static PyMethodDef line_profiler_methods[] = {
    {"add_code", line_profiler_add_code, METH_O,
     PyDoc_STR("add_code($self, code, /)\n--\n\nProfile the lines of this code object.")},
    {"select", line_profiler_select, METH_O,
     PyDoc_STR(
         "select($self, choices, /)\n--\n\n"
         "Profile functions when they are first called: a list of (filename, name). A filename that ends in '/' "
         "stands\nfor all files below; name is a qualified name, or what it lies in, or \"\" for all.")},
    {"await_choices", op_hot_await, METH_O,
     PyDoc_STR("await_choices($self, path, /)\n--\n\n"
               "Once the file `path` is there, select() what its lines name: a qualified name, a tab, a filename.\n"
               "Functions that run at that moment are profiled from there on. Once a process.")},
    {"enable", line_profiler_enable, METH_NOARGS,
     PyDoc_STR("enable($self, /)\n--\n\nStart counting, in all threads.")},
    {"disable", line_profiler_disable, METH_NOARGS, PyDoc_STR("disable($self, /)\n--\n\nStop counting.")},
    {"results", line_profiler_results, METH_NOARGS,
     PyDoc_STR("results($self, /)\n--\n\n"
               "A list of (filename, first line, qualified name, [(line, hits, ns), ...]), a row a function.")},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject line_profiler_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "outpace._agent.LineProfiler",
    .tp_basicsize = sizeof(op_line_profiler),
    .tp_dealloc = line_profiler_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = PyDoc_STR("LineProfiler()\n--\n\nHits and nanoseconds of the lines of chosen functions."),
    .tp_methods = line_profiler_methods,
    .tp_init = line_profiler_init,
    .tp_new = PyType_GenericNew,
};

int op_line_profiler_ready(PyObject *module)
{
    return PyModule_AddType(module, &line_profiler_type);
}

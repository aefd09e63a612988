// SPDX-License-Identifier: MIT
#include "agent/hot.h"
#include "agent/lines.h"

#include <string.h>

// --- tables of a thread --------------------------------------------------------------------------------------------

// One (start, end, line) of co_lines(), in bytes of the code; line 0: none. False at the end.
static bool next_range(PyObject *ranges, uint32_t *start, uint32_t *end, uint32_t *line)
{
    PyObject *range = PyIter_Next(ranges);
    long numbers[3] = {0, 0, 0};
    for (Py_ssize_t i = 0; range != NULL && i < 3; i++) {
        PyObject *number = PyTuple_GET_ITEM(range, i);
        numbers[i] = number != Py_None ? PyLong_AsLong(number) : 0;
    }
    *start = (uint32_t)numbers[0];
    *end = (uint32_t)numbers[1];
    *line = numbers[2] > 0 ? (uint32_t)numbers[2] : 0;
    bool more = range != NULL;
    Py_XDECREF(range);
    return more;
}

// The lines of a function: from the first to the last that its bytecode names, and which line each code unit is of.
static bool read_lines(op_line_table *table, PyCodeObject *code)
{
    uint32_t lowest = code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 1, highest = lowest, bytes = 0;
    for (int pass = 0; pass < 2; pass++) {
        PyObject *ranges = PyObject_CallMethod((PyObject *)code, "co_lines", NULL);
        if (ranges == NULL) {
            return false;
        }
        uint32_t start, end, line;
        while (next_range(ranges, &start, &end, &line)) {
            if (pass == 0 && line > 0) {
                highest = line > highest ? line : highest;
                lowest = line < lowest ? line : lowest;   // decorators, generated code
            }
            bytes = pass == 0 && end > bytes ? end : bytes;
            for (uint32_t at = start / 2; pass == 1 && line > 0 && at < end / 2 && at < table->unit_count; at++) {
                table->line_at[at] = line - lowest;
            }
        }
        Py_DECREF(ranges);
        if (pass == 0) {
            table->first_line = lowest;
            table->line_count = highest - lowest + 1;
            table->unit_count = bytes / 2;
            table->line_at = PyMem_RawCalloc(table->unit_count + 1, sizeof *table->line_at);
            if (table->line_at == NULL || table->line_count > OP_SEGMENT_MAX_LINES) {
                return false;
            }
        }
    }
    return PyErr_Occurred() == NULL;
}

uint32_t op_line_of(PyCodeObject *code, uint32_t offset)
{
    PyObject *ranges = PyObject_CallMethod((PyObject *)code, "co_lines", NULL);
    uint32_t start = 0, end = 0, line = 0, found = 0;
    while (ranges != NULL && found == 0 && next_range(ranges, &start, &end, &line)) {
        found = start <= offset && offset < end ? line : 0;
    }
    Py_XDECREF(ranges);
    PyErr_Clear();
    return found;
}

static void free_table(op_line_table *table)
{
    if (table != NULL) {
        PyMem_RawFree(table->line_at);
        PyMem_RawFree(table->outer);
        PyMem_RawFree(table);
    }
}

void op_line_tables_free(op_thread *thread)
{
    for (size_t i = 0; thread->tables != NULL && i <= thread->table_mask; i++) {
        free_table(thread->tables[i]);
    }
    PyMem_RawFree(thread->tables);
}

static size_t table_slot(op_line_table *const *tables, size_t mask, uintptr_t code)
{
    size_t at = (size_t)(((uint64_t)code * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (tables[at] != NULL && tables[at]->code != code) {
        at = (at + 1) & mask;
    }
    return at;
}

static bool grow_tables(op_thread *thread)
{
    size_t count = thread->tables != NULL ? (thread->table_mask + 1) * 2 : 64;
    op_line_table **tables = PyMem_RawCalloc(count, sizeof(op_line_table *));
    if (tables == NULL) {
        return false;
    }
    for (size_t i = 0; thread->tables != NULL && i <= thread->table_mask; i++) {
        if (thread->tables[i] != NULL) {
            tables[table_slot(tables, count - 1, thread->tables[i]->code)] = thread->tables[i];
        }
    }
    PyMem_RawFree(thread->tables);
    thread->tables = tables;
    thread->table_mask = count - 1;
    return true;
}

static op_line_table *make_table(op_thread *thread, PyCodeObject *code)
{
    op_tracer *tracer = thread->tracer;
    uint32_t id = op_functions_code(tracer, code);
    op_line_table *table = id != 0 ? PyMem_RawCalloc(1, sizeof *table) : NULL;
    op_segment_chunk *chunk = NULL;
    if (table != NULL && read_lines(table, code)) {
        chunk = op_segment_writer_take(&tracer->segment, OP_SEGMENT_LINE, thread->index, id, table->first_line,
                                       table->line_count * sizeof *table->lines);
    }
    if (chunk == NULL) {
        free_table(table);
        return NULL;
    }
    chunk->count = table->line_count;
    op_segment_writer_publish(&tracer->segment);
    table->code = (uintptr_t)code;
    table->needs_start = op_line_code_needs_start(code);
    table->lines = op_segment_chunk_records(chunk);
    return table;
}

op_line_table *op_line_table_find(op_thread *thread, PyCodeObject *code)
{
    if (thread->tables != NULL) {
        op_line_table *known = thread->tables[table_slot(thread->tables, thread->table_mask, (uintptr_t)code)];
        if (known != NULL) {
            thread->last_table = known;
            return known;
        }
    }
    op_saved_error saved = op_error_save();
    op_tracer_lock(thread->tracer);
    op_line_table *table = NULL;
    if ((thread->tables != NULL && thread->table_count * 2 < thread->table_mask) || grow_tables(thread)) {
        table = make_table(thread, code);
    }
    if (table != NULL) {
        thread->tables[table_slot(thread->tables, thread->table_mask, (uintptr_t)code)] = table;
        thread->table_count++;
        thread->last_table = table;
    } else {
        thread->tracer->segment.header->lost_lines++;
    }
    op_thread_name(thread);
    op_tracer_unlock(thread->tracer);
    PyErr_Clear();
    op_error_restore(saved);
    return table;
}

void op_line_push(op_line_table *table, const void *frame, uint64_t now)
{
    if (table->frame != NULL) {
        op_line_close(table, now);
        if (table->outer_count == table->outer_capacity) {
            uint32_t capacity = table->outer_capacity == 0 ? 16 : table->outer_capacity * 2;
            op_activation *outer = PyMem_RawRealloc(table->outer, capacity * sizeof *outer);
            if (outer == NULL) {
                table->outer_count = 0;   // their lines stay closed
            } else {
                table->outer = outer;
                table->outer_capacity = capacity;
            }
        }
        if (table->outer_count < table->outer_capacity) {
            table->outer[table->outer_count++] = (op_activation){table->frame, table->open};
        }
    }
    table->frame = frame;
    table->stamp = now;
}

void op_line_pop(op_line_table *table, const void *frame, uint64_t now)
{
    if (table->frame == NULL) {
        return;
    }
    if (OP_UNLIKELY(table->frame != frame)) {
        // Of another greenlet, or of an activation that never had a line: that one is not open, or no longer.
        for (uint32_t i = table->outer_count; i > 0; i--) {
            if (table->outer[i - 1].frame == frame) {
                memmove(&table->outer[i - 1], &table->outer[i], (table->outer_count - i) * sizeof *table->outer);
                table->outer_count--;
                return;
            }
        }
        return;
    }
    op_line_close(table, now);
    if (table->outer_count > 0) {
        op_activation back = table->outer[--table->outer_count];
        table->frame = back.frame;
        table->open = back.line;
    } else {
        table->frame = NULL;
    }
}

void op_lines_close_open(op_tracer *tracer)
{
    uint64_t now = op_ticks();
    for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        for (size_t i = 0; thread->tables != NULL && i <= thread->table_mask; i++) {
            op_line_table *table = thread->tables[i];
            if (table != NULL && table->frame != NULL) {
                op_line_close(table, now);
                table->frame = NULL;
                table->outer_count = 0;
            }
        }
    }
}

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
        op_line_table *table = thread->tables != NULL
                                   ? thread->tables[table_slot(thread->tables, thread->table_mask, code)]
                                   : NULL;
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

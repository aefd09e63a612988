// SPDX-License-Identifier: MIT
// The lines of the functions of a thread: which line is open in which activation, hits and ticks of each.
#include <string.h>
#include "agent/lines.h"

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

op_line_table *op_line_table_known(const op_thread *thread, uintptr_t code)
{
    return thread->tables != NULL ? thread->tables[table_slot(thread->tables, thread->table_mask, code)] : NULL;
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
    op_line_table *known = op_line_table_known(thread, (uintptr_t)code);
    if (known != NULL) {
        thread->last_table = known;
        return known;
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

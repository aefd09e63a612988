// SPDX-License-Identifier: MIT
// The functions that were met: ids by the address that identifies them, and their names for the segment.
#include <string.h>
#include "agent/agent.h"

static size_t slot_of(const op_functions *functions, uintptr_t key)
{
    size_t mask = functions->slot_count - 1;
    size_t at = (size_t)(((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (functions->slots[at] != 0 && functions->items[functions->slots[at]].key != key) {
        at = (at + 1) & mask;
    }
    return at;
}

bool op_functions_knows(const op_functions *functions, uintptr_t key)
{
    return functions->slot_count > 0 && functions->slots[slot_of(functions, key)] != 0;
}

static bool make_room(op_functions *functions)
{
    if (functions->count + 1 >= functions->capacity) {
        size_t capacity = functions->capacity == 0 ? 256 : functions->capacity * 2;
        op_function_entry *items = PyMem_RawRealloc(functions->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        if (functions->count == 0) {
            items[0] = (op_function_entry){0};
            functions->count = 1;
        }
        functions->items = items;
        functions->capacity = capacity;
    }
    if (functions->count * 2 >= functions->slot_count) {
        size_t slot_count = functions->slot_count == 0 ? 1024 : functions->slot_count * 2;
        uint32_t *slots = PyMem_RawCalloc(slot_count, sizeof *slots);
        if (slots == NULL) {
            return false;
        }
        PyMem_RawFree(functions->slots);
        functions->slots = slots;
        functions->slot_count = slot_count;
        for (uint32_t id = 1; id < functions->count; id++) {
            slots[slot_of(functions, functions->items[id].key)] = id;
        }
    }
    return functions->count < OP_SEGMENT_MAX_FUNCTIONS;
}

// At most `most` bytes of `text` as UTF-8; what cannot be encoded is escaped. The caller frees *owner.
static const char *utf8_of(PyObject *text, PyObject **owner, uint32_t *bytes)
{
    *owner = PyUnicode_Check(text) ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    if (*owner == NULL) {
        PyErr_Clear();
        *bytes = 0;
        return "";
    }
    *bytes = (uint32_t)op_utf8_cut(PyBytes_AS_STRING(*owner), (size_t)PyBytes_GET_SIZE(*owner),
                                   OP_SEGMENT_MAX_TEXT_BYTES);
    return PyBytes_AS_STRING(*owner);
}

static bool write_record(op_tracer *tracer, uint32_t id, uint32_t kind, PyObject *name, PyObject *file,
                         uint32_t first_line)
{
    PyObject *name_owner, *file_owner = NULL;
    op_segment_function record = {.id = id, .kind = kind, .first_line = first_line};
    const char *name_text = utf8_of(name, &name_owner, &record.name_bytes);
    const char *file_text = file != NULL ? utf8_of(file, &file_owner, &record.file_bytes) : "";
    size_t bytes = (sizeof record + record.name_bytes + record.file_bytes + 7) & ~(size_t)7;
    record.bytes = (uint32_t)bytes;
    op_segment_chunk *chunk = tracer->functions.chunk;
    if (chunk == NULL || op_segment_chunk_room(chunk) - chunk->count < bytes) {
        chunk = op_segment_writer_take(&tracer->segment, OP_SEGMENT_FUNCTION, 0, 0, 0, bytes + 15 * 1024);
        if (chunk != NULL) {
            op_segment_writer_publish(&tracer->segment);
            tracer->functions.chunk = chunk;
        }
    }
    if (chunk != NULL) {
        char *at = (char *)op_segment_chunk_records(chunk) + chunk->count;
        memcpy(at + sizeof record, name_text, record.name_bytes);
        memcpy(at + sizeof record + record.name_bytes, file_text, record.file_bytes);
        record.check = op_segment_check(0, at + sizeof record, record.name_bytes + record.file_bytes);
        record.check = op_segment_check(record.check, &record, offsetof(op_segment_function, check));
        memcpy(at, &record, sizeof record);
        __atomic_store_n(&chunk->count, chunk->count + bytes, __ATOMIC_RELEASE);
    }
    Py_XDECREF(name_owner);
    Py_XDECREF(file_owner);
    return chunk != NULL;
}

static bool write_entry(op_tracer *tracer, uint32_t id)
{
    PyObject *object = tracer->functions.items[id].object;
    if (!PyCode_Check(object)) {
        return write_record(tracer, id, OP_SEGMENT_BUILTIN, object, NULL, 0);
    }
    PyCodeObject *code = (PyCodeObject *)object;
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *name = code->co_qualname;
#else
    PyObject *name = code->co_name;
#endif
    return write_record(tracer, id, OP_SEGMENT_PYTHON, name, code->co_filename,
                        code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0);
}

bool op_functions_write_again(op_tracer *tracer)
{
    tracer->functions.chunk = NULL;
    bool all = true;
    if (tracer->folder != NULL) {
        for (uint32_t id = 1; id < tracer->functions.count && all; id++) {
            all = write_entry(tracer, id);
        }
    }
    return all;
}

// Takes over the references.
static uint32_t add(op_tracer *tracer, uintptr_t key, PyObject *object, PyObject *held)
{
    op_functions *functions = &tracer->functions;
    uint32_t id = (uint32_t)functions->count;
    functions->items[id] = (op_function_entry){key, object, held};
    if (tracer->folder != NULL && !write_entry(tracer, id)) {   // in memory only the objects are asked
        tracer->segment.header->lost_functions++;
        Py_DECREF(object);
        Py_XDECREF(held);
        return 0;
    }
    functions->slots[slot_of(functions, key)] = id;
    functions->count++;
    return id;
}

uint32_t op_functions_code(op_tracer *tracer, PyCodeObject *code)
{
    op_functions *functions = &tracer->functions;
    if (!make_room(functions)) {
        tracer->segment.header->lost_functions++;
        return 0;
    }
    uint32_t id = functions->slots[slot_of(functions, (uintptr_t)code)];
    if (id != 0) {
        return id;
    }
    Py_INCREF(code);
    return add(tracer, (uintptr_t)code, (PyObject *)code, NULL);
}

// What a bound method of a C type came from: not the first of that name, as a class may hide it behind its own, which
// calls it by super(). NULL: unknown. Borrowed.
static PyObject *descriptor_of(const PyCFunctionObject *function, PyObject *name)
{
    PyObject *order = Py_TYPE(function->m_self)->tp_mro;
    for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
        PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
#if PY_VERSION_HEX >= 0x030C0000
        PyObject *scope = PyType_GetDict(type);
#else
        PyObject *scope = Py_XNewRef(type->tp_dict);
#endif
        PyObject *found = scope != NULL ? PyDict_GetItemWithError(scope, name) : NULL;
        Py_XDECREF(scope);   // the type keeps it
        if (found != NULL && Py_TYPE(found) == &PyMethodDescr_Type &&
            ((PyMethodDescrObject *)found)->d_method == function->m_ml) {
            return found;
        }
    }
    PyErr_Clear();
    return NULL;
}

// As cProfile names it, for pstats: "<built-in method builtins.len>", "<method 'append' of 'list' objects>".
// Runs no code of the program: only what C types are made of is asked for its repr.
static PyObject *name_of_builtin(PyObject *callable)
{
    if (!PyCFunction_Check(callable)) {
        return PyObject_Repr(callable);   // a method descriptor of a C type
    }
    PyCFunctionObject *function = (PyCFunctionObject *)callable;
    const char *name = function->m_ml->ml_name;
    PyObject *module = function->m_module;
    PyObject *module_name = NULL;
    if (module != NULL && PyUnicode_Check(module)) {
        module_name = Py_NewRef(module);
    } else if (module != NULL && PyModule_Check(module) && function->m_self == NULL) {
        module_name = PyModule_GetNameObject(module);
        if (module_name == NULL) {
            PyErr_Clear();
        }
    }
    PyObject *text = NULL;
    if (function->m_self == NULL) {
        bool plain = module_name == NULL || PyUnicode_CompareWithASCIIString(module_name, "builtins") == 0;
        text = plain ? PyUnicode_FromFormat("<%s>", name) : PyUnicode_FromFormat("<%U.%s>", module_name, name);
    } else {
        PyObject *attribute = PyUnicode_FromString(name);
        if (attribute != NULL) {
            PyObject *found = descriptor_of(function, attribute);   // borrowed
            found = found != NULL ? found : _PyType_Lookup(Py_TYPE(function->m_self), attribute);
            if (found != NULL && (Py_TYPE(found) == &PyMethodDescr_Type ||
                                  Py_TYPE(found) == &PyClassMethodDescr_Type || PyCFunction_Check(found))) {
                Py_INCREF(found);
                text = PyObject_Repr(found);
                Py_DECREF(found);
            }
            Py_DECREF(attribute);
        }
        if (text == NULL) {
            PyErr_Clear();
            text = module_name != NULL ? PyUnicode_FromFormat("<built-in method %U.%s>", module_name, name)
                                       : PyUnicode_FromFormat("<built-in method %s>", name);
        }
    }
    Py_XDECREF(module_name);
    return text;
}

// "<built-in method __new__ of type object at 0x7f..>", as cProfile has it, is "of type objects" in a segment: the
// address differs by process, where a profile has many, and one PyMethodDef makes the __new__ of all types. Takes over
// the reference.
static PyObject *without_address(PyObject *name)
{
    PyObject *mark = PyUnicode_FromString(" object at 0x");
    Py_ssize_t at = mark != NULL ? PyUnicode_Find(name, mark, 0, PyUnicode_GET_LENGTH(name), 1) : -1;
    Py_XDECREF(mark);
    PyObject *head = at >= 0 ? PyUnicode_Substring(name, 0, at) : NULL;
    PyObject *text = head != NULL ? PyUnicode_FromFormat("%U objects>", head) : NULL;
    Py_XDECREF(head);
    if (text == NULL) {
        PyErr_Clear();
        return name;
    }
    Py_DECREF(name);
    return text;
}

uint32_t op_functions_builtin(op_tracer *tracer, PyObject *callable, uintptr_t key)
{
    op_functions *functions = &tracer->functions;
    if (!make_room(functions)) {
        tracer->segment.header->lost_functions++;
        return 0;
    }
    uint32_t id = functions->slots[slot_of(functions, key)];
    if (id != 0) {
        return id;
    }
    PyObject *name = name_of_builtin(callable);
    if (name == NULL) {
        PyErr_Clear();
        tracer->segment.header->lost_functions++;
        return 0;
    }
    if (tracer->folder != NULL) {
        name = without_address(name);
    }
    // Some libraries make a PyMethodDef at run time, which a capsule frees: that is held. `self` of others is not.
    PyObject *held = PyCFunction_Check(callable) ? ((PyCFunctionObject *)callable)->m_self
                                                 : (PyObject *)Py_TYPE(callable);
    if (!PyCFunction_Check(callable)) {
        held = callable;   // a descriptor belongs to its type
    } else if (held != NULL && !PyModule_Check(held) && !PyCapsule_CheckExact(held)) {
        held = NULL;
    }
    Py_XINCREF(held);
    return add(tracer, key, name, held);
}

void op_functions_fini(op_functions *functions)
{
    for (size_t i = 1; i < functions->count; i++) {
        Py_DECREF(functions->items[i].object);
        Py_XDECREF(functions->items[i].held);
    }
    PyMem_RawFree(functions->items);
    PyMem_RawFree(functions->slots);
    *functions = (op_functions){0};
}

// SPDX-License-Identifier: MIT
// See weak.h.
#include "cache/weak.h"

#define SMALLEST_MASK 7u
#define LARGEST_MASK (UINT32_MAX >> 2)
#define LOOKED_AT_FOR_CUT 4

// ---- references -------------------------------------------------------------------------------------------------------

PyTypeObject *op_weak_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *bases = PyTuple_Pack(1, &_PyWeakref_RefType);
    if (bases == NULL) {
        return NULL;
    }
    PyObject *kind = PyType_FromModuleAndSpec(module, spec, bases);
    Py_DECREF(bases);
    return (PyTypeObject *)kind;
}

int op_weak_traverse(PyObject *weak, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(weak));
    return _PyWeakref_RefType.tp_traverse(weak, visit, arg);
}

void op_weak_dealloc(PyObject *weak)
{
    PyTypeObject *kind = Py_TYPE(weak);
    _PyWeakref_RefType.tp_dealloc(weak);
    Py_DECREF(kind);
}

op_weak *op_weak_new(PyTypeObject *kind, PyObject *object, PyObject *died)
{
    PyObject *arguments = PyTuple_Pack(2, object, died);
    if (arguments == NULL) {
        return NULL;
    }
    // Not by calling the kind, which the program can't do either.
    op_weak *weak = (op_weak *)(void *)_PyWeakref_RefType.tp_new(kind, arguments, NULL);
    Py_DECREF(arguments);
    if (weak != NULL) {
        weak->address = object;
    }
    return weak;
}

PyObject *op_weak_get(PyObject *weak)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object = NULL;
    return PyWeakref_GetRef(weak, &object) < 0 ? NULL : object;
#else
    PyObject *object = PyWeakref_GetObject(weak);
    return object == NULL || object == Py_None ? NULL : Py_NewRef(object);
#endif
}

// ---- the table --------------------------------------------------------------------------------------------------------

static uint32_t home_of(const op_weaks *weaks, const PyObject *address)
{
    // Objects lie 16 bytes apart. Fibonacci hashing, the upper half of the product.
    return (uint32_t)((((uintptr_t)address >> 4) * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & weaks->mask;
}

op_weak *op_weaks_find(const op_weaks *weaks, const PyObject *address)
{
    if (weaks->places == NULL) {
        return NULL;
    }
    uint32_t place = home_of(weaks, address);
    while (weaks->places[place] != NULL && weaks->places[place]->address != address) {
        place = (place + 1) & weaks->mask;
    }
    return weaks->places[place];
}

static void put(op_weaks *weaks, op_weak *weak)
{
    uint32_t place = home_of(weaks, weak->address);
    while (weaks->places[place] != NULL) {
        place = (place + 1) & weaks->mask;
    }
    weaks->places[place] = weak;
}

static bool grow(op_weaks *weaks)
{
    uint32_t mask = weaks->places == NULL ? SMALLEST_MASK : weaks->mask * 2 + 1;
    op_weak **places = mask > LARGEST_MASK ? NULL : PyMem_Calloc((size_t)mask + 1, sizeof *places);
    if (places == NULL) {
        return false;
    }
    op_weaks grown = {.places = places, .count = weaks->count, .mask = mask};
    for (uint32_t i = 0; weaks->places != NULL && i <= weaks->mask; i++) {
        if (weaks->places[i] != NULL) {
            put(&grown, weaks->places[i]);
        }
    }
    PyMem_Free(weaks->places);
    *weaks = grown;
    return true;
}

op_weak *op_weaks_find_cut(op_weaks *weaks)
{
    for (int i = 0; weaks->places != NULL && i < LOOKED_AT_FOR_CUT; i++) {
        weaks->seen = (weaks->seen + 1) & weaks->mask;
        op_weak *weak = weaks->places[weaks->seen];
        if (weak != NULL && op_weak_is_cut(weak)) {
            return weak;
        }
    }
    return NULL;
}

bool op_weaks_add(op_weaks *weaks, op_weak *weak)
{
    if ((uint64_t)(weaks->count + 1) * 3 > (uint64_t)weaks->mask * 2 && !grow(weaks)) {
        return false;
    }
    put(weaks, weak);
    weaks->count++;
    return true;
}

bool op_weaks_remove(op_weaks *weaks, const op_weak *weak)
{
    if (op_weaks_find(weaks, weak->address) != weak) {
        return false;
    }
    uint32_t hole = home_of(weaks, weak->address);
    while (weaks->places[hole] != weak) {
        hole = (hole + 1) & weaks->mask;
    }
    // What stands behind the hole moves up where a search that begins at its home would stop at the hole.
    for (uint32_t next = (hole + 1) & weaks->mask; weaks->places[next] != NULL; next = (next + 1) & weaks->mask) {
        uint32_t home = home_of(weaks, weaks->places[next]->address);
        if (((next - home) & weaks->mask) >= ((next - hole) & weaks->mask)) {
            weaks->places[hole] = weaks->places[next];
            hole = next;
        }
    }
    weaks->places[hole] = NULL;
    weaks->count--;
    if (weaks->count == 0 && weaks->mask > SMALLEST_MASK) {
        op_weaks_fini(weaks);   // many lived at once: their memory is given back
    }
    return true;
}

void op_weaks_fini(op_weaks *weaks)
{
    PyMem_Free(weaks->places);
    *weaks = (op_weaks){0};
}

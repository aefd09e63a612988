// SPDX-License-Identifier: MIT
// mapping: the object of outpace._cache.Mapping, for its own files.
#ifndef OP_CACHE_MAPPING_H
#define OP_CACHE_MAPPING_H

#include "cache/store.h"

typedef struct {
    PyObject_HEAD op_store store;
    PyObject *weak_references;
    op_module *state;   // borrowed: the type holds the module
    uint32_t cursor;    // of popitem
    bool begun;         // __init__ has run
    bool missing;       // its type has __missing__
} op_mapping;

// What it was made with, and its size.
extern PyGetSetDef op_mapping_attributes[];

#endif

// SPDX-License-Identifier: MIT
// Dictionaries of the target, combined and split, and the attributes of instances, which live in one or in none.
#ifndef OP_CPYTHON_DICT_H
#define OP_CPYTHON_DICT_H

#include "cpython/runtime.h"

enum { OP_DICT_MAX_ENTRIES = 1 << 16 };

// Walks the entries in the order of insertion. A dictionary that changes meanwhile gives BAD_DATA or a part.
typedef struct {
    op_runtime *runtime;       // borrowed
    op_addr entries, values;   // values: 0 where each entry has its own
    size_t entry_bytes, key_offset, value_offset;
    uint64_t next, count;
    unsigned char copy[1536];   // entries [copied_from, copied_to)
    uint64_t copied_from, copied_to;
} op_dict_walk;

op_status op_dict_walk_start(op_runtime *runtime, op_addr dict, op_dict_walk *walk) OP_MUST_CHECK;
// The next entry; *end where there is none.
op_status op_dict_walk_next(op_dict_walk *walk, op_addr *key, op_addr *value, bool *end) OP_MUST_CHECK;
// The value of the str key `name` (ASCII); NO_FILE: absent.
op_status op_dict_find(op_runtime *runtime, op_addr dict, const char *name, op_addr *value) OP_MUST_CHECK;
// The instance attribute `name` (ASCII) of a plain Python object; NO_FILE: absent.
op_status op_instance_find(op_runtime *runtime, op_addr object, const char *name, op_addr *value) OP_MUST_CHECK;

#endif

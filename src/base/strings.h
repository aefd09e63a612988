// SPDX-License-Identifier: MIT
// A string table: equal bytes have one id. Ids count from 1; 0 is "no string" and reads as "".
#ifndef OP_BASE_STRINGS_H
#define OP_BASE_STRINGS_H

#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/map.h"

typedef struct {
    const char *text;   // lives in the table's arena, NUL-terminated, may hold NULs inside
    size_t bytes;
} op_string;

typedef struct {
    op_arena arena;
    op_map by_hash;
    op_string *items;   // owned; [0] is id 1
    uint32_t *next;     // owned; chain of equal hashes, 0 ends
    size_t count, capacity;
} op_strings;

void op_strings_init(op_strings *strings);
void op_strings_fini(op_strings *strings);
uint32_t op_strings_add(op_strings *strings, const char *bytes, size_t count);          // 0: out of memory
uint32_t op_strings_find(const op_strings *strings, const char *bytes, size_t count);   // 0: absent
op_string op_strings_get(const op_strings *strings, uint32_t id);   // {"", 0} for 0 and ids out of range

#endif

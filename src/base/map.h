// SPDX-License-Identifier: MIT
// An open-addressing hash map from one or two 64-bit words to a 32-bit number. Never shrinks.
#ifndef OP_BASE_MAP_H
#define OP_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t high, low;
} op_map_key;

typedef struct {
    op_map_key key;
    uint32_t value;
    uint32_t used;   // 0 free, 1 taken, 2 removed
} op_map_slot;

typedef struct {
    op_map_slot *slots;   // owned
    size_t count, capacity, removed;
} op_map;

void op_map_init(op_map *map);
void op_map_fini(op_map *map);
void op_map_reset(op_map *map);   // keeps the memory
// The value's place, valid until the next add; NULL: absent.
uint32_t *op_map_find(const op_map *map, op_map_key key);
// The value's place, made with value 0 where absent (*added tells; may be NULL). NULL: out of memory.
uint32_t *op_map_add(op_map *map, op_map_key key, bool *added);
bool op_map_remove(op_map *map, op_map_key key);   // false: was absent

uint64_t op_hash_bytes(const void *bytes, size_t count, uint64_t seed);

#endif

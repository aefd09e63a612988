// SPDX-License-Identifier: MIT
// Memory that is freed all at once. Blocks come from op_alloc; a pointer lives until reset or fini.
#ifndef OP_BASE_ARENA_H
#define OP_BASE_ARENA_H

#include <stddef.h>

typedef struct op_arena_block op_arena_block;
typedef struct {
    op_arena_block *blocks;   // owned; newest first
    size_t used_bytes;        // of the newest block
    size_t total_bytes;       // of all blocks
} op_arena;

void op_arena_init(op_arena *arena);
void op_arena_fini(op_arena *arena);
void op_arena_reset(op_arena *arena);                 // keeps the newest block
void *op_arena_take(op_arena *arena, size_t bytes);   // 16-byte aligned, not zeroed; NULL: out of memory
char *op_arena_copy(op_arena *arena, const char *bytes, size_t count);   // adds a NUL; NULL: out of memory

#endif

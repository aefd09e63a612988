// SPDX-License-Identifier: MIT
#include "base/arena.h"
#include <stdint.h>
#include <string.h>
#include "base/memory.h"

enum {
    ALIGNMENT = 16,
    FIRST_BLOCK_BYTES = 4096,
    LARGEST_BLOCK_BYTES = 1 << 20,   // of a shared block; a larger request gets a block of its own
};

struct op_arena_block {
    op_arena_block *next;
    size_t capacity;
    _Alignas(ALIGNMENT) char data[];
};

void op_arena_init(op_arena *arena)
{
    *arena = (op_arena){0};
}

static void free_chain(op_arena_block *block)
{
    while (block) {
        op_arena_block *next = block->next;
        op_free(block);
        block = next;
    }
}

void op_arena_fini(op_arena *arena)
{
    free_chain(arena->blocks);
    op_arena_init(arena);
}

void op_arena_reset(op_arena *arena)
{
    arena->used_bytes = 0;
    if (!arena->blocks)
        return;
    free_chain(arena->blocks->next);
    arena->blocks->next = NULL;
    arena->total_bytes = arena->blocks->capacity;
}

static op_arena_block *make_block(op_arena *arena, size_t capacity)
{
    size_t bytes;
    if (__builtin_add_overflow(capacity, sizeof(op_arena_block), &bytes))
        return NULL;
    op_arena_block *block = op_alloc(bytes);
    if (!block)
        return NULL;
    block->next = NULL;
    block->capacity = capacity;
    arena->total_bytes += capacity;
    return block;
}

// As large as all blocks so far, so that the number of blocks grows with the logarithm of what is kept.
static size_t next_block_bytes(const op_arena *arena)
{
    if (arena->total_bytes < FIRST_BLOCK_BYTES)
        return FIRST_BLOCK_BYTES;
    return arena->total_bytes < LARGEST_BLOCK_BYTES ? arena->total_bytes : LARGEST_BLOCK_BYTES;
}

void *op_arena_take(op_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - (ALIGNMENT - 1))
        return NULL;
    size_t need = (bytes + (ALIGNMENT - 1)) & ~(size_t)(ALIGNMENT - 1);
    op_arena_block *newest = arena->blocks;
    if (newest && need <= newest->capacity - arena->used_bytes) {
        char *place = newest->data + arena->used_bytes;
        arena->used_bytes += need;
        return place;
    }

    size_t capacity = next_block_bytes(arena);
    if (newest && need > capacity / 4) {
        // Behind the newest block, whose rest stays in use.
        op_arena_block *own = make_block(arena, need);
        if (!own)
            return NULL;
        own->next = newest->next;
        newest->next = own;
        return own->data;
    }
    op_arena_block *block = make_block(arena, need > capacity ? need : capacity);
    if (!block)
        return NULL;
    block->next = newest;
    arena->blocks = block;
    arena->used_bytes = need;
    return block->data;
}

char *op_arena_copy(op_arena *arena, const char *bytes, size_t count)
{
    char *copy = count < SIZE_MAX ? op_arena_take(arena, count + 1) : NULL;
    if (!copy)
        return NULL;
    if (count)
        memcpy(copy, bytes, count);
    copy[count] = '\0';
    return copy;
}

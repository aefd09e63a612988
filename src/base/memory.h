// SPDX-License-Identifier: MIT
// The one door to the heap, so that a test can make the Nth allocation fail.
#ifndef OP_BASE_MEMORY_H
#define OP_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

// As malloc, calloc and realloc; NULL on failure or where count * size overflows. The caller frees with op_free.
void *op_alloc(size_t bytes);
void *op_alloc_zero(size_t count, size_t size);
void *op_resize(void *block, size_t count, size_t size);
void op_free(void *block);
char *op_copy_string(const char *text);   // NULL on failure

// Tests only: the allocation after `after` successful ones fails, and every one behind it; -1 turns it off.
void op_alloc_fail_after(int64_t after);
uint64_t op_alloc_count(void);   // allocations since the start

#endif

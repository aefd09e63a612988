// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// The one exception to "no globals": the state of the test door. Relaxed loads and stores, not read-modify-writes:
// with several threads a count may be lost, but no allocation pays for a locked instruction.
static int64_t fail_after = -1;
static uint64_t allocation_count;

static bool may_allocate(size_t bytes)
{
    if (bytes > PTRDIFF_MAX)
        return false;
    int64_t left = __atomic_load_n(&fail_after, __ATOMIC_RELAXED);
    if (__builtin_expect(left >= 0, 0)) {
        if (left == 0)
            return false;
        __atomic_store_n(&fail_after, left - 1, __ATOMIC_RELAXED);
    }
    uint64_t count = __atomic_load_n(&allocation_count, __ATOMIC_RELAXED);
    __atomic_store_n(&allocation_count, count + 1, __ATOMIC_RELAXED);
    return true;
}

// Never asks libc for 0 bytes: there NULL could mean success.
static size_t at_least_one(size_t bytes)
{
    return bytes ? bytes : 1;
}

void *op_alloc(size_t bytes)
{
    return may_allocate(bytes) ? malloc(at_least_one(bytes)) : NULL;
}

void *op_alloc_zero(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !may_allocate(bytes))
        return NULL;
    return calloc(at_least_one(bytes), 1);
}

void *op_resize(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !may_allocate(bytes))
        return NULL;
    return realloc(block, at_least_one(bytes));
}

void op_free(void *block)
{
    free(block);
}

char *op_copy_string(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = op_alloc(bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void op_alloc_fail_after(int64_t after)
{
    __atomic_store_n(&fail_after, after < 0 ? -1 : after, __ATOMIC_RELAXED);
}

uint64_t op_alloc_count(void)
{
    return __atomic_load_n(&allocation_count, __ATOMIC_RELAXED);
}

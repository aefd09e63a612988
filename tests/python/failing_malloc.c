// SPDX-License-Identifier: MIT
// Preloaded: makes one call of malloc, calloc or realloc by the extension module of the caches fail, which one fail_at says.
// What Python allocates for it is not meant: that _testcapi makes fail.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);

static int countdown;

void fail_at(int number);
int is_to_come(void);

void fail_at(int number)
{
    countdown = number;
}

int is_to_come(void)
{
    return countdown > 0;
}

static int is_to_fail(void *caller)
{
    Dl_info told;
    if (countdown == 0 || dladdr(caller, &told) == 0 || strstr(told.dli_fname, "/_cache.") == NULL) {
        return 0;
    }
    return --countdown == 0;
}

void *malloc(size_t bytes)
{
    return is_to_fail(__builtin_return_address(0)) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return is_to_fail(__builtin_return_address(0)) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    return is_to_fail(__builtin_return_address(0)) ? NULL : __libc_realloc(memory, bytes);
}

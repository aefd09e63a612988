// SPDX-License-Identifier: MIT
#include "base/strings.h"
#include <stdbool.h>
#include <string.h>
#include "base/memory.h"

enum { FIRST_CAPACITY = 64 };

void op_strings_init(op_strings *strings)
{
    *strings = (op_strings){0};
    op_arena_init(&strings->arena);
    op_map_init(&strings->by_hash);
}

void op_strings_fini(op_strings *strings)
{
    op_arena_fini(&strings->arena);
    op_map_fini(&strings->by_hash);
    op_free(strings->items);
    op_free(strings->next);
    op_strings_init(strings);
}

static op_map_key key_of(const char *bytes, size_t count)
{
    return (op_map_key){.high = (uint64_t)count, .low = op_hash_bytes(bytes, count, 0)};
}

static uint32_t find_in_chain(const op_strings *strings, uint32_t id, const char *bytes, size_t count)
{
    for (; id; id = strings->next[id - 1]) {
        const op_string *item = &strings->items[id - 1];
        if (item->bytes == count && (count == 0 || memcmp(item->text, bytes, count) == 0))
            return id;
    }
    return 0;
}

uint32_t op_strings_find(const op_strings *strings, const char *bytes, size_t count)
{
    const uint32_t *first = op_map_find(&strings->by_hash, key_of(bytes, count));
    return first ? find_in_chain(strings, *first, bytes, count) : 0;
}

// Where the second array cannot grow the first is larger than `capacity` says, which does no harm.
static bool reserve_one(op_strings *strings)
{
    if (strings->count < strings->capacity)
        return true;
    size_t capacity = strings->capacity ? strings->capacity * 2 : FIRST_CAPACITY;
    op_string *items = op_resize(strings->items, capacity, sizeof *items);
    if (!items)
        return false;
    strings->items = items;
    uint32_t *next = op_resize(strings->next, capacity, sizeof *next);
    if (!next)
        return false;
    strings->next = next;
    strings->capacity = capacity;
    return true;
}

uint32_t op_strings_add(op_strings *strings, const char *bytes, size_t count)
{
    // A failure behind this line leaves a chain of no strings: value 0, which reads as absent.
    uint32_t *first = op_map_add(&strings->by_hash, key_of(bytes, count), NULL);
    if (!first)
        return 0;
    uint32_t id = find_in_chain(strings, *first, bytes, count);
    if (id)
        return id;
    if (strings->count >= UINT32_MAX || !reserve_one(strings))
        return 0;
    const char *copy = op_arena_copy(&strings->arena, bytes, count);
    if (!copy)
        return 0;
    strings->items[strings->count] = (op_string){.text = copy, .bytes = count};
    strings->next[strings->count] = *first;
    strings->count++;
    *first = (uint32_t)strings->count;
    return *first;
}

op_string op_strings_get(const op_strings *strings, uint32_t id)
{
    if (id == 0 || id > strings->count)
        return (op_string){.text = "", .bytes = 0};
    return strings->items[id - 1];
}

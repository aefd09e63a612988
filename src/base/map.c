// SPDX-License-Identifier: MIT
#include "base/map.h"
#include <string.h>
#include "base/memory.h"

enum { FIRST_CAPACITY = 16 };   // a power of two, as every capacity
enum { SLOT_FREE, SLOT_TAKEN, SLOT_REMOVED };

// Odd, with about as many ones as zeros: the multipliers of the mixing steps.
static const uint64_t mix_a = 0x9E3779B97F4A7C15U, mix_b = 0xC2B2AE3D27D4EB4FU, mix_c = 0xD6E8FEB86659FD93U;

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

// Spreads every input bit over the word; a bijection.
static uint64_t finish(uint64_t value)
{
    value ^= value >> 32;
    value *= mix_c;
    value ^= value >> 29;
    value *= mix_b;
    return value ^ (value >> 32);
}

static uint64_t hash_key(op_map_key key)
{
    return finish(key.low * mix_a ^ rotate(key.high * mix_b, 31));
}

static bool same_key(op_map_key a, op_map_key b)
{
    return a.low == b.low && a.high == b.high;
}

void op_map_init(op_map *map)
{
    *map = (op_map){0};
}

void op_map_fini(op_map *map)
{
    op_free(map->slots);
    op_map_init(map);
}

void op_map_reset(op_map *map)
{
    if (map->slots)
        memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = map->removed = 0;
}

// The slot that holds `key`, or else the first one, not taken, where it could be put. The map has slots.
// Ends always, because a quarter of the slots is free.
static op_map_slot *seek(const op_map *map, op_map_key key)
{
    op_map_slot *reusable = NULL;
    size_t mask = map->capacity - 1;
    for (size_t index = (size_t)hash_key(key) & mask;; index = (index + 1) & mask) {
        op_map_slot *slot = &map->slots[index];
        if (slot->used == SLOT_FREE)
            return reusable ? reusable : slot;
        if (slot->used == SLOT_REMOVED) {
            if (!reusable)
                reusable = slot;
        } else if (same_key(slot->key, key)) {
            return slot;
        }
    }
}

// The slot that holds `key`; NULL: absent.
static op_map_slot *find(const op_map *map, op_map_key key)
{
    if (map->count == 0)
        return NULL;
    op_map_slot *slot = seek(map, key);
    return slot->used == SLOT_TAKEN ? slot : NULL;
}

uint32_t *op_map_find(const op_map *map, op_map_key key)
{
    op_map_slot *slot = find(map, key);
    return slot ? &slot->value : NULL;
}

// Moves the taken slots to new memory; the removed ones stay behind. Doubles only if those were not the reason.
static bool rebuild(op_map *map)
{
    size_t capacity = map->capacity ? map->capacity : FIRST_CAPACITY;
    if (map->count >= capacity / 2) {
        if (capacity > SIZE_MAX / 2)
            return false;
        capacity *= 2;
    }
    op_map_slot *slots = op_alloc_zero(capacity, sizeof *slots);
    if (!slots)
        return false;
    op_map fresh = {.slots = slots, .count = map->count, .capacity = capacity};
    for (size_t i = 0; i < map->capacity; i++) {
        const op_map_slot *slot = &map->slots[i];
        if (slot->used == SLOT_TAKEN)
            *seek(&fresh, slot->key) = *slot;
    }
    op_free(map->slots);
    *map = fresh;
    return true;
}

uint32_t *op_map_add(op_map *map, op_map_key key, bool *added)
{
    op_map_slot *slot = map->capacity ? seek(map, key) : NULL;
    if (slot && slot->used == SLOT_TAKEN) {
        if (added)
            *added = false;
        return &slot->value;
    }
    // A removed slot is put to use again whatever the load; a free one only where a quarter stays free.
    if (!slot || (slot->used == SLOT_FREE && map->count + map->removed >= map->capacity / 4 * 3)) {
        if (!rebuild(map))
            return NULL;
        slot = seek(map, key);
    }
    if (slot->used == SLOT_REMOVED)
        map->removed--;
    *slot = (op_map_slot){.key = key, .used = SLOT_TAKEN};
    map->count++;
    if (added)
        *added = true;
    return &slot->value;
}

bool op_map_remove(op_map *map, op_map_key key)
{
    op_map_slot *slot = find(map, key);
    if (!slot)
        return false;
    // Before a free slot no search goes on: neither this slot nor removed ones before it need to be kept as marks.
    size_t mask = map->capacity - 1, index = (size_t)(slot - map->slots);
    slot->used = SLOT_REMOVED;
    map->removed++;
    map->count--;
    if (map->slots[(index + 1) & mask].used == SLOT_FREE) {
        for (; map->slots[index].used == SLOT_REMOVED; index = (index - 1) & mask) {
            map->slots[index].used = SLOT_FREE;
            map->removed--;
        }
    }
    return true;
}

uint64_t op_hash_bytes(const void *bytes, size_t count, uint64_t seed)
{
    const unsigned char *next = bytes;
    uint64_t state = finish(seed ^ mix_a) ^ (uint64_t)count * mix_b;
    for (; count >= sizeof(uint64_t); count -= sizeof(uint64_t), next += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, next, sizeof word);
        state = rotate(state ^ finish(word ^ mix_a), 27) * mix_a + mix_c;
    }
    uint64_t tail = 0;
    if (count)
        memcpy(&tail, next, count);
    return finish(rotate(state ^ finish(tail ^ mix_c), 31) * mix_a);
}

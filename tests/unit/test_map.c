// SPDX-License-Identifier: MIT
#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "tap.h"

static op_map_key key_of(uint64_t number)
{
    return (op_map_key){.high = number >> 3, .low = number * 16};   // as aligned addresses
}

TAP_TEST(map_of_nothing)
{
    op_map map;
    op_map_init(&map);
    TAP_OK(!op_map_find(&map, key_of(0)));
    TAP_OK(!op_map_remove(&map, key_of(0)));
    op_map_reset(&map);
    op_map_fini(&map);
    op_map_fini(&map);
}

TAP_TEST(map_adds_finds_and_resets)
{
    op_map map;
    op_map_init(&map);
    for (uint32_t i = 0; i < 5000; i++) {
        bool added = false;
        uint32_t *value = op_map_add(&map, key_of(i), &added);
        TAP_REQUIRE(value);
        TAP_OK(added && *value == 0);
        *value = i + 1;
    }
    TAP_EQ_UINT(map.count, 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        const uint32_t *value = op_map_find(&map, key_of(i));
        TAP_REQUIRE(value);
        TAP_EQ_UINT(*value, i + 1);
        bool added = true;
        TAP_OK(op_map_add(&map, key_of(i), &added) == value);
        TAP_OK(!added);
    }
    TAP_OK(!op_map_find(&map, key_of(5000)));
    size_t capacity = map.capacity;
    op_map_reset(&map);
    TAP_EQ_UINT(map.count, 0);
    TAP_EQ_UINT(map.capacity, capacity);
    TAP_OK(!op_map_find(&map, key_of(1)));
    op_map_fini(&map);
}

TAP_TEST(map_keeps_both_words_apart)
{
    op_map map;
    op_map_init(&map);
    static const uint64_t words[] = {0, 1, 2, UINT64_MAX, (uint64_t)1 << 63, 0x9E3779B97F4A7C15U};
    enum { WORDS = sizeof words / sizeof *words };
    uint32_t number = 0;
    for (int i = 0; i < WORDS; i++)
        for (int j = 0; j < WORDS; j++)
            *op_map_add(&map, (op_map_key){words[i], words[j]}, NULL) = ++number;
    TAP_EQ_UINT(map.count, WORDS * WORDS);
    number = 0;
    for (int i = 0; i < WORDS; i++)
        for (int j = 0; j < WORDS; j++)
            TAP_EQ_UINT(*op_map_find(&map, (op_map_key){words[i], words[j]}), ++number);
    op_map_fini(&map);
}

// Against an array that tells what the map should hold.
TAP_TEST(map_agrees_with_an_array_under_adds_and_removals)
{
    enum { KEYS = 400, STEPS = 60000 };
    static uint32_t expected[KEYS];
    op_map map;
    op_random random;
    op_map_init(&map);
    op_random_init(&random, 1);
    size_t count = 0;
    for (uint32_t step = 1; step <= STEPS; step++) {
        uint64_t key = op_random_below(&random, KEYS);
        // In turns mostly adding and mostly removing.
        bool add = op_random_below(&random, 4) < (step / 5000 % 2 ? 1U : 3U);
        if (add) {
            bool added = false;
            uint32_t *value = op_map_add(&map, key_of(key), &added);
            TAP_REQUIRE(value);
            TAP_EQ_UINT(*value, expected[key]);
            TAP_EQ_INT(added, expected[key] == 0);
            count += expected[key] == 0;
            *value = expected[key] = step;
        } else {
            TAP_EQ_INT(op_map_remove(&map, key_of(key)), expected[key] != 0);
            count -= expected[key] != 0;
            expected[key] = 0;
        }
        TAP_EQ_UINT(map.count, count);
        if (step % 1000 == 0) {
            size_t taken = 0, removed = 0;
            for (size_t i = 0; i < map.capacity; i++) {
                taken += map.slots[i].used == 1;
                removed += map.slots[i].used == 2;
            }
            TAP_EQ_UINT(taken, map.count);
            TAP_EQ_UINT(removed, map.removed);
            for (uint64_t i = 0; i < KEYS; i++) {
                const uint32_t *value = op_map_find(&map, key_of(i));
                TAP_EQ_UINT(value ? *value : 0, expected[i]);
            }
        }
    }
    op_map_fini(&map);
}

TAP_TEST(map_does_not_grow_by_removals)
{
    op_map map;
    op_map_init(&map);
    for (uint64_t i = 0; i < 200000; i++) {
        TAP_REQUIRE(op_map_add(&map, key_of(i), NULL));
        if (i >= 10)
            TAP_OK(op_map_remove(&map, key_of(i - 10)));
    }
    TAP_EQ_UINT(map.count, 10);
    TAP_OK(map.capacity <= 64);
    op_map_fini(&map);
}

TAP_TEST(map_survives_every_failed_allocation)
{
    bool done = false;
    int after = 0;
    for (; !done && after < 50; after++) {
        op_map map;
        op_map_init(&map);
        op_alloc_fail_after(after);
        uint32_t made = 0;
        for (uint32_t *value; made < 500 && (value = op_map_add(&map, key_of(made), NULL)) != NULL; made++)
            *value = made;
        done = made == 500;
        bool added = true;
        if (!done && made > 0)
            TAP_OK(op_map_add(&map, key_of(0), &added) && !added);   // what is there needs no memory
        op_alloc_fail_after(-1);
        TAP_EQ_UINT(map.count, made);
        for (uint32_t i = 0; i < made; i++)
            TAP_EQ_UINT(*op_map_find(&map, key_of(i)), i);
        TAP_OK(!op_map_find(&map, key_of(made)));
        TAP_OK(op_map_add(&map, key_of(made), NULL));
        op_map_fini(&map);
    }
    TAP_OK(done && after > 3);
}

TAP_TEST(hash_depends_on_every_byte_length_and_seed)
{
    unsigned char bytes[64] = {0};
    for (size_t count = 0; count <= 40; count++) {
        uint64_t hash = op_hash_bytes(bytes, count, 0);
        TAP_EQ_UINT(op_hash_bytes(bytes, count, 0), hash);
        TAP_OK(op_hash_bytes(bytes, count + 1, 0) != hash);   // one more zero
        TAP_OK(op_hash_bytes(bytes, count, 1) != hash);
        for (size_t bit = 0; bit < count * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            int flipped = __builtin_popcountll(op_hash_bytes(bytes, count, 0) ^ hash);
            TAP_OK(flipped >= 10 && flipped <= 54);   // one bit changes about half of all
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        bytes[count] = 0xAA;
        TAP_EQ_UINT(op_hash_bytes(bytes, count, 0), hash);   // reads no further
        bytes[count] = 0;
    }
}

TAP_TEST(hash_ignores_alignment)
{
    static const char text[] = "the quick brown fox jumps over it";
    char bytes[80];
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(bytes + shift, text, sizeof text);
        TAP_EQ_UINT(op_hash_bytes(bytes + shift, sizeof text, 5), op_hash_bytes(text, sizeof text, 5));
    }
    TAP_EQ_UINT(op_hash_bytes(NULL, 0, 5), op_hash_bytes("", 0, 5));
}

// 2^16 similar texts into 2^16 buckets: as many stay empty as by chance (1/e), and the 64-bit hashes differ.
TAP_TEST(hash_spreads_similar_texts)
{
    enum { TEXTS = 1 << 16 };
    static unsigned char low[TEXTS], high[TEXTS];
    op_map map;
    op_map_init(&map);
    for (int i = 0; i < TEXTS; i++) {
        char text[32];
        int length = snprintf(text, sizeof text, "function_%d", i);
        uint64_t hash = op_hash_bytes(text, (size_t)length, 0);
        low[hash & (TEXTS - 1)] = 1;
        high[hash >> 48] = 1;
        bool added = false;
        TAP_REQUIRE(op_map_add(&map, (op_map_key){.low = hash}, &added));
        TAP_OK(added);
    }
    int low_empty = 0, high_empty = 0;
    for (int i = 0; i < TEXTS; i++) {
        low_empty += !low[i];
        high_empty += !high[i];
    }
    TAP_NEAR(low_empty / (double)TEXTS, 0.3679, 0.01);
    TAP_NEAR(high_empty / (double)TEXTS, 0.3679, 0.01);
    op_map_fini(&map);
}

TAP_MAIN()

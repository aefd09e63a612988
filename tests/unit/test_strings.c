// SPDX-License-Identifier: MIT
#include "base/strings.h"
#include "base/memory.h"
#include "tap.h"

static uint32_t add(op_strings *strings, const char *text)
{
    return op_strings_add(strings, text, strlen(text));
}

TAP_TEST(strings_equal_bytes_have_one_id)
{
    op_strings strings;
    op_strings_init(&strings);
    TAP_EQ_UINT(add(&strings, "one"), 1);
    TAP_EQ_UINT(add(&strings, "two"), 2);
    TAP_EQ_UINT(add(&strings, "one"), 1);
    TAP_EQ_UINT(op_strings_add(&strings, "one", 2), 3);
    TAP_EQ_UINT(op_strings_add(&strings, "on\0", 3), 4);
    TAP_EQ_UINT(op_strings_add(&strings, NULL, 0), 5);   // the empty string is one too
    TAP_EQ_UINT(add(&strings, ""), 5);
    TAP_EQ_UINT(strings.count, 5);
    TAP_EQ_UINT(op_strings_find(&strings, "two", 3), 2);
    TAP_EQ_UINT(op_strings_find(&strings, "", 0), 5);
    TAP_EQ_UINT(op_strings_find(&strings, "three", 5), 0);
    op_string string = op_strings_get(&strings, 4);
    TAP_EQ_BYTES(string.text, string.bytes, "on\0", 3);
    TAP_EQ_INT(string.text[3], '\0');
    op_strings_fini(&strings);
}

TAP_TEST(strings_ids_out_of_range_read_as_empty)
{
    op_strings strings;
    op_strings_init(&strings);
    TAP_EQ_UINT(op_strings_find(&strings, "x", 1), 0);
    static const uint32_t ids[] = {0, 1, 2, UINT32_MAX};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
            op_string string = op_strings_get(&strings, ids[i]);
            bool there = round == 1 && ids[i] == 1;
            TAP_EQ_STR(string.text, there ? "x" : "");
            TAP_EQ_UINT(string.bytes, there);
        }
        TAP_EQ_UINT(add(&strings, "x"), 1);
    }
    op_strings_fini(&strings);
}

// The text of a string stays where it is, however many come behind it.
TAP_TEST(strings_stay_in_place)
{
    op_strings strings;
    op_strings_init(&strings);
    uint32_t id = add(&strings, "first");
    const char *first = op_strings_get(&strings, id).text;
    for (int i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "name %d", i);
        TAP_EQ_UINT(add(&strings, text), i + 2);
    }
    TAP_OK(op_strings_get(&strings, id).text == first);
    TAP_EQ_STR(first, "first");
    for (int i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "name %d", i);
        TAP_EQ_STR(op_strings_get(&strings, (uint32_t)i + 2).text, text);
        TAP_EQ_UINT(op_strings_find(&strings, text, strlen(text)), i + 2);
    }
    op_strings_fini(&strings);
}

TAP_TEST(strings_with_one_hash_are_told_apart)
{
    op_strings strings;
    op_strings_init(&strings);
    uint32_t a = add(&strings, "aaa"), b = add(&strings, "bbb");
    // A collision by hand: the entry of "aaa" made to lead to "bbb" and on from there.
    op_map_key key = {.high = 3, .low = op_hash_bytes("aaa", 3, 0)};
    uint32_t *first = op_map_find(&strings.by_hash, key);
    TAP_REQUIRE(first);
    *first = b;
    strings.next[b - 1] = a;
    TAP_EQ_UINT(op_strings_find(&strings, "aaa", 3), a);
    TAP_EQ_UINT(add(&strings, "aaa"), a);
    strings.next[b - 1] = 0;
    TAP_EQ_UINT(add(&strings, "aaa"), 3);   // not in the chain: a new one, put in front
    TAP_EQ_UINT(strings.next[2], b);
    op_strings_fini(&strings);
}

TAP_TEST(strings_survive_every_failed_allocation)
{
    enum { COUNT = 300 };
    bool done = false;
    int after = 0;
    for (; !done && after < 100; after++) {
        op_strings strings;
        op_strings_init(&strings);
        op_alloc_fail_after(after);
        uint32_t made = 0;
        char text[64];
        for (; made < COUNT; made++) {
            snprintf(text, sizeof text, "a name that is somewhat long, %u", made);
            if (add(&strings, text) == 0)
                break;
        }
        done = made == COUNT;
        op_alloc_fail_after(-1);
        TAP_EQ_UINT(strings.count, made);
        TAP_EQ_UINT(op_strings_find(&strings, text, strlen(text)), done ? made : 0);
        for (uint32_t i = 0; i < COUNT; i++) {   // what failed can be tried again
            snprintf(text, sizeof text, "a name that is somewhat long, %u", i);
            TAP_EQ_UINT(add(&strings, text), i + 1);
            TAP_EQ_STR(op_strings_get(&strings, i + 1).text, text);
        }
        op_strings_fini(&strings);
    }
    TAP_OK(done && after > 5);
}

TAP_TEST(strings_too_long_for_memory_fail)
{
    op_strings strings;
    op_strings_init(&strings);
    uint32_t id = add(&strings, "x");
    op_alloc_fail_after(0);
    static char large[100000];
    TAP_EQ_UINT(op_strings_add(&strings, large, sizeof large), 0);
    op_alloc_fail_after(-1);
    TAP_EQ_UINT(op_strings_find(&strings, large, sizeof large), 0);
    TAP_EQ_UINT(add(&strings, "x"), id);
    op_strings_fini(&strings);
}

TAP_MAIN()

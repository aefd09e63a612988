// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "tap.h"

TAP_TEST(memory_sizes_that_overflow_fail)
{
    TAP_OK(!op_alloc(SIZE_MAX));
    TAP_OK(!op_alloc((size_t)PTRDIFF_MAX + 1));
    TAP_OK(!op_alloc_zero(SIZE_MAX, 2));
    TAP_OK(!op_alloc_zero(SIZE_MAX / 2, 3));
    char *block = op_alloc(4);
    TAP_REQUIRE(block);
    memcpy(block, "abc", 4);
    TAP_OK(!op_resize(block, SIZE_MAX / 2, 4));
    TAP_EQ_STR(block, "abc");   // a failure leaves the block
    op_free(block);
}

TAP_TEST(memory_of_zero_bytes_is_no_failure)
{
    void *a = op_alloc(0), *b = op_alloc_zero(0, 8), *c = op_resize(NULL, 0, 8);
    TAP_OK(a && b && c);
    c = op_resize(c, 0, 1);
    TAP_OK(c);
    op_free(a);
    op_free(b);
    op_free(c);
    op_free(NULL);
}

TAP_TEST(memory_zero_and_resize_keep_their_word)
{
    unsigned char *bytes = op_alloc_zero(100, 3);
    TAP_REQUIRE(bytes);
    for (int i = 0; i < 300; i++)
        TAP_EQ_INT(bytes[i], 0);
    memset(bytes, 7, 300);
    bytes = op_resize(bytes, 1000, 3);
    TAP_REQUIRE(bytes);
    for (int i = 0; i < 300; i++)
        TAP_EQ_INT(bytes[i], 7);
    op_free(bytes);
}

TAP_TEST(memory_copies_a_string)
{
    char *copy = op_copy_string("text"), *empty = op_copy_string("");
    TAP_EQ_STR(copy, "text");
    TAP_EQ_STR(empty, "");
    op_free(copy);
    op_free(empty);
}

TAP_TEST(memory_fails_after_n_and_behind_it)
{
    for (int after = 0; after < 5; after++) {
        op_alloc_fail_after(after);
        void *blocks[8] = {0};
        for (int i = 0; i < 8; i++) {
            blocks[i] = i % 3 == 0 ? op_alloc(8) : i % 3 == 1 ? op_alloc_zero(2, 4) : op_resize(NULL, 2, 4);
            TAP_EQ_INT(blocks[i] != NULL, i < after);
        }
        TAP_EQ_INT(op_copy_string("x") == NULL, 1);
        op_alloc_fail_after(-1);
        void *works = op_alloc(1);
        TAP_OK(works);
        op_free(works);
        for (int i = 0; i < 8; i++)
            op_free(blocks[i]);
    }
}

TAP_TEST(memory_counts_allocations)
{
    uint64_t before = op_alloc_count();
    void *a = op_alloc(1), *b = op_alloc_zero(1, 1);
    a = op_resize(a, 100, 1);
    char *c = op_copy_string("c");
    TAP_EQ_UINT(op_alloc_count() - before, 4);
    op_free(a);
    op_free(b);
    op_free(c);
    TAP_EQ_UINT(op_alloc_count() - before, 4);
    TAP_OK(!op_alloc(SIZE_MAX));
    op_alloc_fail_after(0);
    TAP_OK(!op_alloc(1));
    TAP_EQ_UINT(op_alloc_count() - before, 4);
}

TAP_MAIN()

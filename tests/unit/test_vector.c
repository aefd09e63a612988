// SPDX-License-Identifier: MIT
#include "base/vector.h"
#include "tap.h"

typedef struct {
    uint64_t a;
    char b[5];
} item;

TAP_TEST(vector_pushes_and_keeps)
{
    OP_VECTOR(item) items = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        item *slot = OP_VECTOR_PUSH(&items);
        TAP_REQUIRE(slot);
        *slot = (item){.a = i};
    }
    TAP_EQ_UINT(items.count, 1000);
    TAP_EQ_UINT(items.capacity, 1024);
    for (uint64_t i = 0; i < 1000; i++)
        TAP_EQ_UINT(items.items[i].a, i);
    OP_VECTOR_FINI(&items);
    TAP_OK(!items.items && items.count == 0 && items.capacity == 0);
}

TAP_TEST(vector_doubles_from_16)
{
    OP_VECTOR(char) bytes = {0};
    TAP_OK(OP_VECTOR_RESERVE_ONE(&bytes));
    TAP_EQ_UINT(bytes.capacity, 16);
    uint64_t before = op_alloc_count();
    for (int i = 0; i < 16; i++) {
        const char *slot = OP_VECTOR_PUSH(&bytes);
        TAP_OK(slot == bytes.items + i);
    }
    TAP_EQ_UINT(op_alloc_count(), before);
    const char *slot = OP_VECTOR_PUSH(&bytes);
    TAP_OK(slot == bytes.items + 16);
    TAP_EQ_UINT(bytes.capacity, 32);
    OP_VECTOR_FINI(&bytes);
}

TAP_TEST(vector_failure_changes_nothing)
{
    for (int after = 0; after < 4; after++) {
        OP_VECTOR(int) numbers = {0};
        op_alloc_fail_after(after);
        int pushed = 0;
        for (int *slot; pushed < 1000 && (slot = OP_VECTOR_PUSH(&numbers)) != NULL; pushed++)
            *slot = pushed;
        op_alloc_fail_after(-1);
        TAP_EQ_INT(pushed, after == 0 ? 0 : 16 << (after - 1));
        TAP_EQ_UINT(numbers.count, pushed);
        TAP_EQ_UINT(numbers.capacity, pushed);
        for (int i = 0; numbers.items && i < pushed; i++)
            TAP_EQ_INT(numbers.items[i], i);
        const int *slot = OP_VECTOR_PUSH(&numbers);
        TAP_OK(slot);
        OP_VECTOR_FINI(&numbers);
    }
}

TAP_TEST(vector_sizes_that_overflow_fail)
{
    void *items = NULL;
    size_t capacity = SIZE_MAX / 2 + 1;
    TAP_OK(!op_vector_grow(&items, &capacity, capacity, 1));
    TAP_EQ_UINT(capacity, SIZE_MAX / 2 + 1);
    capacity = SIZE_MAX / 8;
    TAP_OK(!op_vector_grow(&items, &capacity, capacity, 16));
    TAP_EQ_UINT(capacity, SIZE_MAX / 8);
    capacity = 0;
    TAP_OK(!op_vector_grow(&items, &capacity, 0, SIZE_MAX));
    TAP_OK(!items && capacity == 0);
}

TAP_MAIN()

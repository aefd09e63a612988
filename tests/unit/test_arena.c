// SPDX-License-Identifier: MIT
#include "base/arena.h"
#include "base/memory.h"
#include "tap.h"

enum { PIECES = 600 };

static size_t piece_bytes(size_t index)
{
    return index % 97 == 96 ? 20000 : index % 13 == 12 ? 1500 : index % 40;
}

// Takes pieces of many sizes, fills each; false: out of memory.
static bool take_pieces(op_arena *arena, unsigned char **pieces, size_t *taken)
{
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = op_arena_take(arena, piece_bytes(i));
        if (!pieces[i])
            return false;
        memset(pieces[i], (int)(i % 251), piece_bytes(i));
        *taken = i + 1;
    }
    return true;
}

static void check_pieces(unsigned char **pieces, size_t taken)
{
    for (size_t i = 0; i < taken; i++) {
        TAP_EQ_UINT((uintptr_t)pieces[i] % 16, 0);
        size_t same = 0;
        while (same < piece_bytes(i) && pieces[i][same] == i % 251)
            same++;
        TAP_EQ_UINT(same, piece_bytes(i));
    }
}

TAP_TEST(arena_pieces_are_aligned_and_apart)
{
    op_arena arena;
    op_arena_init(&arena);
    unsigned char *pieces[PIECES];
    size_t taken = 0;
    TAP_OK(take_pieces(&arena, pieces, &taken));
    check_pieces(pieces, taken);
    op_arena_fini(&arena);
    TAP_EQ_UINT(arena.total_bytes, 0);
    op_arena_fini(&arena);   // twice is harmless
}

TAP_TEST(arena_of_small_pieces_takes_few_blocks)
{
    op_arena arena;
    op_arena_init(&arena);
    uint64_t before = op_alloc_count();
    for (int i = 0; i < 100000; i++)
        TAP_REQUIRE(op_arena_take(&arena, 16));
    TAP_OK(op_alloc_count() - before < 16);
    TAP_OK(arena.total_bytes < 2 * 1600000 + 4096);
    op_arena_fini(&arena);
}

TAP_TEST(arena_large_piece_leaves_the_newest_block_in_use)
{
    op_arena arena;
    op_arena_init(&arena);
    char *first = op_arena_take(&arena, 16);
    char *large = op_arena_take(&arena, 1 << 22);
    char *second = op_arena_take(&arena, 16);
    TAP_REQUIRE(first && large && second);
    memset(large, 1, 1 << 22);
    TAP_OK(second == first + 16);
    op_arena_fini(&arena);
}

TAP_TEST(arena_reset_keeps_one_block)
{
    op_arena arena;
    op_arena_init(&arena);
    op_arena_reset(&arena);   // of nothing
    unsigned char *pieces[PIECES];
    size_t taken = 0;
    TAP_OK(take_pieces(&arena, pieces, &taken));
    op_arena_reset(&arena);
    TAP_OK(arena.blocks && arena.total_bytes > 0);
    TAP_EQ_UINT(arena.used_bytes, 0);
    uint64_t before = op_alloc_count();
    TAP_OK(op_arena_take(&arena, arena.total_bytes));   // the whole block is there again
    TAP_EQ_UINT(op_alloc_count(), before);
    op_arena_reset(&arena);
    TAP_OK(take_pieces(&arena, pieces, &taken));
    check_pieces(pieces, taken);
    op_arena_fini(&arena);
}

TAP_TEST(arena_sizes_that_overflow_fail)
{
    op_arena arena;
    op_arena_init(&arena);
    for (int round = 0; round < 2; round++) {
        for (size_t less = 0; less < 40; less++)
            TAP_OK(!op_arena_take(&arena, SIZE_MAX - less));
        TAP_OK(!op_arena_copy(&arena, "", SIZE_MAX));
        TAP_OK(!op_arena_copy(&arena, "", SIZE_MAX - 1));
        TAP_OK(!op_arena_take(&arena, PTRDIFF_MAX));
        TAP_OK(op_arena_take(&arena, 1));   // the second round has a block
    }
    op_arena_fini(&arena);
}

TAP_TEST(arena_copy_adds_a_nul)
{
    op_arena arena;
    op_arena_init(&arena);
    char *copy = op_arena_copy(&arena, "a\0bcd", 4);
    TAP_EQ_BYTES(copy, 5, "a\0bc", 5);
    TAP_EQ_STR(op_arena_copy(&arena, NULL, 0), "");
    op_arena_fini(&arena);
}

TAP_TEST(arena_survives_every_failed_allocation)
{
    bool done = false;
    int after = 0;
    for (; !done && after < 100; after++) {
        op_arena arena;
        op_arena_init(&arena);
        unsigned char *pieces[PIECES];
        size_t taken = 0;
        op_alloc_fail_after(after);
        done = take_pieces(&arena, pieces, &taken);
        op_alloc_fail_after(-1);
        check_pieces(pieces, taken);
        TAP_OK(op_arena_take(&arena, 5000));   // and goes on
        op_arena_fini(&arena);
    }
    TAP_OK(done);
    TAP_OK(after > 3);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "profile_fixture.h"

static op_status add(op_profile *profile, op_id stack, int64_t start_ns, int64_t length_ns)
{
    return op_timeline_add(profile, 1, stack, OP_STATE_RUNNING, start_ns, length_ns, 1);
}

// A profile with threads and stacks, without samples.
static op_profile *empty_timeline(void)
{
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK && fixture_begin(profile));
    op_id root = fixture_stack(profile, 0, "a", 1);
    fixture_stack(profile, root, "b", 2);
    return profile;
}

TAP_TEST(runs_grow)
{
    op_profile *profile = empty_timeline();
    TAP_EQ_INT(add(profile, 1, 5000000, 1000000), OP_OK);
    TAP_EQ_INT(add(profile, 1, 6000000, 1000000), OP_OK);
    TAP_EQ_INT(add(profile, 1, 7900000, 100000), OP_OK);   // a gap below the mean interval of 1 ms
    TAP_EQ_INT(add(profile, 1, 9000000, 100000), OP_OK);   // not below
    TAP_EQ_INT(add(profile, 2, 9100000, 100000), OP_OK);   // another stack
    TAP_EQ_INT(op_timeline_add(profile, 1, 2, OP_STATE_WAITING, 9200000, 300, 5), OP_OK);   // another state
    TAP_EQ_INT(add(profile, 1, 9100000, 500000), OP_OK);   // begins before the last one ended
    TAP_REQUIRE(profile->timelines.count == 1);
    const op_timeline_run expected[] = {
        {5000000, 3000000, 3, 1, OP_STATE_RUNNING}, {9000000, 100000, 1, 1, OP_STATE_RUNNING},
        {9100000, 100000, 1, 2, OP_STATE_RUNNING},  {9200000, 300, 5, 2, OP_STATE_WAITING},
        {9200300, 399700, 1, 1, OP_STATE_RUNNING},
    };
    op_timeline_iterator iterator;
    op_timeline_run run;
    size_t count = 0;
    op_timeline_iterate(&iterator, &profile->timelines.items[0]);
    for (; op_timeline_next(&iterator, &run) && count < 5; count++) {
        TAP_EQ_INT(run.start_ns, expected[count].start_ns);
        TAP_EQ_INT(run.length_ns, expected[count].length_ns);
        TAP_EQ_UINT(run.samples, expected[count].samples);
        TAP_EQ_INT(run.stack, expected[count].stack);
        TAP_EQ_INT(run.state, expected[count].state);
    }
    TAP_EQ_UINT(count, 5);
    TAP_OK(!iterator.bad);
    TAP_EQ_INT(profile->timelines.items[0].end_ns, 9600000);
    TAP_EQ_UINT(profile->timelines.items[0].samples, 11);
    op_profile_free(profile);
}

TAP_TEST(wrong_values_are_refused)
{
    op_profile *profile = empty_timeline();
    TAP_EQ_INT(op_timeline_add(profile, 0, 1, OP_STATE_RUNNING, 0, 1, 1), OP_BAD_DATA);
    TAP_EQ_INT(op_timeline_add(profile, 3, 1, OP_STATE_RUNNING, 0, 1, 1), OP_BAD_DATA);
    TAP_EQ_INT(op_timeline_add(profile, 1, 0, OP_STATE_RUNNING, 0, 1, 1), OP_BAD_DATA);
    TAP_EQ_INT(op_timeline_add(profile, 1, 3, OP_STATE_RUNNING, 0, 1, 1), OP_BAD_DATA);
    TAP_EQ_INT(op_timeline_add(profile, 1, 1, OP_STATE_COUNT, 0, 1, 1), OP_BAD_DATA);
    TAP_EQ_INT(add(profile, 1, 0, -1), OP_BAD_DATA);
    TAP_EQ_INT(add(profile, 1, INT64_MAX, 1), OP_BAD_DATA);
    TAP_EQ_INT(add(profile, 1, INT64_MIN, 1), OP_BAD_DATA);
    TAP_EQ_UINT(profile->timelines.count, 0);
    op_profile_free(profile);
}

TAP_TEST(blocks_are_bounded)
{
    op_profile *profile = empty_timeline();
    int64_t at_ns = 0;
    for (int i = 0; i < 30000; i++, at_ns += 100000)
        TAP_REQUIRE(add(profile, 1 + (op_id)i % 2, at_ns, 100000) == OP_OK);
    TAP_EQ_UINT(profile->timelines.count, 3);   // 30,000 runs of 6 bytes
    for (size_t i = 0; i < profile->timelines.count; i++)
        TAP_OK(profile->timelines.items[i].runs.size <= OP_TIMELINE_MAX_BLOCK_BYTES);
    // One run that goes on for a minute is cut every 10 s.
    for (int i = 0; i < 600; i++, at_ns += 100000000)
        TAP_REQUIRE(add(profile, 1, at_ns, 100000000) == OP_OK);
    TAP_OK(profile->timelines.count >= 9 && profile->timelines.count <= 10);
    int64_t covered_ns;
    TAP_EQ_UINT(fixture_timeline_samples(profile, 1, &covered_ns), 30600);
    TAP_EQ_INT(covered_ns, at_ns);
    op_profile_free(profile);
}

TAP_TEST(threads_have_blocks_of_their_own)
{
    op_profile *profile = empty_timeline();
    for (int i = 0; i < 10; i++) {
        TAP_EQ_INT(op_timeline_add(profile, 1, 1, OP_STATE_RUNNING, i * 1000, 1000, 1), OP_OK);
        TAP_EQ_INT(op_timeline_add(profile, 2, 1, OP_STATE_RUNNING, i * 1000, 1000, 1), OP_OK);
    }
    TAP_EQ_UINT(profile->timelines.count, 2);
    TAP_EQ_UINT(fixture_timeline_samples(profile, 1, NULL), 10);
    TAP_EQ_UINT(fixture_timeline_samples(profile, 2, NULL), 10);
    // Dropping keeps what still grows or was not written.
    profile->timelines.items[0].written = true;
    op_timeline_drop_written(profile, 1);
    TAP_EQ_UINT(profile->timelines.count, 1);
    TAP_EQ_INT(op_timeline_add(profile, 2, 1, OP_STATE_RUNNING, 10000, 1000, 1), OP_OK);
    TAP_EQ_INT(op_timeline_add(profile, 1, 1, OP_STATE_RUNNING, 10000, 1000, 1), OP_OK);
    TAP_EQ_UINT(profile->timelines.count, 2);
    TAP_EQ_UINT(fixture_timeline_samples(profile, 2, NULL), 11);
    op_profile_free(profile);
}

TAP_TEST(bad_bytes_end_the_walk)
{
    op_random random;
    op_random_init(&random, 1);
    for (int i = 0; i < 20000; i++) {
        unsigned char bytes[64];
        size_t count = op_random_below(&random, sizeof bytes);
        for (size_t j = 0; j < count; j++)
            bytes[j] = (unsigned char)op_random_u64(&random);
        op_timeline block = {.start_ns = (int64_t)op_random_u64(&random),
                             .runs = {.data = (char *)bytes, .size = count}};
        op_timeline_iterator iterator;
        op_timeline_run run;
        int runs = 0;
        op_timeline_iterate(&iterator, &block);
        while (op_timeline_next(&iterator, &run)) {
            TAP_OK(run.length_ns >= 0 && run.state < OP_STATE_COUNT);
            runs++;
        }
        TAP_OK(runs <= 16);
    }
}

TAP_TEST(out_of_memory_changes_nothing)
{
    for (int64_t after = 0; after < 40; after++) {
        op_profile *profile = empty_timeline();
        uint64_t added = 0;
        op_alloc_fail_after(after);
        for (int i = 0; i < 2000; i++)
            added += add(profile, 1 + (op_id)(i / 2) % 2, i * 1000, 1000) == OP_OK;
        op_alloc_fail_after(-1);
        TAP_EQ_UINT(fixture_timeline_samples(profile, 1, NULL), added);
        TAP_EQ_INT(add(profile, 1, 3000000, 1000), OP_OK);
        TAP_EQ_UINT(fixture_timeline_samples(profile, 1, NULL), added + 1);
        op_profile_free(profile);
    }
}

TAP_MAIN()

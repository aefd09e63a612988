// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "profile_fixture.h"

TAP_TEST(into_an_empty_one)
{
    op_profile *from = fixture_new(), *into = NULL;
    TAP_REQUIRE(op_profile_new(&into) == OP_OK);
    TAP_EQ_INT(op_profile_merge(into, from, NULL), OP_OK);
    TAP_EQ_UINT(op_profile_total_samples(into), 207);
    TAP_EQ_INT(into->run.started_unix_ns, from->run.started_unix_ns);
    fixture_compare_text(into, into->run.command, from, from->run.command);
    TAP_EQ_INT(op_profile_counter(into, "late"), -3);
    op_profile_free(into);
    op_profile_free(from);
}

TAP_TEST(two_runs)
{
    op_profile *into = fixture_new(), *from = fixture_new();
    size_t stacks = into->stacks.count, functions = into->functions.count;
    from->run.started_unix_ns += 500000000;
    from->run.command = op_profile_string(from, "python other.py");
    from->run.complete = into->run.complete = true;
    op_id extra = fixture_stack(from, 1, "extra", 50);
    TAP_OK(fixture_tick(from, 1, extra, OP_STATE_RUNNING, 300000000, 1000));
    TAP_EQ_INT(op_profile_merge(into, from, NULL), OP_OK);
    TAP_EQ_UINT(op_profile_total_samples(into), 415);
    TAP_EQ_UINT(into->processes.count, 2);
    TAP_EQ_UINT(into->threads.count, 4);
    TAP_EQ_UINT(into->stacks.count, stacks + 1);   // equal ones are one
    TAP_EQ_UINT(into->functions.count, functions + 1);
    TAP_EQ_INT(op_profile_counter(into, "samples"), 414);
    TAP_REQUIRE(into->calls.count == 2 * from->calls.count && into->lines.count == 2 * from->lines.count);
    for (size_t i = 0; i < from->calls.count; i++) {
        const op_call *old = &into->calls.items[i], *added = &into->calls.items[from->calls.count + i];
        fixture_compare_call(old, added);
        TAP_OK(added->thread == old->thread + 2 && added->caller == old->caller &&
               added->function == old->function);
    }
    TAP_OK(into->lines.items[5].thread == 4 && into->lines.items[5].line == 20 && into->lines.items[5].ns == 6);
    TAP_EQ_INT(into->run.duration_ns, 2500000000);
    TAP_OK(into->run.complete);
    TAP_EQ_STR(op_profile_text(into, into->run.command).text, "python app.py; python other.py");
    TAP_EQ_INT(into->threads.items[0].started_ns, 0);
    TAP_EQ_INT(into->threads.items[3].started_ns, 1000000000);
    TAP_EQ_UINT(fixture_timeline_samples(into, 1, NULL), 100);
    TAP_EQ_UINT(fixture_timeline_samples(into, 3, NULL), 101);
    op_profile_free(into);
    op_profile_free(from);
}

TAP_TEST(an_earlier_run_moves_the_start)
{
    op_profile *into = fixture_new(), *from = fixture_new();
    from->run.started_unix_ns -= 1000000000;
    from->run.duration_ns = 100;
    TAP_EQ_INT(op_profile_merge(into, from, NULL), OP_OK);
    TAP_EQ_INT(into->run.started_unix_ns, from->run.started_unix_ns);
    TAP_EQ_INT(into->run.duration_ns, 3000000000);
    TAP_EQ_INT(into->threads.items[1].started_ns, 1500000000);
    TAP_EQ_INT(into->threads.items[3].started_ns, 500000000);
    TAP_EQ_INT(into->timelines.items[0].start_ns, 1000000000);
    // The moved block still grows in the right place.
    uint64_t before = fixture_timeline_samples(into, 1, NULL);
    TAP_EQ_INT(op_timeline_add(into, 1, 3, OP_STATE_RUNNING, 1100000000, 1000, 1), OP_OK);
    TAP_EQ_UINT(fixture_timeline_samples(into, 1, NULL), before + 1);
    op_profile_free(into);
    op_profile_free(from);
}

TAP_TEST(what_cannot_be_merged)
{
    op_profile *into = fixture_new(), *from = fixture_new();
    from->run.mode = OP_MODE_CPU;
    op_error error;
    TAP_EQ_INT(op_profile_merge(into, from, &error), OP_USAGE);
    TAP_EQ_INT(op_profile_merge(into, into, &error), OP_USAGE);
    TAP_EQ_UINT(op_profile_total_samples(into), 207);
    op_profile_free(into);
    op_profile_free(from);
}

TAP_TEST(out_of_memory)
{
    op_profile *from = fixture_new();
    int failed = 0;
    for (int64_t after = 0; after < 1000; after++) {
        op_profile *into = NULL;
        TAP_REQUIRE(op_profile_new(&into) == OP_OK);
        op_alloc_fail_after(after);
        op_status status = op_profile_merge(into, from, NULL);
        op_alloc_fail_after(-1);
        op_profile_free(into);
        if (status == OP_OK)
            break;
        TAP_EQ_INT(status, OP_NO_MEMORY);
        failed++;
    }
    TAP_OK(failed > 10 && failed < 1000);
    op_profile_free(from);
}

TAP_MAIN()

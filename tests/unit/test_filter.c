// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "profile_fixture.h"

static op_profile *filtered(const op_profile *profile, op_profile_filter filter)
{
    op_profile *out = NULL;
    op_error error;
    TAP_REQUIRE(op_profile_filter_copy(profile, &filter, &out, &error) == OP_OK);
    return out;
}

TAP_TEST(empty_filter_keeps_all)
{
    op_profile *profile = fixture_new();
    op_profile *all = filtered(profile, (op_profile_filter){0});
    TAP_EQ_UINT(op_profile_total_samples(all), 207);
    TAP_EQ_UINT(all->samples.count, profile->samples.count);
    TAP_EQ_UINT(all->stacks.count, profile->stacks.count);
    TAP_EQ_UINT(all->threads.count, 2);
    TAP_EQ_UINT(all->functions.count, profile->functions.count);
    TAP_REQUIRE(all->calls.count == profile->calls.count && all->lines.count == profile->lines.count);
    for (size_t i = 0; i < profile->calls.count; i++)
        fixture_compare_call(&all->calls.items[i], &profile->calls.items[i]);
    TAP_EQ_INT(op_profile_counter(all, "samples"), 207);
    TAP_EQ_INT(all->run.started_unix_ns, profile->run.started_unix_ns);
    fixture_compare_text(all, all->run.command, profile, profile->run.command);
    TAP_EQ_UINT(fixture_timeline_samples(all, 1, NULL), 100);
    TAP_EQ_UINT(fixture_timeline_samples(all, 2, NULL), 100);
    for (size_t i = 0; i < profile->samples.count; i++) {
        char text[200], expected[200];
        fixture_stack_text(all, all->samples.items[i].stack, text, sizeof text);
        fixture_stack_text(profile, profile->samples.items[i].stack, expected, sizeof expected);
        TAP_EQ_STR(text, expected);
        fixture_compare_text(all, all->samples.items[i].task, profile, profile->samples.items[i].task);
    }
    op_profile_free(all);
    op_profile_free(profile);
}

TAP_TEST(by_thread_pid_and_state)
{
    op_profile *profile = fixture_new();
    op_profile *worker = filtered(profile, (op_profile_filter){.thread_name = "worker"});
    TAP_EQ_UINT(op_profile_total_samples(worker), 100);
    TAP_EQ_UINT(worker->threads.count, 1);
    TAP_EQ_UINT(worker->stacks.count, 3);   // only what the samples refer to
    TAP_EQ_UINT(worker->timelines.count, 1);
    TAP_REQUIRE(worker->calls.count == 1 && worker->lines.count == 1);
    TAP_OK(worker->calls.items[0].thread == 1 && worker->calls.items[0].own_ns == 7);
    TAP_EQ_STR(op_profile_text(worker, op_profile_function(worker, worker->lines.items[0].function)->name).text,
               "work");
    TAP_EQ_UINT(fixture_timeline_samples(worker, 1, NULL), 100);
    op_profile_free(worker);

    op_profile *busy = filtered(profile, (op_profile_filter){.thread_name = "worker", .drop_waiting = true});
    TAP_EQ_UINT(op_profile_total_samples(busy), 25);
    TAP_EQ_UINT(fixture_timeline_samples(busy, 1, NULL), 25);
    op_profile_free(busy);

    op_profile *none = filtered(profile, (op_profile_filter){.pid = 101});
    TAP_EQ_UINT(op_profile_total_samples(none), 0);
    TAP_EQ_UINT(none->threads.count, 0);
    TAP_OK(none->functions.count == 0 && none->calls.count == 0 && none->lines.count == 0);
    TAP_EQ_UINT(none->timelines.count, 0);
    op_profile_free(none);

    op_profile *same = filtered(profile, (op_profile_filter){.pid = 100});
    TAP_EQ_UINT(op_profile_total_samples(same), 207);
    op_profile_free(same);
    op_profile_free(profile);
}

// A traced thread that was never sampled is kept all the same.
TAP_TEST(calls_without_samples)
{
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK && fixture_begin(profile) && fixture_trace(profile));
    op_profile *out = filtered(profile, (op_profile_filter){.drop_waiting = true});
    TAP_OK(out->threads.count == 2 && out->calls.count == profile->calls.count && out->stacks.count == 0);
    TAP_EQ_STR(op_profile_text(out, op_profile_function(out, out->calls.items[2].caller)->name).text, "work");
    TAP_EQ_INT(op_profile_function(out, out->calls.items[4].function)->kind, OP_FRAME_BUILTIN);
    op_profile_free(out);
    op_profile_free(profile);
}

TAP_TEST(out_of_memory)
{
    op_profile *profile = fixture_new();
    int failed = 0;
    for (int64_t after = 0; after < 1000; after++) {
        op_profile *out = NULL;
        op_profile_filter filter = {0};
        op_alloc_fail_after(after);
        op_status status = op_profile_filter_copy(profile, &filter, &out, NULL);
        op_alloc_fail_after(-1);
        if (status == OP_OK) {
            op_profile_free(out);
            break;
        }
        TAP_EQ_INT(status, OP_NO_MEMORY);
        TAP_OK(out == NULL);
        failed++;
    }
    TAP_OK(failed > 10 && failed < 1000);
    op_profile_free(profile);
}

TAP_MAIN()

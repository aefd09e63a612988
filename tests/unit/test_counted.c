// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "cli/counted.h"
#include "tap.h"

// A process with one thread that was seen from `start_ns` on for a second.
static op_id add_thread(op_profile *profile, int64_t pid, int64_t tid, int64_t start_ns)
{
    op_process_row process = {.pid = pid, .started_ns = start_ns, .ended_ns = start_ns + 1000000000};
    op_thread_row thread = {.process = op_profile_add_process(profile, &process), .tid = tid};
    return op_profile_add_thread(profile, &thread);
}

static op_id add_function(op_profile *profile, const char *name)
{
    op_function row = {.kind = OP_FRAME_PYTHON,
                       .name = op_profile_string(profile, name),
                       .file = op_profile_string(profile, "app.py"),
                       .first_line = 1};
    return op_profile_add_function(profile, &row);
}

static op_id add_stack(op_profile *profile, op_id parent, const char *name)
{
    op_id frame = op_profile_add_frame(profile, (op_frame){.function = add_function(profile, name), .line = 2});
    return op_profile_add_stack(profile, (op_stack){.parent = parent, .frame = frame});
}

static const op_call *find(const op_profile *profile, const char *caller, const char *name)
{
    op_id from = caller != NULL ? add_function((op_profile *)(uintptr_t)profile, caller) : 0;
    op_id to = add_function((op_profile *)(uintptr_t)profile, name);
    for (size_t i = 0; i < profile->calls.count; i++) {
        const op_call *call = &profile->calls.items[i];
        if (call->caller == from && call->function == to) {
            return call;
        }
    }
    return NULL;
}

TAP_TEST(what_was_sampled_and_traced_is_told_once)
{
    op_profile *into = NULL, *traced = NULL;
    TAP_REQUIRE(op_profile_new(&into) == OP_OK && op_profile_new(&traced) == OP_OK);
    op_id sampled = add_thread(into, 10, 10, 0);
    add_function(into, "main");
    op_id same = add_thread(traced, 10, 10, 5), later = add_thread(traced, 10, 10, 3000000000),
          other = add_thread(traced, 11, 11, 5);
    op_id leaf = add_function(traced, "leaf"), root = add_function(traced, "main");
    op_id threads[] = {same, later, other};
    for (size_t i = 0; i < 3; i++) {
        op_call call = {.thread = threads[i], .caller = root, .function = leaf, .calls = i + 1};
        TAP_OK(op_profile_add_call(traced, &call) != 0);
    }
    op_line line = {.thread = other, .function = leaf, .line = 3, .hits = 4};
    TAP_OK(op_profile_add_line(traced, &line) != 0);
    TAP_OK(op_profile_set_counter(traced, "traced_processes", 3) == OP_OK);
    TAP_EQ_INT(op_counted_join(into, traced, 0, NULL), OP_OK);
    TAP_EQ_UINT(into->processes.count, 3);   // an id that was used again is another process
    TAP_EQ_UINT(into->threads.count, 3);
    TAP_EQ_UINT(into->functions.count, 2);
    TAP_REQUIRE(into->calls.count == 3 && into->lines.count == 1);
    TAP_EQ_UINT(into->calls.items[0].thread, sampled);
    TAP_EQ_STR(op_profile_text(into, op_profile_function(into, into->calls.items[0].caller)->name).text, "main");
    TAP_EQ_UINT(into->lines.items[0].hits, 4);
    TAP_EQ_INT(op_profile_counter(into, "traced_processes"), 3);
    op_profile_free(into);
    op_profile_free(traced);
}

TAP_TEST(a_process_that_was_sampled_before_it_was_traced_is_told_once)
{
    op_profile *into = NULL, *traced = NULL;
    TAP_REQUIRE(op_profile_new(&into) == OP_OK && op_profile_new(&traced) == OP_OK);
    op_id sampled = add_thread(into, 10, 10, 0);
    op_call call = {.thread = add_thread(traced, 10, 10, 1000400000), .calls = 1};
    call.function = add_function(traced, "leaf");
    TAP_OK(op_profile_add_call(traced, &call) != 0);
    TAP_EQ_INT(op_counted_join(into, traced, 0, NULL), OP_OK);
    TAP_EQ_UINT(into->processes.count, 1);
    TAP_REQUIRE(into->calls.count == 1);
    TAP_EQ_UINT(into->calls.items[0].thread, sampled);
    op_profile_free(into);
    op_profile_free(traced);
}

TAP_TEST(one_process_alone)
{
    op_profile *into = NULL, *traced = NULL;
    TAP_REQUIRE(op_profile_new(&into) == OP_OK && op_profile_new(&traced) == OP_OK);
    op_id threads[] = {add_thread(traced, 10, 10, 0), add_thread(traced, 11, 11, 0)};
    for (size_t i = 0; i < 2; i++) {
        op_call call = {.thread = threads[i], .function = add_function(traced, "leaf"), .calls = i + 1};
        op_line line = {.thread = threads[i], .function = call.function, .line = 3, .hits = i + 1};
        TAP_OK(op_profile_add_call(traced, &call) != 0 && op_profile_add_line(traced, &line) != 0);
    }
    TAP_EQ_INT(op_counted_join(into, traced, 11, NULL), OP_OK);
    TAP_REQUIRE(into->processes.count == 1 && into->calls.count == 1 && into->lines.count == 1);
    TAP_OK(into->calls.items[0].calls == 2 && into->lines.items[0].hits == 2);
    op_profile_free(into);
    op_profile_free(traced);
}

// main -> outside (not counted) -> walk -> walk -> leaf
static op_profile *sampled_profile(void)
{
    op_profile *profile = NULL;
    if (op_profile_new(&profile) != OP_OK) {
        return NULL;
    }
    op_id thread = add_thread(profile, 10, 10, 0);
    op_id root = add_stack(profile, 0, "main"), outside = add_stack(profile, root, "outside");
    op_id walk = add_stack(profile, add_stack(profile, outside, "walk"), "walk");
    op_id stacks[] = {outside, walk, add_stack(profile, walk, "leaf")};
    for (size_t i = 0; i < 3; i++) {
        op_sample sample = {.thread = thread, .stack = stacks[i], .count = 1, .weight_ns = 100 << i};
        op_profile_add_sample(profile, &sample);
    }
    static const char *const counted[] = {"main", "walk", "leaf"};
    for (size_t i = 0; i < 3; i++) {
        op_call call = {.thread = thread, .function = add_function(profile, counted[i]), .calls = 5};
        op_profile_add_call(profile, &call);
    }
    return profile;
}

TAP_TEST(times_and_callers_come_from_samples)
{
    op_profile *profile = sampled_profile();
    TAP_REQUIRE(profile != NULL);
    TAP_EQ_INT(op_counted_estimate(profile, NULL), OP_OK);
    const op_call *root = find(profile, NULL, "main"), *walk = find(profile, "main", "walk"),
                  *again = find(profile, "walk", "walk"), *leaf = find(profile, "walk", "leaf");
    TAP_REQUIRE(root != NULL && walk != NULL && again != NULL && leaf != NULL);
    TAP_OK(root->calls == 5 && root->own_ns == 100 && root->total_ns == 700 && root->outer_ns == 700);
    TAP_OK(walk->calls == 0 && walk->own_ns == 0 && walk->total_ns == 600 && walk->outer_ns == 600);
    TAP_OK(again->own_ns == 200 && again->total_ns == 600 && again->outer_ns == 0);
    TAP_OK(leaf->own_ns == 400 && leaf->total_ns == 400 && leaf->outer_ns == 400);
    TAP_OK(find(profile, NULL, "outside") == NULL && find(profile, "main", "outside") == NULL);
    TAP_EQ_INT(op_profile_counter(profile, "sampled_times"), 1);
    op_profile_free(profile);
}

TAP_TEST(out_of_memory_is_said)
{
    for (int64_t after = 0; after < 400; after++) {
        op_profile *profile = sampled_profile(), *into = NULL;
        TAP_REQUIRE(profile != NULL && op_profile_new(&into) == OP_OK);
        op_alloc_fail_after(after);
        op_status joined = op_counted_join(into, profile, 0, NULL);
        op_status estimated = op_counted_estimate(profile, NULL);
        op_alloc_fail_after(-1);
        TAP_OK((joined == OP_OK || joined == OP_NO_MEMORY) && (estimated == OP_OK || estimated == OP_NO_MEMORY));
        op_profile_free(profile);
        op_profile_free(into);
        if (joined == OP_OK && estimated == OP_OK) {
            return;
        }
    }
    TAP_OK(false);   // it never worked
}

TAP_MAIN()

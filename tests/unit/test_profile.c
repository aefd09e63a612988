// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "profile_fixture.h"

TAP_TEST(labels)
{
    TAP_EQ_STR(op_frame_kind_label(OP_FRAME_PYTHON), "");
    TAP_EQ_STR(op_frame_kind_label(OP_FRAME_NATIVE), "<native>");
    TAP_EQ_STR(op_frame_kind_label(OP_FRAME_IDLE), "<idle>");
    TAP_EQ_STR(op_frame_kind_label(OP_FRAME_BUILTIN), "");
    TAP_EQ_INT(OP_FRAME_BUILTIN, 8);   // stands in files
    TAP_EQ_STR(op_frame_kind_label(OP_FRAME_KIND_COUNT), "");
}

TAP_TEST(equal_rows_have_one_id)
{
    op_profile *profile = fixture_new();
    TAP_EQ_INT(op_profile_string(profile, "abc"), op_profile_string(profile, "abc"));
    op_id function = fixture_function(profile, "f", "x.py", 3);
    TAP_EQ_INT(fixture_function(profile, "f", "x.py", 3), function);
    TAP_OK(fixture_function(profile, "f", "x.py", 4) != function);
    TAP_OK(fixture_function(profile, "f", "y.py", 3) != function);
    op_id frame = op_profile_add_frame(profile, (op_frame){function, 5});
    TAP_EQ_INT(op_profile_add_frame(profile, (op_frame){function, 5}), frame);
    TAP_OK(op_profile_add_frame(profile, (op_frame){function, 6}) != frame);
    op_id stack = op_profile_add_stack(profile, (op_stack){0, frame});
    TAP_EQ_INT(op_profile_add_stack(profile, (op_stack){0, frame}), stack);
    op_id child = op_profile_add_stack(profile, (op_stack){stack, frame});
    TAP_OK(child != stack);
    size_t samples = profile->samples.count;
    op_sample sample = {.thread = 1, .stack = child, .state = OP_STATE_WANTS_GIL, .count = 2, .weight_ns = 5};
    op_id id = op_profile_add_sample(profile, &sample);
    TAP_EQ_INT(op_profile_add_sample(profile, &sample), id);
    TAP_EQ_UINT(profile->samples.items[id - 1].count, 4);
    TAP_EQ_UINT(profile->samples.items[id - 1].weight_ns, 10);
    sample.state = OP_STATE_RUNNING;
    TAP_OK(op_profile_add_sample(profile, &sample) != id);
    sample.task = op_profile_string(profile, "T");
    TAP_OK(op_profile_add_sample(profile, &sample) != id);
    TAP_EQ_UINT(profile->samples.count, samples + 3);
    sample.count = UINT64_MAX;
    op_profile_add_sample(profile, &sample);
    TAP_EQ_UINT(op_profile_total_samples(profile), UINT64_MAX);   // capped, not wrapped
    op_profile_free(profile);
    op_profile_free(NULL);
}

TAP_TEST(adds_refuse_ids_that_are_not_there)
{
    op_profile *profile = fixture_new();
    op_id stacks = (op_id)profile->stacks.count, frames = (op_id)profile->frames.count;
    TAP_EQ_INT(op_profile_add_thread(profile, &(op_thread_row){.process = 2}), 0);
    TAP_EQ_INT(op_profile_add_thread(profile, &(op_thread_row){.process = 0}), 0);
    TAP_EQ_INT(op_profile_add_process(profile, &(op_process_row){.command = 999}), 0);
    TAP_EQ_INT(op_profile_add_function(profile, &(op_function){.name = 999}), 0);
    TAP_EQ_INT(op_profile_add_function(profile, &(op_function){.kind = OP_FRAME_KIND_COUNT}), 0);
    TAP_EQ_INT(op_profile_add_frame(profile, (op_frame){999, 1}), 0);
    TAP_EQ_INT(op_profile_add_stack(profile, (op_stack){stacks + 1, 1}), 0);
    TAP_EQ_INT(op_profile_add_stack(profile, (op_stack){0, frames + 1}), 0);
    TAP_EQ_INT(op_profile_add_sample(profile, &(op_sample){.thread = 3, .stack = 1}), 0);
    TAP_EQ_INT(op_profile_add_sample(profile, &(op_sample){.thread = 1, .stack = stacks + 1}), 0);
    TAP_EQ_INT(op_profile_add_sample(profile, &(op_sample){.thread = 1, .stack = 0}), 0);
    TAP_EQ_INT(op_profile_add_sample(profile, &(op_sample){.thread = 1, .stack = 1, .state = OP_STATE_COUNT}), 0);
    op_id functions = (op_id)profile->functions.count;
    size_t calls = profile->calls.count, lines = profile->lines.count;
    TAP_EQ_INT(op_profile_add_call(profile, &(op_call){.thread = 0, .function = 1}), 0);
    TAP_EQ_INT(op_profile_add_call(profile, &(op_call){.thread = 3, .function = 1}), 0);
    TAP_EQ_INT(op_profile_add_call(profile, &(op_call){.thread = 1, .function = 0}), 0);
    TAP_EQ_INT(op_profile_add_call(profile, &(op_call){.thread = 1, .function = functions + 1}), 0);
    TAP_EQ_INT(op_profile_add_call(profile, &(op_call){.thread = 1, .caller = functions + 1, .function = 1}), 0);
    TAP_EQ_INT(op_profile_add_line(profile, &(op_line){.thread = 0, .function = 1}), 0);
    TAP_EQ_INT(op_profile_add_line(profile, &(op_line){.thread = 3, .function = 1}), 0);
    TAP_EQ_INT(op_profile_add_line(profile, &(op_line){.thread = 1, .function = 0}), 0);
    TAP_EQ_INT(op_profile_add_line(profile, &(op_line){.thread = 1, .function = functions + 1}), 0);
    TAP_OK(profile->calls.count == calls && profile->lines.count == lines);
    TAP_OK(!op_profile_process(profile, 0) && !op_profile_process(profile, 2) && !op_profile_thread(profile, 3));
    TAP_OK(!op_profile_stack(profile, stacks + 1) && op_profile_stack(profile, stacks));
    TAP_EQ_STR(op_profile_text(profile, 0).text, "");
    op_profile_free(profile);
}

TAP_TEST(calls_are_summed)
{
    op_profile *profile = fixture_new();
    size_t calls = profile->calls.count;
    op_id f = fixture_function(profile, "f", "x.py", 3), g = fixture_function(profile, "g", "x.py", 9);
    op_call call = {.thread = 1,
                    .caller = f,
                    .function = g,
                    .calls = 10,
                    .recursive_calls = 2,
                    .nested_calls = 3,
                    .resumes = 4,
                    .exceptions = 5,
                    .own_ns = 60,
                    .total_ns = 80,
                    .outer_ns = 70,
                    .suspended_ns = 9};
    op_id id = op_profile_add_call(profile, &call);
    TAP_EQ_UINT(id, calls + 1);
    TAP_EQ_INT(op_profile_add_call(profile, &call), id);
    const op_call *row = &profile->calls.items[id - 1];
    TAP_OK(row->thread == 1 && row->caller == f && row->function == g);
    TAP_OK(row->calls == 20 && row->recursive_calls == 4 && row->nested_calls == 6 && row->resumes == 8 &&
           row->exceptions == 10);
    TAP_OK(row->own_ns == 120 && row->total_ns == 160 && row->outer_ns == 140 && row->suspended_ns == 18);

    // Each part of the key tells rows apart.
    call.thread = 2;
    TAP_EQ_UINT(op_profile_add_call(profile, &call), calls + 2);
    call.caller = 0;
    TAP_EQ_UINT(op_profile_add_call(profile, &call), calls + 3);
    call.function = f;
    TAP_EQ_UINT(op_profile_add_call(profile, &call), calls + 4);
    call.caller = g;
    TAP_EQ_UINT(op_profile_add_call(profile, &call), calls + 5);
    TAP_EQ_UINT(profile->calls.count, calls + 5);
    op_profile_free(profile);
}

TAP_TEST(lines_are_summed)
{
    op_profile *profile = fixture_new();
    size_t lines = profile->lines.count;
    op_id f = fixture_function(profile, "f", "x.py", 3), g = fixture_function(profile, "g", "x.py", 9);
    op_line line = {.thread = 1, .function = f, .line = 4, .hits = 3, .ns = 50};
    op_id id = op_profile_add_line(profile, &line);
    TAP_EQ_UINT(id, lines + 1);
    TAP_EQ_INT(op_profile_add_line(profile, &line), id);
    const op_line *row = &profile->lines.items[id - 1];
    TAP_OK(row->thread == 1 && row->function == f && row->line == 4 && row->hits == 6 && row->ns == 100);
    line.thread = 2;
    TAP_EQ_UINT(op_profile_add_line(profile, &line), lines + 2);
    line.function = g;
    TAP_EQ_UINT(op_profile_add_line(profile, &line), lines + 3);
    line.line = UINT32_MAX;
    TAP_EQ_UINT(op_profile_add_line(profile, &line), lines + 4);
    line.line = 0;   // unknown
    TAP_EQ_UINT(op_profile_add_line(profile, &line), lines + 5);
    TAP_EQ_UINT(profile->lines.count, lines + 5);
    op_profile_free(profile);
}

// Whatever is given, a row stays one that a consumer may take differences of.
TAP_TEST(sums_of_calls_and_lines_stay_in_bounds)
{
    op_profile *profile = fixture_new();
    op_id f = fixture_function(profile, "f", "x.py", 3);
    op_call call = {.thread = 1, .function = f, .calls = 3, .recursive_calls = 9, .nested_calls = 9, .resumes = 9};
    call.exceptions = 9;
    op_id id = op_profile_add_call(profile, &call);
    const op_call *row = &profile->calls.items[id - 1];
    TAP_OK(row->calls == 3 && row->recursive_calls == 3 && row->nested_calls == 3 && row->resumes == 3 &&
           row->exceptions == 3);
    // Between two looks at counters that change the calls may come last.
    TAP_EQ_INT(op_profile_add_call(profile, &(op_call){.thread = 1, .function = f, .calls = 2, .resumes = 1}), id);
    TAP_OK(row->calls == 5 && row->nested_calls == 3 && row->resumes == 4);
    call = (op_call){.thread = 1,
                     .function = f,
                     .calls = UINT64_MAX,
                     .recursive_calls = UINT64_MAX,
                     .nested_calls = 0,
                     .resumes = INT64_MAX,
                     .own_ns = UINT64_MAX,
                     .total_ns = OP_PROFILE_MAX_TIME_NS,
                     .outer_ns = OP_PROFILE_MAX_TIME_NS - 1,
                     .suspended_ns = 1};
    for (int i = 0; i < 3; i++)
        TAP_EQ_INT(op_profile_add_call(profile, &call), id);
    TAP_EQ_UINT(row->calls, OP_PROFILE_MAX_COUNT);
    TAP_EQ_UINT(row->resumes, OP_PROFILE_MAX_COUNT);
    TAP_OK(row->nested_calls == 3 && row->recursive_calls == 3 && row->suspended_ns == 3);
    TAP_EQ_UINT(row->own_ns, OP_PROFILE_MAX_TIME_NS);
    TAP_EQ_UINT(row->total_ns, OP_PROFILE_MAX_TIME_NS);
    TAP_EQ_UINT(row->outer_ns, OP_PROFILE_MAX_TIME_NS);

    op_line line = {.thread = 1, .function = f, .line = 5, .hits = UINT64_MAX, .ns = UINT64_MAX};
    id = op_profile_add_line(profile, &line);
    TAP_EQ_INT(op_profile_add_line(profile, &line), id);
    TAP_EQ_UINT(profile->lines.items[id - 1].hits, OP_PROFILE_MAX_COUNT);
    TAP_EQ_UINT(profile->lines.items[id - 1].ns, OP_PROFILE_MAX_TIME_NS);
    op_profile_free(profile);
}

TAP_TEST(strings_are_cut_between_code_points)
{
    op_profile *profile = fixture_new();
    size_t bytes = OP_PROFILE_MAX_STRING_BYTES + 100;
    char *text = op_alloc(bytes);
    TAP_REQUIRE(text != NULL);
    memset(text, 'a', bytes);
    memcpy(text + OP_PROFILE_MAX_STRING_BYTES - 2, "\xe2\x82\xac", 3);
    op_string cut = op_profile_text(profile, op_profile_string_bytes(profile, text, bytes));
    TAP_EQ_UINT(cut.bytes, OP_PROFILE_MAX_STRING_BYTES - 2);
    op_string none = op_profile_text(profile, op_profile_string(profile, NULL));
    TAP_EQ_UINT(none.bytes, 0);
    op_free(text);
    op_profile_free(profile);
}

TAP_TEST(stack_frames)
{
    op_profile *profile = fixture_new();
    char text[200];
    op_id frames[8] = {0};
    fixture_stack_text(profile, 4, text, sizeof text);
    TAP_EQ_STR(text, "<module>:10;work:20;fib:30;fib:30");
    TAP_EQ_UINT(op_profile_stack_frames(profile, 4, frames, 2), 4);
    TAP_OK(frames[0] == 3 && frames[1] == 3 && frames[2] == 0);
    TAP_EQ_UINT(op_profile_stack_frames(profile, 4, NULL, 0), 4);
    TAP_EQ_UINT(op_profile_stack_frames(profile, 0, frames, 8), 0);
    TAP_EQ_UINT(op_profile_stack_frames(profile, 12345, frames, 8), 0);
    profile->stacks.items[0].parent = 4;   // a loop, were it believed
    TAP_EQ_UINT(op_profile_stack_frames(profile, 4, frames, 8), 4);
    op_profile_free(profile);
}

TAP_TEST(stacks_end_somewhere)
{
    op_profile *profile = fixture_new();
    op_id stack = 0, deepest = 0;
    int depth = 0;
    while ((stack = op_profile_add_stack(profile, (op_stack){stack, 1})) != 0) {
        deepest = stack;
        depth++;
    }
    TAP_EQ_INT(depth, OP_PROFILE_MAX_STACK_DEPTH + 1);
    TAP_EQ_UINT(op_profile_stack_frames(profile, deepest, NULL, 0), depth);
    op_profile_free(profile);
}

TAP_TEST(totals_and_counters)
{
    op_profile *profile = fixture_new();
    TAP_EQ_UINT(op_profile_total_samples(profile), 207);
    TAP_EQ_UINT(op_profile_total_weight_ns(profile), 207000000);
    TAP_EQ_INT(op_profile_counter(profile, "late"), -3);
    TAP_EQ_INT(op_profile_counter(profile, "nothing"), 0);
    TAP_EQ_INT(op_profile_set_counter(profile, "late", 4), OP_OK);
    TAP_EQ_INT(op_profile_counter(profile, "late"), 4);
    TAP_EQ_UINT(profile->counters.count, 2);
    op_profile_free(profile);
}

// Each allocation fails once: no leak, no crash, and what is there stays right.
TAP_TEST(out_of_memory)
{
    int failed = 0;
    for (int64_t after = 0; after < 1000; after++) {
        op_profile *profile = NULL;
        op_alloc_fail_after(after);
        bool filled = op_profile_new(&profile) == OP_OK && fixture_fill(profile);
        op_alloc_fail_after(-1);
        if (profile && !filled) {
            // The same again finishes the work: adds are all or nothing.
            TAP_OK(profile->stacks.count <= 6);
            for (size_t i = 0; i < profile->samples.count; i++)
                TAP_OK(op_profile_stack(profile, profile->samples.items[i].stack) != NULL);
            if (profile->threads.count == 0)
                TAP_OK(fixture_fill(profile));
        }
        op_profile_free(profile);
        if (filled)
            break;
        failed++;
    }
    TAP_NOTE("%d allocations", failed);
    TAP_OK(failed > 10 && failed < 1000);
}

TAP_MAIN()

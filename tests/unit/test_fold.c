// SPDX-License-Identifier: MIT
#include "collect/fold.h"
#include "profile_fixture.h"
#include "segment_fixture.h"

static const op_fold_clock same_clock = {.ticks_b = 1000, .ns_b = 1000};

static op_profile *fold_with(segment *s, const op_fold_clock *clock, int64_t run_start_ns, op_fold_result *result)
{
    const char *path = fixture_path("1-1.segment");
    op_segment_reader reader;
    op_profile *profile = NULL;
    segment_write(s, path);
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
    TAP_REQUIRE(op_fold_segment(&reader, clock, run_start_ns, profile, result, NULL) == OP_OK);
    op_segment_close(&reader);
    return profile;
}

static op_profile *fold(segment *s)
{
    op_fold_result result;
    op_profile *profile = fold_with(s, &same_clock, 0, &result);
    TAP_EQ_UINT(result.process, 1);
    TAP_EQ_INT(op_profile_counter(profile, "unfinished_calls"), (int64_t)result.unfinished);
    TAP_EQ_INT(op_profile_counter(profile, "torn_records"), (int64_t)result.torn);
    return profile;
}

static bool text_is(const op_profile *profile, op_id string, const char *expected)
{
    op_string text = op_profile_text(profile, string);
    return tap_eq_bytes(text.text, text.bytes, expected, strlen(expected), __FILE__, __LINE__);
}

static op_id named(const op_profile *profile, const char *name)
{
    for (size_t i = 0; i < profile->functions.count; i++) {
        op_string text = op_profile_text(profile, profile->functions.items[i].name);
        if (text.bytes == strlen(name) && memcmp(text.text, name, text.bytes) == 0)
            return (op_id)i + 1;
    }
    return 0;
}

// The row of (thread, caller, function), by names; "" is nobody. A zeroed one where there is none.
static op_call call_of(const op_profile *profile, op_id thread, const char *caller, const char *function)
{
    for (size_t i = 0; i < profile->calls.count; i++) {
        const op_call *row = &profile->calls.items[i];
        if (row->thread == thread && row->caller == (*caller ? named(profile, caller) : 0) &&
            row->function == named(profile, function))
            return *row;
    }
    return (op_call){0};
}

#define CHECK_CALL(row, want_calls, want_recursive, want_nested, want_own, want_total, want_outer)                 \
    do {                                                                                                           \
        op_call checked_row = (row);                                                                               \
        TAP_EQ_UINT(checked_row.calls, want_calls);                                                                \
        TAP_EQ_UINT(checked_row.recursive_calls, want_recursive);                                                  \
        TAP_EQ_UINT(checked_row.nested_calls, want_nested);                                                        \
        TAP_EQ_UINT(checked_row.own_ns, want_own);                                                                 \
        TAP_EQ_UINT(checked_row.total_ns, want_total);                                                             \
        TAP_EQ_UINT(checked_row.outer_ns, want_outer);                                                             \
    } while (0)

// A segment with functions f (1), g (2), h (3) and threads of the given depth.
typedef struct {
    segment s;
    uint64_t thread, edges, shadow;
} stage;

static stage stage_new(uint64_t depth, uint64_t last_ticks)
{
    stage m = {.s = segment_new()};
    m.thread = segment_thread(&m.s, (op_segment_thread){.tid = 1234,
                                                        .is_main = 1,
                                                        .started_ticks = 1000,
                                                        .last_ticks = last_ticks,
                                                        .depth = depth,
                                                        .name = "MainThread"});
    segment_function(&m.s, 1, OP_SEGMENT_PYTHON, "f", "/app/main.py", 1);
    segment_function(&m.s, 2, OP_SEGMENT_PYTHON, "g", "/app/main.py", 10);
    segment_function(&m.s, 3, OP_SEGMENT_BUILTIN, "<built-in method builtins.len>", "", 0);
    m.edges = segment_chunk(&m.s, OP_SEGMENT_EDGE, 0, 0, 0, 4000);
    m.shadow = segment_chunk(&m.s, OP_SEGMENT_SHADOW, 0, 0, 0, 4000);
    segment_frame(&m.s, m.shadow, 0, 0, 0, 0, 0);
    return m;
}

static uint64_t stage_edge(stage *m, uint32_t caller, uint32_t callee)
{
    return segment_edge(&m->s, m->edges, (op_segment_edge){.caller = caller, .callee = callee});
}

static void stage_frame(stage *m, uint64_t index, uint64_t edge, uint64_t start, uint64_t child)
{
    segment_frame(&m->s, m->shadow, index, 0x1000 * index, edge, start, child);
}

TAP_TEST(a_segment_becomes_rows)
{
    stage m = stage_new(0, 9000);
    segment_edge(&m.s, m.edges,
                 (op_segment_edge){.callee = 1, .calls = 2, .own = 10, .total = 60, .outer_total = 60});
    segment_edge(&m.s, m.edges,
                 (op_segment_edge){.caller = 1,
                                   .callee = 2,
                                   .calls = 9,
                                   .own = 50,
                                   .total = 45,
                                   .outer_total = 40,
                                   .recursive = 3,
                                   .nested = 4,
                                   .resumes = 5,
                                   .exceptions = 6,
                                   .suspended = 700});
    segment_edge(&m.s, m.edges, (op_segment_edge){.caller = 2, .callee = 3});   // never left
    segment_thread(&m.s, (op_segment_thread){.tid = 1240, .started_ticks = 3000, .name = "worker"});
    uint64_t other = segment_chunk(&m.s, OP_SEGMENT_EDGE, 1, 0, 0, 128);
    segment_edge(&m.s, other, (op_segment_edge){.caller = 2, .callee = 3, .calls = 7, .own = 70, .total = 70});
    uint64_t lines = segment_chunk(&m.s, OP_SEGMENT_LINE, 1, 2, 10, 64);
    segment_line(&m.s, lines, 0, 1, 11);
    segment_line(&m.s, lines, 2, 4, 44);
    segment_header(&m.s)->lost_calls = 5;
    segment_header(&m.s)->lost_functions = 6;
    segment_header(&m.s)->lost_lines = UINT64_MAX;
    segment_header(&m.s)->lost_processes = 8;
    segment_header(&m.s)->lost_hooks = 9;
    op_profile *profile = fold(&m.s);

    TAP_REQUIRE(profile->processes.count == 1 && profile->threads.count == 2);
    const op_process_row *process = op_profile_process(profile, 1);
    TAP_EQ_INT(process->pid, 1234);
    TAP_EQ_INT(process->parent_pid, 1);
    text_is(profile, process->command, "python3 app.py --token=***");
    text_is(profile, process->executable, "/usr/bin/python3");
    text_is(profile, process->python, "3.13.1");
    TAP_EQ_INT(process->started_ns, 1000);
    TAP_EQ_INT(process->ended_ns, 9000);
    const op_thread_row *threads = profile->threads.items;
    TAP_OK(threads[0].process == 1 && threads[0].tid == 1234 && threads[0].is_main);
    TAP_OK(threads[1].process == 1 && threads[1].tid == 1240 && !threads[1].is_main);
    text_is(profile, threads[0].name, "MainThread");
    text_is(profile, threads[1].name, "worker");
    TAP_OK(threads[0].started_ns == 1000 && threads[0].ended_ns == 9000);
    TAP_OK(threads[1].started_ns == 3000 && threads[1].ended_ns == 3000);

    TAP_REQUIRE(profile->functions.count == 3);
    const op_function *functions = profile->functions.items;
    TAP_OK(functions[1].kind == OP_FRAME_PYTHON && functions[1].first_line == 10);
    text_is(profile, functions[1].file, "/app/main.py");
    TAP_OK(functions[2].kind == OP_FRAME_BUILTIN && functions[2].first_line == 0);

    TAP_REQUIRE(profile->calls.count == 3);
    CHECK_CALL(call_of(profile, 1, "", "f"), 2, 0, 0, 10, 60, 60);
    op_call g = call_of(profile, 1, "f", "g");
    CHECK_CALL(g, 9, 3, 4, 50, 45, 40);
    TAP_OK(g.resumes == 5 && g.exceptions == 6 && g.suspended_ns == 700);
    CHECK_CALL(call_of(profile, 2, "g", "<built-in method builtins.len>"), 7, 0, 0, 70, 70, 0);

    TAP_REQUIRE(profile->lines.count == 2);
    const op_line *line = profile->lines.items;
    TAP_OK(line[0].thread == 2 && line[0].function == 2 && line[0].line == 10 && line[0].hits == 1 &&
           line[0].ns == 11);
    TAP_OK(line[1].thread == 2 && line[1].function == 2 && line[1].line == 12 && line[1].hits == 4 &&
           line[1].ns == 44);

    TAP_EQ_INT(op_profile_counter(profile, "lost_calls"), 5);
    TAP_EQ_INT(op_profile_counter(profile, "lost_functions"), 6);
    TAP_EQ_INT(op_profile_counter(profile, "lost_lines"), INT64_MAX);
    TAP_EQ_INT(op_profile_counter(profile, "lost_processes"), 8);
    TAP_EQ_INT(op_profile_counter(profile, "lost_hooks"), 9);
    TAP_EQ_INT(op_profile_counter(profile, "unfinished_calls"), 0);
    TAP_EQ_INT(op_profile_counter(profile, "torn_records"), 0);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(segments_add_up_in_one_profile)
{
    stage m = stage_new(1, 200);
    uint64_t f = stage_edge(&m, 0, 1);
    stage_frame(&m, 1, f, 100, 0);
    segment_header(&m.s)->lost_calls = 2;
    op_profile *profile = fold(&m.s);
    op_segment_reader reader;
    op_fold_result result;
    for (int i = 0; i < 2; i++) {
        TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, fixture_path("1-1.segment"), NULL) == OP_OK);
        TAP_REQUIRE(op_segment_scan(&reader) == OP_OK);
        TAP_REQUIRE(op_fold_segment(&reader, &same_clock, 0, profile, &result, NULL) == OP_OK);
        op_segment_close(&reader);
    }
    TAP_EQ_UINT(profile->processes.count, 3);
    TAP_EQ_UINT(profile->threads.count, 3);
    TAP_EQ_UINT(profile->functions.count, 3);
    TAP_EQ_UINT(profile->calls.count, 3);
    TAP_EQ_UINT(result.process, 3);
    TAP_EQ_INT(op_profile_counter(profile, "lost_calls"), 6);
    TAP_EQ_INT(op_profile_counter(profile, "unfinished_calls"), 3);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(ticks_become_nanoseconds)
{
    const op_fold_clock clock = {
        .ticks_a = 1000, .ticks_b = 1000 + 3000000000U, .ns_a = 77, .ns_b = 77 + 1000000000};
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, 0), 0);
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, 1), 0);
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, 2), 1);
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, 3), 1);
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, 3000000000000000003U), 1000000000000000001U);
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, (uint64_t)-5), 0);   // two processors' counters differ a little
    TAP_EQ_UINT(op_fold_ticks_ns(&clock, (uint64_t)INT64_MAX + 1), 0);
    const op_fold_clock fast = {.ticks_b = 1, .ns_b = INT64_MAX};
    TAP_EQ_UINT(op_fold_ticks_ns(&fast, INT64_MAX), OP_PROFILE_MAX_TIME_NS);
    const op_fold_clock slow = {.ticks_b = UINT64_MAX, .ns_b = 1};
    TAP_EQ_UINT(op_fold_ticks_ns(&slow, INT64_MAX), 0);

    // 2 ticks a nanosecond; the process began at tick 5000, at 1000 ns, the run at 400 ns.
    const op_fold_clock two = {.ticks_a = 10, .ticks_b = 2000010, .ns_a = 0, .ns_b = 1000000};
    stage m = stage_new(0, 6001);
    segment_edge(
        &m.s, m.edges,
        (op_segment_edge){.callee = 1, .calls = 1, .own = 601, .total = 800, .outer_total = UINT64_MAX - 9});
    segment_header(&m.s)->ticks_are_ns = 0;
    segment_header(&m.s)->started_ticks = 5000;
    segment_seal_header(&m.s);
    segment_thread_of(&m.s, m.thread)->started_ticks = 5100;
    uint64_t early = segment_thread(&m.s, (op_segment_thread){.tid = 9, .started_ticks = 1, .last_ticks = 2});
    op_fold_result result;
    op_profile *profile = fold_with(&m.s, &two, 400, &result);
    TAP_EQ_INT(profile->processes.items[0].started_ns, 600);
    TAP_EQ_INT(profile->processes.items[0].ended_ns, 1101);
    TAP_EQ_INT(profile->threads.items[0].started_ns, 650);
    TAP_EQ_INT(profile->threads.items[0].ended_ns, 1101);
    TAP_EQ_INT(profile->threads.items[1].started_ns, 0);   // before the run
    TAP_EQ_INT(profile->threads.items[1].ended_ns, 0);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 301, 400, 0);
    op_profile_free(profile);

    // An end before the beginning, and moments at the edge of what 64 bits hold.
    segment_thread_of(&m.s, early)->started_ticks = 9000;
    segment_thread_of(&m.s, m.thread)->started_ticks = UINT64_MAX;
    segment_thread_of(&m.s, m.thread)->last_ticks = INT64_MAX;
    profile = fold_with(&m.s, &two, INT64_MIN, &result);
    for (size_t i = 0; i < 2; i++) {
        const op_thread_row *thread = &profile->threads.items[i];
        TAP_OK(thread->started_ns >= 0 && thread->started_ns <= thread->ended_ns);
        TAP_OK(thread->ended_ns <= OP_PROFILE_MAX_TIME_NS);
    }
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_clock_that_does_not_run_is_told)
{
    stage m = stage_new(0, 0);
    segment_header(&m.s)->ticks_are_ns = 0;
    segment_seal_header(&m.s);
    const char *path = fixture_path("1-1.segment");
    segment_write(&m.s, path);
    const op_fold_clock clocks[] = {{0, 0, 0, 0}, {5, 5, 0, 10}, {5, 6, 10, 10}, {6, 5, 0, 10}, {5, 6, 10, 0}};
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        op_segment_reader reader;
        op_profile *profile = NULL;
        op_error error = {0};
        TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
        TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
        TAP_EQ_INT(op_fold_segment(&reader, &clocks[i], 0, profile, NULL, &error), OP_BAD_DATA);
        TAP_OK(error.status == OP_BAD_DATA && profile->processes.count == 0);
        op_segment_close(&reader);
        op_profile_free(profile);
    }
    segment_free(&m.s);
    fixture_clean();
}

// f calls g calls len, all open.
TAP_TEST(open_calls_end_with_the_last_event)
{
    stage m = stage_new(3, 1000);
    uint64_t f = stage_edge(&m, 0, 1), g = stage_edge(&m, 1, 2), len = stage_edge(&m, 2, 3);
    stage_frame(&m, 1, f, 100, 50);    // 900, of them 50 in calls that returned and 700 in g
    stage_frame(&m, 2, g, 300, 20);    // 700, 20 and 200
    stage_frame(&m, 3, len, 800, 0);   // 200
    op_profile *profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 150, 900, 900);
    CHECK_CALL(call_of(profile, 1, "f", "g"), 1, 0, 0, 480, 700, 700);
    CHECK_CALL(call_of(profile, 1, "g", "<built-in method builtins.len>"), 1, 0, 0, 200, 200, 200);
    TAP_EQ_INT(op_profile_counter(profile, "unfinished_calls"), 3);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

// What was counted before, and what was open, in one row.
TAP_TEST(open_calls_add_to_those_that_returned)
{
    stage m = stage_new(1, 1000);
    uint64_t f = segment_edge(
        &m.s, m.edges,
        (op_segment_edge){
            .callee = 1, .open = 1, .calls = 4, .own = 40, .total = 44, .outer_total = 44, .resumes = 3});
    stage_frame(&m, 1, f, 900, 10);
    op_profile *profile = fold(&m.s);
    op_call row = call_of(profile, 1, "", "f");
    CHECK_CALL(row, 5, 0, 0, 130, 144, 144);
    TAP_EQ_UINT(row.resumes, 3);
    TAP_EQ_UINT(profile->calls.count, 1);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

// f -> f -> f: of the edge (f, f) one entry is outermost, of the function only the first.
TAP_TEST(open_recursion_counts_each_moment_once)
{
    stage m = stage_new(3, 1000);
    uint64_t first = stage_edge(&m, 0, 1), again = stage_edge(&m, 1, 1);
    stage_frame(&m, 1, first, 0, 0);
    stage_frame(&m, 2, again, 400, 0);
    stage_frame(&m, 3, again, 700, 0);
    op_profile *profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 400, 1000, 1000);
    CHECK_CALL(call_of(profile, 1, "f", "f"), 2, 1, 2, 600, 600, 0);
    op_profile_free(profile);
    segment_free(&m.s);

    // f -> g -> f -> g: mutual.
    m = stage_new(4, 1000);
    uint64_t f = stage_edge(&m, 0, 1), fg = stage_edge(&m, 1, 2), gf = stage_edge(&m, 2, 1);
    stage_frame(&m, 1, f, 0, 0);
    stage_frame(&m, 2, fg, 100, 0);
    stage_frame(&m, 3, gf, 300, 0);
    stage_frame(&m, 4, fg, 600, 0);
    profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 100, 1000, 1000);
    CHECK_CALL(call_of(profile, 1, "f", "g"), 2, 1, 1, 600, 900, 900);
    CHECK_CALL(call_of(profile, 1, "g", "f"), 1, 0, 1, 300, 700, 0);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(frames_begun_before_a_fork_add_time_and_no_call)
{
    stage m = stage_new(3, 1000);
    uint64_t f = stage_edge(&m, 0, 1), ff = stage_edge(&m, 1, 1);
    segment_frame(&m.s, m.shadow, 1, 0x1000 | OP_SEGMENT_INHERITED, f, 500, 0);
    segment_frame(&m.s, m.shadow, 2, 0x2000 | OP_SEGMENT_INHERITED, ff, 500, 0);
    segment_frame(&m.s, m.shadow, 3, 0x3000, ff, 600, 0);
    op_profile *profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 0, 0, 0, 0, 500, 500);
    CHECK_CALL(call_of(profile, 1, "f", "f"), 1, 1, 1, 500, 500, 0);
    TAP_EQ_INT(op_profile_counter(profile, "unfinished_calls"), 1);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(times_of_open_calls_are_never_negative)
{
    stage m = stage_new(2, 1000);
    uint64_t f = stage_edge(&m, 0, 1), g = stage_edge(&m, 1, 2);
    stage_frame(&m, 1, f, 900, UINT64_MAX);   // more in calls than there was
    stage_frame(&m, 2, g, 1200, 0);           // begun behind the last event
    op_profile *profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 0, 100, 100);
    CHECK_CALL(call_of(profile, 1, "f", "g"), 1, 0, 0, 0, 0, 0);
    op_profile_free(profile);
    segment_thread_of(&m.s, m.thread)->last_ticks = 0;   // no event at all
    profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 0, 0, 0);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(frames_that_name_no_edge_of_theirs_are_left_out)
{
    stage m = stage_new(5, 1000);
    uint64_t f = stage_edge(&m, 0, 1), unknown = stage_edge(&m, 1, 99), g = stage_edge(&m, 1, 2);
    segment_thread(&m.s, (op_segment_thread){.tid = 9});
    uint64_t other = segment_chunk(&m.s, OP_SEGMENT_EDGE, 1, 0, 0, 128);
    uint64_t foreign = segment_edge(&m.s, other, (op_segment_edge){.callee = 1});
    stage_frame(&m, 1, f, 0, 0);
    stage_frame(&m, 2, foreign, 100, 0);
    stage_frame(&m, 3, unknown, 200, 0);
    stage_frame(&m, 4, g, 300, 0);
    stage_frame(&m, 5, g + 8, 400, 0);
    op_profile *profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 300, 1000, 1000);
    CHECK_CALL(call_of(profile, 1, "f", "g"), 1, 0, 0, 700, 700, 700);
    TAP_EQ_INT(op_profile_counter(profile, "unfinished_calls"), 2);
    TAP_EQ_INT(op_profile_counter(profile, "torn_records"), 4);   // three frames, the edge of an unknown function
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(records_that_name_no_function_are_left_out)
{
    stage m = stage_new(0, 1000);
    segment_edge(&m.s, m.edges, (op_segment_edge){.caller = 1, .callee = 44, .calls = 1});
    segment_edge(&m.s, m.edges, (op_segment_edge){.caller = 44, .callee = 1, .calls = 1});
    segment_edge(&m.s, m.edges, (op_segment_edge){.caller = 2, .callee = 1, .calls = 1});
    segment_function(&m.s, 2, OP_SEGMENT_PYTHON, "double", "/app/main.py", 5);   // an id of another
    uint64_t lines = segment_chunk(&m.s, OP_SEGMENT_LINE, 0, 44, 10, 64);
    segment_line(&m.s, lines, 0, 1, 11);
    // A thread that is not readable.
    uint64_t lost = segment_thread(&m.s, (op_segment_thread){.tid = 5, .depth = 3});
    uint64_t other = segment_chunk(&m.s, OP_SEGMENT_EDGE, 1, 0, 0, 128);
    segment_edge(&m.s, other, (op_segment_edge){.callee = 1, .calls = 1});
    uint64_t other_lines = segment_chunk(&m.s, OP_SEGMENT_LINE, 1, 1, 10, 64);
    segment_line(&m.s, other_lines, 0, 1, 11);
    segment_head(&m.s, lost)->count = 0;
    op_profile *profile = fold(&m.s);
    TAP_EQ_UINT(profile->threads.count, 1);
    TAP_EQ_UINT(profile->calls.count, 1);
    TAP_EQ_UINT(call_of(profile, 1, "g", "f").calls, 1);
    TAP_EQ_UINT(profile->lines.count, 0);
    TAP_EQ_INT(op_profile_counter(profile, "torn_records"), 7);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

// A cut at every record: what was whole is in the profile, and every id leads somewhere.
TAP_TEST(a_cut_anywhere_folds)
{
    stage m = stage_new(2, 1000);
    uint64_t f = segment_edge(&m.s, m.edges, (op_segment_edge){.callee = 1, .calls = 5, .own = 9});
    uint64_t g = segment_edge(&m.s, m.edges, (op_segment_edge){.caller = 1, .callee = 2, .calls = 6, .own = 8});
    stage_frame(&m, 1, f, 100, 0);
    stage_frame(&m, 2, g, 200, 0);
    uint64_t lines = segment_chunk(&m.s, OP_SEGMENT_LINE, 0, 2, 10, 64);
    segment_line(&m.s, lines, 0, 1, 11);
    const char *path = fixture_path("1-1.segment");
    uint64_t last_calls = 0, last_unfinished = 0;
    for (uint64_t size = sizeof(op_segment_header); size <= m.s.size; size += 8) {
        op_segment_reader reader;
        op_fold_result result;
        op_profile *profile = NULL;
        segment_write_bytes(path, m.s.bytes, size);
        TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
        TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
        TAP_REQUIRE(op_fold_segment(&reader, &same_clock, 0, profile, &result, NULL) == OP_OK);
        uint64_t calls = 0;
        for (size_t i = 0; i < profile->calls.count; i++)
            calls += profile->calls.items[i].calls;
        bool good = calls >= last_calls && result.unfinished >= last_unfinished &&
                    (result.torn == 0) == (size == m.s.size) && profile->processes.count == 1;
        if (!good)
            TAP_EQ_UINT(size, 0);
        last_calls = calls;
        last_unfinished = result.unfinished;
        op_segment_close(&reader);
        op_profile_free(profile);
    }
    TAP_EQ_UINT(last_calls, 13);
    TAP_EQ_UINT(last_unfinished, 2);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(deep_stacks_fold_fast)
{
    enum { DEPTH = OP_SEGMENT_MAX_DEPTH };
    stage m = stage_new(DEPTH, DEPTH + 1);
    uint64_t first = stage_edge(&m, 0, 1), again = stage_edge(&m, 1, 1);
    m.shadow = segment_chunk(&m.s, OP_SEGMENT_SHADOW, 0, 0, 0, (DEPTH + 1ULL) * sizeof(op_segment_frame));
    for (uint64_t i = 1; i <= DEPTH; i++)
        stage_frame(&m, i, i == 1 ? first : again, i, 0);
    op_profile *profile = fold(&m.s);
    CHECK_CALL(call_of(profile, 1, "", "f"), 1, 0, 0, 1, DEPTH, DEPTH);
    CHECK_CALL(call_of(profile, 1, "f", "f"), DEPTH - 1, DEPTH - 2, DEPTH - 1, DEPTH - 1, DEPTH - 1, 0);
    TAP_EQ_INT(op_profile_counter(profile, "torn_records"), 0);
    op_profile_free(profile);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(out_of_memory_is_told)
{
    stage m = stage_new(1, 1000);
    uint64_t f = segment_edge(&m.s, m.edges, (op_segment_edge){.callee = 1, .calls = 5, .own = 9});
    stage_frame(&m, 1, f, 100, 0);
    uint64_t lines = segment_chunk(&m.s, OP_SEGMENT_LINE, 0, 2, 10, 64);
    segment_line(&m.s, lines, 0, 1, 11);
    segment_header(&m.s)->lost_calls = 1;
    const char *path = fixture_path("1-1.segment");
    segment_write(&m.s, path);
    for (int64_t after = 0;; after++) {
        op_segment_reader reader;
        op_profile *profile = NULL;
        op_error error = {0};
        TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
        TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
        op_alloc_fail_after(after);
        op_status status = op_fold_segment(&reader, &same_clock, 0, profile, NULL, &error);
        op_alloc_fail_after(-1);
        op_segment_close(&reader);
        op_profile_free(profile);
        TAP_OK(status == OP_OK || (status == OP_NO_MEMORY && error.status == OP_NO_MEMORY));
        if (status == OP_OK) {
            TAP_OK(after > 10);
            break;
        }
    }
    segment_free(&m.s);
    fixture_clean();
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "base/text.h"
#include "export/calls_table.h"
#include "export_fixture.h"

static void check_table(const op_profile *profile, const op_calls_table_options *options, const char *expected)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_calls_table_add(profile, options, &out, NULL), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out), expected);
    op_buffer_fini(&out);
}

TAP_TEST(all_threads)
{
    op_profile *profile = fixture_calls();
    op_calls_table_options options = {.table = {.width = 120, .unicode = true, .top = 6}};
    check_table(
        profile, &options,
        "Calls by own time: 34 calls, 2.34 s in 2 threads\n"
        "    own     time   total     time  calls  per call  resumes  suspended  exceptions  function              file\n"
        "  42.8%   1.00 s   42.9%   1.00 s      2    502 ms                                  Pair.swap             …lib/pair.py:5\n"
        "  38.5%   900 ms   38.5%   900 ms      9    900 ms                                  fib                   …e/me/app.py:2\n"
        "  12.8%   300 ms   14.5%   340 ms      1    340 ms       10     7.00 s           1  numbers               …/me/app.py:30\n"
        "   1.8%  42.0 ms    1.8%  42.0 ms     13   3.23 ms                                  len                   built-in\n"
        "   1.8%  41.0 ms    1.8%  41.0 ms      4   10.3 ms                                  <lambda>              …/me/app.py:12\n"
        "   1.3%  30.0 ms    1.3%  30.0 ms      3   10.0 ms                                  main.<locals>.<lambd… …/me/app.py:12\n"
        "2 more functions\n"
        "1 function had not returned: only what it called is counted\n"
        "\n"
        "Who called whom, by own time\n"
        "    own     time   total     time  calls  per call  caller → function\n"
        "  42.8%   1.00 s   42.9%   1.00 s      2    502 ms  main → Pair.swap\n"
        "  34.2%   800 ms   34.2%   800 ms      8    400 ms  fib → fib\n"
        "   4.3%   100 ms   38.5%   900 ms      1    900 ms  main → fib\n"
        "   1.8%  41.0 ms    1.8%  41.0 ms      4   10.3 ms  main → <lambda>\n"
        "   1.7%  40.0 ms    1.7%  40.0 ms     11   3.64 ms  numbers → len\n"
        "   1.3%  30.0 ms    1.3%  30.0 ms      3   10.0 ms  main → main.<locals>.<lambda>\n"
        "3 more pairs\n"
        "\n"
        "Thread MainThread (42): 22 calls, 2.00 s\n"
        "    own     time   total     time  calls  per call  function               file\n"
        "  50.1%   1.00 s   50.2%   1.00 s      2    502 ms  Pair.swap              /home/me/lib/pair.py:5\n"
        "  45.0%   900 ms   45.0%   900 ms      9    900 ms  fib                    /home/me/app.py:2\n"
        "   2.1%  41.0 ms    2.1%  41.0 ms      4   10.3 ms  <lambda>               /home/me/app.py:12\n"
        "   1.5%  30.0 ms    1.5%  30.0 ms      3   10.0 ms  main.<locals>.<lambda> /home/me/app.py:12\n"
        "   1.0%  20.0 ms    1.0%  20.0 ms      1   20.0 ms  Other.swap             /home/me/old/pair.py:5\n"
        "2 more functions\n"
        "1 function had not returned: only what it called is counted\n"
        "\n"
        "Thread worker (43): 12 calls, 340 ms\n"
        "    own     time   total     time  calls  per call  resumes  suspended  exceptions  function file\n"
        "  88.2%   300 ms  100.0%   340 ms      1    340 ms       10     7.00 s           1  numbers  /home/me/app.py:30\n"
        "  11.8%  40.0 ms   11.8%  40.0 ms     11   3.64 ms                                  len      built-in\n");
    op_profile_free(profile);
}

TAP_TEST(one_thread_narrow_and_ascii)
{
    op_profile *profile = fixture_calls();
    op_calls_table_options options = {.table = {.width = 70, .by_total = true, .top = 6, .thread_name = "worker"}};
    check_table(profile, &options,
                "Calls by total time: 12 calls, 340 ms\n"
                "      own    total  calls  per call  suspended  function file\n"
                "   300 ms   340 ms      1    340 ms     7.00 s  numbers  ~me/app.py:30\n"
                "  40.0 ms  40.0 ms     11   3.64 ms             len      built-in\n"
                "no room for: resumes, exceptions\n"
                "\n"
                "Who called whom, by total time\n"
                "      own    total  calls  per call  caller > function\n"
                "  40.0 ms  40.0 ms     11   3.64 ms  numbers > len\n");
    options.table.thread_name = "nobody";
    check_table(profile, &options, "Calls\nnone was counted\n");
    op_profile_free(profile);
}

// Made by Python 3.12's pstats of the .pstats of the same profile; tests/python/test_counts.py compares all orders.
TAP_TEST(as_cprofile)
{
    op_profile *profile = fixture_calls();
    op_calls_table_options options = {.table = {.unicode = true}, .as_cprofile = true};
    check_table(profile, &options,
                "         44 function calls (36 primitive calls) in 2.340 seconds\n"
                "\n"
                "   Ordered by: cumulative time\n"
                "\n"
                "   ncalls  tottime  percall  cumtime  percall filename:lineno(function)\n"
                "        1    0.005    0.005    2.000    2.000 app.py:10(main)\n"
                "        3    1.022    0.341    1.024    0.341 pair.py:5(swap)\n"
                "      9/1    0.900    0.100    0.900    0.900 app.py:2(fib)\n"
                "       11    0.300    0.027    0.340    0.031 app.py:30(numbers)\n"
                "        7    0.071    0.010    0.071    0.010 app.py:12(<lambda>)\n"
                "       13    0.042    0.003    0.042    0.003 {built-in method builtins.len}\n"
                "        0    0.000             0.000          app.py:1(<module>)\n"
                "\n"
                "\n");
    options.table.top = 2;
    options.sort = OP_PSTATS_SORT_NFL;
    options.keep_folders = true;
    check_table(profile, &options,
                "         44 function calls (36 primitive calls) in 2.340 seconds\n"
                "\n"
                "   Ordered by: name/file/line\n"
                "   List reduced from 8 to 2 due to restriction <2>\n"
                "\n"
                "   ncalls  tottime  percall  cumtime  percall filename:lineno(function)\n"
                "       13    0.042    0.003    0.042    0.003 {built-in method builtins.len}\n"
                "        7    0.071    0.010    0.071    0.010 /home/me/app.py:12(<lambda>)\n"
                "\n"
                "\n");
    op_profile_free(profile);
    profile = fixture_new();
    check_table(profile, &options, "         0 function calls in 0.000 seconds\n\n");
    op_profile_free(profile);
}

TAP_TEST(orders_of_pstats)
{
    static const struct {
        const char *word;
        int sort;
    } pairs[] = {
        {"cumtime", OP_PSTATS_SORT_CUMULATIVE},
        {"cum", OP_PSTATS_SORT_CUMULATIVE},
        {"tot", OP_PSTATS_SORT_TIME},
        {"time", OP_PSTATS_SORT_TIME},
        {"ncalls", OP_PSTATS_SORT_CALLS},
        {"file", OP_PSTATS_SORT_FILENAME},
        {"module", OP_PSTATS_SORT_FILENAME},
        {"nfl", OP_PSTATS_SORT_NFL},
        {"std", OP_PSTATS_SORT_STDNAME},
        {"p", OP_PSTATS_SORT_PCALLS},
        {"l", OP_PSTATS_SORT_LINE},
        {"name", OP_PSTATS_SORT_NAME},
        {"n", -1},
        {"", -1},
        {"timer", -1},
        {"t", OP_PSTATS_SORT_TIME},
        {"c", -1},
        {"CUMTIME", -1},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        op_pstats_sort sort = OP_PSTATS_SORT_COUNT;
        TAP_EQ_INT(op_pstats_sort_find(pairs[i].word, &sort) ? (int)sort : -1, pairs[i].sort);
    }
    size_t words = 0;
    while (op_pstats_sort_word(words) != NULL)
        words++;
    TAP_EQ_UINT(words, 13);
}

// No line is wider than asked; nothing but text, newlines and, where asked, colours.
TAP_TEST(hostile_names_and_all_widths)
{
    op_profile *profile = fixture_calls();
    op_id hostile = fixture_function(profile, OP_FRAME_PYTHON, FIXTURE_HOSTILE, "/x/" FIXTURE_HOSTILE, 1);
    op_id label = fixture_function(profile, OP_FRAME_GC, "", "", 0);
    const op_call calls[] = {
        {.thread = 1,
         .caller = hostile,
         .function = hostile,
         .calls = UINT64_MAX,
         .own_ns = UINT64_MAX,
         .total_ns = UINT64_MAX,
         .outer_ns = UINT64_MAX,
         .suspended_ns = UINT64_MAX,
         .resumes = UINT64_MAX},
        {.thread = 1, .caller = label, .function = hostile, .calls = UINT64_MAX, .nested_calls = UINT64_MAX},
        {.thread = 99, .caller = 1000, .function = 999, .calls = 1, .nested_calls = 2, .recursive_calls = 2},
        {.thread = 0, .caller = 0, .function = 0, .exceptions = 3},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        op_call *slot = OP_VECTOR_PUSH(&profile->calls);   // past op_profile_add_call, which refuses some of them
        TAP_REQUIRE(slot != NULL);
        *slot = calls[i];
    }
    for (size_t width = 60; width < 200; width += 7) {
        for (unsigned bits = 0; bits < 16; bits++) {
            op_calls_table_options options = {
                .table = {.by_total = bits & 1, .colour = bits & 2, .unicode = bits & 4, .width = width},
                .as_cprofile = bits & 8,
            };
            op_buffer out;
            op_buffer_init(&out);
            TAP_EQ_INT(op_calls_table_add(profile, &options, &out, NULL), OP_OK);
            bool colour = options.table.colour && !options.as_cprofile;
            for (const char *text = op_buffer_text(&out); *text != '\0';) {
                size_t bytes = strcspn(text, "\n");
                TAP_OK(options.table.colour || options.as_cprofile || op_text_columns(text, bytes) <= width ||
                       strncmp(text, "Thread", 6) == 0 || strncmp(text, "Calls", 5) == 0 || width < 110);
                for (size_t i = 0; i < bytes; i++) {
                    unsigned char byte = (unsigned char)text[i];
                    TAP_OK((byte >= 0x20 || (colour && byte == 0x1B)) && byte != 0x7F &&
                           (options.table.unicode || byte < 0x80));
                }
                text += bytes + (text[bytes] == '\n');
            }
            op_buffer_fini(&out);
        }
    }
    op_profile_free(profile);
}

// More threads than have a table of their own.
TAP_TEST(many_threads)
{
    op_profile *profile = fixture_calls();
    for (int i = 0; i < 20; i++) {
        op_id thread = fixture_thread(profile, 1, 100 + i, "pool");
        op_call call = {.thread = thread, .function = 2, .calls = 1, .own_ns = 1, .total_ns = 1, .outer_ns = 1};
        TAP_REQUIRE(op_profile_add_call(profile, &call) != 0);
    }
    op_calls_table_options options = {.table = {.unicode = true}};
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_calls_table_add(profile, &options, &out, NULL), OP_OK);
    const char *text = op_buffer_text(&out);
    TAP_OK(strstr(text, "Calls by own time: 54 calls, 2.34 s in 22 threads\n") == text);
    TAP_OK(strstr(text, "\nThread pool (105): 1 call, 1 ns\n") != NULL);
    TAP_OK(strstr(text, "(106)") == NULL);
    TAP_OK(strstr(text, "\n14 more threads\n") != NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_calls();
    FIXTURE_FAIL_ALL(profile, op_calls_table_add, (op_calls_table_options){.table = {.unicode = true}});
    FIXTURE_FAIL_ALL(profile, op_calls_table_add, (op_calls_table_options){.as_cprofile = true});
    op_profile_free(profile);
}

TAP_MAIN()

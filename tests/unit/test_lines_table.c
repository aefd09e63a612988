// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/memory.h"
#include "export/lines_table.h"
#include "export_fixture.h"

// A folder of its own becomes the current one; the source lies in it as source.py.
static void write_source(const char *text)
{
    static char folder[] = "/tmp/outpace-lines-XXXXXX";
    TAP_REQUIRE(folder[sizeof folder - 2] != 'X' || mkdtemp(folder) != NULL);
    TAP_REQUIRE(chdir(folder) == 0);
    FILE *file = fopen("source.py", "w");
    TAP_REQUIRE(file != NULL);
    TAP_OK(fputs(text, file) >= 0);
    TAP_OK(fclose(file) == 0);
}

static void remove_source(void)
{
    char folder[64];
    TAP_REQUIRE(getcwd(folder, sizeof folder) != NULL);
    TAP_OK(unlink("source.py") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
}

static void check_table(const op_profile *profile, const op_lines_table_options *options, const char *expected)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_lines_table_add(profile, options, &out, NULL), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out), expected);
    op_buffer_fini(&out);
}

static void check_has(const op_profile *profile, const op_lines_table_options *options, const char *part)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_lines_table_add(profile, options, &out, NULL), OP_OK);
    if (!TAP_OK(strstr(op_buffer_text(&out), part) != NULL))
        TAP_NOTE("missing: %s in %s", part, op_buffer_text(&out));
    op_buffer_fini(&out);
}

// Made by line_profiler 5.0.0 of the .lprof of the same profile; tests/python/test_counts.py compares more.
TAP_TEST(as_line_profiler)
{
    write_source(FIXTURE_SOURCE);
    op_profile *profile = fixture_lines("source.py");
    op_lines_table_options options = {.unicode = true, .skip_zero = true, .summarize = true};
    check_table(profile, &options,
                "Timer unit: 1e-06 s\n"
                "\n"
                "Total time: 0.000127956 s\n"
                "\n"
                "Could not find file /not/there.py\n"
                "Are you sure you are running this program from the same directory\n"
                "that you ran the profiler from?\n"
                "Continuing without the function's contents.\n"
                "\n"
                "Line #      Hits         Time  Per Hit   % Time  Line Contents\n"
                "==============================================================\n"
                "     7                                           \n"
                "     8         3          4.5      1.5      3.5  \n"
                "     9                                           \n"
                "    10         4        123.5     30.9     96.5  \n"
                "\n"
                "Total time: 1.30091 s\n"
                "File: source.py\n"
                "Function: fib at line 3\n"
                "\n"
                "Line #      Hits         Time  Per Hit   % Time  Line Contents\n"
                "==============================================================\n"
                "     3                                           @profile\n"
                "     4                                           def fib(n):\n"
                "     5                                               # small ones\n"
                "     6       197      56345.7    286.0      4.3      if n < 2:\n"
                "     7        99      10000.0    101.0      0.8          return n\t# µ\n"
                "     8                                           \n"
                "     9        98    1234567.9  12597.6     94.9      return (fib(n - 1) +\n"
                "    10        98          0.0      0.0      0.0              fib(n - 2))\n"
                "    11                                               # still of it\n"
                "\n"
                "Total time: 9.87654e+06 s\n"
                "File: source.py\n"
                "Function: Pair.swap at line 15\n"
                "\n"
                "Line #        Hits         Time  Per Hit   % Time  Line Contents\n"
                "================================================================\n"
                "    15 1.23457e+10     9.88e+12    800.0    100.0      def swap(self): return 1\n"
                "\n"
                "Total time: 1.05e-06 s\n"
                "File: source.py\n"
                "Function: <lambda> at line 17\n"
                "\n"
                "Line #      Hits         Time  Per Hit   % Time  Line Contents\n"
                "==============================================================\n"
                "    17         1          1.0      1.0     95.1  small = lambda: (\n"
                "    18         1          0.1      0.1      4.9      1)\n"
                "\n"
                "  0.00 seconds - /not/there.py:7 - gone\n"
                "  1.30 seconds - source.py:3 - fib\n"
                "9876543.21 seconds - source.py:15 - Pair.swap\n"
                "  0.00 seconds - source.py:17 - <lambda>\n");
    op_profile_free(profile);
    remove_source();
}

TAP_TEST(what_line_profiler_cannot_show)
{
    write_source(FIXTURE_SOURCE);
    op_profile *profile = fixture_lines("source.py");
    op_lines_table_options options = {.unicode = true};
    check_has(profile, &options,   // hits of none
              "    16         0          0.0                        def never(self): return 2\n\n");
    options.thread_name = "worker";
    check_has(profile, &options, "     6        20       4000.0    200.0    100.0      if n < 2:\n     7   ");
    options.thread_name = "nobody";
    check_table(profile, &options, "Timer unit: 1e-06 s\n\n");
    options.thread_name = NULL;
    options.unicode = false;
    check_has(profile, &options, "return n\t# u\n");
    // Lines behind the source's end, also far behind, have their rows.
    op_id far = fixture_function(profile, OP_FRAME_PYTHON, "far", "source.py", 17);
    fixture_line(profile, 1, far, 20, 1, 1000);
    fixture_line(profile, 1, far, UINT32_MAX, 1, 1000);
    check_has(profile, &options,
              "    19                                           \n    20         1          1.0");
    check_has(profile, &options, "\n4294967295         1          1.0      1.0     50.0  \n\n");
    // A module is shown as far as it ran, and not, as by its first definition, in parts.
    op_id module = fixture_function(profile, OP_FRAME_PYTHON, "<module>", "source.py", 1);
    fixture_line(profile, 1, module, 14, 1, 1000);
    check_has(profile, &options, "    14         1          1.0      1.0    100.0  class Pair:\n\n");
    profile->run.duration_ns = 1;
    check_has(profile, &options, "Function: fib at line 3\nThe file has changed since: ");
    op_profile_free(profile);
    remove_source();
}

TAP_TEST(hostile)
{
    write_source("def f():\r  '''\x1b[31m\xe2\x80\xae\xff");
    static const char *const files[] = {"source.py", ".", "/dev/zero", FIXTURE_HOSTILE, "", "<stdin>"};
    op_profile *profile = fixture_new();
    op_id thread = fixture_thread(profile, fixture_process(profile, 1, "x"), 1, "MainThread");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        op_id function = fixture_function(profile, OP_FRAME_PYTHON, FIXTURE_HOSTILE, files[i], (uint32_t)i);
        fixture_line(profile, thread, function, 2, UINT64_MAX, UINT64_MAX);
        fixture_line(profile, thread, function, 0, 1, 1);
    }
    fixture_line(profile, thread, fixture_function(profile, OP_FRAME_GC, "", "", 0), 1, 1, 1);
    op_line *wrong = OP_VECTOR_PUSH(&profile->lines);
    TAP_REQUIRE(wrong != NULL);
    *wrong = (op_line){.thread = 99, .function = 98, .line = 3, .hits = 0, .ns = 5};
    for (unsigned bits = 0; bits < 8; bits++) {
        op_lines_table_options options = {.by_time = bits & 1, .summarize = bits & 2, .unicode = bits & 4};
        op_buffer out;
        op_buffer_init(&out);
        TAP_EQ_INT(op_lines_table_add(profile, &options, &out, NULL), OP_OK);
        for (const char *at = op_buffer_text(&out); *at != '\0'; at++) {
            unsigned char byte = (unsigned char)*at;
            TAP_OK((byte >= 0x20 || byte == '\n') && byte != 0x7F && (options.unicode || byte < 0x80));
        }
        op_buffer_fini(&out);
    }
    op_profile_free(profile);
    remove_source();
}

TAP_TEST(bytes_of_pickle)
{
    op_profile *profile = fixture_new();
    op_id thread = fixture_thread(profile, fixture_process(profile, 1, "x"), 1, "MainThread");
    fixture_line(profile, thread, fixture_function(profile, OP_FRAME_PYTHON, "f", "a", 3), 4, 300, 1ULL << 40);
    static const char expected[] = "\x80\2cline_profiler._line_profiler\nLineStats\n)\x81}(X\7\0\0\0timings}("
                                   "X\1\0\0\0aK\3X\1\0\0\0f\x87](K\4J\x2c\1\0\0"
                                   "\x8a\x09\0\0\0\0\0\1\0\0\0\x87"
                                   "euX\4\0\0\0unitG\x3e\x11\x2e\x0b\xe8\x26\xd6\x95ub.";
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_export_lprof(profile, &(op_export_options){0}, &out, NULL), OP_OK);
    TAP_EQ_BYTES(out.data, out.size, expected, sizeof expected - 1);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    write_source(FIXTURE_SOURCE);
    op_profile *profile = fixture_lines("source.py");
    FIXTURE_FAIL_ALL(profile, op_lines_table_add, (op_lines_table_options){.by_time = true});
    FIXTURE_FAIL_ALL(profile, op_export_lprof, (op_export_options){0});
    op_profile_free(profile);
    profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_export_lprof, (op_export_options){0});
    op_profile_free(profile);
    remove_source();
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include <sys/stat.h>
#include "base/memory.h"
#include "base/text.h"
#include "export/source_text.h"
#include "export/table.h"
#include "export_fixture.h"

static const op_table_options wide = {.width = 120, .unicode = true, .no_source = true};

TAP_TEST(functions)
{
    op_profile *profile = fixture_small();
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_table_add_functions(profile, &wide, &out, NULL), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out),
               "Functions by own time\n"
               "    own     ±     time   total     ±     time  function                     file\n"
               "  50.0%   9.6  50.0 ms   50.0%   9.6  50.0 ms  fib                          /home/me/app.py:2\n"
               "  25.0%   8.4  25.0 ms   25.0%   8.4  25.0 ms  scan_once                    "
               "/usr/lib/python3.13/json/scanner.py:30\n"
               "  15.0%   7.0  15.0 ms   15.0%   7.0  15.0 ms  <GC>\n"
               "   5.0%   4.5  5.00 ms   80.0%   7.8  80.0 ms  main                         /home/me/app.py:10\n"
               "   5.0%   4.5  5.00 ms    5.0%   4.5  5.00 ms  <native>\n"
               "5 more functions\n");
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(tree_folds_libraries_and_recursion)
{
    op_profile *profile = fixture_small();
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_table_add_tree(profile, &wide, &out, NULL), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out), "Call tree\n"
                                     "  total     time  function, file\n"
                                     "  80.0%  80.0 ms  <module>  /home/me/app.py:1\n"
                                     "  80.0%  80.0 ms  └─ main  /home/me/app.py:10\n"
                                     "  50.0%  50.0 ms     ├─ fib (recursive)  /home/me/app.py:2\n"
                                     "  25.0%  25.0 ms     └─ loads  /usr/lib/python3.13/json/__init__.py:299\n"
                                     "  25.0%  25.0 ms        └─ [2 frames hidden]\n"
                                     "  20.0%  20.0 ms  Thread.run  /usr/lib/python3.13/threading.py:980\n"
                                     "  20.0%  20.0 ms  └─ [3 frames hidden]\n"
                                     "not shown: branches below 1%\n");
    op_buffer_fini(&out);
    op_profile_free(profile);
}

// No line is wider than asked; nothing but text, newlines and, where asked, colours.
static void check_bytes(const char *text, size_t width, bool ascii, bool colour)
{
    while (*text != '\0') {
        size_t bytes = strcspn(text, "\n");
        TAP_OK(colour || op_text_columns(text, bytes) <= width);
        for (size_t i = 0; i < bytes; i++) {
            unsigned char byte = (unsigned char)text[i];
            TAP_OK((byte >= 0x20 || (colour && byte == 0x1B)) && byte != 0x7F && (!ascii || byte < 0x80));
        }
        text += bytes + (text[bytes] == '\n');
    }
}

TAP_TEST(hostile_names_and_all_options)
{
    op_profile *profiles[] = {fixture_small(), fixture_hostile(), fixture_deep(5000, 100), fixture_new()};
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        for (unsigned bits = 0; bits < 8; bits++) {
            op_table_options options = {.by_total = bits & 1, .colour = bits & 2, .unicode = bits & 4, .width = 70};
            op_buffer out;
            op_buffer_init(&out);
            op_status (*const parts[])(const op_profile *, const op_table_options *, op_buffer *, op_error *) = {
                op_table_add_functions, op_table_add_lines, op_table_add_tree};
            for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
                TAP_EQ_INT(parts[j](profiles[i], &options, &out, NULL), OP_OK);
            check_bytes(op_buffer_text(&out), 70, !options.unicode, options.colour);
            op_buffer_fini(&out);
        }
        op_profile_free(profiles[i]);
    }
}

TAP_TEST(top_and_thread)
{
    op_profile *profile = fixture_small();
    op_table_options options = wide;
    options.top = 1;
    options.thread_name = "worker";
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_table_add_report(profile, &options, &out, NULL), OP_OK);
    const char *text = op_buffer_text(&out);
    TAP_OK(strstr(text, "only thread worker\n") != NULL);
    TAP_OK(strstr(text, "  75.0%  17.8  15.0 ms   75.0%  17.8  15.0 ms  <GC>\n3 more functions\n") != NULL);
    TAP_OK(strstr(text, "fib") == NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

static bool source_line(const char *path, uint32_t line, int64_t recorded_unix_ns, const char *expected)
{
    op_buffer out;
    op_buffer_init(&out);
    bool found = op_source_text_add_line(&out, (op_string){path, strlen(path)}, line, recorded_unix_ns);
    if (found && expected != NULL)
        TAP_EQ_STR(op_buffer_text(&out), expected);
    op_buffer_fini(&out);
    return found;
}

TAP_TEST(source_lines)
{
    char folder[] = "/tmp/outpace-test-XXXXXX", path[64], pipe_path[64];
    TAP_REQUIRE(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/a.py", folder);
    (void)snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    FILE *file = fopen(path, "w");
    TAP_REQUIRE(file != NULL);
    TAP_REQUIRE(fputs("def f():\n\treturn 1  \r\n\n    last", file) >= 0 && fclose(file) == 0);
    TAP_REQUIRE(mkfifo(pipe_path, 0600) == 0);
    struct stat facts;
    TAP_REQUIRE(stat(path, &facts) == 0);
    int64_t now = (int64_t)facts.st_mtim.tv_sec * 1000000000;
    TAP_OK(source_line(path, 1, now, "def f():"));
    TAP_OK(source_line(path, 2, now, "return 1"));
    TAP_OK(!source_line(path, 3, now, NULL));
    TAP_OK(source_line(path, 4, now, "last"));
    TAP_OK(!source_line(path, 5, now, NULL));
    TAP_OK(!source_line(path, 0, now, NULL));
    TAP_OK(!source_line(path, 1, now - 1, NULL));    // changed since
    TAP_OK(!source_line(pipe_path, 1, now, NULL));   // does not wait for a writer
    TAP_OK(!source_line(folder, 1, now, NULL));
    TAP_OK(!source_line("/dev/zero", 1, INT64_MAX, NULL));
    TAP_OK(!source_line("<string>", 1, now, NULL));
    (void)unlink(path);
    (void)unlink(pipe_path);
    (void)rmdir(folder);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_table_add_report, wide);
    op_profile_free(profile);
}

TAP_MAIN()

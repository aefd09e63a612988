// SPDX-License-Identifier: MIT
// That blocks end where Python says is tested in tests/python/test_code_block.py.
#include "base/memory.h"
#include "export/code_block.h"
#include "tap.h"

static void check_line(const op_source_file *file, uint32_t line, const char *expected)
{
    op_string text = op_source_file_line(file, line);
    TAP_EQ_BYTES(text.text, text.bytes, expected, strlen(expected));
}

TAP_TEST(lines)
{
    static const char text[] = "\xEF\xBB\xBF"
                               "one\ntwo\r\n\rthree\r\r\nfive";
    op_source_file file;
    TAP_REQUIRE(op_source_file_init_text(&file, text, sizeof text - 1));
    TAP_EQ_UINT(file.starts.count, 6);
    static const char *const expected[] = {"", "one", "two", "", "three", "", "five", "", ""};
    for (uint32_t i = 0; i < sizeof expected / sizeof *expected; i++)
        check_line(&file, i, expected[i]);
    op_source_file_fini(&file);
    TAP_REQUIRE(op_source_file_init_text(&file, "", 0));
    TAP_EQ_UINT(file.starts.count, 0);
    TAP_EQ_UINT(op_code_block_lines(&file, 1), 0);
    op_source_file_fini(&file);
}

TAP_TEST(files_that_are_none)
{
    static const char *const paths[] = {"/dev/zero", "/", "/not/there.py", "", "/proc/self/mem"};
    static const bool exist[] = {true, true, false, false, true};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        op_source_file file;
        TAP_OK(op_source_file_init(&file, (op_string){paths[i], strlen(paths[i])}));
        TAP_EQ_INT(file.exists, exist[i]);
        TAP_EQ_UINT(file.starts.count, 0);
        op_source_file_fini(&file);
    }
}

TAP_TEST(blocks)
{
    static const struct {
        const char *text;
        uint32_t lines;
    } rows[] = {
        {"def f(): pass\nx = 1\n", 1},
        {"def f():\n  a\n\n  b\n\nx\n", 4},
        {"@a(\n 1)\n@b\nclass C:\n  '''\nx\n'''\n  # in\n# out\nx", 8},
        {"  def f(self):\n    a = [\n1\n]\n  def g(): 1", 4},
        {"f(lambda: 1,\n  2)\nx", 2},
        {"lambda: 1]\nx", 1},
        {"def f():\n\ta\\\n  b\n\tc", 4},
        {"def f():\n  '''\nx\n", 1},   // no end of the string: nothing is known behind it
        {"x = 1\n", 1},
        {"\n", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        op_source_file file;
        TAP_REQUIRE(op_source_file_init_text(&file, rows[i].text, strlen(rows[i].text)));
        if (!TAP_EQ_UINT(op_code_block_lines(&file, 1), rows[i].lines))
            TAP_NOTE("in %s", rows[i].text);
        op_source_file_fini(&file);
    }
}

TAP_TEST(memory_runs_out)
{
    bool done = false;
    int64_t n = 0;
    for (; !done && n < 100; n++) {
        op_source_file file;
        op_alloc_fail_after(n);
        done = op_source_file_init_text(&file, "a\nb\n", 4);
        op_alloc_fail_after(-1);
        op_source_file_fini(&file);
    }
    TAP_OK(done && n > 1);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "export/export.h"
#include "export_fixture.h"

static void check(const op_profile *profile, op_export_options options, const char *expected)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_export_collapsed(profile, &options, &out, NULL), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out), expected);
    op_buffer_fini(&out);
}

TAP_TEST(lines_are_those_executed)
{
    op_profile *profile = fixture_small();
    check(profile, (op_export_options){0},
          "<module> (/home/me/app.py:20);main (/home/me/app.py:12);fib (/home/me/app.py:4) 10\n"
          "<module> (/home/me/app.py:20);main (/home/me/app.py:12);fib (/home/me/app.py:5);"
          "fib (/home/me/app.py:4) 40\n"
          "<module> (/home/me/app.py:20);main (/home/me/app.py:13) 5\n"
          "<module> (/home/me/app.py:20);main (/home/me/app.py:13);"
          "loads (/usr/lib/python3.13/json/__init__.py:346);"
          "JSONDecoder.decode (/usr/lib/python3.13/json/decoder.py:345);"
          "scan_once (/usr/lib/python3.13/json/scanner.py:31) 25\n"
          "Thread.run (/usr/lib/python3.13/threading.py:1000);"
          "work (/home/me/venv/lib/python3.13/site-packages/hard/work.py:8);<GC> 15\n"
          "Thread.run (/usr/lib/python3.13/threading.py:1000);"
          "work (/home/me/venv/lib/python3.13/site-packages/hard/work.py:8);<native> 5\n");
    op_profile_free(profile);
}

TAP_TEST(options_shape_frames)
{
    op_profile *profile = fixture_new();
    op_id process = fixture_process(profile, 7, "python a;b.py");
    op_id named = fixture_thread(profile, process, 8, "pool-1"), bare = fixture_thread(profile, process, 9, "");
    op_id first = fixture_frame(profile, "f", "a.py", 3, 4), second = fixture_frame(profile, "f", "a.py", 3, 5);
    FIXTURE_SAMPLE(profile, named, 1, first);
    FIXTURE_SAMPLE(profile, bare, 2, second);
    check(profile, (op_export_options){.by_function = true}, "f (a.py:3) 3\n");
    check(profile, (op_export_options){.no_lines = true}, "f (a.py) 3\n");
    check(profile, (op_export_options){.by_thread = true},
          "process 7 \"python a:b.py\";thread (9);f (a.py:5) 2\n"
          "process 7 \"python a:b.py\";thread pool-1 (8);f (a.py:4) 1\n");
    op_profile_free(profile);
}

TAP_TEST(labels_have_no_file)
{
    static const char *const labels[] = {"<native>",   "<GC>",   "<truncated>", "<unreadable>",
                                         "<unproven>", "<gone>", "<idle>"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        op_profile *profile = fixture_new();
        char expected[64];
        FIXTURE_SAMPLE(profile, 0, 1, fixture_label(profile, (op_frame_kind)(i + 1)));
        (void)snprintf(expected, sizeof expected, "%s 1\n", labels[i]);
        check(profile, (op_export_options){0}, expected);
        op_profile_free(profile);
    }
}

TAP_TEST(what_is_missing_stays_visible)
{
    op_profile *profile = fixture_new();
    FIXTURE_SAMPLE(profile, 0, 1, fixture_frame(profile, "", "", 0, 0));
    FIXTURE_SAMPLE(profile, 0, 2, fixture_frame(profile, "f", "", 0, 9));
    FIXTURE_SAMPLE(profile, 0, 3, fixture_frame(profile, "f", "a.py", 0, 0));
    fixture_sample(profile, 0, 0, 4);   // no stack
    check(profile, (op_export_options){0}, "<unnamed> 1\n<unreadable> 4\nf 2\nf (a.py) 3\n");
    check(profile, (op_export_options){.by_thread = true},
          "process unknown;thread unknown;<unnamed> 1\nprocess unknown;thread unknown;<unreadable> 4\n"
          "process unknown;thread unknown;f 2\nprocess unknown;thread unknown;f (a.py) 3\n");
    op_profile_free(profile);
}

TAP_TEST(hostile_names)
{
    op_profile *profile = fixture_hostile();
#define CLEAN "a:b\"<c>&'??[31m?]]>\xef\xbf\xbd\\"
    check(profile, (op_export_options){0}, CLEAN " (" CLEAN ":2);" CLEAN "2 (/x/" CLEAN ":2) 3\n");
#undef CLEAN
    op_profile_free(profile);
}

TAP_TEST(order_does_not_matter)
{
    op_profile *profile = fixture_new();
    op_id b = fixture_frame(profile, "b", "", 0, 0), a = fixture_frame(profile, "a", "", 0, 0);
    FIXTURE_SAMPLE(profile, 0, 1, b, a);
    FIXTURE_SAMPLE(profile, 0, 2, a);
    FIXTURE_SAMPLE(profile, 0, 3, a, b);
    check(profile, (op_export_options){0}, "a 2\na;b 3\nb;a 1\n");
    op_profile_free(profile);
}

TAP_TEST(deep_recursion_and_loops)
{
    op_profile *profile = fixture_deep(5000, 1);
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_export_collapsed(profile, &(op_export_options){0}, &out, NULL), OP_OK);
    TAP_EQ_UINT(out.size, 5000 * strlen("down (/home/me/deep.py:3);") - 1 + strlen(" 1\n"));
    // A file could hold a stack that is its own caller: bounded.
    profile->stacks.items[0].parent = (op_id)profile->stacks.count;
    op_buffer_reset(&out);
    TAP_EQ_INT(op_export_collapsed(profile, &(op_export_options){0}, &out, NULL), OP_OK);
    TAP_OK(out.size < 2000000);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_export_collapsed, (op_export_options){.by_thread = true});
    op_profile_free(profile);
}

TAP_MAIN()

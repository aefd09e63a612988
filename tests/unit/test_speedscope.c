// SPDX-License-Identifier: MIT
// That the file is valid JSON and fits speedscope's schema is tested in tests/python/test_formats.py.
#include "export/export.h"
#include "export_fixture.h"

static void check(const op_profile *profile, op_export_options options, const char *expected)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_export_speedscope(profile, &options, &out, NULL), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out), expected);
    op_buffer_fini(&out);
}

TAP_TEST(one_profile_a_thread)
{
    op_profile *profile = fixture_new();
    op_id process = fixture_process(profile, 7, "app");
    op_id one = fixture_thread(profile, process, 8, "a"), two = fixture_thread(profile, process, 9, "b");
    op_id outer = fixture_frame(profile, "f", "a.py", 3, 4), inner = fixture_label(profile, OP_FRAME_GC);
    FIXTURE_SAMPLE(profile, one, 1, outer);
    FIXTURE_SAMPLE(profile, one, 2, outer, inner);
    FIXTURE_SAMPLE(profile, two, 5, outer);
    check(profile, (op_export_options){0},
          "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
          "\"exporter\":\"outpace\",\"name\":\"\",\"activeProfileIndex\":0,\n"
          "\"shared\":{\"frames\":[\n{\"name\":\"f\",\"file\":\"a.py\",\"line\":4},\n{\"name\":\"<GC>\"}\n]},\n"
          "\"profiles\":[\n"
          "{\"type\":\"sampled\",\"name\":\"thread b (9)\",\"unit\":\"nanoseconds\",\"startValue\":0,"
          "\"endValue\":5000000,\n\"samples\":[[0]],\n\"weights\":[5000000]},\n"
          "{\"type\":\"sampled\",\"name\":\"thread a (8)\",\"unit\":\"nanoseconds\",\"startValue\":0,"
          "\"endValue\":3000000,\n\"samples\":[[0],[0,1]],\n\"weights\":[1000000,2000000]}\n]}\n");
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_export_speedscope, (op_export_options){0});
    op_profile_free(profile);
}

TAP_MAIN()

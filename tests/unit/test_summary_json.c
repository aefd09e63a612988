// SPDX-License-Identifier: MIT
// That it is valid JSON and has what docs/json-summary.md says is tested in tests/python/test_formats.py.
#include "export/export.h"
#include "export_fixture.h"

static void check_has(const op_profile *profile, const char *const *parts, size_t count)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_export_json(profile, &(op_export_options){0}, &out, NULL), OP_OK);
    const char *text = op_buffer_text(&out);
    TAP_REQUIRE(text != NULL);
    for (size_t i = 0; i < count; i++) {
        if (!TAP_OK(strstr(text, parts[i]) != NULL))
            TAP_NOTE("missing: %s", parts[i]);
    }
    op_buffer_fini(&out);
}

TAP_TEST(small)
{
    op_profile *profile = fixture_small();
    static const char *const parts[] = {
        "{\"format\": \"outpace-summary\", \"version\": 1,\n\"run\": {\"command\": \"python app.py --size 10\", ",
        "\"duration_ns\": 10000000000, \"asked_rate_hz\": 1000, \"mode\": \"wall\", ",
        "\"totals\": {\"samples\": 100, \"ns\": 100000000, \"running\": {\"samples\": 100, \"ns\": 100000000}, "
        "\"waiting\": {\"samples\": 0, \"ns\": 0}",
        "\"name\": \"worker\", \"main\": false, \"samples\": 20, \"ns\": 20000000}",
        "\"functions\": [\n  {\"function\": \"fib\", \"file\": \"/home/me/app.py\", \"first_line\": 2, \"kind\": "
        "\"python\", \"own_samples\": 50, \"own_ns\": 50000000, \"own_share\": 0.500000, ",
        "\"function\": \"<GC>\", \"file\": \"\", \"first_line\": 0, \"kind\": \"label\"",
        "\"counters\": {\"samples\": 100}}\n",
    };
    check_has(profile, parts, sizeof parts / sizeof *parts);
    op_profile_free(profile);
}

TAP_TEST(no_number_that_json_lacks)
{
    op_profile *profile = fixture_new();
    profile->run.asked_rate_hz = (double)INFINITY;
    static const char *const parts[] = {"\"asked_rate_hz\": 0,", "\"functions\": []"};
    check_has(profile, parts, sizeof parts / sizeof *parts);
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_export_json, (op_export_options){0});
    op_profile_free(profile);
}

TAP_MAIN()

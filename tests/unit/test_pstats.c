// SPDX-License-Identifier: MIT
// That Python reads it is tested in tests/python/test_formats.py.
#include "export/export.h"
#include "export_fixture.h"

TAP_TEST(bytes_of_marshal)
{
    op_profile *profile = fixture_new();
    op_id frame = fixture_frame(profile, "f", "a", 3, 4);
    fixture_sample(profile, 0, fixture_stack(profile, &frame, 1), 1);
    profile->samples.items[0].weight_ns = 1500000000;
    static const char expected[] = "{)\x03u\x01\0\0\0"
                                   "ai\x03\0\0\0u\x01\0\0\0"
                                   "f)\x05i\x01\0\0\0i\x01\0\0\0"
                                   "g\0\0\0\0\0\0\xf8\x3fg\0\0\0\0\0\0\xf8\x3f{00";
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_INT(op_export_pstats(profile, &(op_export_options){0}, &out, NULL), OP_OK);
    TAP_EQ_BYTES(out.data, out.size, expected, sizeof expected - 1);
    // More than 31 bits: 2^40 is three digits of 15 bits.
    profile->samples.items[0].count = UINT64_C(1) << 40;
    op_buffer_reset(&out);
    TAP_EQ_INT(op_export_pstats(profile, &(op_export_options){0}, &out, NULL), OP_OK);
    static const char large[] = "l\x03\0\0\0\0\0\0\0\0\x04";
    TAP_OK(memmem(out.data, out.size, large, sizeof large - 1) != NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_export_pstats, (op_export_options){0});
    op_profile_free(profile);
}

TAP_MAIN()

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

TAP_TEST(whole)
{
    op_profile *profile = fixture_calls();
    op_calls_table_options options = {.table = {.width = 120, .unicode = true, .top = 6}};
    check_table(profile, &options, "");
    op_profile_free(profile);
}

TAP_MAIN()

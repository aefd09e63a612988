// SPDX-License-Identifier: MIT
// That it is well-formed XML is tested in tests/python/test_formats.py.
#include "export/export.h"
#include "export_fixture.h"

// The caller frees the buffer.
static const char *draw(const op_profile *profile, op_buffer *out)
{
    op_buffer_init(out);
    TAP_REQUIRE(op_export_svg(profile, &(op_export_options){0}, out, NULL) == OP_OK);
    const char *text = op_buffer_text(out);
    TAP_REQUIRE(text != NULL);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

TAP_TEST(frames_have_cost_and_place)
{
    op_profile *profile = fixture_small();
    op_buffer out;
    const char *text = draw(profile, &out);
    TAP_OK(strstr(text, "<title>everything\n100 samples, 100.00 %, 100 ms; own 0.00 %</title>"
                        "<rect x=\"0.0000%\" y=\"90\" width=\"100.0000%\"") != NULL);
    TAP_OK(strstr(text, "<title>main (/home/me/app.py:12)\n50 samples, 50.00 %, 50.0 ms; own 0.00 %</title>"
                        "<rect x=\"0.0000%\" y=\"54\" width=\"50.0000%\"") != NULL);
    TAP_OK(strstr(text, "<title>&lt;GC&gt;\n15 samples, 15.00 %, 15.0 ms; own 15.00 %</title>"
                        "<rect x=\"80.0000%\" y=\"36\" width=\"15.0000%\"") != NULL);
    TAP_OK(strstr(text, "10.0 s · wall time, asked 1,000 a second · 100 samples · 1 process, 2 threads · "
                        "Python 3.13.0") != NULL);
    TAP_EQ_UINT(count_of(text, "<g><title>"), 14);
    TAP_OK(strstr(text, "not drawn") == NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(needs_nothing_from_elsewhere)
{
    op_profile *profile = fixture_small();
    op_buffer out;
    const char *text = draw(profile, &out);
    TAP_EQ_UINT(count_of(text, "http"), 3);   // names of XML namespaces
    TAP_EQ_UINT(count_of(text, "http://www.w3.org/"), 3);
    TAP_EQ_UINT(count_of(text, "]]>"), 1);
    TAP_OK(strstr(text, "url(") == NULL && strstr(text, "eval") == NULL && strstr(text, "innerHTML") == NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(equal_profiles_give_equal_pictures)
{
    op_profile *one = fixture_small(), *two = fixture_small();
    for (size_t i = 0, j = two->samples.count - 1; i < j; i++, j--) {
        op_sample swap = two->samples.items[i];
        two->samples.items[i] = two->samples.items[j];
        two->samples.items[j] = swap;
    }
    op_buffer first, second;
    (void)draw(one, &first);
    (void)draw(two, &second);
    TAP_EQ_BYTES(first.data, first.size, second.data, second.size);
    op_buffer_fini(&first);
    op_buffer_fini(&second);
    op_profile_free(one);
    op_profile_free(two);
}

TAP_TEST(hostile_names)
{
    op_profile *profile = fixture_hostile();
    op_buffer out;
    const char *text = draw(profile, &out);
    TAP_OK(strstr(text, "a;b&quot;&lt;c&gt;&amp;&#39;\\x0a\\x1b[31m\\u202e]]&gt;\xef\xbf\xbd\\ (") != NULL);
    TAP_EQ_UINT(count_of(text, "]]>"), 1);
    TAP_OK(strchr(text, '\x1b') == NULL && strstr(text, "\xe2\x80\xae") == NULL && strchr(text, '\xff') == NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(deep_stacks_are_cut_visibly)
{
    op_profile *profile = fixture_deep(5000, 10);
    op_buffer out;
    const char *text = draw(profile, &out);
    TAP_EQ_UINT(count_of(text, "<g><title>"), 1 + 512 + 1);
    TAP_OK(strstr(text, "<title>&lt;deeper&gt;\n9 samples, 90.00 %, 9.00 ms; own 0.00 %") != NULL);
    TAP_OK(strstr(text, "deeper than 512 levels (of 5000)") != NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(thin_frames_are_left_out)
{
    op_profile *profile = fixture_new();
    char name[32];
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "f%u", i);
        FIXTURE_SAMPLE(profile, 0, i < 20 ? 100000 : 1, fixture_frame(profile, name, "a.py", 1, 1));
    }
    op_buffer out;
    TAP_EQ_UINT(count_of(draw(profile, &out), "<g><title>"), 21);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(many_frames_are_bounded)
{
    op_profile *profile = fixture_new();
    char name[32];
    op_id frames[10];
    for (unsigned i = 0; i < 5000; i++) {
        for (unsigned depth = 0; depth < 10; depth++) {
            (void)snprintf(name, sizeof name, "f%u", i);
            frames[depth] = fixture_frame(profile, name, "a.py", 1, 1 + depth);
        }
        fixture_sample(profile, 0, fixture_stack(profile, frames, 10), 1 + i % 2);
    }
    op_buffer out;
    size_t count = count_of(draw(profile, &out), "<g><title>");
    TAP_OK(count > 1000 && count <= 30001);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(nothing_measured)
{
    op_profile *profile = fixture_new();
    op_buffer out;
    const char *text = draw(profile, &out);
    TAP_OK(strstr(text, "Nothing was measured.") != NULL);
    TAP_OK(strstr(text, "nan") == NULL);
    op_buffer_fini(&out);
    op_profile_free(profile);
}

TAP_TEST(memory_runs_out)
{
    op_profile *profile = fixture_small();
    FIXTURE_FAIL_ALL(profile, op_export_svg, (op_export_options){.by_thread = true});
    op_profile_free(profile);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
// write_formats FOLDER: the profiles of export_fixture.h in every format, as FOLDER/PROFILE.FORMAT, for readers
// that are not ours (tests/python/test_formats.py).
#include <stdio.h>
#include "base/memory.h"
#include "export/calls_table.h"
#include "export/export.h"
#include "export/table.h"
#include "export/lines_table.h"
#include "export_fixture.h"

static int write_file(const char *folder, const char *profile, const char *ending, const op_buffer *bytes)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, profile, ending);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    bool written = fwrite(bytes->data, 1, bytes->size, file) == bytes->size;
    return fclose(file) == 0 && written ? 0 : 1;
}

// As line_profiler's viewer prints the .lprof.
static int write_lines(const char *folder, const char *name, const op_profile *profile)
{
    static const struct {
        const char *ending;
        op_lines_table_options options;
    } tables[] = {
        {"lines_table", {.unicode = true, .skip_zero = true}},
        {"lines_summary", {.unicode = true, .skip_zero = true, .by_time = true, .summarize = true}},
        {"lines_seconds", {.unicode = true, .skip_zero = true, .unit_s = 1}},
        {"lines_ns", {.unicode = true, .skip_zero = true, .unit_s = 1e-9}},
    };
    op_buffer out;
    op_buffer_init(&out);
    int failed = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        op_buffer_reset(&out);
        failed |= op_lines_table_add(profile, &tables[i].options, &out, NULL) != OP_OK ||
                  write_file(folder, name, tables[i].ending, &out) != 0;
    }
    op_buffer_fini(&out);
    return failed;
}

static op_profile *lines_in(const char *folder)
{
    char path[4096];
    op_buffer source;
    op_buffer_init(&source);
    op_buffer_add_text(&source, FIXTURE_SOURCE);
    TAP_OK(write_file(folder, "source", "py", &source) == 0);
    op_buffer_fini(&source);
    (void)snprintf(path, sizeof path, "%s/source.py", folder);
    return fixture_lines(path);
}

static int write_all(const char *folder, const char *name, op_profile *profile)
{
    static const char *const formats[] = {"svg", "collapsed", "speedscope", "pstats", "lprof", "json"};
    static const op_table_options plain = {.unicode = true};
    op_export_options options = {.by_thread = true};
    op_error error = {0};
    op_buffer out;
    op_buffer_init(&out);
    int failed = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        op_buffer_reset(&out);
        failed |= op_export_find(formats[i])->write(profile, &options, &out, &error) != OP_OK ||
                  write_file(folder, name, formats[i], &out) != 0;
    }
    op_buffer_reset(&out);
    failed |= op_table_add_report(profile, &plain, &out, &error) != OP_OK ||
              write_file(folder, name, "report", &out) != 0;
    failed |= write_lines(folder, name, profile);
    op_calls_table_options calls = {.table = plain};
    op_buffer_reset(&out);
    failed |= op_calls_table_add(profile, &calls, &out, &error) != OP_OK ||
              write_file(folder, name, "calls_table", &out) != 0;
    // In each order of pstats, for pstats to print the same.
    for (size_t i = 0; op_pstats_sort_word(i) != NULL; i++) {
        op_pstats_table_options as = {.unicode = true};
        failed |= !op_pstats_sort_find(op_pstats_sort_word(i), &as.sort);
        char ending[32];
        (void)snprintf(ending, sizeof ending, "pstats_%s", op_pstats_sort_word(i));
        op_buffer_reset(&out);
        failed |= op_pstats_table_add(profile, &as, &out, &error) != OP_OK ||
                  write_file(folder, name, ending, &out) != 0;
    }
    op_buffer_fini(&out);
    op_profile_free(profile);
    return failed;
}

int main(int argc, char **argv)
{
    static tap_result result;   // where the fixtures report; there is no test around them here
    tap_current = &result;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: write_formats FOLDER\n");
        return 2;
    }
    int failed = write_all(argv[1], "small", fixture_small());
    failed |= write_all(argv[1], "hostile", fixture_hostile());
    failed |= write_all(argv[1], "deep", fixture_deep(5000, 20));
    failed |= write_all(argv[1], "calls", fixture_calls());
    failed |= write_all(argv[1], "lines", lines_in(argv[1]));
    failed |= write_all(argv[1], "empty", fixture_new());
    return failed;
}

// SPDX-License-Identifier: MIT
#include "cli/table_view.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "cli/format.h"
#include "cli/say.h"
#include "export/calls_table.h"
#include "export/lines_table.h"

// Whether the locale that the terminal was set up for is UTF-8, by the names that setlocale would look at.
static bool is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            const char *dot = strrchr(value, '.');
            return dot != NULL && (strcasecmp(dot, ".utf-8") == 0 || strcasecmp(dot, ".utf8") == 0);
        }
    }
    return false;
}

void op_table_view_fit(op_table_options *options, int fd)
{
    options->width = fd >= 0 ? op_say_columns(fd) : 0;
    options->colour = fd >= 0 && op_say_in_colour(fd);
    options->unicode = fd < 0 || is_utf8();
}

int op_table_view_print_json(const op_profile *profile, const op_flags *flags)
{
    op_error error = {.status = OP_OK};
    op_export_options options = op_format_options(flags);
    op_buffer out;
    op_buffer_init(&out);
    int code = op_export_json(profile, &options, &out, &error) == OP_OK ? op_say_data(&out) : op_say_error(&error);
    op_buffer_fini(&out);
    return code;
}

static void add_gap(op_buffer *out)
{
    if (out->size > 0) {
        op_buffer_add_byte(out, '\n');
    }
}

op_status op_table_view_add(const op_profile *profile, const op_flags *flags, int fd, op_buffer *out,
                            op_error *error)
{
    op_table_options options = {
        .by_total = flags->sort == OP_SORT_TOTAL,
        .top = (size_t)flags->top,
        .thread_name = flags->thread,
    };
    op_table_view_fit(&options, fd);
    bool exact = profile->calls.count > 0 || profile->lines.count > 0;
    op_status status = OP_OK;
    if (op_profile_total_samples(profile) > 0 || !exact) {
        status = op_table_add_report(profile, &options, out, error);
    }
    if (status == OP_OK && profile->calls.count > 0) {
        op_calls_table_options calls = {.table = options};
        add_gap(out);
        status = op_calls_table_add(profile, &calls, out, error);
    }
    if (status == OP_OK && profile->lines.count > 0) {
        op_lines_table_options lines = {.thread_name = flags->thread, .unicode = options.unicode};
        add_gap(out);
        status = op_lines_table_add(profile, &lines, out, error);
    }
    if (status == OP_OK && out->failed) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory");
    }
    return status;
}

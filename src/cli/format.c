// SPDX-License-Identifier: MIT
#include "cli/format.h"

#include <string.h>
#include "cli/output.h"
#include "cli/suggest.h"

static void hint_all(op_error *error, const char *near)
{
    char names[256] = "";
    for (size_t i = 0; op_export_at(i) != NULL; i++) {
        strncat(names, i > 0 ? ", " : "", sizeof names - strlen(names) - 1);
        strncat(names, op_export_at(i)->name, sizeof names - strlen(names) - 1);
    }
    if (near != NULL) {
        op_error_hint(error, "did you mean %s? All: %s", near, names);
    } else {
        op_error_hint(error, "give one with -f: %s", names);
    }
}

op_status op_format_choose(const op_flags *flags, const op_export_format **format, op_error *error)
{
    const op_export_format *found = NULL;
    if (flags->format != NULL) {
        found = op_export_find(flags->format);
        if (found == NULL) {
            op_suggestion near = op_suggestion_start(flags->format, strlen(flags->format));
            for (size_t i = 0; op_export_at(i) != NULL; i++) {
                op_suggestion_try(&near, op_export_at(i)->name, op_export_at(i)->name);
            }
            op_error_set(error, OP_UNKNOWN_FORMAT, "the format '%.80s' is not known", flags->format);
            hint_all(error, near.best);
            return OP_UNKNOWN_FORMAT;
        }
    } else if (flags->output != NULL) {
        found = op_export_find_by_path(flags->output);
        if (found == NULL) {
            op_error_set(error, OP_UNKNOWN_FORMAT, "the ending of '%.300s' names no format", flags->output);
            hint_all(error, NULL);
            return OP_UNKNOWN_FORMAT;
        }
    }
    *format = found;
    return OP_OK;
}

op_export_options op_format_options(const op_flags *flags)
{
    return (op_export_options){
        .by_thread = flags->by_thread, .by_function = flags->by_function, .no_lines = flags->no_lines};
}

op_status op_format_write(const op_export_format *format, const op_profile *profile, const op_flags *flags,
                          const char *path, op_error *error)
{
    op_export_options options = op_format_options(flags);
    op_buffer bytes;
    op_buffer_init(&bytes);
    op_status status = format->write(profile, &options, &bytes, error);
    if (status == OP_OK && bytes.failed) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory");
    }
    if (status == OP_OK) {
        status = op_output_write(path, bytes.data, bytes.size, error);
    }
    op_buffer_fini(&bytes);
    return status;
}

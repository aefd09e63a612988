// SPDX-License-Identifier: MIT
#include <sys/stat.h>
#include <unistd.h>
#include "cli/format.h"
#include "cli/left.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/table_view.h"
#include "cli/verbs.h"
#include "profile/store.h"

// Replaces *profile by its samples of the threads of that name.
static op_status keep_thread(op_profile **profile, const char *name, op_error *error)
{
    op_profile_filter filter = {.thread_name = name};
    op_profile *kept = NULL;
    op_status status = op_profile_filter_copy(*profile, &filter, &kept, error);
    if (status != OP_OK) {
        return status;
    }
    if (op_export_content_of(kept) == 0) {
        bool sampled = op_profile_total_samples(*profile) > 0;
        op_error_set(error, OP_USAGE, "%s of a thread '%.200s'", sampled ? "no samples" : "nothing was counted",
                     name);
        op_string first = op_profile_text(*profile,
                                          (*profile)->threads.count > 0 ? (*profile)->threads.items[0].name : 0);
        op_error_hint(error, "names are exact, for example --thread '%.100s'; %s shows them all", first.text,
                      sampled ? "-t -f collapsed" : "--json");
        op_profile_free(kept);
        return OP_USAGE;
    }
    op_profile_free(*profile);
    *profile = kept;
    return OP_OK;
}

// A format that shows nothing of what the profile has would be an empty file. An empty profile is no mistake.
static op_status check_content(const op_profile *profile, const op_export_format *format, op_error *error)
{
    unsigned has = op_export_content_of(profile);
    if (format == NULL || has == 0 || (format->shows & has) != 0) {
        return OP_OK;
    }
    op_error_set(error, OP_USAGE, "%s shows no %s, and this profile has nothing else", format->name,
                 has == OP_CONTENT_LINES   ? "counted lines"
                 : has == OP_CONTENT_CALLS ? "calls"
                                           : "calls and lines");
    op_error_hint(error, "give -f json or -f %s, or sample the program: outpace record",
                  has == OP_CONTENT_LINES ? "lprof" : "pstats");
    return OP_USAGE;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static op_status write_profile(op_profile *profile, const char *from, const char *to, op_error *error)
{
    if (is_same_file(from, to)) {
        op_error_set(error, OP_NO_OUTPUT, "'%.300s' would replace the profile that is read", to);
        return op_error_hint(error, "give another file with -o");
    }
    op_store *store = NULL;
    op_status status = op_output_check(to, false, error);
    if (status == OP_OK) {
        status = op_store_create(to, profile, &store, error);
    }
    return status == OP_OK ? op_store_close(store, error) : status;
}

// What goes to stdout, or to -o, as bytes.
static op_status make_bytes(const op_profile *profile, const op_export_format *format, const op_flags *flags,
                            op_buffer *out, op_error *error)
{
    if (format == NULL) {
        return op_table_view_add(profile, flags, flags->output == NULL ? STDOUT_FILENO : -1, out, error);
    }
    op_export_options options = op_format_options(flags);
    return format->write(profile, &options, out, error);
}

static op_status choose(const op_flags *flags, const op_export_format **format, op_error *error)
{
    if (flags->json) {
        *format = op_export_find("json");
        return OP_OK;
    }
    op_status status = op_format_choose(flags, format, error);
    // A table may go to a file of any name.
    if (status == OP_UNKNOWN_FORMAT && flags->format == NULL && op_output_is_device(flags->output)) {
        *format = NULL;
        return OP_OK;
    }
    if (status != OP_OK || *format == NULL || flags->output != NULL) {
        return status;
    }
    if ((*format)->write == NULL) {
        op_error_set(error, OP_USAGE, "a profile file cannot go to the standard output");
        op_error_hint(error, "give a file: -o FILE.outpace");
        return OP_USAGE;
    }
    if ((*format)->is_binary && isatty(STDOUT_FILENO)) {
        op_error_set(error, OP_USAGE, "%s is a binary format, not for a terminal", (*format)->name);
        op_error_hint(error, "give a file: -o FILE.%s", (*format)->name);
        return OP_USAGE;
    }
    return OP_OK;
}

int op_verb_report(const op_flags *flags)
{
    const char *path = flags->rest[0];
    op_error error = {.status = OP_OK};
    op_profile *profile = NULL;
    op_buffer out;
    op_buffer_init(&out);
    const op_export_format *format = NULL;
    op_status status = choose(flags, &format, &error);
    if (status == OP_OK) {
        status = op_left_is_folder(path) ? op_left_read(path, &profile, &error)
                                         : op_profile_read(path, &profile, &error);
    }
    if (status == OP_OK && flags->thread != NULL) {
        status = keep_thread(&profile, flags->thread, &error);
    }
    if (status == OP_OK) {
        status = check_content(profile, format, &error);
    }
    int code = 0;
    if (status == OP_OK && format != NULL && format->write == NULL) {
        status = write_profile(profile, path, flags->output, &error);
    } else if (status == OP_OK) {
        status = make_bytes(profile, format, flags, &out, &error);
        if (status == OP_OK && out.failed) {
            status = op_error_set(&error, OP_NO_MEMORY, "out of memory");
        }
        if (status == OP_OK && flags->output != NULL) {
            status = op_output_write(flags->output, out.data, out.size, &error);
        } else if (status == OP_OK) {
            code = op_say_data(&out);
        }
    }
    if (status != OP_OK) {
        code = op_say_error(&error);
    }
    op_buffer_fini(&out);
    op_profile_free(profile);
    return code;
}

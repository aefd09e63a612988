// SPDX-License-Identifier: MIT
// `trace` counts and times every call, and prints the table behind the program's last byte.
#include <string.h>
#include <unistd.h>
#include "cli/say.h"
#include "cli/session.h"
#include "cli/suggest.h"
#include "cli/table_view.h"
#include "cli/verbs.h"
#include "export/calls_table.h"

// own and total are of our table, all others of the one that cProfile prints.
static op_status choose_sort(const op_flags *flags, op_calls_table_options *options, op_error *error)
{
    const char *key = flags->sort_key;
    options->table.by_total = key != NULL && strcmp(key, "total") == 0;
    if (key == NULL || options->table.by_total || strcmp(key, "own") == 0) {
        return OP_OK;
    }
    options->as_cprofile = true;
    if (op_pstats_sort_find(key, &options->sort)) {
        return OP_OK;
    }
    op_suggestion near = op_suggestion_start(key, strlen(key));
    char all[256] = "own, total";
    for (size_t i = 0; op_pstats_sort_word(i) != NULL; i++) {
        const char *word = op_pstats_sort_word(i);
        op_suggestion_try(&near, word, word);
        strncat(all, ", ", sizeof all - strlen(all) - 1);
        strncat(all, word, sizeof all - strlen(all) - 1);
    }
    op_error_set(error, OP_USAGE, "--sort '%.80s' is no order of the table", key);
    if (near.best != NULL) {
        op_error_hint(error, "did you mean %s? All: %s", near.best, all);
    } else {
        op_error_hint(error, "give one of %s", all);
    }
    return OP_USAGE;
}

static int print_table(const op_session *session, op_calls_table_options *options)
{
    op_error error = {.status = OP_OK};
    op_buffer out;
    op_buffer_init(&out);
    op_table_view_fit(&options->table, STDOUT_FILENO);
    int code = op_calls_table_add(session->profile, options, &out, &error) == OP_OK ? op_say_data(&out)
                                                                                    : op_say_error(&error);
    op_buffer_fini(&out);
    return code;
}

int op_verb_trace(const op_flags *flags)
{
    op_error error = {.status = OP_OK};
    op_calls_table_options options = {.table = {.top = (size_t)flags->top}};
    op_status status = choose_sort(flags, &options, &error);
    if (status != OP_OK) {
        return op_say_error(&error);
    }
    op_session session;
    status = op_session_trace(flags, &session, &error);
    int code = status == OP_OK ? 0 : op_say_error(&error);
    if (status == OP_OK && session.kept) {
        op_say_note("wrote %s", session.path);
    }
    if (status == OP_OK && flags->json) {
        code = op_table_view_print_json(session.profile, flags);
        status = code == 0 ? OP_OK : OP_NO_OUTPUT;
    } else if (status == OP_OK && (flags->output == NULL || flags->view)) {
        code = print_table(&session, &options);
        status = code == 0 ? OP_OK : OP_NO_OUTPUT;
    }
    code = op_session_exit_code(&session, status, code);
    op_session_fini(&session);
    return code;
}

// SPDX-License-Identifier: MIT
// `lines` counts and times lines of chosen functions; kernprof's habits.
#include <unistd.h>
#include "cli/say.h"
#include "cli/session.h"
#include "cli/table_view.h"
#include "cli/verbs.h"
#include "export/lines_table.h"

// To stdout, where kernprof says it.
static int say_wrote(const char *path)
{
    op_buffer line;
    op_buffer_init(&line);
    op_buffer_add_format(&line, "Wrote profile results to %s\n", path);
    int code = op_say_data(&line);
    op_buffer_fini(&line);
    return code;
}

static int print_table(const op_session *session, const op_flags *flags)
{
    op_table_options view = {.width = 0};
    op_table_view_fit(&view, STDOUT_FILENO);
    op_lines_table_options options = {
        .unit_s = flags->unit_seconds, .skip_zero = flags->skip_zero, .unicode = view.unicode};
    op_error error = {.status = OP_OK};
    op_buffer out;
    op_buffer_init(&out);
    int code = op_lines_table_add(session->profile, &options, &out, &error) == OP_OK ? op_say_data(&out)
                                                                                     : op_say_error(&error);
    op_buffer_fini(&out);
    return code;
}

int op_verb_lines(const op_flags *flags)
{
    op_error error = {.status = OP_OK};
    op_session session;
    op_status status = op_session_trace(flags, &session, &error);
    int code = status == OP_OK ? 0 : op_say_error(&error);
    if (status == OP_OK && session.kept && flags->json) {
        op_say_note("wrote %s", session.path);   // stdout is JSON alone
    } else if (status == OP_OK && session.kept) {
        code = say_wrote(session.path);
    }
    if (status == OP_OK && code == 0 && flags->json) {
        code = op_table_view_print_json(session.profile, flags);
    } else if (status == OP_OK && code == 0 && flags->view) {
        code = print_table(&session, flags);
    }
    status = status == OP_OK && code != 0 ? OP_NO_OUTPUT : status;
    code = op_session_exit_code(&session, status, code);
    op_session_fini(&session);
    return code;
}

// SPDX-License-Identifier: MIT
// `lines` counts and times lines of chosen functions; kernprof's habits.
#include <unistd.h>
#include "cli/say.h"
#include "cli/session.h"
#include "cli/table_view.h"
#include "cli/verbs.h"

static void say_wrote(const op_session *session, int *code)
{
    op_buffer line;
    op_buffer_init(&line);
    op_buffer_add_format(&line, "Wrote profile results to %s\n", session->path);
    *code = op_say_data(&line);
    op_buffer_fini(&line);
}

int op_verb_lines(const op_flags *flags)
{
    op_error error = {.status = OP_OK};
    op_session session;
    op_status status = op_session_trace(flags, &session, &error);
    int code = status == OP_OK ? 0 : op_say_error(&error);
    if (status == OP_OK && session.kept && flags->json) {
        op_say_note("wrote %s", session.path);
    } else if (status == OP_OK && session.kept) {
        say_wrote(&session, &code);
    }
    if (status == OP_OK && flags->json) {
        code = op_table_view_print_json(session.profile, flags);
        status = code == 0 ? OP_OK : OP_NO_OUTPUT;
    }
    code = op_session_exit_code(&session, status, code);
    op_session_fini(&session);
    return code;
}

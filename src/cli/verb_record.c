// SPDX-License-Identifier: MIT
#include "cli/say.h"
#include "cli/session.h"
#include "cli/status_line.h"
#include "cli/verbs.h"

static void say_result(const op_session *session)
{
    if (session->kept) {
        op_say_note("wrote %s", session->path);
    }
    op_say_honesty(&session->stats);
}

int op_verb_record(const op_flags *flags)
{
    op_session session;
    op_error error = {.status = OP_OK};
    op_status status = op_session_record(flags, &session, &error);
    int code = status == OP_OK ? 0 : op_say_error(&error);
    say_result(&session);
    op_session_wait(&session);
    code = op_session_exit_code(&session, status, code);
    op_session_fini(&session);
    return code;
}

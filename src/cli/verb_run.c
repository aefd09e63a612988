// SPDX-License-Identifier: MIT
// `run` records and says where the time went. Advice will have its home here.
#include <string.h>
#include <unistd.h>
#include "cli/format.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/status_line.h"
#include "cli/table_view.h"
#include "cli/verbs.h"

static op_status check_extra(const char *path, op_error *error)
{
    return path != NULL ? op_output_check(path, true, error) : OP_OK;
}

static op_status write_table(const op_session *session, const op_flags *flags, op_error *error)
{
    op_buffer out;
    op_buffer_init(&out);
    op_status status = op_table_view_add(session->profile, flags, STDERR_FILENO, &out, error);
    if (status == OP_OK && op_output_write_all(STDERR_FILENO, out.data, out.size) != OP_OK) {
        status = OP_OK;   // nobody reads it
    }
    if (status == OP_OK && flags->report_path != NULL) {
        op_buffer_reset(&out);
        status = op_table_view_add(session->profile, flags, -1, &out, error);
        if (status == OP_OK) {
            status = op_output_write(flags->report_path, out.data, out.size, error);
        }
    }
    op_buffer_fini(&out);
    return status;
}

static op_status write_results(const op_session *session, const op_flags *flags, op_error *error)
{
    op_status status = write_table(session, flags, error);
    if (status == OP_OK && flags->json_path != NULL) {
        status = op_format_write(op_export_find("json"), session->profile, flags, flags->json_path, error);
    }
    return status;
}

int op_verb_run(const op_flags *flags)
{
    op_error error = {.status = OP_OK};
    op_status status = check_extra(flags->report_path, &error);
    if (status == OP_OK) {
        status = check_extra(flags->json_path, &error);
    }
    if (status != OP_OK) {
        return op_say_error(&error);
    }
    op_session session;
    status = op_session_record(flags, &session, &error);
    int code = status == OP_OK ? 0 : op_say_error(&error);
    op_session_wait(&session);   // before the table, lest the program prints into it
    if (op_session_has_any(&session)) {
        op_error table_error = {.status = OP_OK};
        op_status written = write_results(&session, flags, &table_error);
        if (written != OP_OK) {
            code = op_say_error(&table_error);
            status = written;
        }
        if (session.kept) {
            op_say_note("wrote %s", session.path);
        }
    }
    op_say_honesty(&session.stats);
    code = op_session_exit_code(&session, status, code);
    op_session_fini(&session);
    return code;
}

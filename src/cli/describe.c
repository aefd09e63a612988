// SPDX-License-Identifier: MIT
#include "cli/describe.h"

#include <unistd.h>
#include "process/process.h"

op_status op_describe_run(op_profile *profile, const op_launch *launch, pid_t pid, op_error *error)
{
    op_buffer command;
    op_buffer_init(&command);
    op_status status = OP_OK;
    if (launch != NULL) {
        op_command_add_masked(&command, launch->argv, launch->count);
    } else {
        status = op_process_command(pid, &command);
    }
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    if (status == OP_OK) {
        profile->run.command = op_profile_string_bytes(profile, command.size > 0 ? command.data : "", command.size);
        profile->run.host = op_profile_string(profile, host);
        profile->run.tool_version = op_profile_string(profile, OP_VERSION);
        bool all = profile->run.command != 0 && profile->run.host != 0 && profile->run.tool_version != 0;
        status = command.failed || !all ? OP_NO_MEMORY : OP_OK;
    }
    op_buffer_fini(&command);
    return status == OP_OK ? OP_OK : op_error_set(error, status, "%s", op_status_text(status));
}

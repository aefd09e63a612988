// SPDX-License-Identifier: MIT
// One recording as `record` and `run` do it: checks, the program, the profile file and what is made of it.
//
// Invariants: (1) nothing is started before the command, the format and the output were found good; (2) what the
// recording saw is in a profile file from its first second, under its own name or, for other formats,
// OUTPUT.outpace.part; (3) where a recording fails, what stood under the output's name before stands there again.
#ifndef OP_CLI_SESSION_H
#define OP_CLI_SESSION_H

#include <limits.h>
#include "cli/flags.h"
#include "sample/record.h"

typedef struct {
    op_profile *profile;   // owned; NULL where nothing was recorded
    op_record_stats stats;
    char path[PATH_MAX];   // the file that was made
    pid_t pid;
    bool launched;   // we started the program; `wait_status` is its end after op_session_wait
    bool kept;       // `path` is there
    int wait_status;
} op_session;

// Records and writes the output. On failure a launched program may still run: op_session_wait. NOTHING_MEASURED:
// no file was made. op_session_fini frees, also after a failure.
op_status op_session_record(const op_flags *flags, op_session *session, op_error *error) OP_MUST_CHECK;
// The same for `trace` and `lines`: the program is started, traced and waited for; sampled too where counts are asked
// for. Without -o no file is made (lines: SCRIPT.lprof, unless JSON is asked for), and what was traced is in the profile
// only. Where nothing of it was there is no file either.
op_status op_session_trace(const op_flags *flags, op_session *session, op_error *error) OP_MUST_CHECK;
// Waits for a launched program to end; signals still reach it.
void op_session_wait(op_session *session);
void op_session_fini(op_session *session);
bool op_session_has_any(const op_session *session);   // samples, or calls of the program
// The exit code: does not return where the launched program failed or nothing else did (then we end as it ended).
int op_session_exit_code(const op_session *session, op_status status, int own_code);

#endif

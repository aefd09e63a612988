// SPDX-License-Identifier: MIT
// Why processes were not traced, as their start-up hooks left it in the folder of traces: PID.noagent (a version and
// the path of a Python for which no agent is built), PID.error (what the agent said).
#ifndef OP_CLI_REASONS_H
#define OP_CLI_REASONS_H

#include "base/status.h"

enum { OP_REASONS_MAX = 4, OP_REASON_BYTES = 400 };

typedef struct {
    char text[OP_REASON_BYTES];   // one line
    char hint[OP_REASON_BYTES];
    size_t processes;   // that said so
} op_reason;

typedef struct {
    op_reason items[OP_REASONS_MAX];   // each once
    size_t count;
    size_t others;   // processes with yet other reasons
} op_reasons;

// Takes the files: they are removed.
void op_reasons_read(op_reasons *reasons, const char *folder);
// The first as an error: NOT_TRACED.
op_status op_reasons_error(const op_reasons *reasons, op_error *error);
// All on stderr, where other processes were traced.
void op_reasons_say(const op_reasons *reasons);

#endif

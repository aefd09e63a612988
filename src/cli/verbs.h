// SPDX-License-Identifier: MIT
// The verbs. Each takes what was typed and returns the exit code, all that has to be said being said.
#ifndef OP_CLI_VERBS_H
#define OP_CLI_VERBS_H

#include "cli/flags.h"

int op_verb_record(const op_flags *flags);
int op_verb_report(const op_flags *flags);
int op_verb_dump(const op_flags *flags);
int op_verb_run(const op_flags *flags);
int op_verb_trace(const op_flags *flags);
int op_verb_lines(const op_flags *flags);

#endif

// SPDX-License-Identifier: MIT
// What was measured, when and how: one line for a heading.
#ifndef OP_EXPORT_RUN_TEXT_H
#define OP_EXPORT_RUN_TEXT_H

#include "profile/profile.h"

// The command, or "unknown command"; escaped for eyes.
void op_run_text_add_command(op_buffer *out, const op_profile *profile);
// "2025-01-31 12:34:56 UTC · 10.0 s · wall time, asked 1,000 a second · 9,812 samples · ..."; escaped for eyes.
void op_run_text_add_facts(op_buffer *out, const op_profile *profile, uint64_t samples);

#endif

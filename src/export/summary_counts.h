// SPDX-License-Identifier: MIT
// What a tracer counted, for the JSON summary: `calls`, `edges`, `line_hits`.
#ifndef OP_EXPORT_SUMMARY_COUNTS_H
#define OP_EXPORT_SUMMARY_COUNTS_H

#include "export/json_writer.h"
#include "profile/profile.h"

const char *op_summary_kind(op_frame_kind kind);   // "python", "builtin" or "label"
op_status op_summary_add_counts(op_json *json, const op_profile *profile) OP_MUST_CHECK;

#endif

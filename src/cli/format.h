// SPDX-License-Identifier: MIT
// Which format was asked for, by -f or by the ending of -o.
#ifndef OP_CLI_FORMAT_H
#define OP_CLI_FORMAT_H

#include "cli/flags.h"
#include "export/export.h"

// NULL in *format where neither was given. UNKNOWN_FORMAT with a suggestion.
op_status op_format_choose(const op_flags *flags, const op_export_format **format, op_error *error) OP_MUST_CHECK;
op_export_options op_format_options(const op_flags *flags);
// Turns the profile into the file `path`. For formats with a writer.
op_status op_format_write(const op_export_format *format, const op_profile *profile, const op_flags *flags,
                          const char *path, op_error *error) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// Lines of source files on this machine, for reports.
#ifndef OP_EXPORT_SOURCE_TEXT_H
#define OP_EXPORT_SOURCE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buffer.h"
#include "base/strings.h"

// Adds line `line` of `file` without its indentation and end, as it is: escape it for the sink. False, nothing
// added: no regular file, no such line, or changed since `recorded_unix_ns`: it may be another line now.
bool op_source_text_add_line(op_buffer *out, op_string file, uint32_t line, int64_t recorded_unix_ns);

#endif

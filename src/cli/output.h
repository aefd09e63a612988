// SPDX-License-Identifier: MIT
// Output files. They are 0600, appear whole or not at all, and are never written through a symbolic link.
#ifndef OP_CLI_OUTPUT_H
#define OP_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

// Whether a file of that name can be made: its folder is there, writable and not full, and what stands under the
// name may be replaced. Leaves nothing behind. NO_OUTPUT. A device or pipe passes where `allow_device` is set.
op_status op_output_check(const char *path, bool allow_device, op_error *error) OP_MUST_CHECK;
bool op_output_is_device(const char *path);   // there is something that is no regular file

// Makes the file with these bytes: a new file beside it, then renamed; a device or pipe is written as it is.
// NO_OUTPUT: nothing is left behind, what stood there before still does.
op_status op_output_write(const char *path, const void *bytes, size_t count, op_error *error) OP_MUST_CHECK;

// Writes all bytes to a descriptor. NO_OUTPUT: errno tells why.
op_status op_output_write_all(int fd, const void *bytes, size_t count) OP_MUST_CHECK;

#endif

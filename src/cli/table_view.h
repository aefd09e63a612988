// SPDX-License-Identifier: MIT
// The table of `report` and `run`, fitted to the place where it goes.
#ifndef OP_CLI_TABLE_VIEW_H
#define OP_CLI_TABLE_VIEW_H

#include "cli/flags.h"
#include "export/table.h"

// What `fd` can show: columns, colour, letters. -1: a plain file.
void op_table_view_fit(op_table_options *options, int fd);
// Prints the profile as JSON on stdout. Returns the exit code, an error being said.
int op_table_view_print_json(const op_profile *profile, const op_flags *flags);

// Adds the table as `fd` can show it (colour, columns, letters); -1: a plain file.
op_status op_table_view_add(const op_profile *profile, const op_flags *flags, int fd, op_buffer *out,
                            op_error *error) OP_MUST_CHECK;

#endif

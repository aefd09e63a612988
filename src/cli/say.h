// SPDX-License-Identifier: MIT
// What a person reads on the terminal: errors, hints, notes. One write a line; nothing hostile gets through.
#ifndef OP_CLI_SAY_H
#define OP_CLI_SAY_H

#include <stdbool.h>
#include "base/buffer.h"
#include "base/status.h"

// Prints "error: ..." and "hint: ..." on stderr. Returns the exit code of the table.
int op_say_error(const op_error *error);
// Prints one line "outpace: ..." on stderr.
void op_say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Prints a buffer on stdout; returns the exit code: 0, or 2 with an error said. A closed pipe is no error.
int op_say_data(op_buffer *text);
// Whether to colour what goes to that descriptor: a terminal that can, and no NO_COLOR.
bool op_say_in_colour(int fd);
// Columns: COLUMNS where it is set, of the terminal there, 100 where it is none.
unsigned op_say_columns(int fd);

#endif

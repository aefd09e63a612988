// SPDX-License-Identifier: MIT
// The live line on a terminal while a recording runs, and the honesty line at its end.
#ifndef OP_CLI_STATUS_LINE_H
#define OP_CLI_STATUS_LINE_H

#include <stdbool.h>
#include "base/buffer.h"
#include "sample/record.h"

typedef struct {
    bool shown;   // whether to draw at all
    bool drawn;
    int64_t next_ns;   // drawn again from then on
} op_status_line;

// Drawn where stderr is a terminal that `shares_terminal` leaves to us: a program that we started and that prints
// to the same terminal would be torn by it.
void op_status_line_init(op_status_line *line, bool shares_terminal);
void op_status_line_progress(void *line, const op_record_stats *stats);   // op_record_options.progress
void op_status_line_end(op_status_line *line);                            // clears it

// "asked 1000/s, achieved 998.2/s; ..." without an end of line.
void op_honesty_add(op_buffer *out, const op_record_stats *stats);
void op_say_honesty(const op_record_stats *stats);   // on stderr; nothing where nothing was asked

#endif

// SPDX-License-Identifier: MIT
// JSON, piece by piece: knows where commas go.
#ifndef OP_EXPORT_JSON_WRITER_H
#define OP_EXPORT_JSON_WRITER_H

#include "base/buffer.h"
#include "base/strings.h"

typedef struct {
    op_buffer *out;
    bool behind_item;   // false behind an opening bracket
} op_json;

op_string op_json_string(const char *text);
void op_json_add_name(op_json *json, const char *name);   // and its colon
void op_json_add_text(op_json *json, const char *name, op_string text);
void op_json_add_signed(op_json *json, const char *name, int64_t number);
void op_json_add_unsigned(op_json *json, const char *name, uint64_t number);
void op_json_add_truth(op_json *json, const char *name, bool truth);
void op_json_open(op_json *json, const char *name, const char *bracket);   // on a line of its own
void op_json_open_inline(op_json *json, const char *name, const char *bracket);
void op_json_open_row(op_json *json);    // of an array, on a line of its own
void op_json_open_item(op_json *json);   // of an array
void op_json_close(op_json *json, const char *bracket);

#endif

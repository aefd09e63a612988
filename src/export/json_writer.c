// SPDX-License-Identifier: MIT
#include "export/json_writer.h"

#include <inttypes.h>
#include <string.h>
#include "base/text.h"

op_string op_json_string(const char *text)
{
    return (op_string){text, strlen(text)};
}

void op_json_add_name(op_json *json, const char *name)
{
    op_buffer_add_text(json->out, json->behind_item ? ", \"" : "\"");
    op_buffer_add_text(json->out, name);
    op_buffer_add_text(json->out, "\": ");
    json->behind_item = true;
}

void op_json_add_text(op_json *json, const char *name, op_string text)
{
    op_json_add_name(json, name);
    op_text_add_json(json->out, text.text, text.bytes);
}

void op_json_add_signed(op_json *json, const char *name, int64_t number)
{
    op_json_add_name(json, name);
    op_buffer_add_format(json->out, "%" PRId64, number);
}

void op_json_add_unsigned(op_json *json, const char *name, uint64_t number)
{
    op_json_add_name(json, name);
    op_buffer_add_format(json->out, "%" PRIu64, number);
}

void op_json_add_truth(op_json *json, const char *name, bool truth)
{
    op_json_add_name(json, name);
    op_buffer_add_text(json->out, truth ? "true" : "false");
}

void op_json_open(op_json *json, const char *name, const char *bracket)
{
    op_buffer_add_format(json->out, ",\n\"%s\": %s", name, bracket);
    json->behind_item = false;
}

void op_json_open_inline(op_json *json, const char *name, const char *bracket)
{
    op_json_add_name(json, name);
    op_buffer_add_text(json->out, bracket);
    json->behind_item = false;
}

void op_json_open_row(op_json *json)
{
    op_buffer_add_text(json->out, json->behind_item ? ",\n  {" : "\n  {");
    json->behind_item = false;
}

void op_json_open_item(op_json *json)
{
    op_buffer_add_text(json->out, json->behind_item ? ", {" : "{");
    json->behind_item = false;
}

void op_json_close(op_json *json, const char *bracket)
{
    op_buffer_add_text(json->out, bracket);
    json->behind_item = true;
}

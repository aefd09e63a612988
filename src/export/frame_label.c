// SPDX-License-Identifier: MIT
#include "export/frame_label.h"

#include <inttypes.h>
#include <string.h>
#include "base/text.h"

void op_escape_add(op_buffer *out, op_string text, op_escape escape)
{
    const char *at = text.text, *end = text.text + text.bytes;
    switch (escape) {
    case OP_ESCAPE_VISIBLE: op_text_add_terminal(out, text.text, text.bytes); break;
    case OP_ESCAPE_COLLAPSED: op_text_add_collapsed(out, text.text, text.bytes); break;
    case OP_ESCAPE_CLEAN:
        while (at < end) {
            op_utf8_add(out, op_utf8_next(&at, end));
        }
        break;
    }
}

op_string op_string_of_buffer(const op_buffer *buffer)
{
    return (op_string){buffer->data == NULL ? "" : buffer->data, buffer->size};
}

static op_string string_of(const char *text)
{
    return (op_string){text, strlen(text)};
}

op_frame_parts op_frame_parts_of(const op_profile *profile, op_id frame, const op_export_options *options)
{
    op_frame_parts parts = {.kind = OP_FRAME_UNREADABLE, .file = {"", 0}};
    const op_frame *row = op_profile_frame(profile, frame);
    const op_function *function = row == NULL ? NULL : op_profile_function(profile, row->function);
    if (function != NULL && (unsigned)function->kind < OP_FRAME_KIND_COUNT) {
        parts.kind = function->kind;
        parts.function = row->function;
    }
    if (parts.kind != OP_FRAME_PYTHON && parts.kind != OP_FRAME_BUILTIN) {
        parts.name = string_of(op_frame_kind_label(parts.kind));
        return parts;
    }
    parts.name = op_profile_text(profile, function->name);
    if (parts.name.bytes == 0) {
        parts.name = string_of("<unnamed>");
    }
    if (parts.kind == OP_FRAME_BUILTIN) {
        return parts;
    }
    parts.file = op_profile_text(profile, function->file);
    parts.line = options->no_lines ? 0 : options->by_function ? function->first_line : row->line;
    return parts;
}

void op_frame_label_add(op_buffer *out, const op_frame_parts *parts, op_escape escape)
{
    op_escape_add(out, parts->name, escape);
    if (parts->file.bytes == 0) {
        return;
    }
    op_buffer_add_text(out, " (");
    op_escape_add(out, parts->file, escape);
    if (parts->line != 0) {
        op_buffer_add_format(out, ":%" PRIu32, parts->line);
    }
    op_buffer_add_byte(out, ')');
}

void op_process_label_add(op_buffer *out, const op_profile *profile, op_id process, op_escape escape)
{
    const op_process_row *row = op_profile_process(profile, process);
    if (row == NULL) {
        op_buffer_add_text(out, "process unknown");
        return;
    }
    op_buffer_add_format(out, "process %" PRId64 " \"", row->pid);
    op_escape_add(out, op_profile_text(profile, row->command), escape);
    op_buffer_add_byte(out, '"');
}

void op_thread_label_add(op_buffer *out, const op_profile *profile, op_id thread, op_escape escape)
{
    const op_thread_row *row = op_profile_thread(profile, thread);
    if (row == NULL) {
        op_buffer_add_text(out, "thread unknown");
        return;
    }
    op_string name = op_profile_text(profile, row->name);
    op_buffer_add_text(out, "thread ");
    op_escape_add(out, name, escape);
    op_buffer_add_format(out, "%s(%" PRId64 ")", name.bytes > 0 ? " " : "", row->tid);
}

bool op_thread_has_name(const op_profile *profile, op_id thread, const char *name)
{
    const op_thread_row *row = op_profile_thread(profile, thread);
    op_string text = row == NULL ? (op_string){"", 0} : op_profile_text(profile, row->name);
    return name == NULL || (text.bytes == strlen(name) && memcmp(text.text, name, text.bytes) == 0);
}

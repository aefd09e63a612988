// SPDX-License-Identifier: MIT
// The text of a frame: `function (file:line)`, or the bare label of a frame that is not Python's.
#ifndef OP_EXPORT_FRAME_LABEL_H
#define OP_EXPORT_FRAME_LABEL_H

#include "export/export.h"

// For which sink names are made harmless.
typedef enum {
    OP_ESCAPE_CLEAN,       // valid UTF-8, else as they are: for JSON and pstats
    OP_ESCAPE_VISIBLE,     // unsafe characters as \xNN: for eyes
    OP_ESCAPE_COLLAPSED,   // no ';', no unsafe characters
} op_escape;

void op_escape_add(op_buffer *out, op_string text, op_escape escape);
// What a buffer holds, never NULL; valid until its next change.
op_string op_string_of_buffer(const op_buffer *buffer);

// Parts of a frame's text: borrowed from the profile.
typedef struct {
    op_frame_kind kind;
    op_id function;
    op_string name;   // never empty: a label, or <unnamed>
    op_string file;   // "" where there is none
    uint32_t line;    // 0: not shown
} op_frame_parts;

// The line follows the options. An id out of range gives <unreadable>.
op_frame_parts op_frame_parts_of(const op_profile *profile, op_id frame, const op_export_options *options);
void op_frame_label_add(op_buffer *out, const op_frame_parts *parts, op_escape escape);
void op_process_label_add(op_buffer *out, const op_profile *profile, op_id process, op_escape escape);
void op_thread_label_add(op_buffer *out, const op_profile *profile, op_id thread, op_escape escape);
// Whether a thread has exactly this name; NULL: any has.
bool op_thread_has_name(const op_profile *profile, op_id thread, const char *name);

#endif

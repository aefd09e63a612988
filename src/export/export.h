// SPDX-License-Identifier: MIT
// export: one file a format. Each turns a profile into bytes; none touches a process or a terminal.
#ifndef OP_EXPORT_EXPORT_H
#define OP_EXPORT_EXPORT_H

#include "base/buffer.h"
#include "profile/profile.h"

typedef struct {
    bool by_thread;     // -t: thread (and process) roots
    bool by_function;   // -F: the line of a frame is its function's first line
    bool no_lines;      // --nolineno: frames without lines
} op_export_options;

// What a profile has, and what a format can show of it: bits.
typedef enum { OP_CONTENT_SAMPLES = 1, OP_CONTENT_CALLS = 2, OP_CONTENT_LINES = 4 } op_export_content;
unsigned op_export_content_of(const op_profile *profile);

typedef op_status (*op_export_function)(const op_profile *profile, const op_export_options *options, op_buffer *out,
                                        op_error *error);
typedef struct {
    const char *name;           // "speedscope"
    const char *endings;        // ".speedscope.json", several parted by a space
    op_export_function write;   // NULL: the profile file itself
    const char *summary;        // for --help
    bool is_binary;             // not for a terminal
    unsigned shows;             // op_export_content
} op_export_format;

// NULL: absent. The longest ending that fits wins.
const op_export_format *op_export_find(const char *name);
const op_export_format *op_export_find_by_path(const char *path);
const op_export_format *op_export_at(size_t index);   // for listings

op_status op_export_collapsed(const op_profile *, const op_export_options *, op_buffer *, op_error *) OP_MUST_CHECK;
op_status op_export_svg(const op_profile *, const op_export_options *, op_buffer *, op_error *) OP_MUST_CHECK;
op_status op_export_speedscope(const op_profile *, const op_export_options *, op_buffer *, op_error *)
    OP_MUST_CHECK;
op_status op_export_pstats(const op_profile *, const op_export_options *, op_buffer *, op_error *) OP_MUST_CHECK;
op_status op_export_lprof(const op_profile *, const op_export_options *, op_buffer *, op_error *) OP_MUST_CHECK;
op_status op_export_json(const op_profile *, const op_export_options *, op_buffer *, op_error *) OP_MUST_CHECK;

#endif

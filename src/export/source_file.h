// SPDX-License-Identifier: MIT
// A source file as a whole, in lines, for reports.
#ifndef OP_EXPORT_SOURCE_FILE_H
#define OP_EXPORT_SOURCE_FILE_H

#include "base/buffer.h"
#include "base/strings.h"
#include "base/vector.h"

enum { OP_SOURCE_FILE_MAX_BYTES = 64 << 20 };

typedef struct {
    bool exists;                // something has that name, readable or not
    int64_t changed_unix_ns;    // 0: not known
    op_buffer text;             // as it is, without a byte order mark: escape it for the sink
    OP_VECTOR(size_t) starts;   // of each line
} op_source_file;

// Reads a regular file; anything else, and a file that is too large or cannot be read, has no lines. False: out of
// memory. fini is fine after a failure, too.
bool op_source_file_init(op_source_file *file, op_string path);
// The same of a text that is in memory.
bool op_source_file_init_text(op_source_file *file, const char *text, size_t bytes);
void op_source_file_fini(op_source_file *file);
// Line `line`, from 1, without its end; {"", 0} where there is none.
op_string op_source_file_line(const op_source_file *file, uint32_t line);

// The descriptor of a regular file of at most max_bytes, or -1. The path comes from a profile: it may name a
// device or a pipe, which must not be read, nor waited for.
int op_source_file_open(op_string path, int64_t max_bytes, int64_t *changed_unix_ns);

#endif

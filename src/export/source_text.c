// SPDX-License-Identifier: MIT
#include "export/source_text.h"

#include <stdio.h>
#include <unistd.h>
#include "export/source_file.h"

enum { MAX_FILE_BYTES = 16 << 20, MAX_LINE_BYTES = 400 };

static FILE *open_source(op_string file, int64_t recorded_unix_ns)
{
    int64_t changed_unix_ns = 0;
    int fd = file.bytes == 0 || file.text[0] == '<' ? -1
                                                    : op_source_file_open(file, MAX_FILE_BYTES, &changed_unix_ns);
    FILE *stream = NULL;
    if (fd >= 0 && changed_unix_ns / 1000000000 <= recorded_unix_ns / 1000000000) {
        stream = fdopen(fd, "r");
    }
    if (fd >= 0 && stream == NULL) {
        (void)close(fd);
    }
    return stream;
}

bool op_source_text_add_line(op_buffer *out, op_string file, uint32_t line, int64_t recorded_unix_ns)
{
    FILE *stream = line == 0 ? NULL : open_source(file, recorded_unix_ns);
    if (stream == NULL) {
        return false;
    }
    size_t bytes = 0, read = 0;
    char text[MAX_LINE_BYTES];
    uint32_t at = 1;
    int byte;
    // The file may grow while it is read: `read` bounds it.
    while ((byte = getc_unlocked(stream)) != EOF && at <= line && read++ < MAX_FILE_BYTES) {
        if (byte == '\n') {
            at++;
        } else if (at == line && bytes < sizeof text && !(bytes == 0 && (byte == ' ' || byte == '\t'))) {
            text[bytes++] = (char)byte;
        }
    }
    (void)fclose(stream);
    while (bytes > 0 && (text[bytes - 1] == '\r' || text[bytes - 1] == ' ' || text[bytes - 1] == '\t')) {
        bytes--;
    }
    op_buffer_add(out, text, bytes);
    return bytes > 0;
}

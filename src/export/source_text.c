// SPDX-License-Identifier: MIT
#include "export/source_text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 16 << 20, MAX_LINE_BYTES = 400 };

// The path comes from a profile: it may name a device or a pipe, which must not be read, nor waited for.
static FILE *open_source(op_string file, int64_t recorded_unix_ns)
{
    char path[PATH_MAX];
    struct stat facts;
    if (file.bytes == 0 || file.bytes >= sizeof path || file.text[0] == '<' ||
        memchr(file.text, '\0', file.bytes) != NULL) {
        return NULL;
    }
    memcpy(path, file.text, file.bytes);
    path[file.bytes] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return NULL;
    }
    FILE *stream = NULL;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size <= MAX_FILE_BYTES &&
        facts.st_mtim.tv_sec <= recorded_unix_ns / 1000000000) {
        stream = fdopen(fd, "r");
    }
    if (stream == NULL) {
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

// SPDX-License-Identifier: MIT
#include "export/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool copy_path(char path[PATH_MAX], op_string from)
{
    if (from.bytes == 0 || from.bytes >= PATH_MAX || memchr(from.text, '\0', from.bytes) != NULL) {
        return false;
    }
    memcpy(path, from.text, from.bytes);
    path[from.bytes] = '\0';
    return true;
}

int op_source_file_open(op_string path, int64_t max_bytes, int64_t *changed_unix_ns)
{
    char name[PATH_MAX];
    struct stat facts;
    if (!copy_path(name, path)) {
        return -1;
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size > max_bytes)) {
        (void)close(fd);
        fd = -1;
    }
    if (fd >= 0) {
        *changed_unix_ns = (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec;
    }
    return fd;
}

// What is read is bounded, since the file may grow meanwhile.
static void read_all(op_buffer *text, int fd)
{
    char piece[1 << 16];
    while (text->size < OP_SOURCE_FILE_MAX_BYTES && !text->failed) {
        ssize_t bytes = read(fd, piece, sizeof piece);
        if (bytes == 0 || (bytes < 0 && errno != EINTR)) {
            break;
        }
        op_buffer_add(text, piece, bytes > 0 ? (size_t)bytes : 0);
    }
}

// Lines end as Python reads them: with \n, \r\n or \r.
static bool find_lines(op_source_file *file)
{
    const char *text = file->text.data;
    for (size_t at = 0; at < file->text.size; at++) {
        size_t *start = OP_VECTOR_PUSH(&file->starts);
        if (start == NULL) {
            return false;
        }
        *start = at;
        while (at < file->text.size && text[at] != '\n' && text[at] != '\r') {
            at++;
        }
        at += at + 1 < file->text.size && text[at] == '\r' && text[at + 1] == '\n';
    }
    return true;
}

static bool settle(op_source_file *file)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (file->text.size >= 3 && memcmp(file->text.data, mark, 3) == 0) {
        memmove(file->text.data, file->text.data + 3, file->text.size - 3);
        file->text.size -= 3;
    }
    return !file->text.failed && find_lines(file);
}

bool op_source_file_init_text(op_source_file *file, const char *text, size_t bytes)
{
    *file = (op_source_file){.exists = true};
    op_buffer_init(&file->text);
    op_buffer_add(&file->text, text, bytes);
    return settle(file);
}

bool op_source_file_init(op_source_file *file, op_string path)
{
    char name[PATH_MAX];
    *file = (op_source_file){0};
    op_buffer_init(&file->text);
    file->exists = copy_path(name, path) && access(name, F_OK) == 0;
    int fd = op_source_file_open(path, OP_SOURCE_FILE_MAX_BYTES, &file->changed_unix_ns);
    if (fd < 0) {
        return true;
    }
    read_all(&file->text, fd);
    (void)close(fd);
    return settle(file);
}

void op_source_file_fini(op_source_file *file)
{
    op_buffer_fini(&file->text);
    OP_VECTOR_FINI(&file->starts);
}

op_string op_source_file_line(const op_source_file *file, uint32_t line)
{
    if (line == 0 || line > file->starts.count) {
        return (op_string){"", 0};
    }
    size_t start = file->starts.items[line - 1];
    size_t end = line < file->starts.count ? file->starts.items[line] : file->text.size;
    while (end > start && (file->text.data[end - 1] == '\n' || file->text.data[end - 1] == '\r')) {
        end--;
    }
    return (op_string){file->text.data + start, end - start};
}

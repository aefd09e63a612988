// SPDX-License-Identifier: MIT
#include "process/maps.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "process/proc_file.h"
#include "process/process.h"

// A line is an address range, flags and a path of at most PATH_MAX bytes, each '\n' of it written as four.
enum { MAX_LINE_BYTES = 4 * 4096 + 128, READ_BYTES = 65536 };
static_assert(READ_BYTES > MAX_LINE_BYTES, "a line fits into the window");

static bool read_hex(const char **at, const char *end, uint64_t *value)
{
    const char *start = *at;
    uint64_t number = 0;
    for (; *at < end && *at - start < 16; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9')
            number = number << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    *value = number;
    return *at != start;
}

static bool skip_byte(const char **at, const char *end, char byte)
{
    if (*at >= end || **at != byte)
        return false;
    ++*at;
    return true;
}

static void skip_word(const char **at, const char *end)
{
    while (*at < end && **at != ' ')
        ++*at;
    while (*at < end && **at == ' ')
        ++*at;
}

// "55d0c0000000-55d0c0001000 r-xp 00001000 fd:00 1234   /usr/bin/x". False: no such line (it is left out).
static bool parse_line(const char *at, const char *end, op_mapping *mapping, const char **path, size_t *path_bytes)
{
    uint64_t first, last, offset;
    if (!read_hex(&at, end, &first) || !skip_byte(&at, end, '-') || !read_hex(&at, end, &last) ||
        !skip_byte(&at, end, ' ') || end - at < 5 || last <= first)
        return false;
    mapping->readable = at[0] == 'r';
    mapping->writable = at[1] == 'w';
    mapping->executable = at[2] == 'x';
    skip_word(&at, end);
    if (!read_hex(&at, end, &offset) || !skip_byte(&at, end, ' '))
        return false;
    skip_word(&at, end);   // device
    uint64_t inode = 0;
    for (const char *digit = at; digit < end && *digit >= '0' && *digit <= '9'; digit++)
        inode = inode * 10 + (uint64_t)(*digit - '0');
    skip_word(&at, end);
    mapping->inode = inode;
    mapping->start.value = first;
    mapping->end.value = last;
    mapping->file_offset = offset;
    *path = at;
    *path_bytes = (size_t)(end - at);
    return true;
}

static op_status add_line(op_maps *maps, const char *line, const char *end)
{
    op_mapping mapping = {0};
    const char *path;
    size_t path_bytes;
    if (!parse_line(line, end, &mapping, &path, &path_bytes))
        return OP_OK;
    const op_mapping *last = maps->list.count ? &maps->list.items[maps->list.count - 1] : NULL;
    // The kernel goes on from the last address, so what it gives ascends even while the process maps and unmaps.
    if (last && mapping.start.value < last->end.value)
        return OP_OK;
    if (path_bytes == 0)
        mapping.path = "";
    else if (last && strlen(last->path) == path_bytes && memcmp(last->path, path, path_bytes) == 0)
        mapping.path = last->path;
    else
        mapping.path = op_arena_copy(&maps->arena, path, path_bytes);
    op_mapping *slot = mapping.path ? OP_VECTOR_PUSH(&maps->list) : NULL;
    if (!slot)
        return OP_NO_MEMORY;
    *slot = mapping;
    return OP_OK;
}

static op_status read_lines(int fd, op_maps *maps)
{
    char *window = op_alloc(READ_BYTES);
    if (!window)
        return OP_NO_MEMORY;
    op_status status = OP_OK;
    size_t filled = 0;
    while (status == OP_OK && maps->list.count < OP_MAPS_MAX) {
        ssize_t got = read(fd, window + filled, READ_BYTES - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = op_proc_status(errno);
        if (got <= 0)
            break;
        filled += (size_t)got;
        char *line = window, *newline;
        while (status == OP_OK && maps->list.count < OP_MAPS_MAX &&
               (newline = memchr(line, '\n', filled - (size_t)(line - window))) != NULL) {
            status = add_line(maps, line, newline);
            line = newline + 1;
        }
        filled -= (size_t)(line - window);
        memmove(window, line, filled);
        if (filled == READ_BYTES)
            filled = 0;   // no kernel writes such a line
    }
    op_free(window);
    return status;
}

op_status op_maps_read(pid_t pid, op_maps *maps, op_error *error)
{
    op_maps fresh = {0};
    op_arena_init(&fresh.arena);
    char path[OP_PROC_PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    op_status status = OP_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        status = errno == ENOENT ? OP_NO_PROCESS : op_proc_status(errno);
    } else {
        status = read_lines(fd, &fresh);
        close(fd);
    }
    if (status == OP_OK && fresh.list.count == 0 && !op_process_is_alive(pid))
        status = OP_PROCESS_GONE;
    if (status != OP_OK) {
        op_maps_fini(&fresh);
        return op_error_set(error, status, "the memory map of process %d cannot be read: %s", (int)pid,
                            op_status_text(status));
    }
    *maps = fresh;
    return OP_OK;
}

void op_maps_fini(op_maps *maps)
{
    OP_VECTOR_FINI(&maps->list);
    op_arena_fini(&maps->arena);
}

const op_mapping *op_maps_find(const op_maps *maps, op_addr address)
{
    size_t low = 0, high = maps->list.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const op_mapping *mapping = &maps->list.items[middle];
        if (address.value < mapping->start.value)
            high = middle;
        else if (address.value >= mapping->end.value)
            low = middle + 1;
        else
            return mapping;
    }
    return NULL;
}

// SPDX-License-Identifier: MIT
#include "process/proc_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

op_status op_proc_status(int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ESRCH: return OP_PROCESS_GONE;
    case EACCES:
    case EPERM: return OP_NO_PERMISSION;
    case ENOMEM: return OP_NO_MEMORY;
    default: return OP_SYSTEM;
    }
}

op_status op_proc_read_at(int folder_fd, const char *path, char *out, size_t size, size_t *count)
{
    int fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return op_proc_status(errno);
    size_t filled = 0;
    op_status status = OP_OK;
    while (filled + 1 < size) {
        ssize_t got = read(fd, out + filled, size - 1 - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = op_proc_status(errno);
        if (got <= 0)
            break;
        filled += (size_t)got;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (status != OP_OK)
        return status;
    out[filled] = '\0';
    if (count)
        *count = filled;
    return OP_OK;
}

op_status op_proc_read(const char *path, char *out, size_t size, size_t *count)
{
    return op_proc_read_at(AT_FDCWD, path, out, size, count);
}

const char *op_proc_stat_field(const char *line, int number)
{
    const char *at = strrchr(line, ')');
    if (!at)
        return NULL;
    for (int field = 2; field < number; field++) {
        at = strchr(at, ' ');
        if (!at)
            return NULL;
        at++;
    }
    return *at ? at : NULL;
}

bool op_proc_status_number(const char *text, const char *label, int base, uint64_t *value)
{
    size_t label_bytes = strlen(label);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (strncmp(line, label, label_bytes) == 0) {
            char *end;
            const char *digits = line + label_bytes;
            *value = strtoull(digits, &end, base);
            return end != digits;
        }
    }
    return false;
}

op_status op_proc_folder_open(op_proc_folder *folder, const char *path)
{
    folder->at = folder->end = 0;
    folder->failed = false;
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder->fd < 0 ? op_proc_status(errno) : OP_OK;
}

bool op_proc_folder_next(op_proc_folder *folder, pid_t *number)
{
    for (;;) {
        if (folder->at >= folder->end) {
            ssize_t got = getdents64(folder->fd, folder->names, sizeof folder->names);
            if (got <= 0) {
                // ENOENT: the process ended while its task folder was open.
                folder->failed = got < 0;
                return false;
            }
            folder->at = 0;
            folder->end = (size_t)got;
        }
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(folder->names + folder->at);
        folder->at += entry->d_reclen;
        const char *at = entry->d_name;
        long value = 0;
        while (*at >= '0' && *at <= '9' && value < 100000000)
            value = value * 10 + (*at++ - '0');
        if (at != entry->d_name && *at == '\0') {
            *number = (pid_t)value;
            return true;
        }
    }
}

void op_proc_folder_close(op_proc_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    folder->fd = -1;
}

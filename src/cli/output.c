// SPDX-License-Identifier: MIT
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/random.h"

enum { MAX_NAME_TRIES = 16, PROBE_BYTES = 16384 };

static op_status cannot(const char *path, int code, op_error *error)
{
    op_error_set(error, OP_NO_OUTPUT, "'%.300s' cannot be written: %s", path, strerror(code));
    switch (code) {
    case ENOENT: op_error_hint(error, "make its folder first, or give another file with -o"); break;
    case ENOSPC:
    case EDQUOT: op_error_hint(error, "free some space there, or give a file on another disk with -o"); break;
    case EACCES:
    case EPERM:
    case EROFS: op_error_hint(error, "give a file in a folder that you may write to with -o"); break;
    case EISDIR: op_error_hint(error, "give a file name in that folder with -o"); break;
    case ELOOP: op_error_hint(error, "a symbolic link is never followed: give the file that it points to"); break;
    default: break;
    }
    return OP_NO_OUTPUT;
}

// A new, empty, private file in the folder of `path`. Its name goes to `name`. -1: errno tells.
static int make_beside(const char *path, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash - path) + 1 : 0;
    op_random random;
    op_random_init(&random, (uint64_t)op_clock_monotonic_ns() ^ (uint64_t)getpid() << 40);
    for (int i = 0; i < MAX_NAME_TRIES; i++) {
        int length = snprintf(name, size, "%.*s.outpace-%d-%06x.tmp", folder, path, (int)getpid(),
                              (unsigned)op_random_below(&random, 1 << 24));
        if (length < 0 || (size_t)length >= size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

op_status op_output_write_all(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t written = write(fd, at, count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return OP_NO_OUTPUT;
        }
        at += written;
        count -= (size_t)written;
    }
    return OP_OK;
}

bool op_output_is_device(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

op_status op_output_check(const char *path, bool allow_device, op_error *error)
{
    size_t length = strlen(path);
    if (length == 0) {
        return cannot(path, ENOENT, error);
    }
    if (path[length - 1] == '/') {
        return cannot(path, EISDIR, error);
    }
    struct stat info;
    if (lstat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) {
            return cannot(path, EISDIR, error);
        }
        // Links like /dev/stdout lead to a device or pipe, which is written as it is.
        if (!S_ISREG(info.st_mode) && op_output_is_device(path)) {
            if (!allow_device) {
                op_error_set(error, OP_NO_OUTPUT, "'%.300s' is not a regular file", path);
                return op_error_hint(error, "this format needs a regular file; give one with -o");
            }
            return access(path, W_OK) == 0 ? OP_OK : cannot(path, errno, error);
        }
        if (S_ISLNK(info.st_mode)) {
            return cannot(path, ELOOP, error);
        }
        if (access(path, W_OK) != 0) {
            return cannot(path, errno, error);
        }
    } else if (errno != ENOENT) {
        return cannot(path, errno, error);
    }
    // Nothing but trying tells whether the disk has room.
    char name[PATH_MAX];
    static const char nothing[PROBE_BYTES];
    int fd = make_beside(path, name, sizeof name);
    if (fd < 0) {
        return cannot(path, errno, error);
    }
    int code = op_output_write_all(fd, nothing, sizeof nothing) == OP_OK ? 0 : errno;
    close(fd);
    unlink(name);
    return code == 0 ? OP_OK : cannot(path, code, error);
}

static op_status write_device(const char *path, const void *bytes, size_t count, op_error *error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return cannot(path, errno, error);
    }
    int code = op_output_write_all(fd, bytes, count) == OP_OK ? 0 : errno;
    if (close(fd) != 0 && code == 0) {
        code = errno;
    }
    return code == 0 ? OP_OK : cannot(path, code, error);
}

op_status op_output_write(const char *path, const void *bytes, size_t count, op_error *error)
{
    if (op_output_is_device(path)) {
        return write_device(path, bytes, count, error);
    }
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
        return cannot(path, ELOOP, error);
    }
    char name[PATH_MAX];
    int fd = make_beside(path, name, sizeof name);
    if (fd < 0) {
        return cannot(path, errno, error);
    }
    int code = op_output_write_all(fd, bytes, count) == OP_OK ? 0 : errno;
    if (close(fd) != 0 && code == 0) {
        code = errno;
    }
    if (code == 0 && rename(name, path) != 0) {
        code = errno;
    }
    if (code != 0) {
        unlink(name);
        return cannot(path, code, error);
    }
    return OP_OK;
}

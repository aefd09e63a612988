// SPDX-License-Identifier: MIT
#include "segment/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STEP_BYTES = 128 << 10,   // the file grows by that
    HIGH_FD = 100,            // out of the way of a program that counts on the numbers that it will be given
};
// Addresses, not memory.
#define MOST_RESERVED (UINT64_C(64) << 30)
#define MOST_RESERVED_IN_MEMORY (UINT64_C(4) << 30)   // a program may hold many of those
#define LEAST_RESERVED (UINT64_C(4) << 20)

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

// Blocks for [backed, end) of the file: a sparse file would end the program by SIGBUS where the disk is full.
static int allocate_blocks(int fd, uint64_t from, uint64_t end)
{
    if (fallocate(fd, 0, (off_t)from, (off_t)(end - from)) == 0) {
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR) {   // EINTR: in tmpfs, which undid all
        return -1;
    }
    static const char zeros[OP_SEGMENT_PAGE_BYTES];
    for (uint64_t at = from; at < end; at += sizeof zeros) {
        ssize_t written = pwrite(fd, zeros, sizeof zeros, (off_t)at);
        if (written != (ssize_t)sizeof zeros) {
            errno = written < 0 ? errno : ENOSPC;
            return -1;
        }
    }
    return 0;
}

static bool is_file(const op_segment_writer *writer, int fd)
{
    struct stat facts;
    return fd >= 0 && fstat(fd, &facts) == 0 && facts.st_dev == writer->device && facts.st_ino == writer->inode;
}

static int out_of_the_way(int fd)
{
    int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD) : -1;
    if (fd >= 0 && high < 0) {   // few are allowed
        high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    if (high >= 0) {
        close(fd);
    }
    return high >= 0 ? high : fd;
}

// A daemon closes all that is open, and the next file that it opens may have our number: that one must stay as it is.
static bool find_file(op_segment_writer *writer)
{
    if (is_file(writer, writer->fd)) {
        return true;
    }
    int fd = out_of_the_way(open(writer->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!is_file(writer, fd)) {
        if (fd >= 0) {
            close(fd);
        }
        errno = EBADF;
        return false;
    }
    writer->fd = fd;
    return true;
}

static int open_file(op_segment_writer *writer, const char *path)
{
    struct stat facts;
    int fd = out_of_the_way(open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd < 0) {
        return -1;
    }
    writer->path = strdup(path);
    if (writer->path == NULL || fstat(fd, &facts) != 0) {
        int error = errno;
        close(fd);
        unlink(path);
        errno = error;
        return -1;
    }
    writer->fd = fd;
    writer->device = facts.st_dev;
    writer->inode = facts.st_ino;
    return 0;
}

static int back(op_segment_writer *writer, uint64_t end)
{
    if (end <= writer->backed) {
        return 0;
    }
    end = round_up(end, STEP_BYTES);
    if (end > writer->reserved) {
        errno = ENOMEM;
        return -1;
    }
    unsigned char *at = writer->base + writer->backed;
    uint64_t bytes = end - writer->backed;
    if (writer->fd < 0) {
        if (mprotect(at, bytes, PROT_READ | PROT_WRITE) != 0) {
            return -1;
        }
    } else {
        if (!find_file(writer) || allocate_blocks(writer->fd, writer->backed, end) != 0 ||
            mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, writer->fd, (off_t)writer->backed) ==
                MAP_FAILED) {
            return -1;
        }
    }
    writer->backed = end;
    return 0;
}

// Where addresses are limited (ulimit -v) most of them are left to the program.
static uint64_t most_reserved(bool file)
{
    uint64_t most = file ? MOST_RESERVED : MOST_RESERVED_IN_MEMORY;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 32 < most) {
        most = limit.rlim_cur / 32 / STEP_BYTES * STEP_BYTES;
    }
    return most > LEAST_RESERVED ? most : LEAST_RESERVED;
}

int op_segment_writer_open(op_segment_writer *writer, const char *path)
{
    *writer = (op_segment_writer){.fd = -1};
    for (uint64_t bytes = most_reserved(path != NULL); bytes >= LEAST_RESERVED; bytes /= 2) {
        void *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base != MAP_FAILED) {
            writer->base = base;
            writer->reserved = bytes;
            break;
        }
    }
    if (writer->base == NULL) {
        return -1;
    }
    if ((path != NULL && open_file(writer, path) != 0) || back(writer, OP_SEGMENT_PAGE_BYTES) != 0) {
        int error = errno;
        if (writer->fd >= 0) {
            unlink(path);
        }
        op_segment_writer_close(writer);
        errno = error;
        return -1;
    }
    writer->taken = OP_SEGMENT_PAGE_BYTES;
    writer->header = (op_segment_header *)(void *)writer->base;
    memcpy(writer->header->magic, OP_SEGMENT_MAGIC, sizeof writer->header->magic);
    writer->header->version = OP_SEGMENT_VERSION;
    writer->header->base = (uintptr_t)writer->base;
    op_segment_writer_publish(writer);
    return 0;
}

void op_segment_writer_close(op_segment_writer *writer)
{
    if (writer->base != NULL) {
        munmap(writer->base, writer->reserved);
    }
    if (is_file(writer, writer->fd)) {
        close(writer->fd);
    }
    free(writer->path);
    *writer = (op_segment_writer){.fd = -1};
}

void op_segment_writer_seal(op_segment_writer *writer)
{
    op_segment_header *header = writer->header;
    header->check = op_segment_check(0, header, offsetof(op_segment_header, check));
}

op_segment_chunk *op_segment_writer_take(op_segment_writer *writer, op_segment_kind kind, uint32_t thread,
                                         uint32_t function, uint32_t first_line, size_t payload_bytes)
{
    uint64_t bytes = round_up(sizeof(op_segment_chunk) + payload_bytes, OP_SEGMENT_PAGE_BYTES);
    if (bytes < payload_bytes || writer->base == NULL || back(writer, writer->taken + bytes) != 0) {
        return NULL;
    }
    op_segment_chunk *chunk = (op_segment_chunk *)(void *)(writer->base + writer->taken);
    writer->taken += bytes;
    chunk->magic = OP_SEGMENT_CHUNK_MAGIC;
    chunk->kind = kind;
    chunk->bytes = bytes;
    chunk->thread = thread;
    chunk->function = function;
    chunk->first_line = first_line;
    chunk->check = op_segment_check(0, chunk, offsetof(op_segment_chunk, check));
    return chunk;
}

void op_segment_writer_publish(op_segment_writer *writer)
{
    __atomic_store_n(&writer->header->bytes, writer->taken, __ATOMIC_RELEASE);
}

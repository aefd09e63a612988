// SPDX-License-Identifier: MIT
// The file of a segment in a program that does as it likes with its descriptors.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "segment/writer.h"
#include "tap.h"

static char folder[] = "/tmp/outpace-writer-XXXXXX";
static char path[64], other[64];

static void begin(void)
{
    TAP_REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/1-0.segment", folder);
    snprintf(other, sizeof other, "%s/other", folder);
}

static void end(void)
{
    unlink(path);
    unlink(other);
    rmdir(folder);
}

static off_t bytes_of(const char *file)
{
    struct stat facts;
    return stat(file, &facts) == 0 ? facts.st_size : -1;
}

// Closes the segment's descriptor as a daemon does, and opens another file that is given its number.
static int take_number(int fd)
{
    close(fd);
    int low = open(other, O_RDWR | O_CREAT | O_TRUNC, 0600);
    int same = fcntl(low, F_DUPFD, fd);
    close(low);
    return same;
}

TAP_TEST(closed_by_the_program)
{
    begin();
    op_segment_writer writer;
    TAP_OK(op_segment_writer_open(&writer, path) == 0);
    off_t before = bytes_of(path);
    int fd = writer.fd;
    TAP_OK(take_number(fd) == fd);
    op_segment_chunk *chunk = op_segment_writer_take(&writer, OP_SEGMENT_EDGE, 0, 0, 0, 1 << 20);
    TAP_OK(chunk != NULL && writer.fd != fd);
    memset(op_segment_chunk_records(chunk), 'x', op_segment_chunk_room(chunk));
    TAP_OK(bytes_of(other) == 0);
    TAP_OK(bytes_of(path) > before);
    op_segment_writer_close(&writer);
    TAP_OK(write(fd, "ours", 4) == 4);   // its own is still open
    close(fd);
    TAP_OK(bytes_of(other) == 4);
    end();
}

TAP_TEST(closed_and_gone)
{
    begin();
    op_segment_writer writer;
    TAP_OK(op_segment_writer_open(&writer, path) == 0);
    int fd = writer.fd;
    TAP_OK(take_number(fd) == fd);
    unlink(path);
    TAP_OK(op_segment_writer_take(&writer, OP_SEGMENT_EDGE, 0, 0, 0, 1 << 20) == NULL);
    TAP_OK(op_segment_writer_take(&writer, OP_SEGMENT_EDGE, 0, 0, 0, 64) != NULL);   // what is mapped stays so
    TAP_OK(bytes_of(other) == 0);
    op_segment_writer_close(&writer);
    TAP_OK(fcntl(fd, F_GETFD) != -1);
    close(fd);
    end();
}

// A program that was started without them must not write its messages into the segment.
TAP_TEST(standard_descriptors_are_free)
{
    begin();
    int out = dup(STDOUT_FILENO);
    close(STDOUT_FILENO);
    op_segment_writer writer;
    int status = op_segment_writer_open(&writer, path);
    int fd = writer.fd;
    dup2(out, STDOUT_FILENO);
    close(out);
    TAP_OK(status == 0 && fd > STDERR_FILENO);
    op_segment_writer_close(&writer);
    end();
}

static int interruptions;

// In place of libc's: a file system in memory gives up where a signal comes.
int fallocate(int fd, int mode, off_t offset, off_t length)
{
    (void)mode;
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return posix_fallocate(fd, offset, length);
}

TAP_TEST(interrupted_by_signals)
{
    begin();
    op_segment_writer writer;
    interruptions = 2;
    TAP_OK(op_segment_writer_open(&writer, path) == 0);
    TAP_OK(op_segment_writer_take(&writer, OP_SEGMENT_EDGE, 0, 0, 0, 1 << 20) != NULL);
    TAP_EQ_INT(interruptions, 0);
    struct stat facts;
    TAP_OK(stat(path, &facts) == 0 && facts.st_blocks * 512 > 1 << 20);   // no hole in it
    op_segment_writer_close(&writer);
    end();
}

TAP_MAIN()

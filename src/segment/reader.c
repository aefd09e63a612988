// SPDX-License-Identifier: MIT
// The header and the chunks; reader_records.c has what is in them.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "segment/reader_private.h"

_Static_assert(sizeof(op_segment_header) <= OP_SEGMENT_PAGE_BYTES, "the header is one page");
_Static_assert(sizeof(op_segment_chunk) == 64 && sizeof(op_segment_edge) == 128, "as the format says");

uint64_t op_segment_read_at(int file, void *out, uint64_t bytes, uint64_t offset)
{
    uint64_t filled = 0;
    while (filled < bytes) {
        ssize_t got = pread(file, (char *)out + filled, bytes - filled, (off_t)(offset + filled));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        filled += (uint64_t)got;
    }
    return filled;
}

bool op_segment_read_whole(int file, void *out, uint64_t bytes, uint64_t offset)
{
    return op_segment_read_at(file, out, bytes, offset) == bytes;
}

// ---- the header ------------------------------------------------------------------------------------------------

static op_status check_file(int file, const char *path, uint64_t *bytes, op_error *error)
{
    struct stat facts;
    if (fstat(file, &facts) != 0)
        return op_error_set(error, OP_SYSTEM, "cannot read '%s': %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return op_error_set(error, OP_NOT_SEGMENT, "'%s' is not a regular file", path);
    if (facts.st_uid != geteuid())
        return op_error_set(error, OP_FOREIGN_FILE, "'%s' belongs to user %u", path, facts.st_uid);
    if (facts.st_mode & (S_IWGRP | S_IWOTH))
        return op_error_set(error, OP_FOREIGN_FILE, "'%s' may be written by others", path);
    if (facts.st_size < 0 || (uint64_t)facts.st_size > OP_SEGMENT_MAX_BYTES)
        return op_error_set(error, OP_NOT_SEGMENT, "'%s' is too large for the trace of a process", path);
    *bytes = (uint64_t)facts.st_size;
    return OP_OK;
}

static op_status check_header(const op_segment_header *header, const char *path, op_error *error)
{
    static const char nothing[sizeof header->magic];
    if (memcmp(header->magic, nothing, sizeof nothing) == 0)
        return op_error_set(error, OP_TORN_SEGMENT, "'%s' is damaged: it was never begun", path);
    if (memcmp(header->magic, OP_SEGMENT_MAGIC, sizeof header->magic) != 0)
        return op_error_set(error, OP_NOT_SEGMENT, "'%s' is not the trace of a process", path);
    if (header->version != OP_SEGMENT_VERSION)
        return op_error_set(error, OP_OTHER_SEGMENT, "'%s' has version %u of the format, known is %d", path,
                            header->version, OP_SEGMENT_VERSION);
    if (header->check != op_segment_check(0, header, offsetof(op_segment_header, check)))
        return op_error_set(error, OP_TORN_SEGMENT, "'%s' is damaged: its header is not whole", path);
    return OP_OK;
}

static op_status status_of(int error_number)
{
    switch (error_number) {
    case ENOENT: return OP_NO_FILE;
    case ELOOP:                            // a link
    case ENXIO: return OP_NOT_SEGMENT;     // a socket, a device that is not there
    case EACCES: return OP_FOREIGN_FILE;   // a program that became root made it
    default: return OP_SYSTEM;
    }
}

op_status op_segment_open(op_segment_reader *reader, int folder_fd, const char *path, op_error *error)
{
    *reader = (op_segment_reader){.file = -1};
    // O_NONBLOCK: opening a pipe would wait for its writer.
    int file = openat(folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        return op_error_set(error, status_of(errno), "cannot read '%s': %s", path, strerror(errno));
    }
    op_status status = check_file(file, path, &reader->bytes, error);
    if (status == OP_OK && !op_segment_read_whole(file, &reader->header, sizeof reader->header, 0))
        status = op_error_set(error, OP_TORN_SEGMENT, "'%s' is damaged: it ends in its header", path);
    if (status == OP_OK)
        status = check_header(&reader->header, path, error);
    if (status != OP_OK) {
        close(file);
        return status;
    }
    op_segment_header *header = &reader->header;
    header->executable[sizeof header->executable - 1] = '\0';
    header->command[sizeof header->command - 1] = header->command[sizeof header->command - 2] = '\0';
    reader->file = file;
    return OP_OK;
}

void op_segment_close(op_segment_reader *reader)
{
    if (reader->file >= 0)
        close(reader->file);
    reader->file = -1;
    OP_VECTOR_FINI(&reader->places);
    OP_VECTOR_FINI(&reader->threads);
    OP_VECTOR_FINI(&reader->shadows);
    op_free(reader->window);
    reader->window = NULL;
}

// ---- the chunks ------------------------------------------------------------------------------------------------

// How many records a head says that there are, but no more than there can be.
static uint64_t bound_count(op_segment_reader *reader, const op_segment_place *place, uint64_t count)
{
    uint64_t fit = place->bytes > sizeof(op_segment_chunk)
                       ? (place->bytes - sizeof(op_segment_chunk)) / op_segment_record_bytes(place->kind)
                       : 0;
    uint64_t most = fit;
    if (place->kind == OP_SEGMENT_LINE) {
        uint64_t numbers = (uint64_t)UINT32_MAX - place->first_line + 1;
        most = most < OP_SEGMENT_MAX_LINES ? most : OP_SEGMENT_MAX_LINES;
        most = most < numbers ? most : numbers;
    }
    if (count <= most)
        return count;
    reader->torn++;
    return most;
}

static bool head_is_whole(const op_segment_chunk *head)
{
    return head->magic == OP_SEGMENT_CHUNK_MAGIC && head->kind >= OP_SEGMENT_THREAD &&
           head->kind < OP_SEGMENT_KIND_END && head->bytes >= OP_SEGMENT_PAGE_BYTES &&
           head->bytes % OP_SEGMENT_PAGE_BYTES == 0 && head->bytes <= OP_SEGMENT_MAX_BYTES &&
           head->check == op_segment_check(0, head, offsetof(op_segment_chunk, check));
}

// Whether what the head refers to is there.
static bool head_fits(const op_segment_reader *reader, const op_segment_chunk *head)
{
    switch (head->kind) {
    case OP_SEGMENT_THREAD: return head->thread == reader->threads.count && head->thread < OP_SEGMENT_MAX_THREADS;
    case OP_SEGMENT_FUNCTION: return true;
    case OP_SEGMENT_LINE: return head->thread < reader->threads.count && head->function != 0;
    default: return head->thread < reader->threads.count;
    }
}

// False: out of memory.
static bool add_place(op_segment_reader *reader, const op_segment_place *place)
{
    op_segment_place *slot = OP_VECTOR_PUSH(&reader->places);
    if (!slot)
        return false;
    *slot = *place;
    uint32_t index = (uint32_t)reader->places.count - 1;
    if (place->kind == OP_SEGMENT_SHADOW)
        reader->shadows.items[place->thread] = index + 1;
    if (place->kind != OP_SEGMENT_THREAD)
        return true;
    uint32_t *shadow = OP_VECTOR_PUSH(&reader->shadows);
    uint32_t *thread = shadow ? OP_VECTOR_PUSH(&reader->threads) : NULL;
    if (!thread)
        return false;
    *shadow = 0;
    *thread = index;
    return true;
}

// Adds the chunks from `offset` to `limit`, of a second pass those with functions only. Gives the offset where it
// ended. Behind a head that is not whole nothing can be found.
static op_status scan_chunks(op_segment_reader *reader, uint64_t *offset, uint64_t limit, bool functions_only)
{
    while (limit > *offset) {
        op_segment_chunk head;
        if (reader->places.count >= OP_SEGMENT_MAX_CHUNKS || limit - *offset < sizeof head ||
            !op_segment_read_whole(reader->file, &head, sizeof head, *offset) || !head_is_whole(&head) ||
            (!functions_only && !head_fits(reader, &head))) {
            reader->torn++;
            break;
        }
        op_segment_place place = {.offset = *offset,
                                  .bytes = head.bytes < limit - *offset ? head.bytes : limit - *offset,
                                  .kind = (op_segment_kind)head.kind,
                                  .thread = head.thread,
                                  .function = head.function,
                                  .first_line = head.first_line};
        reader->torn += place.bytes < head.bytes;
        *offset += place.bytes;
        if (functions_only && place.kind != OP_SEGMENT_FUNCTION)
            continue;
        place.count = bound_count(reader, &place, head.count);
        if (!add_place(reader, &place))
            return OP_NO_MEMORY;
    }
    return OP_OK;
}

// What of the file counts: what the process says, as far as it is there.
static uint64_t used_bytes(op_segment_reader *reader, uint64_t said)
{
    struct stat facts;
    uint64_t there = fstat(reader->file, &facts) == 0 && facts.st_size > 0 ? (uint64_t)facts.st_size : 0;
    there = there < OP_SEGMENT_MAX_BYTES ? there : OP_SEGMENT_MAX_BYTES;
    return said < there ? said : there;
}

op_status op_segment_scan(op_segment_reader *reader)
{
    uint64_t offset = OP_SEGMENT_PAGE_BYTES, said;
    reader->window = op_alloc(OP_SEGMENT_WINDOW_BYTES);
    if (!reader->window)
        return OP_NO_MEMORY;
    reader->said = reader->header.bytes;
    reader->bytes = used_bytes(reader, reader->said);
    reader->torn += reader->said < OP_SEGMENT_PAGE_BYTES || reader->bytes < reader->said;
    op_status status = scan_chunks(reader, &offset, reader->bytes, false);
    // A process that lives may have made functions meanwhile that the edges name which were found above.
    bool ended_well = offset == reader->bytes;
    if (status == OP_OK && ended_well &&
        op_segment_read_whole(reader->file, &said, sizeof said, offsetof(op_segment_header, bytes)) &&
        said > reader->said) {
        reader->grown = true;
        reader->bytes = used_bytes(reader, said);
        status = scan_chunks(reader, &offset, reader->bytes, true);
    }
    return status;
}

// SPDX-License-Identifier: MIT
#include "segment/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(op_segment_header) <= OP_SEGMENT_PAGE_BYTES, "the header is one page");
_Static_assert(sizeof(op_segment_chunk) == 64 && sizeof(op_segment_edge) == 128, "as the format says");
_Static_assert(OP_SEGMENT_WINDOW_BYTES > sizeof(op_segment_function) + 2 * OP_SEGMENT_MAX_TEXT_BYTES + 8,
               "the longest record fits");

// ---- bytes of the file -----------------------------------------------------------------------------------------

// Reads at most `bytes`; fewer where the file ends there.
static uint64_t read_at(int file, void *out, uint64_t bytes, uint64_t offset)
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

static bool read_whole(int file, void *out, uint64_t bytes, uint64_t offset)
{
    return read_at(file, out, bytes, offset) == bytes;
}

// The `bytes` at reader->at, in the window; NULL: the file was cut meanwhile. Never reads behind reader->end.
static const void *window(op_segment_reader *reader, uint64_t bytes)
{
    uint64_t skip = reader->at - reader->window_at;
    if (reader->at < reader->window_at || skip > reader->window_bytes || reader->window_bytes - skip < bytes) {
        uint64_t left = reader->end - reader->at;
        uint64_t wanted = left < OP_SEGMENT_WINDOW_BYTES ? left : OP_SEGMENT_WINDOW_BYTES;
        reader->window_at = reader->at;
        reader->window_bytes = read_at(reader->file, reader->window, wanted, reader->at);
        skip = 0;
        if (reader->window_bytes < bytes)
            return NULL;
    }
    return reader->window + skip;
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

op_status op_segment_open(op_segment_reader *reader, int folder_fd, const char *path, op_error *error)
{
    *reader = (op_segment_reader){.file = -1};
    // O_NONBLOCK: opening a pipe would wait for its writer.
    int file = openat(folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        op_status status = errno == ELOOP ? OP_NOT_SEGMENT : errno == ENOENT ? OP_NO_FILE : OP_SYSTEM;
        return op_error_set(error, status, "cannot read '%s': %s", path, strerror(errno));
    }
    op_status status = check_file(file, path, &reader->bytes, error);
    if (status == OP_OK && !read_whole(file, &reader->header, sizeof reader->header, 0))
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

static uint64_t record_bytes(op_segment_kind kind)
{
    switch (kind) {
    case OP_SEGMENT_THREAD: return sizeof(op_segment_thread);
    case OP_SEGMENT_EDGE: return sizeof(op_segment_edge);
    case OP_SEGMENT_SHADOW: return sizeof(op_segment_frame);
    case OP_SEGMENT_LINE: return sizeof(op_segment_line);
    default: return 1;   // FUNCTION: bytes are counted
    }
}

// How many records a head says that there are, but no more than there can be.
static uint64_t bound_count(op_segment_reader *reader, const op_segment_place *place, uint64_t count)
{
    uint64_t fit = place->bytes > sizeof(op_segment_chunk)
                       ? (place->bytes - sizeof(op_segment_chunk)) / record_bytes(place->kind)
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
            !read_whole(reader->file, &head, sizeof head, *offset) || !head_is_whole(&head) ||
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
    uint64_t said = reader->header.bytes, offset = OP_SEGMENT_PAGE_BYTES;
    reader->window = op_alloc(OP_SEGMENT_WINDOW_BYTES);
    if (!reader->window)
        return OP_NO_MEMORY;
    reader->bytes = used_bytes(reader, said);
    reader->torn += said < OP_SEGMENT_PAGE_BYTES || reader->bytes < said;
    op_status status = scan_chunks(reader, &offset, reader->bytes, false);
    // A process that lives may have made functions meanwhile that the edges name which were found above.
    bool ended_well = offset == reader->bytes;
    if (status == OP_OK && ended_well &&
        read_whole(reader->file, &said, sizeof said, offsetof(op_segment_header, bytes)) && said > reader->bytes) {
        reader->bytes = used_bytes(reader, said);
        status = scan_chunks(reader, &offset, reader->bytes, true);
    }
    return status;
}

// ---- iteration -------------------------------------------------------------------------------------------------

// Puts the iteration at the first record of the next chunk of its kind from reader->place on.
static bool enter_chunk(op_segment_reader *reader)
{
    for (; reader->place < reader->places.count; reader->place++) {
        op_segment_place *place = &reader->places.items[reader->place];
        if (place->kind != reader->kind)
            continue;
        uint64_t count;
        // Again, as with the chunks: functions that were made meanwhile.
        if (place->kind == OP_SEGMENT_FUNCTION &&
            read_whole(reader->file, &count, sizeof count, place->offset + offsetof(op_segment_chunk, count)) &&
            count > place->count && count <= place->bytes - sizeof(op_segment_chunk))
            place->count = count;
        if (place->count == 0)
            continue;
        reader->at = place->offset + sizeof(op_segment_chunk);
        reader->end = reader->at + place->count * record_bytes(place->kind);
        reader->line = place->first_line;
        reader->chunk_torn = 0;
        return true;
    }
    return false;
}

void op_segment_begin(op_segment_reader *reader, op_segment_kind kind)
{
    reader->kind = kind;
    reader->place = 0;
    reader->at = reader->end = 0;
    reader->window_bytes = 0;
    enter_chunk(reader);
}

// True: there is a record at reader->at.
static bool go_on(op_segment_reader *reader)
{
    if (reader->at < reader->end)
        return true;
    if (reader->place >= reader->places.count)
        return false;
    reader->place++;
    return enter_chunk(reader);
}

// Leaves out the rest of the chunk.
static void give_up_chunk(op_segment_reader *reader)
{
    reader->torn++;
    reader->at = reader->end;
}

static bool function_is_whole(const op_segment_function *facts, const char *texts)
{
    uint64_t seed = op_segment_check(0, texts, (uint64_t)facts->name_bytes + facts->file_bytes);
    return facts->check == op_segment_check(seed, facts, offsetof(op_segment_function, check));
}

bool op_segment_next_function(op_segment_reader *reader, op_segment_named *function)
{
    while (go_on(reader)) {
        op_segment_function facts;
        const void *head = reader->end - reader->at >= sizeof facts ? window(reader, sizeof facts) : NULL;
        if (head)
            memcpy(&facts, head, sizeof facts);
        // Where a length is wrong, so is all behind it.
        if (!head || facts.name_bytes > OP_SEGMENT_MAX_TEXT_BYTES || facts.file_bytes > OP_SEGMENT_MAX_TEXT_BYTES ||
            facts.bytes % 8 != 0 || facts.bytes < sizeof facts + facts.name_bytes + facts.file_bytes ||
            facts.bytes >= sizeof facts + facts.name_bytes + facts.file_bytes + 8 ||
            facts.bytes > reader->end - reader->at) {
            give_up_chunk(reader);
            continue;
        }
        const char *record = window(reader, facts.bytes);
        if (!record) {
            give_up_chunk(reader);
            continue;
        }
        reader->at += facts.bytes;
        const char *texts = record + sizeof facts;
        if (facts.id == 0 || facts.id > OP_SEGMENT_MAX_FUNCTIONS || facts.kind > OP_SEGMENT_BUILTIN ||
            !function_is_whole(&facts, texts)) {
            reader->torn++;
            continue;
        }
        *function = (op_segment_named){.facts = facts, .name = texts, .file = texts + facts.name_bytes};
        return true;
    }
    return false;
}

static bool edge_is_whole(const op_segment_edge *edge)
{
    return edge->callee != 0 &&
           edge->check == (uint32_t)op_segment_check(0, edge, offsetof(op_segment_edge, check));
}

bool op_segment_next_edge(op_segment_reader *reader, op_segment_edge *edge, uint32_t *thread)
{
    while (go_on(reader)) {
        const void *record = window(reader, sizeof *edge);
        if (!record) {
            give_up_chunk(reader);
            continue;
        }
        op_segment_edge found;
        memcpy(&found, record, sizeof found);
        reader->at += sizeof found;
        if (!edge_is_whole(&found)) {
            reader->torn++;
            if (++reader->chunk_torn >= OP_SEGMENT_MAX_TORN)
                reader->at = reader->end;
            continue;
        }
        *edge = found;
        *thread = reader->places.items[reader->place].thread;
        return true;
    }
    return false;
}

// Goes over lines that were never stored into: a file with more holes than a disk has bytes is read in no time.
static void skip_hole(op_segment_reader *reader)
{
    if (reader->at >= reader->window_at && reader->at - reader->window_at < reader->window_bytes)
        return;
    off_t data = lseek(reader->file, (off_t)reader->at, SEEK_DATA);
    uint64_t next = data < 0 ? (errno == ENXIO ? reader->end : reader->at) : (uint64_t)data;
    uint64_t skipped = next > reader->at ? (next - reader->at) / sizeof(op_segment_line) : 0;
    uint64_t left = (reader->end - reader->at) / sizeof(op_segment_line);
    skipped = skipped < left ? skipped : left;
    reader->at += skipped * sizeof(op_segment_line);
    reader->line += skipped;
}

bool op_segment_next_line(op_segment_reader *reader, op_segment_line *line, uint32_t *thread, uint32_t *function,
                          uint32_t *number)
{
    while (go_on(reader)) {
        skip_hole(reader);
        if (reader->at >= reader->end)
            continue;
        const void *record = window(reader, sizeof *line);
        if (!record) {
            give_up_chunk(reader);
            continue;
        }
        op_segment_line found;
        memcpy(&found, record, sizeof found);
        reader->at += sizeof found;
        uint64_t at_line = reader->line++;
        if (found.hits == 0 && found.ticks == 0)
            continue;
        const op_segment_place *place = &reader->places.items[reader->place];
        *line = found;
        *thread = place->thread;
        *function = place->function;
        *number = (uint32_t)at_line;
        return true;
    }
    return false;
}

// ---- by index --------------------------------------------------------------------------------------------------

bool op_segment_thread_at(op_segment_reader *reader, size_t index, op_segment_thread *thread)
{
    if (index >= reader->threads.count)
        return false;
    const op_segment_place *place = &reader->places.items[reader->threads.items[index]];
    op_segment_thread found;
    if (place->count != 1 ||
        !read_whole(reader->file, &found, sizeof found, place->offset + sizeof(op_segment_chunk))) {
        reader->torn++;
        return false;
    }
    found.name[sizeof found.name - 1] = '\0';
    *thread = found;
    return true;
}

op_status op_segment_frames(op_segment_reader *reader, size_t thread, uint64_t depth, op_segment_frame **frames,
                            size_t *count)
{
    *frames = NULL;
    *count = 0;
    if (depth == 0 || thread >= reader->shadows.count)
        return OP_OK;
    // By what fits and not by the head's count: a frame is live by the depth alone.
    const op_segment_place *place = reader->shadows.items[thread]
                                        ? &reader->places.items[reader->shadows.items[thread] - 1]
                                        : NULL;
    uint64_t fit = place && place->bytes > sizeof(op_segment_chunk)
                       ? (place->bytes - sizeof(op_segment_chunk)) / sizeof(op_segment_frame)
                       : 0;
    uint64_t most = fit > 0 ? fit - 1 : 0;
    most = most < OP_SEGMENT_MAX_DEPTH ? most : OP_SEGMENT_MAX_DEPTH;
    reader->torn += depth > most;
    most = most < depth ? most : depth;
    if (most == 0)
        return OP_OK;
    op_segment_frame *found = op_alloc(most * sizeof *found);
    if (!found)
        return OP_NO_MEMORY;
    uint64_t got = read_at(reader->file, found, most * sizeof *found,
                           place->offset + sizeof(op_segment_chunk) + sizeof(op_segment_frame));
    reader->torn += got < most * sizeof *found;
    *count = got / sizeof *found;
    if (*count == 0)
        op_free(found);
    else
        *frames = found;
    return OP_OK;
}

bool op_segment_edge_at(op_segment_reader *reader, size_t thread, uint64_t offset, op_segment_edge *edge)
{
    size_t low = 0, high = reader->places.count;
    while (low < high) {   // the first place behind `offset`
        size_t middle = low + (high - low) / 2;
        if (reader->places.items[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    const op_segment_place *place = &reader->places.items[low - 1];
    uint64_t first = place->offset + sizeof(op_segment_chunk);
    op_segment_edge found;
    if (place->kind != OP_SEGMENT_EDGE || place->thread != thread || offset < first ||
        (offset - first) % sizeof found != 0 || (offset - first) / sizeof found >= place->count ||
        !read_whole(reader->file, &found, sizeof found, offset) || !edge_is_whole(&found))
        return false;
    *edge = found;
    return true;
}

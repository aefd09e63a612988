// SPDX-License-Identifier: MIT
// Segments for tests, made in memory record by record, with the checks that the format asks for.
#ifndef OP_TESTS_SEGMENT_FIXTURE_H
#define OP_TESTS_SEGMENT_FIXTURE_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include "base/memory.h"
#include "segment/segment.h"
#include "tap.h"

#define SEGMENT_BASE UINT64_C(0x7f0000000000)   // where the process has it mapped

typedef struct {
    unsigned char *bytes;
    uint64_t size;
    uint32_t threads;
    uint64_t functions;   // offset of the chunk for segment_function; 0: none yet
} segment;

static inline op_segment_header *segment_header(segment *s)
{
    return (op_segment_header *)(void *)s->bytes;
}

static inline op_segment_chunk *segment_head(segment *s, uint64_t chunk)
{
    return (op_segment_chunk *)(void *)(s->bytes + chunk);
}

static inline void segment_seal_header(segment *s)
{
    op_segment_header *header = segment_header(s);
    header->check = op_segment_check(0, header, offsetof(op_segment_header, check));
}

static inline void segment_seal_head(segment *s, uint64_t chunk)
{
    op_segment_chunk *head = segment_head(s, chunk);
    head->check = op_segment_check(0, head, offsetof(op_segment_chunk, check));
}

static inline void segment_grow(segment *s, uint64_t bytes)
{
    s->bytes = op_resize(s->bytes, s->size + bytes, 1);
    TAP_REQUIRE(s->bytes != NULL);
    memset(s->bytes + s->size, 0, bytes);
    s->size += bytes;
    segment_header(s)->bytes = s->size;
}

// A process of id 1234 whose ticks are nanoseconds, begun at 1000.
static inline segment segment_new(void)
{
    segment s = {0};
    segment_grow(&s, OP_SEGMENT_PAGE_BYTES);
    *segment_header(&s) = (op_segment_header){
        .version = OP_SEGMENT_VERSION,
        .pid = 1234,
        .parent_pid = 1,
        .modes = OP_SEGMENT_CALLS | OP_SEGMENT_BUILTINS,
        .ticks_are_ns = 1,
        .python = 0x030d01f0,
        .started_unix_ns = INT64_C(1700000000000000000),
        .started_monotonic_ns = 1000,
        .started_ticks = 1000,
        .process_start = 77,
        .base = SEGMENT_BASE,
        .executable = "/usr/bin/python3",
        .command = "python3\0app.py\0--token=abc\0",
        .bytes = OP_SEGMENT_PAGE_BYTES,
    };
    memcpy(segment_header(&s)->magic, OP_SEGMENT_MAGIC, sizeof segment_header(&s)->magic);
    segment_seal_header(&s);
    return s;
}

static inline void segment_free(segment *s)
{
    op_free(s->bytes);
    *s = (segment){0};
}

// A chunk of whole pages for at least `room` bytes of records; its offset.
static inline uint64_t segment_chunk(segment *s, op_segment_kind kind, uint32_t thread, uint32_t function,
                                     uint32_t first_line, uint64_t room)
{
    uint64_t offset = s->size, bytes = sizeof(op_segment_chunk) + room;
    bytes = (bytes + OP_SEGMENT_PAGE_BYTES - 1) / OP_SEGMENT_PAGE_BYTES * OP_SEGMENT_PAGE_BYTES;
    segment_grow(s, bytes);
    *segment_head(s, offset) = (op_segment_chunk){.magic = OP_SEGMENT_CHUNK_MAGIC,
                                                  .kind = kind,
                                                  .bytes = bytes,
                                                  .thread = thread,
                                                  .function = function,
                                                  .first_line = first_line};
    segment_seal_head(s, offset);
    return offset;
}

static inline void *segment_record(segment *s, uint64_t chunk, uint64_t index, uint64_t bytes)
{
    uint64_t at = chunk + sizeof(op_segment_chunk) + index * bytes;
    TAP_REQUIRE(at + bytes <= chunk + segment_head(s, chunk)->bytes);
    return s->bytes + at;
}

// The chunk of a new thread; its index is the order of these calls.
static inline uint64_t segment_thread(segment *s, op_segment_thread thread)
{
    uint64_t chunk = segment_chunk(s, OP_SEGMENT_THREAD, s->threads++, 0, 0, sizeof thread);
    memcpy(segment_record(s, chunk, 0, sizeof thread), &thread, sizeof thread);
    segment_head(s, chunk)->count = 1;
    return chunk;
}

static inline op_segment_thread *segment_thread_of(segment *s, uint64_t chunk)
{
    return segment_record(s, chunk, 0, sizeof(op_segment_thread));
}

// Adds a function to the chunk that was made for functions last; the offset of its record.
static inline uint64_t segment_function(segment *s, uint32_t id, op_segment_function_kind kind, const char *name,
                                        const char *file, uint32_t first_line)
{
    op_segment_function facts = {.id = id,
                                 .kind = kind,
                                 .first_line = first_line,
                                 .name_bytes = (uint32_t)strlen(name),
                                 .file_bytes = (uint32_t)strlen(file)};
    uint64_t texts = (uint64_t)facts.name_bytes + facts.file_bytes;
    facts.bytes = (uint32_t)((sizeof facts + texts + 7) / 8 * 8);
    if (s->functions == 0 || segment_head(s, s->functions)->count + facts.bytes + sizeof(op_segment_chunk) >
                                 segment_head(s, s->functions)->bytes)
        s->functions = segment_chunk(s, OP_SEGMENT_FUNCTION, 0, 0, 0, facts.bytes);
    op_segment_chunk *head = segment_head(s, s->functions);
    uint64_t at = s->functions + sizeof *head + head->count;
    unsigned char *record = s->bytes + at;
    memcpy(record + sizeof facts, name, facts.name_bytes);
    memcpy(record + sizeof facts + facts.name_bytes, file, facts.file_bytes);
    uint64_t seed = op_segment_check(0, record + sizeof facts, texts);
    facts.check = op_segment_check(seed, &facts, offsetof(op_segment_function, check));
    memcpy(record, &facts, sizeof facts);
    head->count += facts.bytes;
    return at;
}

// Adds an edge to a chunk of edges; the offset of its record. `edge` needs no check.
static inline uint64_t segment_edge(segment *s, uint64_t chunk, op_segment_edge edge)
{
    op_segment_chunk *head = segment_head(s, chunk);
    edge.check = (uint32_t)op_segment_check(0, &edge, offsetof(op_segment_edge, check));
    unsigned char *record = segment_record(s, chunk, head->count, sizeof edge);
    memcpy(record, &edge, sizeof edge);
    head->count++;
    return (uint64_t)(record - s->bytes);
}

// Sets frame `index` (0: the root) of a shadow stack: `edge` is an offset in the file.
static inline void segment_frame(segment *s, uint64_t chunk, uint64_t index, uint64_t key, uint64_t edge,
                                 uint64_t start, uint64_t child)
{
    op_segment_frame frame = {.key = key, .edge = edge ? SEGMENT_BASE + edge : 0, .start = start, .child = child};
    memcpy(segment_record(s, chunk, index, sizeof frame), &frame, sizeof frame);
    if (segment_head(s, chunk)->count <= index)
        segment_head(s, chunk)->count = index + 1;
}

static inline void segment_line(segment *s, uint64_t chunk, uint64_t index, uint64_t hits, uint64_t ticks)
{
    op_segment_line line = {.hits = hits, .ticks = ticks};
    memcpy(segment_record(s, chunk, index, sizeof line), &line, sizeof line);
    if (segment_head(s, chunk)->count <= index)
        segment_head(s, chunk)->count = index + 1;
}

static inline void segment_write_bytes(const char *path, const void *bytes, uint64_t count)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    TAP_REQUIRE(file >= 0);
    TAP_EQ_INT(write(file, bytes, count), (ssize_t)count);
    close(file);
}

static inline void segment_write(segment *s, const char *path)
{
    segment_write_bytes(path, s->bytes, s->size);
}

#endif

// SPDX-License-Identifier: MIT
// What is in the chunks that reader.c found.
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "segment/reader_private.h"

_Static_assert(OP_SEGMENT_WINDOW_BYTES > sizeof(op_segment_function) + 2 * OP_SEGMENT_MAX_TEXT_BYTES + 8,
               "the longest record fits");

// The `bytes` at reader->at, in the window; NULL: the file was cut meanwhile. Never reads behind reader->end.
static const void *window(op_segment_reader *reader, uint64_t bytes)
{
    uint64_t skip = reader->at - reader->window_at;
    if (reader->at < reader->window_at || skip > reader->window_bytes || reader->window_bytes - skip < bytes) {
        uint64_t left = reader->end - reader->at;
        uint64_t wanted = left < OP_SEGMENT_WINDOW_BYTES ? left : OP_SEGMENT_WINDOW_BYTES;
        reader->window_at = reader->at;
        reader->window_bytes = op_segment_read_at(reader->file, reader->window, wanted, reader->at);
        skip = 0;
        if (reader->window_bytes < bytes)
            return NULL;
    }
    return reader->window + skip;
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
            op_segment_read_whole(reader->file, &count, sizeof count,
                                  place->offset + offsetof(op_segment_chunk, count)) &&
            count > place->count && count <= place->bytes - sizeof(op_segment_chunk))
            place->count = count;
        if (place->count == 0)
            continue;
        reader->at = place->offset + sizeof(op_segment_chunk);
        reader->end = reader->at + place->count * op_segment_record_bytes(place->kind);
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
        !op_segment_read_whole(reader->file, &found, sizeof found, place->offset + sizeof(op_segment_chunk))) {
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
    reader->torn += depth > most && !op_segment_has_grown(reader);   // else it has a larger one by now
    most = most < depth ? most : depth;
    if (most == 0)
        return OP_OK;
    op_segment_frame *found = op_alloc(most * sizeof *found);
    if (!found)
        return OP_NO_MEMORY;
    uint64_t got = op_segment_read_at(reader->file, found, most * sizeof *found,
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
        !op_segment_read_whole(reader->file, &found, sizeof found, offset) || !edge_is_whole(&found))
        return false;
    *edge = found;
    return true;
}

bool op_segment_has_grown(op_segment_reader *reader)
{
    uint64_t now;
    if (!op_segment_read_whole(reader->file, &now, sizeof now, offsetof(op_segment_header, bytes)))
        return false;
    bool grown = reader->grown || now > reader->said;
    for (size_t i = 0; i < reader->places.count && !grown; i++) {
        const op_segment_place *place = &reader->places.items[i];
        grown = (place->kind == OP_SEGMENT_FUNCTION || place->kind == OP_SEGMENT_EDGE) &&
                op_segment_read_whole(reader->file, &now, sizeof now,
                                      place->offset + offsetof(op_segment_chunk, count)) &&
                now > place->count;
    }
    return grown;
}

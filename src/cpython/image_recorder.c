// SPDX-License-Identifier: MIT
// A reader that keeps what went through it. The target must hold still, or be taken as it was at the first read of
// each piece: a piece that was read once is served from the copy, so that a replay sees what the recording saw.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/vector.h"
#include "cpython/image.h"
#include "cpython/image_file.h"

// Pieces: small enough for a small file, and memory is mapped by multiples of them.
enum { PIECE_BYTES = 256 };

typedef struct {
    uint64_t address;
    unsigned char bytes[PIECE_BYTES];
} piece;

struct op_image_recorder {
    op_memory_reader reader;   // first: a reader of it is the recorder
    op_memory_reader *live;
    op_map by_address;   // -> index in pieces
    OP_VECTOR(piece) pieces;
};

static op_status find_piece(op_image_recorder *recorder, uint64_t address, const piece **found)
{
    op_map_key key = {.low = address};
    uint32_t *index = op_map_find(&recorder->by_address, key);
    if (!index) {
        piece fresh = {.address = address};
        op_status status = op_memory_read(recorder->live, (op_addr){address}, fresh.bytes, sizeof fresh.bytes);
        if (status != OP_OK)
            return status;
        piece *kept = OP_VECTOR_PUSH(&recorder->pieces);
        index = kept ? op_map_add(&recorder->by_address, key, NULL) : NULL;
        if (!index)
            return OP_NO_MEMORY;
        *kept = fresh;
        *index = (uint32_t)(recorder->pieces.count - 1);
    }
    *found = &recorder->pieces.items[*index];
    return OP_OK;
}

static op_status read_span(op_image_recorder *recorder, const op_span *span, size_t *done)
{
    for (size_t at = 0; at < span->bytes;) {
        const piece *found;
        uint64_t address = span->from.value + at, inside = address % PIECE_BYTES;
        op_status status = find_piece(recorder, address - inside, &found);
        if (status != OP_OK)
            return status;
        size_t take = PIECE_BYTES - (size_t)inside;
        if (take > span->bytes - at)
            take = span->bytes - at;
        memcpy((unsigned char *)span->to + at, found->bytes + inside, take);
        at += take;
        *done += take;
    }
    return OP_OK;
}

static op_status recorder_readv(op_memory_reader *reader, const op_span *spans, size_t count, size_t *done)
{
    op_image_recorder *recorder = (op_image_recorder *)(void *)reader;
    op_status status = OP_OK;
    size_t total = 0;
    for (size_t i = 0; i < count && status == OP_OK; i++)
        status = read_span(recorder, &spans[i], &total);
    reader->calls++;
    reader->bytes += total;
    *done = total;
    return status;
}

op_status op_image_recorder_new(op_memory_reader *live, op_image_recorder **recorder)
{
    op_image_recorder *fresh = op_alloc_zero(1, sizeof *fresh);
    if (!fresh)
        return OP_NO_MEMORY;
    fresh->reader = (op_memory_reader){.readv = recorder_readv, .pid = live->pid};
    fresh->live = live;
    op_map_init(&fresh->by_address);
    *recorder = fresh;
    return OP_OK;
}

void op_image_recorder_free(op_image_recorder *recorder)
{
    if (!recorder)
        return;
    op_map_fini(&recorder->by_address);
    OP_VECTOR_FINI(&recorder->pieces);
    op_free(recorder);
}

op_memory_reader *op_image_recorder_reader(op_image_recorder *recorder)
{
    return &recorder->reader;
}

static int compare_pieces(const void *a, const void *b)
{
    uint64_t left = ((const piece *)a)->address, right = ((const piece *)b)->address;
    return (left > right) - (left < right);
}

// Neighbouring pieces become one block.
static void add_blocks(op_image_recorder *recorder, op_buffer *out)
{
    qsort(recorder->pieces.items, recorder->pieces.count, sizeof(piece), compare_pieces);
    for (size_t i = 0; i < recorder->pieces.count;) {
        const piece *first = &recorder->pieces.items[i];
        size_t count = 1;
        while (i + count < recorder->pieces.count && first[count].address == first->address + count * PIECE_BYTES)
            count++;
        uint64_t head[2] = {first->address, (uint64_t)count * PIECE_BYTES};
        op_buffer_add(out, head, sizeof head);
        for (size_t k = 0; k < count; k++)
            op_buffer_add(out, first[k].bytes, PIECE_BYTES);
        i += count;
    }
}

// Sorting moves the pieces, so the places in the map are set anew.
static op_status index_pieces(op_image_recorder *recorder)
{
    op_map_reset(&recorder->by_address);
    for (size_t i = 0; i < recorder->pieces.count; i++) {
        uint32_t *index = op_map_add(&recorder->by_address, (op_map_key){.low = recorder->pieces.items[i].address},
                                     NULL);
        if (!index)
            return OP_NO_MEMORY;
        *index = (uint32_t)i;
    }
    return OP_OK;
}

op_status op_image_recorder_write(op_image_recorder *recorder, const op_runtime *runtime, const char *path,
                                  op_error *error)
{
    op_buffer blocks;
    unsigned char *packed = NULL;
    FILE *file = NULL;
    op_buffer_init(&blocks);
    add_blocks(recorder, &blocks);
    op_status status = index_pieces(recorder);
    uLongf packed_bytes = compressBound((uLong)blocks.size);
    if (status == OP_OK && !blocks.failed)
        packed = op_alloc(packed_bytes);
    if (!packed || compress2(packed, &packed_bytes, (const Bytef *)blocks.data, (uLong)blocks.size, 9) != Z_OK) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory");
        goto done;
    }
    op_image_header header = {.magic = OP_IMAGE_MAGIC,
                              .format = OP_IMAGE_FORMAT,
                              .hex_version = runtime->hex_version,
                              .runtime = runtime->address.value,
                              .block_bytes = blocks.size};
    file = fopen(path, "wbe");
    if (!file || fwrite(&header, sizeof header, 1, file) != 1 || fwrite(packed, packed_bytes, 1, file) != 1 ||
        fflush(file) != 0)
        status = op_error_set(error, OP_NO_OUTPUT, "'%s' cannot be written: %s", path, strerror(errno));
done:
    if (file)
        fclose(file);
    op_free(packed);
    op_buffer_fini(&blocks);
    return status;
}

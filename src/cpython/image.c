// SPDX-License-Identifier: MIT
// Trust boundary: the file may hold anything. It is inflated into one block of the size that it states, which is
// bounded, and every address and length is checked once, when it is opened; after that, reads need one search.
#include "cpython/image.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "base/memory.h"
#include "base/vector.h"
#include "cpython/image_file.h"

typedef struct {
    uint64_t address, bytes;
    const unsigned char *data;   // in op_image.blocks
} image_block;

struct op_image {
    op_memory_reader reader;   // first: a reader of it is the image
    op_image_header header;
    unsigned char *bytes;   // owned: inflated
    OP_VECTOR(image_block) blocks;
};

// The block that holds `address`, or NULL.
static const image_block *find_block(const op_image *image, uint64_t address)
{
    size_t low = 0, high = image->blocks.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const image_block *block = &image->blocks.items[middle];
        if (address < block->address)
            high = middle;
        else if (address - block->address >= block->bytes)
            low = middle + 1;
        else
            return block;
    }
    return NULL;
}

// The number of bytes that could be copied; a span may lie over neighbouring blocks.
static size_t read_span(const op_image *image, const op_span *span)
{
    size_t done = 0;
    while (done < span->bytes) {
        uint64_t address = span->from.value + done;
        const image_block *block = address >= span->from.value ? find_block(image, address) : NULL;
        if (!block)
            break;
        uint64_t left = block->bytes - (address - block->address);
        size_t take = left < span->bytes - done ? (size_t)left : span->bytes - done;
        memcpy((unsigned char *)span->to + done, block->data + (address - block->address), take);
        done += take;
    }
    return done;
}

static op_status image_readv(op_memory_reader *reader, const op_span *spans, size_t count, size_t *done)
{
    const op_image *image = (const op_image *)(const void *)reader;
    size_t total = 0;
    op_status status = OP_OK;
    for (size_t i = 0; i < count && status == OP_OK; i++) {
        size_t got = read_span(image, &spans[i]);
        total += got;
        if (got < spans[i].bytes)
            status = OP_UNREADABLE;
    }
    reader->calls++;
    reader->bytes += total;
    *done = total;
    return status;
}

static op_status inflate_blocks(op_image *image, const unsigned char *from, size_t count)
{
    size_t bytes = (size_t)image->header.block_bytes;
    uLongf inflated = (uLongf)bytes;
    image->bytes = op_alloc(bytes);
    if (!image->bytes)
        return OP_NO_MEMORY;
    int result = uncompress(image->bytes, &inflated, from, (uLong)count);
    if (result == Z_MEM_ERROR)
        return OP_NO_MEMORY;
    return result == Z_OK && inflated == bytes ? OP_OK : OP_BAD_DATA;
}

static op_status list_blocks(op_image *image)
{
    size_t at = 0, count = (size_t)image->header.block_bytes;
    uint64_t free_from = 0;   // blocks are ascending and apart
    while (at < count) {
        uint64_t head[2];
        if (count - at < sizeof head)
            return OP_BAD_DATA;
        memcpy(head, image->bytes + at, sizeof head);
        at += sizeof head;
        if (head[0] < free_from || head[1] == 0 || head[1] > count - at || head[0] > UINT64_MAX - head[1] ||
            image->blocks.count == OP_IMAGE_MAX_BLOCKS)
            return OP_BAD_DATA;
        image_block *block = OP_VECTOR_PUSH(&image->blocks);
        if (!block)
            return OP_NO_MEMORY;
        *block = (image_block){.address = head[0], .bytes = head[1], .data = image->bytes + at};
        free_from = head[0] + head[1];
        at += (size_t)head[1];
    }
    return image->blocks.count > 0 ? OP_OK : OP_BAD_DATA;
}

op_status op_image_parse(const void *bytes, size_t count, op_image **image, op_error *error)
{
    const unsigned char *from = bytes;
    op_status status = OP_BAD_DATA;
    op_image *fresh = op_alloc_zero(1, sizeof *fresh);
    if (!fresh)
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    fresh->reader.readv = image_readv;
    if (count <= sizeof fresh->header || count > OP_IMAGE_MAX_FILE_BYTES)
        goto done;
    memcpy(&fresh->header, from, sizeof fresh->header);
    if (memcmp(fresh->header.magic, OP_IMAGE_MAGIC, sizeof fresh->header.magic) != 0 ||
        fresh->header.format != OP_IMAGE_FORMAT || fresh->header.block_bytes == 0 ||
        fresh->header.block_bytes > OP_IMAGE_MAX_BYTES)
        goto done;
    status = inflate_blocks(fresh, from + sizeof fresh->header, count - sizeof fresh->header);
    if (status == OP_OK)
        status = list_blocks(fresh);
done:
    if (status != OP_OK) {
        op_image_free(fresh);
        return op_error_set(error, status, status == OP_NO_MEMORY ? "out of memory" : "this is not a memory image");
    }
    *image = fresh;
    return OP_OK;
}

op_status op_image_read(const char *path, op_image **image, op_error *error)
{
    unsigned char *bytes = NULL;
    op_status status = OP_OK;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return op_error_set(error, OP_NO_FILE, "'%s' cannot be opened", path);
    bytes = op_alloc(OP_IMAGE_MAX_FILE_BYTES + 1);
    if (!bytes) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory");
        goto done;
    }
    size_t count = fread(bytes, 1, OP_IMAGE_MAX_FILE_BYTES + 1, file);
    if (ferror(file))
        status = op_error_set(error, OP_NO_FILE, "'%s' cannot be read", path);
    else
        status = op_image_parse(bytes, count, image, error);
done:
    op_free(bytes);
    fclose(file);
    return status;
}

void op_image_free(op_image *image)
{
    if (!image)
        return;
    OP_VECTOR_FINI(&image->blocks);
    op_free(image->bytes);
    op_free(image);
}

op_memory_reader *op_image_reader(op_image *image)
{
    return &image->reader;
}

unsigned char *op_image_bytes(op_image *image, size_t *count)
{
    *count = (size_t)image->header.block_bytes;
    return image->bytes;
}

unsigned char *op_image_at(op_image *image, op_addr address, size_t count)
{
    const image_block *block = find_block(image, address.value);
    if (!block || block->bytes - (address.value - block->address) < count)
        return NULL;
    return image->bytes + (block->data - image->bytes) + (address.value - block->address);
}

op_status op_image_attach(op_image *image, op_runtime *runtime, op_error *error)
{
    uint32_t hex = image->header.hex_version;
    if (hex >> 24 != 3)
        return op_error_set(error, OP_UNKNOWN_VERSION, "the image is of CPython %u", hex >> 24);
    return op_runtime_at(&image->reader, (op_addr){image->header.runtime}, (int)(hex >> 16 & 0xff),
                         (int)(hex >> 8 & 0xff), runtime, error);
}

// SPDX-License-Identifier: MIT
// The head of an image file, for its reader and its writer.
#ifndef OP_CPYTHON_IMAGE_FILE_H
#define OP_CPYTHON_IMAGE_FILE_H

#include <assert.h>
#include <stdint.h>

#define OP_IMAGE_MAGIC "OPIMAGE"

typedef struct {
    char magic[8];   // with its NUL
    uint32_t format, hex_version;
    uint64_t runtime, block_bytes;
} op_image_header;
static_assert(sizeof(op_image_header) == 32, "written as it is");

#endif

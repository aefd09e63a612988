// SPDX-License-Identifier: MIT
// A recorded memory image: the pieces of a Python process that were read while it was looked at, so that each
// version can be tested without its interpreter. Not a format for users: it may change.
//
// The file, little-endian: the magic "OPIMAGE\0", u32 format, u32 PY_VERSION_HEX, u64 address of _PyRuntime,
// u64 bytes of the blocks; then, compressed by zlib, the blocks, ascending and apart: u64 address, u64 bytes, and
// the bytes.
#ifndef OP_CPYTHON_IMAGE_H
#define OP_CPYTHON_IMAGE_H

#include "cpython/runtime.h"

enum {
    OP_IMAGE_FORMAT = 1,
    OP_IMAGE_MAX_FILE_BYTES = 16 << 20,
    OP_IMAGE_MAX_BYTES = 64 << 20,   // of its blocks
    OP_IMAGE_MAX_BLOCKS = 1 << 16,
};

typedef struct op_image op_image;

// The file is checked as a whole: BAD_DATA where it is none, NO_FILE, NO_MEMORY. op_image_free frees.
op_status op_image_read(const char *path, op_image **image, op_error *error) OP_MUST_CHECK;
op_status op_image_parse(const void *bytes, size_t count, op_image **image, op_error *error) OP_MUST_CHECK;
void op_image_free(op_image *image);   // NULL is fine
// A reader of the image, with process id 0; it lives as long as the image.
op_memory_reader *op_image_reader(op_image *image);
// The runtime in it.
op_status op_image_attach(op_image *image, op_runtime *runtime, op_error *error) OP_MUST_CHECK;
// The bytes of the blocks, one after the other, for tests that change them. *count is their number.
unsigned char *op_image_bytes(op_image *image, size_t *count);
// The `count` bytes that stand for those at `address`; NULL: not all of them are in one block.
unsigned char *op_image_at(op_image *image, op_addr address, size_t count);

typedef struct op_image_recorder op_image_recorder;

// Reads through `live` (borrowed) and keeps what was read. op_image_recorder_free frees.
op_status op_image_recorder_new(op_memory_reader *live, op_image_recorder **recorder) OP_MUST_CHECK;
void op_image_recorder_free(op_image_recorder *recorder);   // NULL is fine
op_memory_reader *op_image_recorder_reader(op_image_recorder *recorder);
op_status op_image_recorder_write(op_image_recorder *recorder, const op_runtime *runtime, const char *path,
                                  op_error *error) OP_MUST_CHECK;

#endif

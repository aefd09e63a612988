// SPDX-License-Identifier: MIT
// zlib with memory from base/memory.h, kept between uses. For the room itself.
#ifndef OP_PROFILE_PACKER_H
#define OP_PROFILE_PACKER_H

#include <zlib.h>
#include "base/buffer.h"
#include "base/status.h"

typedef struct {
    z_stream stream;
    bool ready, inflates;
    op_buffer out;   // owned; the last result
} op_packer;

void op_packer_init(op_packer *packer);
void op_packer_fini(op_packer *packer);
// Compresses into packer->out, valid until the next use. A packer packs or unpacks all its life.
op_status op_packer_pack(op_packer *packer, const void *bytes, size_t count) OP_MUST_CHECK;
// The reverse, to exactly out_bytes; BAD_DATA where it is more, less or no zlib stream.
op_status op_packer_unpack(op_packer *packer, const void *bytes, size_t count, size_t out_bytes) OP_MUST_CHECK;

#endif

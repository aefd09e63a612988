// SPDX-License-Identifier: MIT
// What the files of the reader share.
#ifndef OP_SEGMENT_READER_PRIVATE_H
#define OP_SEGMENT_READER_PRIVATE_H

#include "segment/reader.h"

// Reads at most `bytes`; fewer where the file ends there.
uint64_t op_segment_read_at(int file, void *out, uint64_t bytes, uint64_t offset);
bool op_segment_read_whole(int file, void *out, uint64_t bytes, uint64_t offset);

static inline uint64_t op_segment_record_bytes(op_segment_kind kind)
{
    switch (kind) {
    case OP_SEGMENT_THREAD: return sizeof(op_segment_thread);
    case OP_SEGMENT_EDGE: return sizeof(op_segment_edge);
    case OP_SEGMENT_SHADOW: return sizeof(op_segment_frame);
    case OP_SEGMENT_LINE: return sizeof(op_segment_line);
    default: return 1;   // FUNCTION: bytes are counted
    }
}

#endif

// SPDX-License-Identifier: MIT
// Shared by walker.c (3.11 and later) and walker_objects.c (3.8 to 3.10).
#ifndef OP_CPYTHON_WALKER_PRIVATE_H
#define OP_CPYTHON_WALKER_PRIVATE_H

#include "cpython/walker.h"

enum { OP_WALK_READ_CLASSES = 64 };

struct op_walker {
    op_runtime *runtime;   // borrowed
    op_codes *codes;       // borrowed
    op_walk_stats stats;
    OP_VECTOR(op_raw_frame) frames;   // the result
    OP_VECTOR(op_frame_view) views;   // leaf first
    OP_VECTOR(op_span) spans;
    unsigned char *copy;   // owned
    size_t copy_bytes;
    unsigned char *second;   // owned: a second copy of some frames
    size_t second_bytes;
    unsigned char head[2048];
    uint64_t gate_ticks[OP_WALK_READ_CLASSES];   // running median of the time of a read, by its size
    uint64_t slack_ticks;
    op_map edges;   // (caller, offset, callee, version) -> how often proven or confirmed
};

op_status op_walk_objects(op_walker *walker, op_walk_thread *thread, int64_t now_ns);
bool op_walk_push(op_walker *walker, op_raw_kind kind, uint32_t code, int32_t offset);
// All spans, OP_MEMORY_MAX_SPANS a call. *ticks: how long the calls took.
op_status op_walk_read(op_walker *walker, uint64_t *ticks);
// Whether a read of `bytes` in `spans` spans that took `ticks` was interrupted; learns from it.
bool op_walk_was_interrupted(op_walker *walker, size_t bytes, size_t spans, uint64_t ticks);

static inline uint64_t op_peek_u64(const unsigned char *at)
{
    uint64_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}
static inline int32_t op_peek_i32(const unsigned char *at)
{
    int32_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

#endif

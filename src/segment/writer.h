// SPDX-License-Identifier: MIT
// The writing side of a segment: space for chunks at addresses that never move. Needs libc only, takes no lock
// (the caller has one), and allocates no memory but the mapping itself and the file's name.
#ifndef OP_SEGMENT_WRITER_H
#define OP_SEGMENT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include "segment/segment.h"

typedef struct {
    unsigned char *base;   // of the reserved addresses; NULL: not open
    uint64_t reserved;     // bytes of them
    uint64_t backed;       // bytes that have memory or file behind them
    uint64_t taken;        // bytes handed out; header->bytes follows at op_segment_writer_publish
    int fd;                // of the file; -1: memory of this process only
    char *path;            // owned; of the file
    uint64_t device, inode;
    op_segment_header *header;
} op_segment_writer;

// A segment in memory of this process only, or in the new file `path` (0600, O_EXCL, never through a symlink).
// The header is all zero but for magic, version and base. 0, or -1 with errno set and nothing left behind.
int op_segment_writer_open(op_segment_writer *writer, const char *path);
// Unmaps and closes; the file stays.
void op_segment_writer_close(op_segment_writer *writer);
// After fork(), in the child: leaves the parent's segment alone.
#define op_segment_writer_abandon op_segment_writer_close
// Seals the fixed part of the header with its check.
void op_segment_writer_seal(op_segment_writer *writer);

// A chunk for `payload_bytes` of records, zeroed, its head whole. NULL with errno: no space (a full disk, a limit).
// It is not part of the segment before it is published, in the order of taking; until then it may be filled.
op_segment_chunk *op_segment_writer_take(op_segment_writer *writer, op_segment_kind kind, uint32_t thread,
                                         uint32_t function, uint32_t first_line, size_t payload_bytes);
void op_segment_writer_publish(op_segment_writer *writer);

static inline void *op_segment_chunk_records(op_segment_chunk *chunk)
{
    return chunk + 1;
}
static inline size_t op_segment_chunk_room(const op_segment_chunk *chunk)
{
    return chunk->bytes - sizeof *chunk;
}

#endif

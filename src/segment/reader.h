// SPDX-License-Identifier: MIT
// Reads what a traced process left, or is still writing. Nothing of it is trusted, and nothing of it is mapped: a
// file that is cut while it is mapped kills whoever looks at it, so it is copied piece by piece.
//
// What is not whole (cut, overwritten, half written) is left out and counted in `torn`: the rest is given. Of a
// process that lives, each record is one of a moment, not all of the same moment.
//
//     op_segment_reader reader;
//     if (op_segment_open(&reader, AT_FDCWD, path, &error) == OP_OK && op_segment_scan(&reader) == OP_OK) {
//         op_segment_begin(&reader, OP_SEGMENT_EDGE);
//         while (op_segment_next_edge(&reader, &edge, &thread))
//             ...
//     }
//     op_segment_close(&reader);
#ifndef OP_SEGMENT_READER_H
#define OP_SEGMENT_READER_H

#include <stdbool.h>
#include "base/status.h"
#include "base/vector.h"
#include "segment/segment.h"

enum {
    OP_SEGMENT_MAX_CHUNKS = 1 << 22,
    OP_SEGMENT_MAX_THREADS = 1 << 16,
    OP_SEGMENT_MAX_TORN = 1 << 12,       // records of one chunk, before the rest of it is left out
    OP_SEGMENT_WINDOW_BYTES = 1 << 16,   // read at once; above the longest record
    OP_SEGMENT_INHERITED = 1,            // bit of op_segment_frame.key: begun before a fork; adds time, is no call
};

// A chunk whose head is whole.
typedef struct {
    uint64_t offset;   // of the head
    uint64_t bytes;    // with the head, that are in the file
    uint64_t count;    // as in the head, but no more than fit
    op_segment_kind kind;
    uint32_t thread, function, first_line;
} op_segment_place;

typedef struct {
    op_segment_function facts;
    const char *name, *file;   // not NUL-terminated; valid until the next op_segment_next_...
} op_segment_named;

typedef struct {
    op_segment_header header;   // as it was when the file was opened; its texts are NUL-terminated
    uint64_t torn;              // what was left out: chunks, records, frames
    int file;
    uint64_t said;                        // bytes of the file that count, by the process
    uint64_t bytes;                       // and as far as they are there
    bool grown;                           // while op_segment_scan went on
    OP_VECTOR(op_segment_place) places;   // by offset
    OP_VECTOR(uint32_t) threads;          // by thread: the place of its THREAD chunk
    OP_VECTOR(uint32_t) shadows;          // by thread: the place of its last SHADOW chunk, plus 1; 0: none
    // Where the iteration stands.
    op_segment_kind kind;
    size_t place;       // that is being read
    uint64_t at, end;   // in the file
    uint64_t line;      // LINE: of the record at `at`
    uint64_t chunk_torn;
    unsigned char *window;   // owned
    uint64_t window_at, window_bytes;
} op_segment_reader;

// Opens a file and reads its header. Refused are: what is no regular file or a link (NOT_SEGMENT), what another
// user owns or may write (FOREIGN_FILE), another magic (NOT_SEGMENT) or version (OTHER_SEGMENT), a header that is
// not whole, as of a process that was killed before it had written it (TORN_SEGMENT), NO_FILE, SYSTEM.
// On failure there is nothing to close.
op_status op_segment_open(op_segment_reader *reader, int folder_fd, const char *path, op_error *error)
    OP_MUST_CHECK;
// Finds the chunks: before anything below. NO_MEMORY.
op_status op_segment_scan(op_segment_reader *reader) OP_MUST_CHECK;
void op_segment_close(op_segment_reader *reader);

// Iterates over all records of one kind, in the order in which they were made; one iteration at a time.
void op_segment_begin(op_segment_reader *reader, op_segment_kind kind);
bool op_segment_next_function(op_segment_reader *reader, op_segment_named *function);
bool op_segment_next_edge(op_segment_reader *reader, op_segment_edge *edge, uint32_t *thread);
// Lines that were never executed are left out.
bool op_segment_next_line(op_segment_reader *reader, op_segment_line *line, uint32_t *thread, uint32_t *function,
                          uint32_t *number);

// Thread `index` of 0..threads.count - 1. False: not readable.
bool op_segment_thread_at(op_segment_reader *reader, size_t index, op_segment_thread *thread);
// The live frames of a thread, without the root and outermost first. *frames is the caller's (op_free), NULL where
// *count is 0. `depth` is op_segment_thread.depth. NO_MEMORY.
op_status op_segment_frames(op_segment_reader *reader, size_t thread, uint64_t depth, op_segment_frame **frames,
                            size_t *count) OP_MUST_CHECK;
// The edge at an offset in the file. False: none of that thread begins there, or it is not whole.
bool op_segment_edge_at(op_segment_reader *reader, size_t thread, uint64_t offset, op_segment_edge *edge);
// Whether the process made edges, functions or chunks since op_segment_scan, so that frames may name what was not
// there yet.
bool op_segment_has_grown(op_segment_reader *reader);

#endif

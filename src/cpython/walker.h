// SPDX-License-Identifier: MIT
// Reads the stack of one thread of a running target, without stopping it, and says what it could not prove.
//
// From 3.11 on (walker.c): one read takes the thread's head and the used part of its data stack. The copy itself then
// tells which frames were alive: a frame may stand below another only where it is suspended at an instruction that can
// have called it (ARCHITECTURE.md, "The life of a sample"). The stack ends at the first frame that is not. Reads that
// were interrupted half-way are done again: they took longer than such reads take.
// Before (walker_objects.c): frames are heap objects; a chain counts when two reads show the same.
#ifndef OP_CPYTHON_WALKER_H
#define OP_CPYTHON_WALKER_H

#include "cpython/codes.h"
#include "cpython/runtime.h"

enum {
    OP_WALK_MAX_FRAMES = 20000,
    OP_WALK_MAX_CHUNKS = 2048,   // of one thread's data stack
    OP_WALK_MAX_EXTRAS = 2048,   // frames outside the data stack: generators, shims on the C stack
    OP_WALK_MAX_TRIES = 24,
    OP_WALK_CFRAMES = 8,   // C code that calls Python makes a new one, at an address that comes again
    OP_WALK_MAX_COPY_BYTES = 32 << 20,
};

typedef enum {
    OP_RAW_CODE = 0,     // (code entry id, offset)
    OP_RAW_UNREADABLE,   // a frame that could not be read, or is no frame
    OP_RAW_TRUNCATED,    // the limit of depth: further callers are missing
    OP_RAW_UNPROVEN,     // leads a stack that two reads did not agree on
} op_raw_kind;

typedef struct {
    uint32_t code;    // id in op_codes; 0 where kind is not CODE
    int32_t offset;   // of the instruction, bytes from the first; < 0: the frame has not begun
    uint32_t kind;
} op_raw_frame;

typedef struct {
    uint64_t walks, tries, interrupted, mispredicted, cuts, extended, confirmed, given_up, torn;
} op_walk_stats;

// A frame as the copy shows it.
typedef struct {
    uint64_t address, previous, code_address, function;
    uint64_t instruction;
    uint32_t code;   // id; 0: none
    int32_t offset;
    // Where its evaluation stack ended when that was saved last, in words from its first local; 3.11-3.13: -1, it runs.
    int32_t stack;
    uint8_t owner;
    bool enters;             // was entered through C: a shim lies below it, or is_entry
    bool outside;            // of the data stack
    bool left;               // 3.8-3.10: does not execute
    uint32_t copied_at;      // where in the walker's copy
    uint32_t copied_bytes;   // how much of it there from its first byte on; 0: it was read apart
} op_frame_view;

// What the last walk of a thread found, from which the next read is predicted.
typedef struct {
    op_python_thread thread;
    uint64_t cframe;                       // 3.11, 3.12
    uint64_t cframes[OP_WALK_CFRAMES];     // those seen lately, this one first; 0 ends
    uint64_t chunks[OP_WALK_MAX_CHUNKS];   // newest first
    size_t chunk_count;
    size_t used_bytes;                   // of the newest chunk, predicted
    OP_VECTOR(uint64_t) extras;          // frames outside
    uint64_t shims_low, shims_high;      // 3.12+: between these lie the shims that proven frames stood on
    OP_VECTOR(op_frame_view) verified;   // root first: edges proven by the last walk
} op_walk_thread;

typedef struct op_walker op_walker;

op_status op_walker_new(op_runtime *runtime, op_codes *codes, op_walker **walker) OP_MUST_CHECK;   // caller frees
void op_walker_free(op_walker *walker);

void op_walk_thread_init(op_walk_thread *thread, const op_python_thread *python);
void op_walk_thread_fini(op_walk_thread *thread);

// The frames of the thread now, leaf first, valid until the next walk. *count 0: it runs no Python code.
// UNREADABLE: no stack after the last try. BAD_DATA: the thread state is no longer that of this thread.
op_status op_walk(op_walker *walker, op_walk_thread *thread, int64_t now_ns, const op_raw_frame **frames,
                  size_t *count) OP_MUST_CHECK;
const op_walk_stats *op_walker_stats(const op_walker *walker);

#endif

// SPDX-License-Identifier: MIT
// segment: what an instrumented process leaves, in memory that outlives it. A segment is one file, mapped shared: the
// kernel keeps what was stored into it whatever becomes of the process, so there is nothing to flush and nothing to
// lose. Its numbers are the machine's own: a segment is read where it was written.
//
// Layout: a header page, then chunks, each a multiple of OP_SEGMENT_PAGE_BYTES, one behind the other up to
// header.bytes. A chunk is a head and an array of records of one kind, of which the first `count` are valid
// (FUNCTIONS: `used` bytes of records of differing size). Counters in records are changed in place.
//
// Order of stores, so that a kill between any two leaves a segment that can be read:
//   1. a chunk's head is whole before header.bytes grows over it;
//   2. a record is whole before `count` (`used`) of its chunk grows over it;
//   3. a record names only functions whose record is whole;
//   4. on return a call leaves the shadow stack before it is counted: it is never counted twice.
// Stores of one processor become visible in order (x86-64), or are made so by release stores.
//
// Trust: whatever reads a segment takes it for hostile. Identities are checksummed (`check`); counters cannot be, as
// they change without a lock, and any value of them is harmless.
#ifndef OP_SEGMENT_SEGMENT_H
#define OP_SEGMENT_SEGMENT_H

#include <stdint.h>

#define OP_SEGMENT_MAGIC "OPSEGM\r\n"

enum {
    OP_SEGMENT_VERSION = 1,
    OP_SEGMENT_PAGE_BYTES = 4096,
    OP_SEGMENT_CHUNK_MAGIC = 0x4b4e4843,   // "CHNK"
    OP_SEGMENT_MAX_FUNCTIONS = 1 << 24,
    OP_SEGMENT_MAX_TEXT_BYTES = 1 << 12,   // of a name, of a file
    OP_SEGMENT_MAX_LINES = 1 << 20,        // of one function
    OP_SEGMENT_MAX_DEPTH = 1 << 20,        // of a shadow stack
};
#define OP_SEGMENT_MAX_BYTES (UINT64_C(1) << 40)

// What is recorded; bits of header.modes.
enum { OP_SEGMENT_CALLS = 1, OP_SEGMENT_COUNTS = 2, OP_SEGMENT_LINES = 4, OP_SEGMENT_BUILTINS = 8 };

// Functions have ids from 1; 0 as a caller is "nobody that was seen".
typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t pid, parent_pid;
    uint32_t modes;
    uint32_t ticks_are_ns;   // 1: ticks are CLOCK_MONOTONIC; 0: the processor's counter
    uint32_t python;         // sys.hexversion
    int64_t started_unix_ns;
    int64_t started_monotonic_ns;
    uint64_t started_ticks;   // read together with started_monotonic_ns
    uint64_t process_start;   // field 22 of /proc/PID/stat: tells a process from another with its id; 0: unknown
    uint64_t base;            // where the process has mapped the file: op_segment_frame.edge is an address there
    char executable[1024];    // sys.executable, NUL-terminated, cut
    char command[2048];       // sys.orig_argv parted by NULs, ended by two, cut
    uint64_t check;           // op_segment_check of all that stands above
    // What follows changes while the process lives.
    uint64_t bytes;        // of the file that are in use: header and whole chunks
    uint64_t lost_calls;   // calls that could not be counted: no room, no memory, too deep
    uint64_t lost_functions;
    uint64_t lost_lines;
    uint64_t lost_processes;   // children whose own segment could not be made
    uint32_t unused;
    uint32_t lost_hooks;   // 3.10, 3.11: times that the program took a thread's profile hook for itself
} op_segment_header;

typedef enum {
    OP_SEGMENT_THREAD = 1,     // one op_segment_thread
    OP_SEGMENT_FUNCTION = 2,   // op_segment_function, each with its texts behind it
    OP_SEGMENT_EDGE = 3,       // op_segment_edge of one thread
    OP_SEGMENT_SHADOW =
        4,                 // op_segment_frame of one thread: its shadow stack, the last such chunk is the live one
    OP_SEGMENT_LINE = 5,   // op_segment_line of one function in one thread; record i is line first_line + i
    OP_SEGMENT_KIND_END
} op_segment_kind;

typedef struct {
    uint32_t magic;   // OP_SEGMENT_CHUNK_MAGIC
    uint32_t kind;
    uint64_t bytes;        // of the chunk with this head
    uint32_t thread;       // index of the thread, from 0, in the order of THREAD chunks; FUNCTION: 0
    uint32_t function;     // LINE: whose lines
    uint32_t first_line;   // LINE
    uint32_t reserved;
    uint64_t check;   // op_segment_check of what stands above
    uint64_t count;   // records that are valid; FUNCTION: bytes of them. Changes
    uint64_t unused[2];
} op_segment_chunk;   // 64 bytes

typedef struct {
    uint64_t tid;   // of the operating system
    uint64_t started_ticks;
    uint64_t last_ticks;   // of the newest event; 0: none
    uint64_t depth;        // frames of the shadow stack that are live; in SHADOW frames 1..depth (0 is the root)
    uint32_t is_main;
    uint32_t threads;   // of the operating system that were recorded here one after the other
    uint32_t ended;
    uint32_t unused;
    char name[64];   // NUL-terminated, "" while unknown
} op_segment_thread;

typedef enum { OP_SEGMENT_PYTHON = 0, OP_SEGMENT_BUILTIN = 1 } op_segment_function_kind;

// `bytes` long with its texts, the name and then the file, neither NUL-terminated; a multiple of 8.
// BUILTIN: name as pstats has it ("<built-in method builtins.len>"), no file, line 0.
typedef struct {
    uint32_t bytes;
    uint32_t id;
    uint32_t kind;
    uint32_t first_line;
    uint32_t name_bytes, file_bytes;
    uint64_t check;   // op_segment_check of the fields above, seeded with op_segment_check of the texts
} op_segment_function;

// Calls from one function to another in one thread. An entry is a start or a resumption (of a generator, a coroutine).
// Ticks, and only of entries that were left. `own` is without what was called; `total` counts a moment once, however
// often the edge is open; `outer_total` counts it for the function: entries while the function was not open in that
// thread.
typedef struct {
    uint32_t caller, callee;
    uint32_t check;   // low half of op_segment_check of (caller, callee)
    uint32_t open;    // entries of this edge that are on the shadow stack
    uint64_t calls;   // entries that were left
    uint64_t own;
    uint64_t total;
    uint64_t outer_total;
    uint64_t recursive;   // of `calls`: while this edge was open already
    uint64_t nested;      // of `calls`: while the function was open already, by whichever caller
    // Second cache line: seldom changed.
    uint64_t resumes;      // of `calls`: resumptions
    uint64_t exceptions;   // of `calls`: left by an exception
    uint64_t suspended;    // ticks between being left by a yield and being resumed
    uint64_t unused[5];
} op_segment_edge;   // 128 bytes

typedef struct {
    uint64_t key;     // of the process, without meaning outside
    uint64_t edge;    // address of the op_segment_edge in the process: header.base + its offset in the file
    uint64_t start;   // ticks
    uint64_t child;   // ticks spent in what it called
} op_segment_frame;

typedef struct {
    uint64_t hits;
    uint64_t ticks;
} op_segment_line;

// FNV-1a of 64 bits with a final mix; `seed` 0 to begin with.
static inline uint64_t op_segment_check(uint64_t seed, const void *bytes, uint64_t count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (uint64_t i = 0; i < count; i++) {
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ (hash >> 29);
}

#endif

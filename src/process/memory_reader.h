// SPDX-License-Identifier: MIT
// process: other processes, seen from outside: memory, maps, ELF files, threads, children, starting one. Linux
// only, 64-bit targets. Nothing here ever writes into another process or stops it. All that comes from there is
// hostile.
//
// A memory reader: the only way in which `cpython` sees a process, so that a recorded image can stand for one.
#ifndef OP_PROCESS_MEMORY_READER_H
#define OP_PROCESS_MEMORY_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/status.h"

// An address in another process. A type of its own, so that it can never be dereferenced.
typedef struct {
    uint64_t value;
} op_addr;
static inline op_addr op_addr_add(op_addr address, uint64_t offset)
{
    return (op_addr){address.value + offset};
}
static inline bool op_addr_is_null(op_addr address)
{
    return address.value == 0;
}

typedef struct {
    op_addr from;
    void *to;   // borrowed
    size_t bytes;
} op_span;

enum { OP_MEMORY_MAX_SPANS = 64 };

typedef struct op_memory_reader op_memory_reader;
struct op_memory_reader {
    // Fills the spans in order with one call where possible; *done counts the bytes that were read before a hole.
    // OP_OK: all. OP_UNREADABLE: a part (see *done). OP_PROCESS_GONE, OP_NO_PERMISSION.
    op_status (*readv)(op_memory_reader *reader, const op_span *spans, size_t count, size_t *done);
    pid_t pid;               // 0: an image
    uint64_t calls, bytes;   // kept by readv
};

// Reads `bytes` at `from` or fails.
op_status op_memory_read(op_memory_reader *reader, op_addr from, void *to, size_t bytes) OP_MUST_CHECK;
op_status op_memory_read_addr(op_memory_reader *reader, op_addr from, op_addr *to) OP_MUST_CHECK;

// A live process, through process_vm_readv (which neither stops nor changes it).
void op_memory_reader_live(op_memory_reader *reader, pid_t pid);

#endif

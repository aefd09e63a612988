// SPDX-License-Identifier: MIT
// What is mapped where in a process, and the ELF files behind it.
#ifndef OP_PROCESS_MAPS_H
#define OP_PROCESS_MAPS_H

#include "base/arena.h"
#include "base/vector.h"
#include "process/memory_reader.h"

enum { OP_MAPS_MAX = 65536 };

typedef struct {
    op_addr start, end;
    uint64_t file_offset;
    uint64_t inode;   // of the file; 0: none
    bool readable, writable, executable;
    const char *path;   // lives in the arena; "" for anonymous memory; may end in " (deleted)"
} op_mapping;

typedef struct {
    op_arena arena;
    OP_VECTOR(op_mapping) list;   // ascending
} op_maps;

op_status op_maps_read(pid_t pid, op_maps *maps, op_error *error) OP_MUST_CHECK;   // op_maps_fini frees
void op_maps_fini(op_maps *maps);
const op_mapping *op_maps_find(const op_maps *maps, op_addr address);   // NULL: nothing is mapped there

#endif

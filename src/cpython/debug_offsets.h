// SPDX-License-Identifier: MIT
// The target's own offsets: struct _Py_DebugOffsets, the first thing in _PyRuntime of CPython 3.13+.
#ifndef OP_CPYTHON_DEBUG_OFFSETS_H
#define OP_CPYTHON_DEBUG_OFFSETS_H

#include "cpython/layout.h"
#include "process/memory_reader.h"

#define OP_DEBUG_COOKIE "xdebugpy"
enum { OP_DEBUG_COOKIE_BYTES = 8 };

typedef struct {
    uint32_t hex_version;
    bool free_threaded;
    bool valid;     // every offset passed its check and was laid over the layout
    bool differs;   // at least one of them was not what the table had
} op_debug_offsets;

// Reads the head only: BAD_DATA where there is no cookie.
op_status op_debug_offsets_head(op_memory_reader *memory, op_addr runtime, op_debug_offsets *offsets) OP_MUST_CHECK;
// Reads and checks all, and lays them over `layout` (whose minor says which struct to expect) where all are
// plausible.
// OK with valid = false where they are not: then nothing was changed.
op_status op_debug_offsets_apply(op_memory_reader *memory, op_addr runtime, op_layout *layout,
                                 op_debug_offsets *offsets) OP_MUST_CHECK;

#endif

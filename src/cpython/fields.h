// SPDX-License-Identifier: MIT
// Fields of the target's structures: out of a copy that is already here, and by a read of their own.
#ifndef OP_CPYTHON_FIELDS_H
#define OP_CPYTHON_FIELDS_H

#include <string.h>
#include "cpython/runtime.h"

// The caller has checked that the field lies inside the copy.
static inline uint64_t op_field_u64(const unsigned char *copy, int32_t offset)
{
    uint64_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}

static inline uint32_t op_field_u32(const unsigned char *copy, int32_t offset)
{
    uint32_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}

static inline op_addr op_field_addr(const unsigned char *copy, int32_t offset)
{
    return (op_addr){op_field_u64(copy, offset)};
}

// Whether a field of `bytes` at `offset` is known and lies inside a copy of `copy_bytes`.
static inline bool op_field_fits(int32_t offset, size_t bytes, size_t copy_bytes)
{
    return offset >= 0 && (size_t)offset + bytes <= copy_bytes;
}

// Whether an address can be that of an object: aligned, not in the first page, in user space.
static inline bool op_addr_is_object(op_addr address)
{
    return (address.value & 7) == 0 && address.value >= 4096 && address.value < ((uint64_t)1 << 56);
}

static inline op_addr op_field_at(op_addr base, int32_t offset)
{
    return (op_addr){base.value + (uint64_t)(int64_t)offset};
}

// Reads the pointer at base + offset. BAD_DATA where this version has no such field.
static inline OP_MUST_CHECK op_status op_field_read_addr(op_memory_reader *memory, op_addr base, int32_t offset,
                                                         op_addr *out)
{
    if (offset == OP_LAYOUT_NONE)
        return OP_BAD_DATA;
    return op_memory_read_addr(memory, op_field_at(base, offset), out);
}

static inline OP_MUST_CHECK op_status op_field_read_i32(op_memory_reader *memory, op_addr base, int32_t offset,
                                                        int32_t *out)
{
    if (offset == OP_LAYOUT_NONE)
        return OP_BAD_DATA;
    return op_memory_read(memory, op_field_at(base, offset), out, sizeof *out);
}

#endif

// SPDX-License-Identifier: MIT
// Plain objects of the target: strings, bytes, ints. All bounded; a torn or foreign object is BAD_DATA.
#ifndef OP_CPYTHON_OBJECT_H
#define OP_CPYTHON_OBJECT_H

#include "base/buffer.h"
#include "cpython/runtime.h"

op_status op_object_type(op_runtime *runtime, op_addr object, op_addr *type) OP_MUST_CHECK;
// Whether the type's name is `name` ("code", "str").
op_status op_type_is_named(op_runtime *runtime, op_addr type, const char *name, bool *equal) OP_MUST_CHECK;
// Appends the text of a str as UTF-8, at most `max_bytes` of it (cut between code points). Lone surrogates
// become U+FFFD.
op_status op_unicode_read(op_runtime *runtime, op_addr text, size_t max_bytes, op_buffer *out) OP_MUST_CHECK;
// Whether a str is the ASCII text `expected`: without a copy of longer ones.
op_status op_unicode_is(op_runtime *runtime, op_addr text, const char *expected, bool *equal) OP_MUST_CHECK;
// Appends the bytes of a bytes object; BAD_DATA where there are more than `max_bytes`.
op_status op_bytes_read(op_runtime *runtime, op_addr bytes, size_t max_bytes, op_buffer *out) OP_MUST_CHECK;
// Its length only.
op_status op_bytes_length(op_runtime *runtime, op_addr bytes, int64_t *length) OP_MUST_CHECK;
// The value of a non-negative int below 2**64; BAD_DATA for others.
op_status op_int_read(op_runtime *runtime, op_addr number, uint64_t *value) OP_MUST_CHECK;

#endif

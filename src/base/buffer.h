// SPDX-License-Identifier: MIT
// Growing bytes. After a failed append `failed` is set, further appends do nothing: check once at the end.
#ifndef OP_BASE_BUFFER_H
#define OP_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *data;   // owned, not NUL-terminated; NULL while empty
    size_t size, capacity;
    bool failed;   // out of memory
} op_buffer;

void op_buffer_init(op_buffer *buffer);
void op_buffer_fini(op_buffer *buffer);
void op_buffer_reset(op_buffer *buffer);   // keeps the memory
void op_buffer_add(op_buffer *buffer, const void *bytes, size_t count);
void op_buffer_add_text(op_buffer *buffer, const char *text);
void op_buffer_add_byte(op_buffer *buffer, unsigned char byte);
void op_buffer_add_format(op_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void op_buffer_add_varint(op_buffer *buffer, uint64_t value);   // LEB128, at most 10 bytes
// Reads a varint at *at, moves *at behind it. False: cut off, or more than 64 bits.
bool op_varint_read(const unsigned char **at, const unsigned char *end, uint64_t *value);
// Adds a NUL (not counted in size) and returns the text, or NULL where the buffer failed. Valid until the next
// change.
const char *op_buffer_text(op_buffer *buffer);

#endif

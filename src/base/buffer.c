// SPDX-License-Identifier: MIT
#include "base/buffer.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/memory.h"

enum { FIRST_CAPACITY = 64, VARINT_MAX_BYTES = 10 };

void op_buffer_init(op_buffer *buffer)
{
    *buffer = (op_buffer){0};
}

void op_buffer_fini(op_buffer *buffer)
{
    op_free(buffer->data);
    op_buffer_init(buffer);
}

void op_buffer_reset(op_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

// Makes room for `count` more bytes; false: the buffer failed, now or before.
static bool reserve(op_buffer *buffer, size_t count)
{
    if (buffer->failed)
        return false;
    if (count <= buffer->capacity - buffer->size)
        return true;
    size_t need;
    bool fits = !__builtin_add_overflow(buffer->size, count, &need);
    size_t capacity = buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : SIZE_MAX;
    if (fits && capacity < need)
        capacity = need;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    char *data = fits ? op_resize(buffer->data, capacity, 1) : NULL;
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void op_buffer_add(op_buffer *buffer, const void *bytes, size_t count)
{
    if (count == 0 || !reserve(buffer, count))
        return;
    memcpy(buffer->data + buffer->size, bytes, count);
    buffer->size += count;
}

void op_buffer_add_text(op_buffer *buffer, const char *text)
{
    op_buffer_add(buffer, text, strlen(text));
}

void op_buffer_add_byte(op_buffer *buffer, unsigned char byte)
{
    if (!reserve(buffer, 1))
        return;
    buffer->data[buffer->size++] = (char)byte;
}

void op_buffer_add_format(op_buffer *buffer, const char *format, ...)
{
    // Most texts fit what is there; else the first try tells the length.
    if (!reserve(buffer, 1))
        return;
    size_t room = buffer->capacity - buffer->size;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer->data + buffer->size, room, format, arguments);
    va_end(arguments);
    if (length < 0) {
        buffer->failed = true;
        return;
    }
    if ((size_t)length >= room) {
        if (!reserve(buffer, (size_t)length + 1))
            return;
        va_start(arguments, format);
        length = vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    buffer->size += (size_t)length;
}

void op_buffer_add_varint(op_buffer *buffer, uint64_t value)
{
    unsigned char bytes[VARINT_MAX_BYTES];
    size_t count = 0;
    while (value >= 0x80) {
        bytes[count++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[count++] = (unsigned char)value;
    op_buffer_add(buffer, bytes, count);
}

bool op_varint_read(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
    const unsigned char *next = *at;
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 7 * VARINT_MAX_BYTES && next < end; shift += 7) {
        unsigned char byte = *next++;
        if (shift == 63 && byte > 1)
            return false;   // goes on, or has bits beyond the 64th
        result |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *at = next;
            *value = result;
            return true;
        }
    }
    return false;
}

const char *op_buffer_text(op_buffer *buffer)
{
    if (!reserve(buffer, 1))
        return NULL;
    buffer->data[buffer->size] = '\0';
    return buffer->data;
}

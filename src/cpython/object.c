// SPDX-License-Identifier: MIT
#include "cpython/object.h"

#include <string.h>
#include "base/memory.h"
#include "base/text.h"
#include "cpython/fields.h"

enum {
    HEAD_BYTES = 128,   // covers the head of str, bytes and int in every version
    MAX_UNICODE_LENGTH = 1 << 24,
    DIGIT_BITS = 30,          // of a digit of an int
    TYPE_NAME_BYTES = 16,     // of a type's name that we compare
    COMPACT_ASCII = 3 << 5,   // bits of the state word
};

op_status op_object_type(op_runtime *runtime, op_addr object, op_addr *type)
{
    op_addr found;
    if (!op_addr_is_object(object))
        return OP_BAD_DATA;
    op_status status = op_field_read_addr(runtime->memory, object, runtime->layout.object_type, &found);
    if (status != OP_OK)
        return status;
    if (!op_addr_is_object(found))
        return OP_BAD_DATA;
    *type = found;
    return OP_OK;
}

op_status op_type_is_named(op_runtime *runtime, op_addr type, const char *name, bool *equal)
{
    char found[TYPE_NAME_BYTES];
    op_addr at;
    size_t bytes = strlen(name) + 1;
    if (bytes > sizeof found || !op_addr_is_object(type))
        return OP_BAD_DATA;
    op_status status = op_field_read_addr(runtime->memory, type, runtime->layout.type_name, &at);
    if (status == OP_OK)
        status = op_memory_read(runtime->memory, at, found, bytes);
    if (status == OP_OK)
        *equal = memcmp(found, name, bytes) == 0;
    return status;
}

typedef struct {
    op_addr data;
    size_t length;    // code points
    unsigned width;   // bytes each: 1, 2 or 4
    bool ascii;
} unicode_head;

// Bits of the state word: interned:2, kind:3, compact:1, ascii:1. The same from 3.8 to 3.15 (default builds).
static op_status read_unicode_head(op_runtime *runtime, op_addr text, unicode_head *head)
{
    const op_layout *layout = &runtime->layout;
    unsigned char copy[HEAD_BYTES];
    size_t bytes = 0;
    if (!op_addr_is_object(text) || !op_field_fits(layout->unicode_state, 4, sizeof copy) ||
        !op_field_fits(layout->unicode_length, 8, sizeof copy) || layout->unicode_ascii_size < 0 ||
        layout->unicode_compact_size < 0)
        return OP_BAD_DATA;
    bytes = (size_t)layout->unicode_state + 4;
    if ((size_t)layout->unicode_length + 8 > bytes)
        bytes = (size_t)layout->unicode_length + 8;
    op_status status = op_memory_read(runtime->memory, text, copy, bytes);
    if (status != OP_OK)
        return status;
    uint32_t state = op_field_u32(copy, layout->unicode_state);
    uint64_t length = op_field_u64(copy, layout->unicode_length);
    unsigned width = state >> 2 & 7;
    bool compact = (state >> 5 & 1) != 0, ascii = (state >> 6 & 1) != 0;
    if (length > MAX_UNICODE_LENGTH || (width != 1 && width != 2 && width != 4) || (ascii && width != 1))
        return OP_BAD_DATA;
    unicode_head result = {.length = (size_t)length, .width = width, .ascii = ascii};
    if (compact) {
        result.data = op_field_at(text, ascii ? layout->unicode_ascii_size : layout->unicode_compact_size);
    } else {   // an instance of a subclass: the data lie elsewhere
        status = op_field_read_addr(runtime->memory, text, layout->unicode_compact_size, &result.data);
        if (status != OP_OK)
            return status;
    }
    *head = result;
    return OP_OK;
}

static uint32_t code_point_at(const unsigned char *data, unsigned width, size_t index)
{
    if (width == 1)
        return data[index];
    if (width == 2) {
        uint16_t unit;
        memcpy(&unit, data + index * 2, sizeof unit);
        return unit;
    }
    uint32_t unit;
    memcpy(&unit, data + index * 4, sizeof unit);
    return unit;
}

static size_t utf8_bytes(uint32_t code_point)
{
    return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

op_status op_unicode_read(op_runtime *runtime, op_addr text, size_t max_bytes, op_buffer *out)
{
    unicode_head head;
    unsigned char *data = NULL;
    op_status status = read_unicode_head(runtime, text, &head);
    if (status != OP_OK)
        return status;
    // No code point takes less than one byte, so more of them than max_bytes are never needed.
    size_t count = head.length < max_bytes ? head.length : max_bytes;
    if (count == 0)
        return OP_OK;
    data = op_alloc(count * head.width);
    if (!data)
        return OP_NO_MEMORY;
    status = op_memory_read(runtime->memory, head.data, data, count * head.width);
    if (status != OP_OK)
        goto done;
    size_t room = max_bytes;
    for (size_t i = 0; i < count; i++) {
        uint32_t code_point = code_point_at(data, head.width, i);
        if (code_point > 0x10ffff) {
            status = OP_BAD_DATA;
            goto done;
        }
        if (utf8_bytes(code_point) > room)
            break;
        room -= utf8_bytes(code_point);
        op_utf8_add(out, code_point);
    }
    status = out->failed ? OP_NO_MEMORY : OP_OK;
done:
    op_free(data);
    return status;
}

op_status op_unicode_is(op_runtime *runtime, op_addr text, const char *expected, bool *equal)
{
    const op_layout *layout = &runtime->layout;
    unsigned char copy[HEAD_BYTES];
    unicode_head head;
    size_t bytes = strlen(expected);
    // Most often one read does: a short compact string has its text right behind its head.
    if (op_addr_is_object(text) && layout->unicode_ascii_size > 0 &&
        (size_t)layout->unicode_ascii_size + bytes <= sizeof copy &&
        op_field_fits(layout->unicode_state, 4, (size_t)layout->unicode_ascii_size) &&
        op_field_fits(layout->unicode_length, 8, (size_t)layout->unicode_ascii_size) &&
        op_memory_read(runtime->memory, text, copy, (size_t)layout->unicode_ascii_size + bytes) == OP_OK) {
        *equal = (op_field_u32(copy, layout->unicode_state) & COMPACT_ASCII) == COMPACT_ASCII &&
                 op_field_u64(copy, layout->unicode_length) == bytes &&
                 memcmp(copy + layout->unicode_ascii_size, expected, bytes) == 0;
        return OP_OK;
    }
    op_status status = read_unicode_head(runtime, text, &head);
    if (status == OP_OK)
        *equal = false;   // its head can be read, and is followed by fewer bytes
    return status;
}

op_status op_bytes_length(op_runtime *runtime, op_addr bytes, int64_t *length)
{
    if (!op_addr_is_object(bytes) || runtime->layout.var_size < 0)
        return OP_BAD_DATA;
    return op_memory_read(runtime->memory, op_field_at(bytes, runtime->layout.var_size), length, sizeof *length);
}

op_status op_bytes_read(op_runtime *runtime, op_addr bytes, size_t max_bytes, op_buffer *out)
{
    int64_t length;
    unsigned char *data = NULL;
    op_status status = op_bytes_length(runtime, bytes, &length);
    if (status != OP_OK)
        return status;
    if (length < 0 || (uint64_t)length > max_bytes || runtime->layout.bytes_data < 0)
        return OP_BAD_DATA;
    if (length == 0)
        return OP_OK;
    data = op_alloc((size_t)length);
    if (!data)
        return OP_NO_MEMORY;
    status = op_memory_read(runtime->memory, op_field_at(bytes, runtime->layout.bytes_data), data, (size_t)length);
    if (status == OP_OK) {
        op_buffer_add(out, data, (size_t)length);
        if (out->failed)
            status = OP_NO_MEMORY;
    }
    op_free(data);
    return status;
}

op_status op_int_read(op_runtime *runtime, op_addr number, uint64_t *value)
{
    const op_layout *layout = &runtime->layout;
    unsigned char copy[HEAD_BYTES];
    if (!op_addr_is_object(number) || !op_field_fits(layout->long_digits, 12, sizeof copy) ||
        !op_field_fits(layout->var_size, 8, sizeof copy))
        return OP_BAD_DATA;
    // Small ints are shorter than three digits, but objects are 16-byte blocks: the third word is still mapped.
    op_status status = op_memory_read(runtime->memory, number, copy, (size_t)layout->long_digits + 4);
    if (status != OP_OK)
        return status;
    // Before 3.12 ob_size counts the digits and has the sign; since then lv_tag in its place has count * 8 + sign.
    uint64_t tag = op_field_u64(copy, layout->var_size), count = tag;
    if (runtime->minor >= 12) {
        if ((tag & 3) == 2)
            return OP_BAD_DATA;   // negative
        count = (tag & 3) == 1 ? 0 : tag >> 3;
    }
    if (count > 3)
        return OP_BAD_DATA;   // also a negative size
    uint32_t digits[3] = {0};
    if (count > 0) {
        status = op_memory_read(runtime->memory, op_field_at(number, layout->long_digits), digits, count * 4);
        if (status != OP_OK)
            return status;
    }
    if ((digits[0] | digits[1]) >> DIGIT_BITS != 0 || digits[2] >= 1u << 4)
        return OP_BAD_DATA;
    *value = digits[0] | (uint64_t)digits[1] << DIGIT_BITS | (uint64_t)digits[2] << 2 * DIGIT_BITS;
    return OP_OK;
}

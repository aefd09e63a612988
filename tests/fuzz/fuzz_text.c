// SPDX-License-Identifier: MIT
// Property: whatever the bytes, each escape writes what its sink takes.
#include "../unit/sinks.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void add_text(op_buffer *buffer, const char *text, size_t bytes);
typedef bool takes_text(const char *data, size_t bytes);

static void require(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_sink(op_buffer *buffer, add_text *add, takes_text *takes, const char *text, size_t bytes)
{
    op_buffer_reset(buffer);
    add(buffer, text, bytes);
    require(!buffer->failed && takes(buffer->data, buffer->size));
}

// Escaping for a terminal twice changes nothing, and the columns are those of what is written.
static void check_terminal(op_buffer *buffer, const char *text, size_t bytes)
{
    check_sink(buffer, op_text_add_terminal, sink_takes_terminal, text, bytes);
    op_buffer again;
    op_buffer_init(&again);
    op_text_add_terminal(&again, buffer->data, buffer->size);
    require(again.size == buffer->size && (again.size == 0 || memcmp(again.data, buffer->data, again.size) == 0));
    require(op_text_columns(text, bytes) == op_text_columns(again.data, again.size));
    op_buffer_fini(&again);
}

// Decoding moves on, by the length of a well-formed sequence or by one byte, and encoding gives the same bytes.
static void check_decoding(op_buffer *buffer, const char *text, size_t bytes)
{
    for (const char *at = text, *end = text + bytes; at < end;) {
        const char *before = at;
        size_t length = sink_sequence((const unsigned char *)at, (size_t)(end - at));
        uint32_t code_point = op_utf8_next(&at, end);
        require((size_t)(at - before) == (length ? length : 1));
        require(code_point == (length ? sink_decode((const unsigned char *)before, length) : 0xFFFD));
        op_buffer_reset(buffer);
        op_utf8_add(buffer, code_point);
        if (length)
            require(buffer->size == length && memcmp(buffer->data, before, length) == 0);
    }
}

static void check_varint(const uint8_t *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t value = 0;
    if (!op_varint_read(&at, data + size, &value)) {
        require(at == data);
        return;
    }
    require(at > data && at <= data + size && at - data <= 10);
    op_buffer buffer;
    op_buffer_init(&buffer);
    op_buffer_add_varint(&buffer, value);
    require(buffer.size <= (size_t)(at - data));
    op_buffer_fini(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    if (size == 0)
        return 0;
    op_buffer buffer;
    op_buffer_init(&buffer);
    check_terminal(&buffer, text, size);
    check_sink(&buffer, op_text_add_xml, sink_takes_xml, text, size);
    check_sink(&buffer, op_text_add_json, sink_takes_json, text, size);
    check_sink(&buffer, op_text_add_collapsed, sink_takes_collapsed, text, size);
    check_decoding(&buffer, text, size);
    check_varint(data, size);
    op_buffer_fini(&buffer);
    return 0;
}

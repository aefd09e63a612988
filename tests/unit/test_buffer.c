// SPDX-License-Identifier: MIT
#include "base/buffer.h"
#include "base/memory.h"
#include "tap.h"

TAP_TEST(buffer_collects_bytes)
{
    op_buffer buffer;
    op_buffer_init(&buffer);
    TAP_EQ_STR(op_buffer_text(&buffer), "");
    op_buffer_add_text(&buffer, "ab");
    op_buffer_add_byte(&buffer, 'c');
    op_buffer_add(&buffer, "\0d", 2);
    op_buffer_add(&buffer, NULL, 0);
    op_buffer_add_format(&buffer, "%d-%s", 42, "e");
    TAP_EQ_BYTES(buffer.data, buffer.size, "abc\0d42-e", 9);
    TAP_OK(op_buffer_text(&buffer) && buffer.data[9] == '\0');
    TAP_EQ_UINT(buffer.size, 9);
    op_buffer_fini(&buffer);
    TAP_OK(!buffer.data && buffer.size == 0 && buffer.capacity == 0);
}

// At every fill, so also where text, format and NUL fit exactly or miss by one.
TAP_TEST(buffer_grows_at_every_boundary)
{
    for (size_t fill = 0; fill < 140; fill++) {
        for (int way = 0; way < 4; way++) {
            op_buffer buffer;
            op_buffer_init(&buffer);
            for (size_t i = 0; i < fill; i++)
                op_buffer_add_byte(&buffer, 'x');
            if (way == 0)
                op_buffer_add(&buffer, "1234567", 7);
            else if (way == 1)
                op_buffer_add_format(&buffer, "%s%d", "123", 4567);
            else if (way == 2)
                op_buffer_add_format(&buffer, "%0500d", 7);
            const char *text = op_buffer_text(&buffer);
            TAP_REQUIRE(text);
            TAP_EQ_UINT(strlen(text), fill + (way == 3 ? 0 : way == 2 ? 500 : 7));
            TAP_EQ_UINT(strspn(text, "x"), fill);
            if (way != 3)
                TAP_EQ_INT(text[buffer.size - 1], '7');
            op_buffer_fini(&buffer);
        }
    }
}

TAP_TEST(buffer_reset_keeps_memory)
{
    op_buffer buffer;
    op_buffer_init(&buffer);
    for (int i = 0; i < 1000; i++)
        op_buffer_add_byte(&buffer, 'y');
    op_buffer_reset(&buffer);
    TAP_EQ_UINT(buffer.size, 0);
    uint64_t before = op_alloc_count();
    for (int i = 0; i < 1000; i++)
        op_buffer_add_byte(&buffer, 'z');
    TAP_EQ_UINT(op_alloc_count(), before);
    op_buffer_fini(&buffer);
}

TAP_TEST(buffer_size_overflow_fails)
{
    op_buffer buffer;
    op_buffer_init(&buffer);
    op_buffer_add_text(&buffer, "kept");
    op_buffer_add(&buffer, "", SIZE_MAX - 2);
    TAP_OK(buffer.failed);
    TAP_EQ_BYTES(buffer.data, buffer.size, "kept", 4);
    TAP_OK(!op_buffer_text(&buffer));
    op_buffer_reset(&buffer);
    op_buffer_add(&buffer, "", (size_t)PTRDIFF_MAX + 1);
    TAP_OK(buffer.failed);
    op_buffer_fini(&buffer);
}

static void add_everything(op_buffer *buffer)
{
    for (int i = 0; i < 60; i++) {
        op_buffer_add_text(buffer, "0123456789");
        op_buffer_add_byte(buffer, '-');
        op_buffer_add_varint(buffer, UINT64_MAX);
        op_buffer_add_format(buffer, "%0*d", i * 5, i);
    }
}

TAP_TEST(buffer_failure_sticks)
{
    op_buffer whole;
    op_buffer_init(&whole);
    add_everything(&whole);
    TAP_REQUIRE(!whole.failed);
    bool done = false;
    int after = 0;
    for (; !done && after < 100; after++) {
        op_buffer buffer;
        op_buffer_init(&buffer);
        op_alloc_fail_after(after);
        add_everything(&buffer);
        op_alloc_fail_after(-1);
        done = !buffer.failed;
        size_t size = buffer.size;
        TAP_OK(size <= whole.size && (size == 0 || memcmp(buffer.data, whole.data, size) == 0));
        if (!done) {
            op_buffer_add_text(&buffer, "more");   // memory is there again, but the text has a hole
            op_buffer_add_byte(&buffer, 'm');
            op_buffer_add_format(&buffer, "%d", 1);
            TAP_EQ_UINT(buffer.size, size);
            TAP_OK(!op_buffer_text(&buffer));
            op_buffer_reset(&buffer);
            op_buffer_add_text(&buffer, "anew");
            TAP_EQ_STR(op_buffer_text(&buffer), "anew");
        }
        op_buffer_fini(&buffer);
    }
    TAP_OK(done && after > 3);
    op_buffer_fini(&whole);
}

TAP_TEST(varint_round_trips_at_every_width)
{
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t edge = bits == 64 ? 0 : (uint64_t)1 << bits;
        for (uint64_t value = edge - 1, i = 0; i < 3; i++, value++) {
            op_buffer buffer;
            op_buffer_init(&buffer);
            op_buffer_add_varint(&buffer, value);
            TAP_REQUIRE(!buffer.failed);
            size_t expected = 1;
            for (uint64_t rest = value >> 7; rest; rest >>= 7)
                expected++;
            TAP_EQ_UINT(buffer.size, expected);
            const unsigned char *start = (const unsigned char *)buffer.data, *at = start;
            uint64_t read = ~value;
            TAP_OK(op_varint_read(&at, start + buffer.size, &read));
            TAP_EQ_UINT(read, value);
            TAP_OK(at == start + buffer.size);
            for (size_t cut = 0; cut < buffer.size; cut++) {
                at = start;
                read = 77;
                TAP_OK(!op_varint_read(&at, start + cut, &read));
                TAP_OK(at == start && read == 77);   // a failure touches nothing
            }
            op_buffer_fini(&buffer);
        }
    }
}

static bool reads(const char *bytes, size_t count, uint64_t *value)
{
    const unsigned char *start = (const unsigned char *)bytes, *at = start;
    return op_varint_read(&at, start + count, value) && at <= start + count;
}

TAP_TEST(varint_limits)
{
    uint64_t value = 0;
    TAP_OK(reads("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &value));
    TAP_EQ_UINT(value, UINT64_MAX);
    TAP_OK(!reads("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &value));       // a 65th bit
    TAP_OK(!reads("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, &value));   // 11 bytes
    TAP_OK(!reads("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 14, &value));
    TAP_OK(reads("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10, &value));   // long, but 0
    TAP_EQ_UINT(value, 0);
    TAP_OK(reads("\x2a\xff", 2, &value));
    TAP_EQ_UINT(value, 42);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "profile/packer.h"

#include <limits.h>
#include "base/memory.h"

// Small windows: blocks are about 64 KiB at most, and 64 KiB of state instead of 268 stay resident in a recorder.
enum { PACK_LEVEL = 4, PACK_WINDOW_BITS = 13, PACK_MEMORY_LEVEL = 6, MAX_WINDOW_BITS = 15 };

static voidpf take(voidpf context, uInt count, uInt size)
{
    (void)context;
    return op_alloc_zero(count, size);
}

static void give_back(voidpf context, voidpf block)
{
    (void)context;
    op_free(block);
}

void op_packer_init(op_packer *packer)
{
    *packer = (op_packer){0};
    op_buffer_init(&packer->out);
}

void op_packer_fini(op_packer *packer)
{
    if (packer->ready && packer->inflates)
        inflateEnd(&packer->stream);
    else if (packer->ready)
        deflateEnd(&packer->stream);
    op_buffer_fini(&packer->out);
    op_packer_init(packer);
}

static bool make_ready(op_packer *packer, bool inflates)
{
    if (packer->ready)
        return (inflates ? inflateReset(&packer->stream) : deflateReset(&packer->stream)) == Z_OK;
    packer->stream = (z_stream){.zalloc = take, .zfree = give_back};
    int result = inflates ? inflateInit2(&packer->stream, MAX_WINDOW_BITS)
                          : deflateInit2(&packer->stream, PACK_LEVEL, Z_DEFLATED, PACK_WINDOW_BITS,
                                         PACK_MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    packer->ready = result == Z_OK;
    packer->inflates = inflates;
    return packer->ready;
}

// Room for `bytes` in packer->out, which becomes empty.
static bool reserve(op_packer *packer, size_t bytes)
{
    op_buffer_reset(&packer->out);
    if (packer->out.capacity >= bytes)
        return true;
    char *data = op_resize(packer->out.data, bytes, 1);
    if (!data)
        return false;
    packer->out.data = data;
    packer->out.capacity = bytes;
    return true;
}

// zlib's pointer to input is not const, yet it only reads.
static Bytef *input(const void *bytes)
{
    union {
        const void *from;
        Bytef *to;
    } pointer = {.from = bytes};
    return pointer.to;
}

op_status op_packer_pack(op_packer *packer, const void *bytes, size_t count)
{
    if (count > UINT_MAX / 2)
        return OP_BAD_DATA;
    if (!make_ready(packer, false))
        return OP_NO_MEMORY;
    size_t bound = deflateBound(&packer->stream, count);
    if (!reserve(packer, bound))
        return OP_NO_MEMORY;
    packer->stream.next_in = input(bytes);
    packer->stream.avail_in = (uInt)count;
    packer->stream.next_out = (Bytef *)packer->out.data;
    packer->stream.avail_out = (uInt)bound;
    if (deflate(&packer->stream, Z_FINISH) != Z_STREAM_END)
        return OP_BAD_DATA;
    packer->out.size = bound - packer->stream.avail_out;
    return OP_OK;
}

op_status op_packer_unpack(op_packer *packer, const void *bytes, size_t count, size_t out_bytes)
{
    if (count > UINT_MAX / 2 || out_bytes > UINT_MAX / 2)
        return OP_BAD_DATA;
    // One byte more than expected shows a stream that would give more.
    if (!make_ready(packer, true) || !reserve(packer, out_bytes + 1))
        return OP_NO_MEMORY;
    packer->stream.next_in = input(bytes);
    packer->stream.avail_in = (uInt)count;
    packer->stream.next_out = (Bytef *)packer->out.data;
    packer->stream.avail_out = (uInt)(out_bytes + 1);
    int result = inflate(&packer->stream, Z_FINISH);
    if (result == Z_MEM_ERROR)
        return OP_NO_MEMORY;
    if (result != Z_STREAM_END || packer->stream.avail_out != 1 || packer->stream.avail_in != 0)
        return OP_BAD_DATA;
    packer->out.size = out_bytes;
    return OP_OK;
}

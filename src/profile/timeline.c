// SPDX-License-Identifier: MIT
#include "profile/timeline.h"

enum { STATE_BITS = 2 };

static op_map_key thread_key(op_id thread)
{
    return (op_map_key){.high = 0, .low = thread};
}

static size_t put_varint(unsigned char *out, uint64_t value)
{
    size_t count = 0;
    while (value >= 0x80) {
        out[count++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[count++] = (unsigned char)value;
    return count;
}

// Writes the run over the bytes behind `offset`. A failure leaves the block as it was.
static bool put_run(op_timeline *block, size_t offset, int64_t gap_ns, int64_t length_ns, uint64_t samples,
                    uint64_t key)
{
    unsigned char bytes[OP_TIMELINE_MAX_RUN_BYTES];
    size_t count = put_varint(bytes, (uint64_t)gap_ns);
    count += put_varint(bytes + count, (uint64_t)length_ns);
    count += put_varint(bytes + count, samples);
    count += put_varint(bytes + count, key);

    size_t old_size = block->runs.size;
    block->runs.size = offset;
    op_buffer_add(&block->runs, bytes, count);
    if (block->runs.failed) {
        block->runs.failed = false;
        block->runs.size = old_size;
        return false;
    }
    return true;
}

void op_timeline_fini(op_timeline *block)
{
    op_buffer_fini(&block->runs);
}

bool op_timeline_take(op_profile *profile, op_timeline *block)
{
    op_timeline *slot = OP_VECTOR_PUSH(&profile->timelines);
    if (!slot)
        return false;
    *slot = *block;
    op_buffer_init(&block->runs);
    return true;
}

// The block that grows for `thread`, or NULL.
static op_timeline *find_open(const op_profile *profile, op_id thread)
{
    const uint32_t *index = op_map_find(&profile->open_timelines, thread_key(thread));
    return index && *index > 0 && *index <= profile->timelines.count ? &profile->timelines.items[*index - 1] : NULL;
}

static op_status open_block(op_profile *profile, op_id thread, int64_t start_ns, op_timeline **out)
{
    uint32_t *index = op_map_add(&profile->open_timelines, thread_key(thread), NULL);
    if (!index || profile->timelines.count >= UINT32_MAX - 1)
        return OP_NO_MEMORY;
    op_timeline *block = OP_VECTOR_PUSH(&profile->timelines);
    if (!block)
        return OP_NO_MEMORY;
    *block = (op_timeline){.thread = thread, .start_ns = start_ns, .end_ns = start_ns};
    op_buffer_init(&block->runs);
    *index = (uint32_t)profile->timelines.count;
    *out = block;
    return OP_OK;
}

op_status op_timeline_add(op_profile *profile, op_id thread, op_id stack, op_thread_state state, int64_t start_ns,
                          int64_t length_ns, uint32_t samples)
{
    if (thread == 0 || thread > profile->threads.count || stack == 0 || stack > profile->stacks.count ||
        (unsigned)state >= OP_STATE_COUNT || length_ns < 0 || length_ns > OP_PROFILE_MAX_TIME_NS / 2 ||
        start_ns < -OP_PROFILE_MAX_TIME_NS / 2 || start_ns > OP_PROFILE_MAX_TIME_NS / 2)
        return OP_BAD_DATA;

    uint64_t key = ((uint64_t)stack << STATE_BITS) | (uint64_t)state;
    int64_t end_ns = start_ns + length_ns;
    op_timeline *block = find_open(profile, thread);
    if (block && start_ns < block->end_ns) {
        start_ns = block->end_ns;
        end_ns = end_ns < start_ns ? start_ns : end_ns;
    }
    if (block &&
        (start_ns - block->start_ns >= OP_TIMELINE_BLOCK_NS || block->runs.size >= OP_TIMELINE_BLOCK_BYTES))
        block = NULL;
    if (!block) {
        op_status status = open_block(profile, thread, start_ns, &block);
        if (status != OP_OK)
            return status;
    }

    int64_t gap_ns = start_ns - block->end_ns;
    double interval_ns = profile->run.asked_rate_hz > 0 ? 1e9 / profile->run.asked_rate_hz : 0;
    if (block->runs.size > 0 && block->last_key == key && (gap_ns == 0 || (double)gap_ns < interval_ns)) {
        if (!put_run(block, block->last_offset, block->last_gap_ns, end_ns - block->last_start_ns,
                     block->last_samples + samples, key))
            return OP_NO_MEMORY;
        block->last_samples += samples;
    } else {
        size_t offset = block->runs.size;
        if (!put_run(block, offset, gap_ns, end_ns - start_ns, samples, key))
            return OP_NO_MEMORY;
        block->last_offset = offset;
        block->last_gap_ns = gap_ns;
        block->last_start_ns = start_ns;
        block->last_samples = samples;
        block->last_key = key;
    }
    block->end_ns = end_ns;
    block->samples += samples;
    block->written = false;
    return OP_OK;
}

void op_timeline_iterate(op_timeline_iterator *iterator, const op_timeline *block)
{
    const unsigned char *data = (const unsigned char *)block->runs.data;
    *iterator = (op_timeline_iterator){
        .at = data, .end = data ? data + block->runs.size : NULL, .end_ns = block->start_ns, .bad = false};
}

bool op_timeline_next(op_timeline_iterator *iterator, op_timeline_run *run)
{
    if (iterator->bad || iterator->at == iterator->end)
        return false;
    iterator->bad = true;
    uint64_t gap_ns, length_ns, samples, key;
    if (!op_varint_read(&iterator->at, iterator->end, &gap_ns) ||
        !op_varint_read(&iterator->at, iterator->end, &length_ns) ||
        !op_varint_read(&iterator->at, iterator->end, &samples) ||
        !op_varint_read(&iterator->at, iterator->end, &key))
        return false;
    uint64_t max_ns = (uint64_t)OP_PROFILE_MAX_TIME_NS;
    if (iterator->end_ns < -OP_PROFILE_MAX_TIME_NS || iterator->end_ns > OP_PROFILE_MAX_TIME_NS ||
        gap_ns > max_ns || length_ns > max_ns || (key >> STATE_BITS) > UINT32_MAX || (key & 3) >= OP_STATE_COUNT)
        return false;
    int64_t start_ns = iterator->end_ns + (int64_t)gap_ns;
    int64_t end_ns = start_ns > OP_PROFILE_MAX_TIME_NS ? start_ns : start_ns + (int64_t)length_ns;
    if (end_ns > OP_PROFILE_MAX_TIME_NS)
        return false;
    *run = (op_timeline_run){.start_ns = start_ns,
                             .length_ns = (int64_t)length_ns,
                             .samples = samples,
                             .stack = (op_id)(key >> STATE_BITS),
                             .state = (op_thread_state)(key & 3)};
    iterator->end_ns = end_ns;
    iterator->bad = false;
    return true;
}

// Frees the blocks for which neither holds: it grows and `keep_bytes` is not reached; it is unwritten and so kept.
static void drop(op_profile *profile, size_t keep_bytes, bool keep_unwritten)
{
    size_t kept = 0;
    for (size_t i = 0; i < profile->timelines.count; i++) {
        op_timeline *block = &profile->timelines.items[i];
        uint32_t *index = op_map_find(&profile->open_timelines, thread_key(block->thread));
        bool grows = index && *index == i + 1;
        if ((grows && block->runs.size < keep_bytes) || (keep_unwritten && !block->written)) {
            if (grows)
                *index = (uint32_t)(kept + 1);
            if (kept != i)
                profile->timelines.items[kept] = *block;
            kept++;
        } else {
            if (grows)
                op_map_remove(&profile->open_timelines, thread_key(block->thread));
            op_timeline_fini(block);
        }
    }
    profile->timelines.count = kept;
}

void op_timeline_drop_written(op_profile *profile, size_t keep_bytes)
{
    drop(profile, keep_bytes, true);
}

void op_timeline_drop_closed(op_profile *profile)
{
    drop(profile, SIZE_MAX, false);
}

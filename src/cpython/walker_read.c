// SPDX-License-Identifier: MIT
// What both walkers need: the walker itself, the timed read, the result.
#include <string.h>

#include "base/clock.h"
#include "cpython/walker_private.h"

enum {
    GATE_SLACK_NS = 2000,
    GATE_LONG_BYTES = 32768,
};

op_status op_walker_new(op_runtime *runtime, op_codes *codes, op_walker **out)
{
    op_walker *walker = op_alloc_zero(1, sizeof *walker);
    if (walker == NULL)
        return OP_NO_MEMORY;
    walker->runtime = runtime;
    walker->codes = codes;
    walker->slack_ticks = (uint64_t)(op_clock_ticks_per_us() * GATE_SLACK_NS / 1000.0) + 1;
    op_map_init(&walker->edges);
    *out = walker;
    return OP_OK;
}

void op_walker_free(op_walker *walker)
{
    if (walker == NULL)
        return;
    OP_VECTOR_FINI(&walker->frames);
    OP_VECTOR_FINI(&walker->views);
    OP_VECTOR_FINI(&walker->spans);
    op_free(walker->copy);
    op_free(walker->second);
    op_map_fini(&walker->edges);
    op_free(walker);
}

const op_walk_stats *op_walker_stats(const op_walker *walker)
{
    return &walker->stats;
}

void op_walk_thread_init(op_walk_thread *thread, const op_python_thread *python)
{
    memset(thread, 0, sizeof *thread);
    thread->thread = *python;
}

void op_walk_thread_fini(op_walk_thread *thread)
{
    OP_VECTOR_FINI(&thread->extras);
    OP_VECTOR_FINI(&thread->verified);
}

bool op_walk_push(op_walker *walker, op_raw_kind kind, uint32_t code, int32_t offset)
{
    op_raw_frame *frame = OP_VECTOR_PUSH(&walker->frames);
    if (frame == NULL)
        return false;
    *frame = (op_raw_frame){.code = code, .offset = offset, .kind = kind};
    return true;
}

bool op_walk_add_span(op_walker *walker, uint64_t from, void *to, size_t bytes)
{
    op_span *span = OP_VECTOR_PUSH(&walker->spans);
    if (span == NULL)
        return false;
    *span = (op_span){{from}, to, bytes};
    return true;
}

bool op_walk_reserve(unsigned char **block, size_t *have, size_t bytes)
{
    if (bytes <= *have)
        return true;
    if (bytes > OP_WALK_MAX_COPY_BYTES)
        return false;
    unsigned char *grown = op_resize(*block, bytes + bytes / 2, 1);
    if (grown == NULL)
        return false;
    *block = grown;
    *have = bytes + bytes / 2;
    return true;
}

op_status op_walk_read(op_walker *walker, uint64_t *ticks)
{
    op_memory_reader *memory = walker->runtime->memory;
    const op_span *spans = walker->spans.items;
    size_t left = walker->spans.count;
    op_status status = OP_OK;
    uint64_t before = op_clock_ticks();
    while (left > 0 && status == OP_OK) {
        size_t batch = left < OP_MEMORY_MAX_SPANS ? left : OP_MEMORY_MAX_SPANS;
        size_t done = 0;
        status = memory->readv(memory, spans, batch, &done);
        spans += batch;
        left -= batch;
    }
    *ticks = op_clock_ticks() - before;
    return status;
}

// Reads of like size take like time. The class: about a factor of 1.4 in bytes.
static size_t read_class(size_t bytes, size_t spans)
{
    uint64_t work = (uint64_t)bytes / 64 + (uint64_t)spans * 16 + 1;
    unsigned log2 = 63u - (unsigned)__builtin_clzll(work);
    unsigned half = log2 > 0 ? (unsigned)(work >> (log2 - 1)) & 1u : 0u;
    size_t class = (size_t)log2 * 2 + half;
    return class < OP_WALK_READ_CLASSES ? class : OP_WALK_READ_CLASSES - 1;
}

// A running median: each value moves it a small step towards itself. An interrupted read must not move it far.
bool op_walk_was_interrupted(op_walker *walker, size_t bytes, size_t spans, uint64_t ticks)
{
    if (walker->runtime->memory->pid == 0)
        return false;   // an image holds still
    uint64_t *median = &walker->gate_ticks[read_class(bytes, spans)];
    if (*median == 0) {
        *median = ticks;
        return false;
    }
    // What is read seldom is read slowly, as it is in no cache; a long read varies less, in proportion.
    uint64_t limit = *median + walker->slack_ticks + *median / (bytes > GATE_LONG_BYTES ? 4 : 2);
    uint64_t step = *median / 64 + 1;
    if (ticks > *median)
        *median += step;
    else if (*median > ticks + step)
        *median -= step;
    return ticks > limit;
}

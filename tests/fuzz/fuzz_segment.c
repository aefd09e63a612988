// SPDX-License-Identifier: MIT
// The input is a segment. Its checks are made right first, as far as they can be found: a fuzzer does not guess them,
// and whoever writes a hostile segment knows them. Reading and folding it never crashes, hangs or leaks, and what
// comes out keeps the rules of a profile.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/memory.h"
#include "collect/fold.h"

enum { PATH_BYTES = 64, MAX_BYTES = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal_functions(uint8_t *at, const uint8_t *end)
{
    op_segment_function facts;
    while ((size_t)(end - at) >= sizeof facts) {
        memcpy(&facts, at, sizeof facts);
        uint64_t texts = (uint64_t)facts.name_bytes + facts.file_bytes;
        if (texts > (uint64_t)(end - at) - sizeof facts)
            return;
        uint64_t seed = op_segment_check(0, at + sizeof facts, texts);
        facts.check = op_segment_check(seed, &facts, offsetof(op_segment_function, check));
        memcpy(at, &facts, sizeof facts);
        if (facts.bytes < sizeof facts || facts.bytes > (uint64_t)(end - at))
            return;
        at += facts.bytes;
    }
}

static void seal_edges(uint8_t *at, const uint8_t *end)
{
    op_segment_edge edge;
    for (; (size_t)(end - at) >= sizeof edge; at += sizeof edge) {
        memcpy(&edge, at, sizeof edge);
        edge.check = (uint32_t)op_segment_check(0, &edge, offsetof(op_segment_edge, check));
        memcpy(at, &edge, sizeof edge);
    }
}

static void seal(uint8_t *bytes, size_t size)
{
    op_segment_header *header = (op_segment_header *)(void *)bytes;
    if (size < sizeof *header)
        return;
    memcpy(header->magic, OP_SEGMENT_MAGIC, sizeof header->magic);
    header->version = OP_SEGMENT_VERSION;
    header->check = op_segment_check(0, header, offsetof(op_segment_header, check));
    size_t at = OP_SEGMENT_PAGE_BYTES;
    while (at < size && size - at >= sizeof(op_segment_chunk)) {
        op_segment_chunk *head = (op_segment_chunk *)(void *)(bytes + at);
        head->magic = OP_SEGMENT_CHUNK_MAGIC;
        head->check = op_segment_check(0, head, offsetof(op_segment_chunk, check));
        size_t left = size - at, chunk = head->bytes < left ? (size_t)head->bytes : left;
        if (chunk < sizeof *head || chunk % 8 != 0)
            return;
        if (head->kind == OP_SEGMENT_FUNCTION)
            seal_functions(bytes + at + sizeof *head, bytes + at + chunk);
        else if (head->kind == OP_SEGMENT_EDGE)
            seal_edges(bytes + at + sizeof *head, bytes + at + chunk);
        at += chunk;
    }
}

static void check_profile(const op_profile *profile)
{
    if (profile->processes.count != 1)
        abort();
    for (size_t i = 0; i < profile->threads.count; i++) {
        const op_thread_row *row = &profile->threads.items[i];
        if (row->process != 1 || row->started_ns < 0 || row->ended_ns < row->started_ns ||
            row->ended_ns > OP_PROFILE_MAX_TIME_NS)
            abort();
    }
    for (size_t i = 0; i < profile->calls.count; i++) {
        const op_call *row = &profile->calls.items[i];
        if (!op_profile_thread(profile, row->thread) || !op_profile_function(profile, row->function) ||
            (row->caller && !op_profile_function(profile, row->caller)) || row->nested_calls > row->calls ||
            row->recursive_calls > row->nested_calls || row->own_ns > OP_PROFILE_MAX_TIME_NS ||
            row->total_ns > OP_PROFILE_MAX_TIME_NS)
            abort();
    }
    for (size_t i = 0; i < profile->lines.count; i++) {
        const op_line *row = &profile->lines.items[i];
        if (!op_profile_thread(profile, row->thread) || !op_profile_function(profile, row->function))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const op_fold_clock clock = {.ticks_b = 3000, .ns_b = 1000};
    char path[PATH_BYTES];
    if (size > MAX_BYTES)
        return 0;
    uint8_t *bytes = op_alloc(size ? size : 1);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    if (size == 0 || data[size - 1] != 'r')   // raw: the checks are tried too
        seal(bytes, size);
    snprintf(path, sizeof path, "/dev/shm/outpace-fuzz-segment-%ld", (long)getpid());
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size)
        abort();
    close(file);
    op_free(bytes);

    op_segment_reader reader;
    op_profile *profile = NULL;
    op_error error = {0};
    op_status status = op_segment_open(&reader, AT_FDCWD, path, &error);
    if (status != OP_OK && !error.message[0])
        abort();
    if (status == OP_OK) {
        if (op_profile_new(&profile) != OP_OK || op_segment_scan(&reader) != OP_OK ||
            op_fold_segment(&reader, &clock, 0, profile, NULL, NULL) != OP_OK)
            abort();
        check_profile(profile);
        op_profile_free(profile);
        op_segment_close(&reader);
    }
    unlink(path);
    return 0;
}

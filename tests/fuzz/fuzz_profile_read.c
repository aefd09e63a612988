// SPDX-License-Identifier: MIT
// The input is a profile file. Where it ends in "-wal" behind a 4-byte length (little-endian), so many bytes before
// that are its log. Reading it, and walking what was read, never crashes, hangs or leaks.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "profile/store.h"
#include "profile/timeline.h"

enum { TRAILER_BYTES = 8, PATH_BYTES = 64 };

static void put(const char *path, const uint8_t *data, size_t size)
{
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
}

// Every id leads somewhere, every stack ends.
static void walk(const op_profile *profile)
{
    for (size_t i = 0; i < profile->samples.count; i++) {
        const op_sample *sample = &profile->samples.items[i];
        op_id frames[16];
        const op_thread_row *thread = op_profile_thread(profile, sample->thread);
        if (!thread || !op_profile_process(profile, thread->process) || !op_profile_stack(profile, sample->stack))
            abort();
        size_t depth = op_profile_stack_frames(profile, sample->stack, frames, 16);
        if (depth == 0 || depth > OP_PROFILE_MAX_STACK_DEPTH + 1)
            abort();
        for (size_t j = 0; j < depth && j < 16; j++) {
            const op_frame *frame = op_profile_frame(profile, frames[j]);
            if (!frame || !op_profile_function(profile, frame->function))
                abort();
        }
    }
    for (size_t i = 0; i < profile->calls.count; i++) {
        const op_call *call = &profile->calls.items[i];
        if (!op_profile_thread(profile, call->thread) || !op_profile_function(profile, call->function) ||
            (call->caller && !op_profile_function(profile, call->caller)))
            abort();
        if (call->calls > OP_PROFILE_MAX_COUNT || call->nested_calls > call->calls ||
            call->recursive_calls > call->nested_calls || call->resumes > call->calls ||
            call->exceptions > call->calls || call->own_ns > OP_PROFILE_MAX_TIME_NS ||
            call->total_ns > OP_PROFILE_MAX_TIME_NS || call->outer_ns > OP_PROFILE_MAX_TIME_NS ||
            call->suspended_ns > OP_PROFILE_MAX_TIME_NS)
            abort();
    }
    for (size_t i = 0; i < profile->lines.count; i++) {
        const op_line *line = &profile->lines.items[i];
        if (!op_profile_thread(profile, line->thread) || !op_profile_function(profile, line->function) ||
            line->hits > OP_PROFILE_MAX_COUNT || line->ns > OP_PROFILE_MAX_TIME_NS)
            abort();
    }
    for (size_t i = 0; i < profile->timelines.count; i++) {
        op_timeline_iterator iterator;
        op_timeline_run run;
        op_timeline_iterate(&iterator, &profile->timelines.items[i]);
        while (op_timeline_next(&iterator, &run))
            if (!op_profile_stack(profile, run.stack))
                abort();
    }
}

static void use(const op_profile *profile)
{
    op_profile *copy = NULL;
    op_profile_filter filter = {.drop_waiting = true};
    walk(profile);
    if (op_profile_filter_copy(profile, &filter, &copy, NULL) == OP_OK) {
        walk(copy);
        if (op_profile_merge(copy, profile, NULL) == OP_OK)
            walk(copy);
    }
    op_profile_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[PATH_BYTES], log[PATH_BYTES + 8], index[PATH_BYTES + 8];
    snprintf(path, sizeof path, "/dev/shm/outpace-fuzz-%ld", (long)getpid());
    snprintf(log, sizeof log, "%s-wal", path);
    snprintf(index, sizeof index, "%s-shm", path);

    size_t log_bytes = 0;
    if (size >= TRAILER_BYTES && memcmp(data + size - 4, "-wal", 4) == 0) {
        const uint8_t *length = data + size - TRAILER_BYTES;
        log_bytes = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
        size -= TRAILER_BYTES;
        if (log_bytes > size)
            log_bytes = size;
        size -= log_bytes;
        put(log, data + size, log_bytes);
    }
    put(path, data, size);

    op_profile *profile = NULL;
    op_error error = {0};
    op_status status = op_profile_read(path, &profile, &error);
    if ((status == OP_OK) != (profile != NULL) || (status != OP_OK && !error.message[0]))
        abort();
    if (profile)
        use(profile);
    op_profile_free(profile);
    unlink(path);
    unlink(log);
    unlink(index);
    return 0;
}

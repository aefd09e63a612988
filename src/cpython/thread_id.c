// SPDX-License-Identifier: MIT
#include "cpython/thread_id.h"

#include <stdio.h>
#include <unistd.h>
#include "cpython/fields.h"

enum {
    USUAL_OFFSET = 0x2d0,   // glibc on x86-64
    SEARCH_BYTES = 1024,
    MAX_TRIED_THREADS = 64,
};

static bool is_thread_of(pid_t pid, int64_t tid)
{
    char path[64];
    if (tid <= 0 || tid > INT32_MAX)
        return false;
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)pid, (int)tid);
    return access(path, F_OK) == 0;
}

static int64_t read_at(op_memory_reader *memory, uint64_t thread_id, int32_t offset)
{
    int32_t tid;
    if (thread_id < 4096 || thread_id & 7 ||
        op_memory_read(memory, op_field_at((op_addr){thread_id}, offset), &tid, 4) != OP_OK)
        return 0;
    return tid > 0 ? tid : 0;
}

int64_t op_thread_id_read(op_runtime *runtime, uint64_t thread_id)
{
    return runtime->pthread_tid_offset == OP_LAYOUT_NONE
               ? 0
               : read_at(runtime->memory, thread_id, runtime->pthread_tid_offset);
}

// The main thread's struct is the one that holds the process id.
static int32_t search(op_memory_reader *memory, uint64_t thread_id)
{
    unsigned char copy[SEARCH_BYTES];
    if (thread_id < 4096 || thread_id & 7 ||
        op_memory_read(memory, (op_addr){thread_id}, copy, sizeof copy) != OP_OK)
        return OP_LAYOUT_NONE;
    for (int32_t offset = 0; offset < SEARCH_BYTES; offset += 4) {
        if (op_field_u32(copy, offset) == (uint32_t)memory->pid)
            return offset;
    }
    return OP_LAYOUT_NONE;
}

int32_t op_thread_id_offset(op_runtime *runtime)
{
    op_memory_reader *memory = runtime->memory;
    op_addr state;
    uint64_t thread_ids[MAX_TRIED_THREADS];
    size_t count = 0;
    if (op_field_read_addr(memory, runtime->interpreter, runtime->layout.interp_threads_head, &state) != OP_OK)
        return OP_LAYOUT_NONE;
    while (op_addr_is_object(state) && count < MAX_TRIED_THREADS) {
        op_addr id;
        if (op_field_read_addr(memory, state, runtime->layout.thread_thread_id, &id) != OP_OK)
            break;
        thread_ids[count++] = id.value;
        if (op_field_read_addr(memory, state, runtime->layout.thread_next, &state) != OP_OK)
            break;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_thread_of(memory->pid, read_at(memory, thread_ids[i], USUAL_OFFSET)))
            return USUAL_OFFSET;
    }
    for (size_t i = count; i-- > 0;) {   // the oldest thread, which most likely is the main one, is the last
        int32_t found = search(memory, thread_ids[i]);
        if (found != OP_LAYOUT_NONE)
            return found;
    }
    return OP_LAYOUT_NONE;
}

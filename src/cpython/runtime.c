// SPDX-License-Identifier: MIT
// A runtime at a known address: its layout, its threads, its global lock.
//
// Trust boundary: every list is bounded by count, and every element must point back to where it hangs
// (interpreter.threads.head -> thread.interp == interpreter, thread.prev == the one before). What does not is torn.
#include "cpython/runtime.h"

#include <assert.h>

#include "cpython/debug_offsets.h"
#include "cpython/fields.h"
#include "cpython/thread_id.h"

enum {
    THREAD_COPY_BYTES = 1024,     // covers all fields of PyThreadState that are wanted, in every version
    MAIN_BEHIND_HEAD = 8,         // _PyRuntimeState.interpreters.main follows .head in 3.8 to 3.15
    PTHREAD_TID_X86_64 = 0x2d0,   // glibc's struct pthread, all releases since 2.4
};

// Accepts the runtime only where the main interpreter's newest thread points back to it. NOT_PYTHON: not, or
// not yet.
static op_status check_interpreter(op_runtime *runtime)
{
    const op_layout *layout = &runtime->layout;
    op_addr heads[2] = {{0}, {0}};
    op_addr thread, back;
    op_addr at = op_field_at(runtime->address, layout->runtime_interpreters_head);
    op_status status = op_memory_read(runtime->memory, at, heads, sizeof heads);
    if (status != OP_OK)
        return status;
    static_assert(sizeof heads == MAIN_BEHIND_HEAD * 2, "head, main");
    op_addr main = op_addr_is_null(heads[1]) ? heads[0] : heads[1];
    if (!op_addr_is_object(heads[0]) || !op_addr_is_object(main))
        return OP_NOT_PYTHON;
    status = op_field_read_addr(runtime->memory, main, layout->interp_threads_head, &thread);
    if (status == OP_OK && !op_addr_is_object(thread))
        return OP_NOT_PYTHON;
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, thread, layout->thread_interp, &back);
    if (status == OP_UNREADABLE)
        return OP_NOT_PYTHON;
    if (status != OP_OK)
        return status;
    if (back.value != main.value)
        return OP_NOT_PYTHON;
    runtime->interpreter = main;
    return OP_OK;
}

// The target's own offsets, where it has them: they also say which version it is.
static op_status use_debug_offsets(op_runtime *runtime, op_error *error)
{
    op_debug_offsets offsets = {0};
    op_status status = op_debug_offsets_head(runtime->memory, runtime->address, &offsets);
    if (status == OP_OK && offsets.free_threaded)
        return op_error_set(error, OP_FREE_THREADED, "this is a free-threaded build of CPython 3.%d",
                            runtime->minor);
    if (status == OP_OK)
        status = op_debug_offsets_apply(runtime->memory, runtime->address, &runtime->layout, &offsets);
    if (status == OP_BAD_DATA)
        runtime->layout_assumed = true;
    if (status != OP_OK)
        return status == OP_BAD_DATA ? OP_OK : status;
    runtime->hex_version = offsets.hex_version;
    runtime->patch = (int)(offsets.hex_version >> 8 & 0xff);
    bool exact;
    if (op_layout_find(runtime->minor, runtime->patch, &exact))
        runtime->layout_assumed = !exact && (!offsets.valid || offsets.differs);
    if (!offsets.valid)
        runtime->layout_assumed = true;
    return OP_OK;
}

op_status op_runtime_at(op_memory_reader *memory, op_addr address, int minor, int patch, op_runtime *runtime,
                        op_error *error)
{
    bool exact = false;
    const op_layout *layout = op_layout_find(minor, patch, &exact);
    if (!layout) {
        op_error_set(error, OP_UNKNOWN_VERSION, "CPython 3.%d is not known", minor);
        op_error_hint(error, "known are CPython %s", op_layout_known);
        return OP_UNKNOWN_VERSION;
    }
    op_runtime result = {
        .memory = memory,
        .address = address,
        .layout = *layout,
        .opcodes = op_opcodes_find(minor),
        .major = 3,
        .minor = minor,
        .patch = patch,
        .layout_assumed = !exact,
        .pthread_tid_offset = OP_LAYOUT_NONE,
        .hex_version = 3u << 24 | (uint32_t)minor << 16 | (uint32_t)patch << 8 | 0xf0,
    };
    op_status status = OP_OK;
    if (minor >= 13)
        status = use_debug_offsets(&result, error);
    if (status == OP_OK)
        status = check_interpreter(&result);
    if (status == OP_NOT_PYTHON)
        return op_error_set(error, status, "no running interpreter was found");
    if (status == OP_UNREADABLE)
        return op_error_set(error, status, "the memory of the interpreter could not be read");
    if (status != OP_OK)
        return status == OP_FREE_THREADED ? status : op_error_set(error, status, "%s", op_status_text(status));
    if (result.layout.thread_native_thread_id == OP_LAYOUT_NONE)
        result.pthread_tid_offset = memory->pid == 0 ? PTHREAD_TID_X86_64 : op_thread_id_offset(&result);
    *runtime = result;
    return OP_OK;
}

// The part of a PyThreadState that holds all fields below, checked once against the layout.
static size_t thread_copy_bytes(const op_layout *layout)
{
    const int32_t wanted[] = {layout->thread_prev,
                              layout->thread_next,
                              layout->thread_interp,
                              layout->thread_thread_id,
                              layout->thread_native_thread_id,
                              layout->thread_holds_gil};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (wanted[i] == OP_LAYOUT_NONE)
            continue;
        if (!op_field_fits(wanted[i], 8, THREAD_COPY_BYTES))
            return 0;
        if ((size_t)wanted[i] + 8 > bytes)
            bytes = (size_t)wanted[i] + 8;
    }
    return bytes;
}

typedef struct {
    op_python_thread *threads;
    size_t max, count;
    size_t seen;   // over all interpreters, also those beyond max
    size_t copy_bytes;
} thread_list;

static op_status add_threads(op_runtime *runtime, op_addr interpreter, thread_list *list)
{
    const op_layout *layout = &runtime->layout;
    op_memory_reader *memory = runtime->memory;
    op_addr state, previous = {0}, holder = {0};
    unsigned char copy[THREAD_COPY_BYTES];
    bool is_main_interpreter = interpreter.value == runtime->interpreter.value;
    op_status status = op_field_read_addr(memory, interpreter, layout->interp_threads_head, &state);
    if (status == OP_OK && layout->thread_holds_gil == OP_LAYOUT_NONE) {
        status = op_runtime_gil_holder(runtime, interpreter, &holder);
        if (status == OP_BAD_DATA)
            status = OP_OK;   // this version does not tell
    }
    if (status != OP_OK)
        return status;
    while (!op_addr_is_null(state)) {
        if (!op_addr_is_object(state) || ++list->seen > OP_RUNTIME_MAX_THREADS)
            return OP_BAD_DATA;
        status = op_memory_read(memory, state, copy, list->copy_bytes);
        if (status != OP_OK)
            return status == OP_UNREADABLE ? OP_BAD_DATA : status;
        op_addr next = op_field_addr(copy, layout->thread_next);
        if (op_field_u64(copy, layout->thread_interp) != interpreter.value ||
            op_field_u64(copy, layout->thread_prev) != previous.value)
            return OP_BAD_DATA;
        if (list->count < list->max) {
            op_python_thread *thread = &list->threads[list->count++];
            *thread = (op_python_thread){.state = state, .interpreter = interpreter};
            thread->thread_id = op_field_u64(copy, layout->thread_thread_id);
            thread->tid = layout->thread_native_thread_id != OP_LAYOUT_NONE
                              ? (int64_t)op_field_u64(copy, layout->thread_native_thread_id)
                              : op_thread_id_read(runtime, thread->thread_id);
            if (thread->tid < 0 || thread->tid > INT32_MAX)
                thread->tid = 0;
            thread->holds_gil = layout->thread_holds_gil != OP_LAYOUT_NONE
                                    ? op_field_u32(copy, layout->thread_holds_gil) != 0
                                    : holder.value == state.value;
            // The list is newest first. In an image nobody knows the process id: the oldest is the main thread.
            thread->is_main = memory->pid != 0 ? thread->tid == memory->pid
                                               : is_main_interpreter && op_addr_is_null(next);
        }
        previous = state;
        state = next;
    }
    return OP_OK;
}

op_status op_runtime_threads(op_runtime *runtime, op_python_thread *threads, size_t max, size_t *count)
{
    const op_layout *layout = &runtime->layout;
    op_memory_reader *memory = runtime->memory;
    thread_list list = {.threads = threads, .max = max, .copy_bytes = thread_copy_bytes(layout)};
    op_addr interpreter, finalizing = {0};
    if (list.copy_bytes == 0)
        return OP_BAD_DATA;
    op_status status = op_field_read_addr(memory, runtime->address, layout->runtime_interpreters_head,
                                          &interpreter);
    if (status == OP_OK && layout->runtime_finalizing != OP_LAYOUT_NONE) {
        status = op_field_read_addr(memory, runtime->address, layout->runtime_finalizing, &finalizing);
        runtime->is_finalizing = status == OP_OK && !op_addr_is_null(finalizing);
    }
    if (status != OP_OK)
        return status;
    for (size_t i = 0; !op_addr_is_null(interpreter); i++) {
        if (i == OP_RUNTIME_MAX_INTERPRETERS || !op_addr_is_object(interpreter))
            return OP_BAD_DATA;
        status = add_threads(runtime, interpreter, &list);
        if (status == OP_OK)
            status = op_field_read_addr(memory, interpreter, layout->interp_next, &interpreter);
        if (status != OP_OK)
            return status == OP_UNREADABLE ? OP_BAD_DATA : status;
    }
    *count = list.count;
    return OP_OK;
}

op_status op_runtime_gil_holder(op_runtime *runtime, op_addr interpreter, op_addr *holder)
{
    const op_layout *layout = &runtime->layout;
    op_memory_reader *memory = runtime->memory;
    op_addr gil = runtime->address, found = {0};
    int32_t locked_offset = layout->runtime_gil_locked, holder_offset = layout->runtime_gil_last_holder, locked;
    op_status status = OP_OK;
    if (runtime->minor >= 12) {
        status = op_field_read_addr(memory, interpreter, layout->interp_gil, &gil);
        locked_offset = layout->gil_locked;
        holder_offset = layout->gil_last_holder;
        if (status == OP_OK && !op_addr_is_object(gil))
            status = OP_BAD_DATA;
    }
    if (status == OP_OK)
        status = op_field_read_i32(memory, gil, locked_offset, &locked);
    if (status == OP_OK && locked > 0)   // -1: not made yet
        status = op_field_read_addr(memory, gil, holder_offset, &found);
    if (status == OP_OK)
        *holder = found;
    return status;
}

op_status op_runtime_is_collecting(op_runtime *runtime, op_addr interpreter, bool *collecting)
{
    const op_layout *layout = &runtime->layout;
    int32_t found;
    op_status status = layout->interp_gc_collecting != OP_LAYOUT_NONE
                           ? op_field_read_i32(runtime->memory, interpreter, layout->interp_gc_collecting, &found)
                           : op_field_read_i32(runtime->memory, runtime->address, layout->runtime_gc_collecting,
                                               &found);
    if (status == OP_OK)
        *collecting = found != 0;
    return status;
}

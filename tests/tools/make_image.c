// SPDX-License-Identifier: MIT
// make_image PID FILE: records the memory of a Python process that a walk over all its threads needs. The process
// must hold still. tools/images.py runs it.
#include <stdio.h>
#include <stdlib.h>
#include "cpython/image.h"
#include "frames.h"

enum { MAX_THREADS = 64, MAX_FRAMES = 1000, MAX_CHUNKS = 64, MARGIN_BYTES = 512, STEP_BYTES = 256 };

// Reads for the recorder's sake: what is not mapped is left out.
static void touch(op_memory_reader *memory, op_addr from, uint64_t bytes)
{
    unsigned char ignored[STEP_BYTES];
    for (uint64_t done = 0; done < bytes && done < 1 << 20; done += STEP_BYTES) {
        uint64_t left = bytes - done;
        if (op_memory_read(memory, op_addr_add(from, done), ignored,
                           left < STEP_BYTES ? (size_t)left : STEP_BYTES) != OP_OK)
            return;
    }
}

// The used part of each chunk of the thread's data stack, and a bit of what lies above.
static void touch_chunks(op_runtime *runtime, op_addr state)
{
    const op_layout *layout = &runtime->layout;
    op_addr chunk, top;
    if (layout->thread_datastack_chunk < 0 ||
        op_field_read_addr(runtime->memory, state, layout->thread_datastack_chunk, &chunk) != OP_OK ||
        op_field_read_addr(runtime->memory, state, layout->thread_datastack_top, &top) != OP_OK)
        return;
    for (size_t i = 0; i < MAX_CHUNKS && !op_addr_is_null(chunk); i++) {
        uint64_t bytes;
        if (op_memory_read(runtime->memory, op_field_at(chunk, layout->chunk_size), &bytes, sizeof bytes) != OP_OK)
            return;
        if (top.value > chunk.value && top.value - chunk.value < bytes)
            bytes = top.value - chunk.value + MARGIN_BYTES;
        touch(runtime->memory, chunk, bytes);
        if (op_field_read_addr(runtime->memory, chunk, layout->chunk_previous, &chunk) != OP_OK)
            return;
    }
}

static void touch_frame(op_runtime *runtime, const test_frame *frame)
{
    const op_layout *layout = &runtime->layout;
    op_code code;
    int32_t frame_bytes = layout->minor < 11 ? layout->pyframe_size : layout->iframe_size;
    touch(runtime->memory, frame->address, (uint64_t)(frame_bytes > 0 ? frame_bytes : 0) + STEP_BYTES);
    if (frame->is_shim)
        return;
    if (op_code_read(runtime, frame->code, &code) == OP_OK) {
        if (layout->minor >= 11)
            touch(runtime->memory, frame->code,
                  (uint64_t)layout->code_bytecode + (uint64_t)code.identity.bytecode_bytes);
        op_code_fini(&code);
    }
    if (op_addr_is_object(frame->function))
        touch(runtime->memory, frame->function, STEP_BYTES);
}

static op_status record(op_runtime *runtime)
{
    static op_python_thread threads[MAX_THREADS];
    static test_frame frames[MAX_FRAMES];
    size_t count;
    char name[256];
    op_addr holder;
    bool collecting, complete;
    op_status status = op_runtime_threads(runtime, threads, MAX_THREADS, &count);
    if (status != OP_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        status = op_runtime_thread_name(runtime, &threads[i], name, sizeof name);
        if (status != OP_OK && status != OP_NO_FILE)
            return status;
        // What sits on the frames' instructions is read again: some versions keep pointers around them.
        touch(runtime->memory, threads[i].state,
              (uint64_t)(runtime->layout.thread_size > 0 ? runtime->layout.thread_size : 1024));
        touch_chunks(runtime, threads[i].state);
        size_t depth = frames_follow(runtime, threads[i].state, frames, MAX_FRAMES, &complete);
        for (size_t k = 0; k < depth; k++)
            touch_frame(runtime, &frames[k]);
        if (!complete)
            return OP_BAD_DATA;
    }
    status = op_runtime_gil_holder(runtime, runtime->interpreter, &holder);
    if (status == OP_OK)
        status = op_runtime_is_collecting(runtime, runtime->interpreter, &collecting);
    if (status == OP_OK && runtime->layout.interp_gc_frame >= 0)
        status = op_field_read_addr(runtime->memory, runtime->interpreter, runtime->layout.interp_gc_frame,
                                    &holder);
    if (status == OP_OK && runtime->layout.interp_code_object_generation >= 0)
        status = op_field_read_addr(runtime->memory, runtime->interpreter,
                                    runtime->layout.interp_code_object_generation, &holder);
    return status;
}

int main(int argc, char **argv)
{
    op_memory_reader live;
    op_image_recorder *recorder = NULL;
    op_runtime found, runtime;
    op_error error = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: make_image PID FILE\n");
        return 2;
    }
    op_memory_reader_live(&live, atoi(argv[1]));
    op_status status = op_runtime_find(&live, &found, NULL, &error);
    if (status == OP_OK)
        status = op_image_recorder_new(&live, &recorder);
    if (status == OP_OK)
        status = op_runtime_at(op_image_recorder_reader(recorder), found.address, found.minor, found.patch,
                               &runtime, &error);
    if (status == OP_OK) {
        status = record(&runtime);
        if (status != OP_OK)
            op_error_set(&error, status, "the process does not hold still");
    }
    if (status == OP_OK)
        status = op_image_recorder_write(recorder, &found, argv[2], &error);
    op_image_recorder_free(recorder);
    if (status != OP_OK)
        fprintf(stderr, "error: %s\n", error.message);
    return op_status_exit_code(status);
}

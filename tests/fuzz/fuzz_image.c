// SPDX-License-Identifier: MIT
// Property: whatever lies in the memory of a target, looking at it ends, and does not crash.
// The first byte chooses a recorded image (tests/images, relative to the project's folder, where tools/fuzz.sh
// runs); the rest are changes to it: three bytes say where, one says what. Where its top bit is set, the rest is an
// image file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../unit/frames.h"
#include "cpython/image.h"
#include "cpython/walker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FIRST_MINOR = 8,
    MINORS = 8,
    MAX_THREADS = 64,
    MAX_FRAMES = 200,
    CHANGE_BYTES = 4,
    MAX_CHANGES = 64,
    OFFSETS = 4
};

static op_image *images[MINORS];   // opened once: a fuzzer runs one input after the other

static op_walk_thread walked;   // too large for a stack

static op_image *get_image(unsigned index)
{
    char path[64];
    if (!images[index]) {
        snprintf(path, sizeof path, "tests/images/3.%u.image", FIRST_MINOR + index);
        if (op_image_read(path, &images[index], NULL) != OP_OK) {
            fprintf(stderr, "fuzz_image: run it in the project's folder: no %s\n", path);
            exit(1);
        }
    }
    return images[index];
}

static void look_at_thread(op_runtime *runtime, const op_python_thread *thread)
{
    test_frame frames[MAX_FRAMES];
    char name[64];
    bool complete;
    (void)!op_runtime_thread_name(runtime, thread, name, sizeof name);
    size_t count = frames_follow(runtime, thread->state, frames, MAX_FRAMES, &complete);
    for (size_t i = 0; i < count; i++) {
        op_code code;
        if (op_code_read(runtime, frames[i].code, &code) != OP_OK)
            continue;
        for (int k = 0; k < OFFSETS; k++)
            (void)op_code_line(&code, (int64_t)((uint64_t)frames[i].lasti * (uint64_t)k) - 1);
        op_code_fini(&code);
    }
}

// The walker proper, twice: the second walk is predicted from the first.
static void walk(op_runtime *runtime, const op_python_thread *threads, size_t count)
{
    op_codes codes;
    op_walker *walker = NULL;
    uint32_t changed;
    op_codes_init(&codes, runtime);
    if (op_walker_new(runtime, &codes, &walker) != OP_OK) {
        op_codes_fini(&codes);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const op_raw_frame *frames;
        size_t depth;
        op_walk_thread_init(&walked, &threads[i]);
        for (int64_t now_ns = 1; now_ns <= 2; now_ns++) {
            if (op_walk(walker, &walked, now_ns, &frames, &depth) != OP_OK)
                continue;
            for (size_t k = 0; k < depth; k++)
                (void)op_codes_line(&codes, frames[k].code, frames[k].offset);
        }
        op_walk_thread_fini(&walked);
    }
    op_codes_check(&codes, 3, &changed);
    op_walker_free(walker);
    op_codes_fini(&codes);
}

static void look_at(op_image *image)
{
    op_runtime runtime;
    op_python_thread threads[MAX_THREADS];
    size_t count;
    op_addr holder;
    bool collecting;
    if (op_image_attach(image, &runtime, NULL) != OP_OK)
        return;
    (void)!op_runtime_gil_holder(&runtime, runtime.interpreter, &holder);
    (void)!op_runtime_is_collecting(&runtime, runtime.interpreter, &collecting);
    if (op_runtime_threads(&runtime, threads, MAX_THREADS, &count) != OP_OK)
        return;
    for (size_t i = 0; i < count; i++)
        look_at_thread(&runtime, &threads[i]);
    walk(&runtime, threads, count);
}

// Calling it twice with the same changes undoes them.
static void change(unsigned char *bytes, size_t bytes_count, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + CHANGE_BYTES <= size && i < MAX_CHANGES * CHANGE_BYTES; i += CHANGE_BYTES) {
        size_t at = (size_t)data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16;
        bytes[at % bytes_count] ^= data[i + 3];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    op_image *image = NULL;
    if (size < 2)
        return 0;
    if (data[0] & 128) {
        if (op_image_parse(data + 1, size - 1, &image, NULL) == OP_OK)
            look_at(image);
        op_image_free(image);
        return 0;
    }
    image = get_image(data[0] % MINORS);
    size_t bytes_count;
    unsigned char *bytes = op_image_bytes(image, &bytes_count);
    change(bytes, bytes_count, data + 1, size - 1);
    look_at(image);
    change(bytes, bytes_count, data + 1, size - 1);
    return 0;
}

// SPDX-License-Identifier: MIT
// Follows the frames of a thread that holds still, pointer by pointer: what a walker must see, in the plainest way.
#ifndef OP_TESTS_FRAMES_H
#define OP_TESTS_FRAMES_H

#include "cpython/code.h"
#include "cpython/fields.h"

enum {
    FRAMES_OWNER_GENERATOR = 1,
    FRAMES_OWNER_SHIM = 3,   // this and above: 3.12+, frames without Python code
};

typedef struct {
    op_addr address, code, function;
    int64_t lasti;   // byte offset of the instruction
    bool is_shim;
} test_frame;

static inline op_status frames_top(op_runtime *runtime, op_addr state, op_addr *top)
{
    const op_layout *layout = &runtime->layout;
    op_addr cframe;
    if (runtime->minor >= 13)
        return op_field_read_addr(runtime->memory, state, layout->thread_current_frame, top);
    if (runtime->minor < 11)
        return op_field_read_addr(runtime->memory, state, layout->thread_frame, top);
    op_status status = op_field_read_addr(runtime->memory, state, layout->thread_cframe, &cframe);
    return status == OP_OK ? op_field_read_addr(runtime->memory, cframe, layout->cframe_current_frame, top)
                           : status;
}

static inline op_status frames_read_object(op_runtime *runtime, op_addr at, test_frame *frame, op_addr *back)
{
    const op_layout *layout = &runtime->layout;
    int32_t lasti;
    *frame = (test_frame){.address = at};
    op_status status = op_field_read_addr(runtime->memory, at, layout->pyframe_code, &frame->code);
    if (status == OP_OK)
        status = op_field_read_i32(runtime->memory, at, layout->pyframe_lasti, &lasti);
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, at, layout->pyframe_back, back);
    if (status == OP_OK)
        frame->lasti = runtime->minor == 10 ? (int64_t)lasti * 2 : lasti;   // 3.10 counts code units
    return status;
}

static inline op_status frames_read_inner(op_runtime *runtime, op_addr at, test_frame *frame, op_addr *back)
{
    const op_layout *layout = &runtime->layout;
    op_addr instruction;
    unsigned char owner = 0;
    *frame = (test_frame){.address = at};
    op_status status = op_field_read_addr(runtime->memory, at, layout->iframe_executable, &frame->code);
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, at, layout->iframe_instruction, &instruction);
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, at, layout->iframe_function, &frame->function);
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, at, layout->iframe_previous, back);
    if (status == OP_OK && layout->iframe_owner >= 0)
        status = op_memory_read(runtime->memory, op_field_at(at, layout->iframe_owner), &owner, 1);
    if (status != OP_OK)
        return status;
    frame->is_shim = runtime->minor >= 12 && owner >= FRAMES_OWNER_SHIM;
    if (runtime->minor >= 14) {   // tagged references
        frame->code.value &= ~(uint64_t)3;
        frame->function.value &= ~(uint64_t)3;
    }
    frame->lasti = (int64_t)(instruction.value - frame->code.value) - layout->code_bytecode;
    return OP_OK;
}

// Leaf first. Stops at what is unreadable; *complete tells. At most max.
static inline size_t frames_follow(op_runtime *runtime, op_addr state, test_frame *frames, size_t max,
                                   bool *complete)
{
    op_addr at;
    size_t count = 0;
    op_status status = frames_top(runtime, state, &at);
    while (status == OP_OK && op_addr_is_object(at) && count < max) {
        op_addr back;
        status = runtime->minor < 11 ? frames_read_object(runtime, at, &frames[count], &back)
                                     : frames_read_inner(runtime, at, &frames[count], &back);
        if (status == OP_OK) {
            count++;
            at = back;
        }
    }
    *complete = status == OP_OK && op_addr_is_null(at);
    return count;
}

#endif

// SPDX-License-Identifier: MIT
// Every thread of a process now.
#ifndef OP_SAMPLE_DUMP_H
#define OP_SAMPLE_DUMP_H

#include "profile/profile.h"
#include "process/memory_reader.h"

typedef struct {
    op_frame_kind kind;
    const char *name, *file;   // live in the dump's arena; UTF-8, hostile
    uint32_t line;
} op_dump_frame;

typedef struct {
    int64_t tid;
    const char *name;   // Python's name, else the kernel's
    op_thread_state state;
    bool holds_gil, gil_known;   // gil_known: this version tells
    bool is_main;
    op_dump_frame *frames;   // leaf first
    size_t frame_count;
} op_dump_thread;

typedef struct op_dump {
    op_arena arena;
    int64_t pid;
    const char *python;   // "3.13.0"
    const char *command, *executable;
    bool layout_assumed;
    op_dump_thread *threads;
    size_t thread_count;
} op_dump;

op_status op_dump_take(pid_t pid, op_dump **dump, op_error *error) OP_MUST_CHECK;   // op_dump_free frees
void op_dump_free(op_dump *dump);

#endif

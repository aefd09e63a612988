// SPDX-License-Identifier: MIT
// One running CPython: where its runtime lies, which version and layout it has, which threads.
#ifndef OP_CPYTHON_RUNTIME_H
#define OP_CPYTHON_RUNTIME_H

#include "cpython/layout.h"
#include "process/memory_reader.h"

enum { OP_RUNTIME_MAX_THREADS = 8192, OP_RUNTIME_MAX_INTERPRETERS = 256 };

typedef struct {
    op_memory_reader *memory;    // borrowed
    op_addr address;             // of _PyRuntime
    op_addr interpreter;         // the main one
    op_layout layout;            // ready to use: table, with the target's own offsets laid over where it has them
    const op_opcodes *opcodes;   // NULL before 3.11
    int major, minor, patch;
    uint32_t hex_version;   // PY_VERSION_HEX; 0: unknown patch level
    bool layout_assumed;    // the patch lies outside the table's range
    bool is_finalizing;     // at the last op_runtime_threads
    // Where thread names were found last: that interpreter's threading._active.
    op_addr named_interpreter, active_threads;
    uint64_t name_hint;   // where in it the next thread is expected
    op_addr code_type;    // of code objects: 0 until the first one was seen
    // 3.8-3.10: of the kernel's thread id in glibc's struct pthread; OP_LAYOUT_NONE: unknown.
    int32_t pthread_tid_offset;
} op_runtime;

// Finds and checks the runtime of process `memory->pid`. NOT_PYTHON also while an interpreter is still starting
// (then try again: *starting, may be NULL, is set). Takes about 1 ms.
op_status op_runtime_find(op_memory_reader *memory, op_runtime *runtime, bool *starting, op_error *error)
    OP_MUST_CHECK;
// For images and tests: a runtime at a known place.
op_status op_runtime_at(op_memory_reader *memory, op_addr address, int minor, int patch, op_runtime *runtime,
                        op_error *error) OP_MUST_CHECK;

typedef struct {
    op_addr state;   // PyThreadState
    op_addr interpreter;
    int64_t tid;          // of the operating system; 0: unknown
    uint64_t thread_id;   // pthread_t
    bool holds_gil;
    bool is_main;
} op_python_thread;

// All threads of all interpreters. *count is how many were written (at most max). BAD_DATA where the list is torn:
// try again.
op_status op_runtime_threads(op_runtime *runtime, op_python_thread *threads, size_t max, size_t *count)
    OP_MUST_CHECK;
// Whether a collection runs now, and the thread state that holds the GIL (0: nobody, or this version does not
// tell).
op_status op_runtime_gil_holder(op_runtime *runtime, op_addr interpreter, op_addr *holder) OP_MUST_CHECK;
op_status op_runtime_is_collecting(op_runtime *runtime, op_addr interpreter, bool *collecting) OP_MUST_CHECK;

// The name that threading gives to the thread with that pthread_t, UTF-8 into out (NUL-terminated, cut to size).
// NO_FILE where there is none. Follows sys.modules['threading']._active; bounded; slow (the first about 200 us,
// then 20).
op_status op_runtime_thread_name(op_runtime *runtime, const op_python_thread *thread, char *out, size_t size)
    OP_MUST_CHECK;

#endif

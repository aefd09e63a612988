// SPDX-License-Identifier: MIT
// The kernel's thread id from a pthread_t, for CPython 3.8 to 3.10, which keep only the latter: it is the address
// of libc's struct pthread, which holds the id at an offset of its own.
#ifndef OP_CPYTHON_THREAD_ID_H
#define OP_CPYTHON_THREAD_ID_H

#include "cpython/runtime.h"

// Looks for the offset in a live process: a place that holds the id of one of its threads. OP_LAYOUT_NONE:
// not found.
int32_t op_thread_id_offset(op_runtime *runtime);
int64_t op_thread_id_read(op_runtime *runtime, uint64_t thread_id);   // 0: unknown

#endif

// SPDX-License-Identifier: MIT
// Finding a runtime where no symbol or section names it: by what it looks like in the writable memory of a module.
#ifndef OP_CPYTHON_RUNTIME_SCAN_H
#define OP_CPYTHON_RUNTIME_SCAN_H

#include "cpython/python_version.h"
#include "cpython/runtime.h"

enum { OP_SCAN_MAX_FOUND = 8, OP_SCAN_MAX_BYTES = 64 << 20 };

// Places of the cookie of struct _Py_DebugOffsets (3.13+). Returns how many.
size_t op_scan_cookies(op_memory_reader *memory, const op_maps *maps, const char *path,
                       op_addr found[OP_SCAN_MAX_FOUND]);
// Runtimes of 3.8 to 3.12: neighbouring pointers (interpreters.head, .main) to an interpreter whose thread points
// back.
size_t op_scan_interpreters(op_memory_reader *memory, const op_maps *maps, const char *path,
                            const op_layout *layout, op_addr found[OP_SCAN_MAX_FOUND]);
// The text that Py_GetVersion has made in a static buffer, "3.9.18 (main, ...". Returns how many versions.
size_t op_scan_versions(op_memory_reader *memory, const op_maps *maps, const char *path,
                        uint32_t found[OP_VERSION_MAX_FOUND]);

#endif

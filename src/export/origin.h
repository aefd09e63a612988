// SPDX-License-Identifier: MIT
// Whose code a frame is: told from the path alone, since the profile may come from another machine.
#ifndef OP_EXPORT_ORIGIN_H
#define OP_EXPORT_ORIGIN_H

#include "profile/profile.h"

// X(NAME, what a person reads)
#define OP_ORIGIN_MAP(X)                                                                                           \
    X(OWN, "own code")                                                                                             \
    X(PACKAGE, "packages")                                                                                         \
    X(STDLIB, "standard library")                                                                                  \
    X(RUNTIME, "interpreter, native")

typedef enum {
#define X(name, text) OP_ORIGIN_##name,
    OP_ORIGIN_MAP(X)
#undef X
        OP_ORIGIN_COUNT
} op_origin;
const char *op_origin_text(op_origin origin);

// The origin, and the top package or module where the path has one, else the whole path (borrowed from `file`).
op_origin op_origin_of(op_frame_kind kind, op_string file, op_string *module);
// A file without the folders of the interpreter or the environment: "json/decoder.py". Borrowed from `file`.
op_string op_origin_short_path(op_string file);

#endif

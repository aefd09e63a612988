// SPDX-License-Identifier: MIT
// Made by tools/layouts.py: do not edit. The tables that there are.
#ifndef OP_CPYTHON_LAYOUTS_TABLES_H
#define OP_CPYTHON_LAYOUTS_TABLES_H

#include "cpython/layout.h"

#define OP_LAYOUT_KNOWN_VERSIONS "3.8 to 3.15"

#define OP_LAYOUT_TABLES(X) \
    X(3_8) \
    X(3_9) \
    X(3_10) \
    X(3_11) \
    X(3_12) \
    X(3_13) \
    X(3_14) \
    X(3_15)

#define OP_OPCODES_TABLES(X) \
    X(3_11) \
    X(3_12) \
    X(3_13) \
    X(3_14) \
    X(3_15)

#define X(version) extern const op_layout op_layout_##version;
OP_LAYOUT_TABLES(X)
#undef X
#define X(version) extern const op_opcodes op_opcodes_##version;
OP_OPCODES_TABLES(X)
#undef X

#endif

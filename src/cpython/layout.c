// SPDX-License-Identifier: MIT
#include "cpython/layout.h"

#include <stddef.h>

#include "cpython/layouts/tables.h"

// Which version has which table is all in tables.h, which tools/layouts.py makes.
static const op_layout *const LAYOUTS[] = {
#define X(version) &op_layout_##version,
    OP_LAYOUT_TABLES(X)
#undef X
};

static const op_opcodes *const OPCODES[] = {
#define X(version) &op_opcodes_##version,
    OP_OPCODES_TABLES(X)
#undef X
};

const char op_layout_known[] = OP_LAYOUT_KNOWN_VERSIONS;

static int patch_distance(const op_layout *layout, int patch)
{
    if (patch < layout->first_patch) {
        return layout->first_patch - patch;
    }
    return patch > layout->last_patch ? patch - layout->last_patch : 0;
}

// Where a minor version has several tables and none of them covers the patch, the nearest one is the best guess.
const op_layout *op_layout_find(int minor, int patch, bool *exact)
{
    const op_layout *best = NULL;
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof LAYOUTS[0]; i++) {
        const op_layout *layout = LAYOUTS[i];
        if (layout->minor == minor && (!best || patch_distance(layout, patch) < patch_distance(best, patch))) {
            best = layout;
        }
    }
    if (best && exact) {
        *exact = patch_distance(best, patch) == 0;
    }
    return best;
}

const op_opcodes *op_opcodes_find(int minor)
{
    for (size_t i = 0; i < sizeof OPCODES / sizeof OPCODES[0]; i++) {
        if (OPCODES[i]->minor == minor) {
            return OPCODES[i];
        }
    }
    return NULL;
}

// SPDX-License-Identifier: MIT
// The constant parts of the flame graph's page. Pieces, since C promises string literals of 4,095 bytes only.
#ifndef OP_EXPORT_FLAME_PAGE_H
#define OP_EXPORT_FLAME_PAGE_H

// In pixels; the script knows them, too.
enum {
    OP_FLAME_WIDTH = 1200,   // until the script fits the picture to the window
    OP_FLAME_MARGIN = 10,
    OP_FLAME_HEAD = 84,
    OP_FLAME_FOOT = 34,
    OP_FLAME_ROW = 18,
};
#define OP_FLAME_COLUMN 7.23   // of a monospaced letter at 12 px, the widest of the usual fonts

extern const char *const op_flame_style[];    // ends with NULL, as the other
extern const char *const op_flame_script[];   // holds no "]]>"

#endif

// SPDX-License-Identifier: MIT
// Colours of the flame graph: the hue tells whose code it is, the shade parts modules and functions. The same code
// has the same colour in every picture.
#ifndef OP_EXPORT_FLAME_COLOUR_H
#define OP_EXPORT_FLAME_COLOUR_H

#include "export/call_tree.h"

typedef struct {
    unsigned char red, green, blue;
} op_colour;

op_colour op_flame_colour(const op_tree_label *label);
op_colour op_flame_colour_of_origin(op_origin origin);   // the middle of its range, for the legend
op_colour op_flame_colour_neutral(void);                 // what is no code: everything, processes, threads

#endif

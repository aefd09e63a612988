// SPDX-License-Identifier: MIT
#include "export/flame_colour.h"

// Dark text must be readable on all of these, on white and on black paper: hence the narrow band of lightness.
typedef struct {
    int hue, hue_range;                           // degrees
    int saturation, lightness, lightness_range;   // percent
} range;

static const range ranges[OP_ORIGIN_COUNT] = {
    [OP_ORIGIN_OWN] = {12, 38, 92, 64, 9},
    [OP_ORIGIN_PACKAGE] = {92, 66, 44, 66, 8},
    [OP_ORIGIN_STDLIB] = {196, 34, 68, 72, 8},
    [OP_ORIGIN_RUNTIME] = {278, 30, 38, 76, 6},
};

// One channel of HSL, the formula of CSS Color 4; offset 0, 8, 4 for red, green, blue.
static unsigned char channel(int offset, double hue, double saturation, double lightness)
{
    double k = offset + hue / 30;
    while (k >= 12) {
        k -= 12;
    }
    double least = k - 3 < 9 - k ? k - 3 : 9 - k;
    least = least > 1 ? 1 : least < -1 ? -1 : least;
    double spread = saturation * (lightness < 1 - lightness ? lightness : 1 - lightness);
    return (unsigned char)((lightness - spread * least) * 255 + 0.5);
}

static op_colour from_hsl(double hue, double saturation, double lightness)
{
    return (op_colour){channel(0, hue, saturation, lightness), channel(8, hue, saturation, lightness),
                       channel(4, hue, saturation, lightness)};
}

static op_colour in_range(const range *within, double hue_at, double lightness_at)   // both 0 to 1
{
    return from_hsl(within->hue + within->hue_range * hue_at, within->saturation / 100.0,
                    (within->lightness + within->lightness_range * lightness_at) / 100.0);
}

op_colour op_flame_colour(const op_tree_label *label)
{
    if (label->kind != OP_NODE_FRAME) {
        return op_flame_colour_neutral();
    }
    op_string name = label->parts.name;
    uint64_t function_hash = op_hash_bytes(name.text, name.bytes, label->module_hash);
    return in_range(&ranges[label->origin], (double)(label->module_hash >> 40) / (double)(1 << 24),
                    (double)(function_hash >> 40) / (double)(1 << 24));
}

op_colour op_flame_colour_of_origin(op_origin origin)
{
    return in_range(&ranges[origin], 0.5, 0.5);
}

op_colour op_flame_colour_neutral(void)
{
    return (op_colour){0xc9, 0xce, 0xd4};
}

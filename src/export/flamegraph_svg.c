// SPDX-License-Identifier: MIT
// The flame graph: one SVG file that needs nothing else. Roots at the bottom, the heaviest callee at the left, so
// that equal profiles give equal pictures. Bounded: what is too thin to see, too deep or too much is left out, and
// said.
#include <inttypes.h>
#include <string.h>
#include "base/text.h"
#include "export/flame_colour.h"
#include "export/flame_page.h"
#include "export/number_text.h"
#include "export/run_text.h"

enum {
    MAX_LEVELS = 512,            // of frames; above stands <deeper>
    MAX_FRAMES = 30000,          // a browser stays quick up to here
    MIN_SHARE_INVERSE = 10000,   // thinner than 0.01 % is about 0.1 pixel
    TITLE_COLUMNS = 96,
};

typedef struct {
    const op_call_tree *tree;
    const op_profile *profile;
    op_buffer *out;
    op_buffer text, short_text;   // scratch
    uint64_t total;               // value of everything
    uint64_t min_value;           // thinner frames are not drawn
    uint32_t levels;              // rows above the one for everything
    bool has_deeper;
} picture;

static uint64_t value_of(const picture *pic, uint32_t node)
{
    return op_call_tree_value(pic->tree, node);
}

static bool is_drawn(const picture *pic, uint32_t node)
{
    return pic->tree->nodes.items[node].depth <= MAX_LEVELS && value_of(pic, node) >= pic->min_value;
}

// Chooses min_value and learns how high the picture gets. A callee is never wider than its caller, so what is drawn
// hangs together.
static void measure(picture *pic)
{
    const op_call_tree *tree = pic->tree;
    size_t count;
    pic->total = value_of(pic, 0);
    pic->min_value = pic->total / MIN_SHARE_INVERSE + 1;
    do {
        count = 0;
        pic->levels = 0;
        pic->has_deeper = false;
        for (uint32_t i = 1; i < tree->nodes.count; i++) {
            uint32_t depth = tree->nodes.items[i].depth;
            if (is_drawn(pic, i)) {
                count++;
                pic->levels = depth > pic->levels ? depth : pic->levels;
            } else if (depth == MAX_LEVELS + 1 && value_of(pic, i) >= pic->min_value) {
                pic->has_deeper = true;
            }
        }
        if (count > MAX_FRAMES) {
            pic->min_value *= 2;
        }
    } while (count > MAX_FRAMES);
}

static void add_xml(op_buffer *out, const char *text, size_t bytes)
{
    op_text_add_xml(out, text == NULL ? "" : text, bytes);
}

// Adds at most `room` columns of `text`, with an ellipsis where it was cut.
static void add_clipped(op_buffer *out, op_string text, size_t room)
{
    if (op_text_columns(text.text, text.bytes) <= room) {
        add_xml(out, text.text, text.bytes);
        return;
    }
    const char *at = text.text, *end = text.text + text.bytes, *cut = at;
    for (size_t used = 1; at < end;) {
        const char *letter = at;
        (void)op_utf8_next(&at, end);
        used += op_text_columns(letter, (size_t)(at - letter));
        if (used > room) {
            break;
        }
        cut = at;
    }
    add_xml(out, text.text, (size_t)(cut - text.text));
    op_buffer_add_text(out, "…");
}

// The longest that fits: the whole text, the file without its folders, the bare function. The script does the same.
static void add_fitted(picture *pic, const op_tree_label *label, op_string text, size_t room)
{
    if (op_text_columns(text.text, text.bytes) > room && label->kind == OP_NODE_FRAME &&
        label->parts.file.bytes > 0) {
        op_frame_parts parts = label->parts;
        const char *slash = memrchr(parts.file.text, '/', parts.file.bytes);
        if (slash != NULL) {
            parts.file.bytes -= (size_t)(slash + 1 - parts.file.text);
            parts.file.text = slash + 1;
        }
        op_buffer_reset(&pic->short_text);
        op_frame_label_add(&pic->short_text, &parts, OP_ESCAPE_VISIBLE);
        if (pic->short_text.size > 0 && op_text_columns(pic->short_text.data, pic->short_text.size) > room) {
            op_buffer_reset(&pic->short_text);
            op_escape_add(&pic->short_text, parts.name, OP_ESCAPE_VISIBLE);
        }
        text = op_string_of_buffer(&pic->short_text);
    }
    add_clipped(pic->out, text, room);
}

static double percent(const picture *pic, uint64_t value)
{
    return 100 * op_number_share(value, pic->total);
}

// "1,234 samples, 12.34 %, 1.23 s; own 3.21 %"
static void add_facts(picture *pic, uint64_t count, uint64_t weight_ns, uint64_t value, uint64_t own_value)
{
    op_number_add_grouped(pic->out, count);
    op_buffer_add_format(pic->out, " sample%s, %.2f %%", count == 1 ? "" : "s", percent(pic, value));
    if (weight_ns > 0) {
        op_buffer_add_text(pic->out, ", ");
        op_number_add_duration(pic->out, weight_ns);
    }
    op_buffer_add_format(pic->out, "; own %.2f %%", percent(pic, own_value));
}

static uint32_t row_top(const picture *pic, uint32_t depth)
{
    return (pic->levels + (pic->has_deeper ? 1 : 0) - depth) * OP_FLAME_ROW;
}

typedef struct {
    uint64_t start, value;   // from the left, in the unit of values
    uint32_t depth;
    op_colour colour;
} box;

static void add_rect(picture *pic, const box *at)
{
    op_buffer_add_format(pic->out,
                         "</title><rect x=\"%.4f%%\" y=\"%" PRIu32 "\" width=\"%.4f%%\" height=\"%d\" rx=\"2\" "
                         "fill=\"#%02x%02x%02x\"/>",
                         percent(pic, at->start), row_top(pic, at->depth), percent(pic, at->value),
                         OP_FLAME_ROW - 1, at->colour.red, at->colour.green, at->colour.blue);
}

// Opens the text of a box and returns the columns that fit in; 0: none do, and nothing was opened.
static size_t open_text(picture *pic, const box *at)
{
    double width = percent(pic, at->value) / 100 * (OP_FLAME_WIDTH - 2 * OP_FLAME_MARGIN) - 7;
    size_t room = width > 0 ? (size_t)(width / OP_FLAME_COLUMN) : 0;
    if (room < 3) {
        return 0;
    }
    op_buffer_add_format(pic->out, "<text x=\"%.4f%%\" y=\"%" PRIu32 "\" dx=\"4\">", percent(pic, at->start),
                         row_top(pic, at->depth) + 13);
    return room;
}

static void add_frame(picture *pic, uint32_t node, uint64_t start)
{
    static const op_tree_label everything = {.kind = OP_NODE_PROCESS};
    const op_tree_node *row = &pic->tree->nodes.items[node];
    const op_tree_label *label = node == 0 ? &everything : op_call_tree_label(pic->tree, node);
    op_string text = node == 0 ? (op_string){"everything", 10} : op_call_tree_text(pic->tree, node);
    uint64_t own = pic->tree->nodes.items[0].weight_ns > 0 ? row->own_weight_ns : row->own_count;
    box at = {start, value_of(pic, node), row->depth, op_flame_colour(label)};
    op_buffer_add_text(pic->out, "<g><title>");
    add_xml(pic->out, text.text, text.bytes);
    op_buffer_add_byte(pic->out, '\n');
    add_facts(pic, row->count, row->weight_ns, at.value, own);
    add_rect(pic, &at);
    size_t room = open_text(pic, &at);
    if (room > 0) {
        add_fitted(pic, label, text, room);
        op_buffer_add_text(pic->out, "</text>");
    }
    op_buffer_add_text(pic->out, "</g>\n");
}

// Stands for all that `node`, in the last row, called.
static void add_deeper(picture *pic, uint32_t node, uint64_t start)
{
    const op_tree_node *row = &pic->tree->nodes.items[node];
    uint64_t count = row->count - row->own_count, weight_ns = row->weight_ns - row->own_weight_ns;
    box at = {start, pic->tree->nodes.items[0].weight_ns > 0 ? weight_ns : count, row->depth + 1,
              op_flame_colour_neutral()};
    if (at.value < pic->min_value) {
        return;
    }
    op_buffer_add_text(pic->out, "<g><title>&lt;deeper&gt;\n");
    add_facts(pic, count, weight_ns, at.value, 0);
    add_rect(pic, &at);
    size_t room = open_text(pic, &at);
    if (room > 0) {
        add_clipped(pic->out, (op_string){"<deeper>", 8}, room);
        op_buffer_add_text(pic->out, "</text>");
    }
    op_buffer_add_text(pic->out, "</g>\n");
}

// In the order of a walk, on which the script relies. False: out of memory.
static bool add_frames(picture *pic)
{
    const op_call_tree *tree = pic->tree;
    // Of the nodes on the path, by depth: where the next callee begins.
    uint64_t *next_start = op_alloc_zero(MAX_LEVELS + 2, sizeof *next_start);
    if (next_start == NULL) {
        return false;
    }
    for (uint32_t node = 0;;) {
        const op_tree_node *row = &tree->nodes.items[node];
        uint64_t start = row->depth == 0 ? 0 : next_start[row->depth - 1];
        bool drawn = node == 0 || is_drawn(pic, node);
        if (drawn) {
            add_frame(pic, node, start);
            next_start[row->depth] = start;
            if (row->depth == MAX_LEVELS && row->first_child != 0) {
                add_deeper(pic, node, start);
            }
        }
        uint32_t next = drawn && row->depth < MAX_LEVELS ? row->first_child : 0;
        while (next == 0 && node != 0) {   // up to the next one with a sibling; each box left takes its width
            row = &tree->nodes.items[node];
            next_start[row->depth - 1] += value_of(pic, node);
            next = row->next_sibling;
            node = row->parent;
        }
        if (next == 0) {
            break;
        }
        node = next;
    }
    op_free(next_start);
    return true;
}

static void add_pieces(op_buffer *out, const char *const *pieces)
{
    for (; *pieces != NULL; pieces++) {
        op_buffer_add_text(out, *pieces);
    }
}

// What, when and how.
static void add_head(picture *pic)
{
    op_buffer *out = pic->out, *text = &pic->text;
    op_buffer_reset(text);
    op_run_text_add_command(text, pic->profile);
    op_buffer_add_format(out,
                         "<g id=\"head\"><rect class=\"paper\" width=\"100%%\" height=\"%d\"/>\n"
                         "<text class=\"ink title\" x=\"%d\" y=\"28\"><title>",
                         OP_FLAME_HEAD, OP_FLAME_MARGIN);
    add_xml(out, text->data, text->size);
    op_buffer_add_text(out, "</title>");
    add_clipped(out, op_string_of_buffer(text), TITLE_COLUMNS);
    op_buffer_add_format(out, "</text>\n<text class=\"soft\" x=\"%d\" y=\"49\">", OP_FLAME_MARGIN);
    op_buffer_reset(text);
    op_run_text_add_facts(text, pic->profile, pic->tree->nodes.items[0].count);
    add_xml(out, text->data, text->size);
    op_buffer_add_format(out,
                         "</text>\n<text class=\"ink mono\" id=\"details\" x=\"%d\" y=\"71\"></text>\n"
                         "<text class=\"ink\" id=\"matched\" x=\"%d\" y=\"71\" text-anchor=\"end\"></text></g>\n",
                         OP_FLAME_MARGIN, OP_FLAME_WIDTH - OP_FLAME_MARGIN);
}

// The legend, and what is not drawn.
static void add_foot(picture *pic, uint32_t top)
{
    op_buffer *out = pic->out;
    double x = OP_FLAME_MARGIN;
    for (int i = 0; i < OP_ORIGIN_COUNT; i++) {
        op_colour colour = op_flame_colour_of_origin((op_origin)i);
        op_buffer_add_format(out,
                             "<rect x=\"%.0f\" y=\"%" PRIu32 "\" width=\"12\" height=\"12\" rx=\"2\" "
                             "fill=\"#%02x%02x%02x\"/>"
                             "<text class=\"soft\" x=\"%.0f\" y=\"%" PRIu32 "\">%s</text>\n",
                             x, top + 12, colour.red, colour.green, colour.blue, x + 18, top + 22,
                             op_origin_text((op_origin)i));
        x += 44 + 6.6 * (double)strlen(op_origin_text((op_origin)i));
    }
    op_buffer_add_format(out, "<text class=\"soft\" x=\"%.0f\" y=\"%" PRIu32 "\">", x, top + 22);
    if (pic->total == 0) {
        op_buffer_add_text(out, "Nothing was measured.");
    } else {
        op_buffer_add_format(out, "Not drawn: frames below %.2g %%", percent(pic, pic->min_value - 1));
        if (pic->has_deeper) {
            op_buffer_add_format(out, ", and deeper than %d levels (of %" PRIu32 ")", MAX_LEVELS,
                                 pic->tree->max_depth);
        }
    }
    op_buffer_add_text(out, "</text>\n");
}

static bool write_picture(picture *pic)
{
    op_buffer *out = pic->out;
    measure(pic);
    uint32_t rows = pic->levels + 1 + (pic->has_deeper ? 1 : 0);
    uint32_t height = OP_FLAME_HEAD + rows * OP_FLAME_ROW + OP_FLAME_FOOT;
    op_buffer_add_format(out,
                         "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"op-flame\" width=\"%d\" "
                         "height=\"%" PRIu32 "\" viewBox=\"0 0 %d %" PRIu32 "\">\n<style>\n",
                         OP_FLAME_WIDTH, height, OP_FLAME_WIDTH, height);
    add_pieces(out, op_flame_style);
    op_buffer_add_text(out, "</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n");
    op_buffer_add_format(out, "<svg id=\"frames\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%" PRIu32 "\">\n",
                         OP_FLAME_MARGIN, OP_FLAME_HEAD, OP_FLAME_WIDTH - 2 * OP_FLAME_MARGIN, rows * OP_FLAME_ROW);
    bool done = add_frames(pic);
    op_buffer_add_text(out, "</svg>\n");
    add_foot(pic, OP_FLAME_HEAD + rows * OP_FLAME_ROW);
    add_head(pic);   // last: it stays on top when the page scrolls
    op_buffer_add_text(out, "<script><![CDATA[\n");
    add_pieces(out, op_flame_script);
    op_buffer_add_text(out, "]]></script>\n</svg>\n");
    return done && !out->failed && !pic->text.failed && !pic->short_text.failed;
}

op_status op_export_svg(const op_profile *profile, const op_export_options *options, op_buffer *out,
                        op_error *error)
{
    op_call_tree tree;
    size_t start = out->size;
    op_call_tree_options shape = {.shape = *options, .escape = OP_ESCAPE_VISIBLE};
    op_status status = op_call_tree_init(&tree, profile, &shape, error);
    if (status == OP_OK) {
        picture pic = {.tree = &tree, .profile = profile, .out = out};
        op_buffer_init(&pic.text);
        op_buffer_init(&pic.short_text);
        if (!write_picture(&pic)) {
            status = op_error_set(error, OP_NO_MEMORY, "out of memory for the flame graph");
        }
        op_buffer_fini(&pic.text);
        op_buffer_fini(&pic.short_text);
    }
    if (status != OP_OK) {
        out->size = start;
    }
    op_call_tree_fini(&tree);
    return status;
}

// SPDX-License-Identifier: MIT
// The call tree of the terminal report: one row a function called from the one above it.
#include <inttypes.h>
#include <string.h>
#include "base/text.h"
#include "export/call_tree.h"
#include "export/number_text.h"
#include "export/table_text.h"

enum {
    MIN_PERCENT = 1,   // smaller branches are not shown
    MAX_LEVELS = 40,   // deeper ones neither: they would stand outside the terminal
    ROWS_FOR_EACH_TOP = 4,
    MIN_NAME_COLUMNS = 24,
};

typedef struct {
    op_table table;
    op_call_tree tree;
    uint64_t min_value;
    bool last[MAX_LEVELS + 1];   // by depth, of the path: no sibling is shown below it
} view;

static bool is_shown(const view *of, uint32_t node)
{
    return node != 0 && op_call_tree_value(&of->tree, node) >= of->min_value;
}

static void add_branches(view *of, uint32_t depth)
{
    for (uint32_t level = 2; level < depth; level++) {
        op_buffer_add_text(of->table.out, of->last[level] ? "   " : "│  ");
    }
    if (depth > 1) {
        op_buffer_add_text(of->table.out, of->last[depth] ? "└─ " : "├─ ");
    }
}

static void add_name(view *of, uint32_t node, size_t columns)
{
    const op_tree_node *row = &of->tree.nodes.items[node];
    const op_tree_label *label = op_call_tree_label(&of->tree, node);
    op_buffer text;
    op_buffer_init(&text);
    op_ink ink = label->origin == OP_ORIGIN_OWN ? OP_INK_PLAIN : OP_INK_DIM;
    if (label->kind == OP_NODE_HIDDEN) {
        op_buffer_add_format(&text, "[%" PRIu32 " frame%s hidden]", row->hidden, row->hidden == 1 ? "" : "s");
    } else {
        op_escape_add(&text, label->parts.name, OP_ESCAPE_VISIBLE);
        op_buffer_add_text(&text, row->recursive ? " (recursive)" : "");
    }
    size_t name = text.data == NULL ? 0 : op_text_columns(text.data, text.size);
    if (ink != OP_INK_PLAIN) {
        op_table_ink(&of->table, ink);
    }
    op_table_add_cell(&of->table, op_string_of_buffer(&text), columns, OP_CELL_LAST, false);
    if (label->parts.file.bytes > 0 && name + 6 < columns) {
        op_buffer_reset(&text);
        op_escape_add(&text, label->parts.file, OP_ESCAPE_VISIBLE);
        if (label->parts.line != 0) {
            op_buffer_add_format(&text, ":%" PRIu32, label->parts.line);
        }
        if (ink == OP_INK_PLAIN) {
            op_table_ink(&of->table, OP_INK_DIM);
            ink = OP_INK_DIM;
        }
        op_buffer_add_text(of->table.out, "  ");
        op_table_add_cell(&of->table, op_string_of_buffer(&text), columns - name - 2, OP_CELL_LAST, true);
    }
    if (ink != OP_INK_PLAIN) {
        op_table_ink(&of->table, OP_INK_PLAIN);
    }
    of->table.out->failed |= text.failed;
    op_buffer_fini(&text);
}

static void add_row(view *of, uint32_t node)
{
    op_table *table = &of->table;
    const op_tree_node *row = &of->tree.nodes.items[node];
    op_table_add_share(table,
                       op_number_share(op_call_tree_value(&of->tree, node), op_call_tree_value(&of->tree, 0)));
    op_table_add_time(table, row->weight_ns);
    op_buffer_add_text(table->out, "  ");
    add_branches(of, row->depth);
    size_t used = OP_TABLE_SHARE_COLUMNS + OP_TABLE_TIME_COLUMNS + 2 + 3 * ((size_t)row->depth - 1);
    add_name(of, node, used + MIN_NAME_COLUMNS < table->width ? table->width - used : MIN_NAME_COLUMNS);
    op_buffer_add_byte(table->out, '\n');
}

static void write_tree(view *of)
{
    op_table *table = &of->table;
    const op_tree_node *nodes = of->tree.nodes.items;
    uint64_t total = op_call_tree_value(&of->tree, 0);
    size_t rows = 0;
    size_t max_rows = table->top > SIZE_MAX / ROWS_FOR_EACH_TOP ? SIZE_MAX : table->top * ROWS_FOR_EACH_TOP;
    bool too_deep = false;
    of->min_value = total / (100 / MIN_PERCENT) + (total % (100 / MIN_PERCENT) != 0);
    of->min_value = of->min_value == 0 ? 1 : of->min_value;
    op_table_add_heading(table, "Call tree");
    op_table_ink(table, OP_INK_DIM);
    op_buffer_add_format(table->out, "%*s%*s  function, file", OP_TABLE_SHARE_COLUMNS, "total",
                         OP_TABLE_TIME_COLUMNS, "time");
    op_table_ink(table, OP_INK_PLAIN);
    op_buffer_add_byte(table->out, '\n');
    uint32_t node = is_shown(of, nodes[0].first_child) ? nodes[0].first_child : 0;
    while (node != 0 && rows < max_rows) {
        uint32_t depth = nodes[node].depth;
        of->last[depth] = !is_shown(of, nodes[node].next_sibling);   // siblings are sorted: none behind it either
        add_row(of, node);
        rows++;
        uint32_t next = nodes[node].first_child;
        if (is_shown(of, next) && depth == MAX_LEVELS) {
            too_deep = true;
        }
        if (!is_shown(of, next) || depth == MAX_LEVELS) {
            while (node != 0 && !is_shown(of, nodes[node].next_sibling)) {
                node = nodes[node].parent;
            }
            next = node == 0 ? 0 : nodes[node].next_sibling;
        }
        node = next;
    }
    op_table_ink(table, OP_INK_DIM);
    op_buffer_add_format(table->out, "not shown: branches below %d%%%s%s", MIN_PERCENT,
                         too_deep ? ", deeper levels" : "", node != 0 ? ", further rows" : "");
    op_table_ink(table, OP_INK_PLAIN);
    op_buffer_add_byte(table->out, '\n');
}

op_status op_table_add_tree(const op_profile *profile, const op_table_options *options, op_buffer *out,
                            op_error *error)
{
    view of;
    memset(&of, 0, sizeof of);
    op_table_init(&of.table, profile, options, out);
    op_call_tree_options shape = {
        .shape = {.by_function = true},
        .escape = OP_ESCAPE_VISIBLE,
        .squeeze_recursion = true,
        .fold_libraries = true,
        .thread_name = options->thread_name,
    };
    op_status status = op_call_tree_init(&of.tree, profile, &shape, error);
    if (status == OP_OK) {
        write_tree(&of);
    }
    op_call_tree_fini(&of.tree);
    return op_table_finish(&of.table, status, error);
}

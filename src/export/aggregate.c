// SPDX-License-Identifier: MIT
#include "export/aggregate.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    op_aggregate *aggregate;
    const op_profile *profile;
    const op_call_tree *tree;
    op_map function_rows;       // (kind, function) -> row + 1
    uint32_t *function_of;      // label -> row + 1, 0: no frame
    uint32_t *line_of;          // label -> row + 1, 0: no line
    uint32_t *functions_open;   // row -> how often it stands on the path walked
    uint32_t *lines_open;
} builder;

static bool add_function(builder *build, const op_tree_label *label, uint32_t *row)
{
    // A label is one row a kind, whatever function stands behind it.
    bool named = label->parts.kind == OP_FRAME_PYTHON || label->parts.kind == OP_FRAME_BUILTIN;
    op_map_key key = {label->parts.kind, named ? label->parts.function : 0};
    uint32_t *known = op_map_add(&build->function_rows, key, NULL);
    if (known == NULL) {
        return false;
    }
    if (*known == 0) {
        op_aggregate_row *slot = OP_VECTOR_PUSH(&build->aggregate->functions);
        if (slot == NULL) {
            return false;
        }
        const op_function *function = op_profile_function(build->profile, label->parts.function);
        *slot = (op_aggregate_row){.parts = label->parts, .origin = label->origin};
        slot->parts.line = label->parts.kind == OP_FRAME_PYTHON && function != NULL ? function->first_line : 0;
        *known = (uint32_t)build->aggregate->functions.count;
    }
    *row = *known;
    return true;
}

static bool add_rows(builder *build)
{
    for (size_t i = 1; i < build->tree->labels.count; i++) {
        const op_tree_label *label = &build->tree->labels.items[i];
        if (label->kind != OP_NODE_FRAME) {
            continue;
        }
        if (!add_function(build, label, &build->function_of[i])) {
            return false;
        }
        if (label->parts.kind == OP_FRAME_PYTHON && label->parts.line != 0) {
            op_aggregate_row *slot = OP_VECTOR_PUSH(&build->aggregate->lines);
            if (slot == NULL) {
                return false;
            }
            *slot = (op_aggregate_row){.parts = label->parts, .origin = label->origin};
            build->line_of[i] = (uint32_t)build->aggregate->lines.count;
        }
    }
    return true;
}

static void enter(op_aggregate_row *row, uint32_t *open, const op_tree_node *node)
{
    row->own_count += node->own_count;
    row->own_weight_ns += node->own_weight_ns;
    if ((*open)++ == 0) {   // a recursion's inner calls are in the outer one's total already
        row->total_count += node->count;
        row->total_weight_ns += node->weight_ns;
    }
}

static void add_costs(builder *build)
{
    op_aggregate *aggregate = build->aggregate;
    op_tree_walk walk = {0, true};
    do {
        const op_tree_node *node = &build->tree->nodes.items[walk.node];
        uint32_t function = build->function_of[node->label], line = build->line_of[node->label];
        if (walk.entering) {
            if (function != 0) {
                enter(&aggregate->functions.items[function - 1], &build->functions_open[function - 1], node);
            }
            if (line != 0) {
                enter(&aggregate->lines.items[line - 1], &build->lines_open[line - 1], node);
            }
        } else {
            if (function != 0) {
                build->functions_open[function - 1]--;
            }
            if (line != 0) {
                build->lines_open[line - 1]--;
            }
        }
    } while (op_call_tree_next(build->tree, &walk));
}

static bool build_all(builder *build)
{
    size_t labels = build->tree->labels.count;
    build->function_of = op_alloc_zero(labels, sizeof *build->function_of);
    build->line_of = op_alloc_zero(labels, sizeof *build->line_of);
    build->functions_open = op_alloc_zero(labels, sizeof *build->functions_open);
    build->lines_open = op_alloc_zero(labels, sizeof *build->lines_open);
    if (build->function_of == NULL || build->line_of == NULL || build->functions_open == NULL ||
        build->lines_open == NULL || !add_rows(build)) {
        return false;
    }
    add_costs(build);
    build->aggregate->count = build->tree->nodes.items[0].count;
    build->aggregate->weight_ns = build->tree->nodes.items[0].weight_ns;
    op_aggregate_sort(build->aggregate->functions.items, build->aggregate->functions.count, false);
    op_aggregate_sort(build->aggregate->lines.items, build->aggregate->lines.count, false);
    return true;
}

op_status op_aggregate_init(op_aggregate *aggregate, const op_profile *profile, const char *thread_name,
                            op_error *error)
{
    *aggregate = (op_aggregate){0};
    op_call_tree tree;
    op_call_tree_options options = {.escape = OP_ESCAPE_CLEAN, .thread_name = thread_name};
    op_status status = op_call_tree_init(&tree, profile, &options, error);
    if (status != OP_OK) {
        op_call_tree_fini(&tree);
        return status;
    }
    builder build = {.aggregate = aggregate, .profile = profile, .tree = &tree};
    op_map_init(&build.function_rows);
    if (!build_all(&build)) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the table of functions");
    }
    op_map_fini(&build.function_rows);
    op_free(build.function_of);
    op_free(build.line_of);
    op_free(build.functions_open);
    op_free(build.lines_open);
    op_call_tree_fini(&tree);
    return status;
}

void op_aggregate_fini(op_aggregate *aggregate)
{
    OP_VECTOR_FINI(&aggregate->functions);
    OP_VECTOR_FINI(&aggregate->lines);
}

static int compare_numbers(uint64_t a, uint64_t b)   // the larger first
{
    return (a < b) - (a > b);
}

static int compare_texts(op_string a, op_string b)
{
    int order = memcmp(a.text, b.text, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_names(const op_aggregate_row *a, const op_aggregate_row *b)
{
    int order = compare_texts(a->parts.name, b->parts.name);
    order = order != 0 ? order : compare_texts(a->parts.file, b->parts.file);
    return order != 0 ? order : (a->parts.line > b->parts.line) - (a->parts.line < b->parts.line);
}

static int compare_own(const op_aggregate_row *a, const op_aggregate_row *b)
{
    int order = compare_numbers(a->own_weight_ns, b->own_weight_ns);
    return order != 0 ? order : compare_numbers(a->own_count, b->own_count);
}

static int compare_total(const op_aggregate_row *a, const op_aggregate_row *b)
{
    int order = compare_numbers(a->total_weight_ns, b->total_weight_ns);
    return order != 0 ? order : compare_numbers(a->total_count, b->total_count);
}

static int by_own_first(const void *left, const void *right)
{
    int order = compare_own(left, right);
    order = order != 0 ? order : compare_total(left, right);
    return order != 0 ? order : compare_names(left, right);
}

static int by_total_first(const void *left, const void *right)
{
    int order = compare_total(left, right);
    order = order != 0 ? order : compare_own(left, right);
    return order != 0 ? order : compare_names(left, right);
}

void op_aggregate_sort(op_aggregate_row *rows, size_t count, bool by_total)
{
    if (count > 1) {
        qsort(rows, count, sizeof *rows, by_total ? by_total_first : by_own_first);
    }
}

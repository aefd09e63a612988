// SPDX-License-Identifier: MIT
#include "export/call_tree.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 50 * 1000 * 1000 };

// What building needs and the tree does not.
typedef struct {
    op_call_tree *tree;
    const op_profile *profile;
    const op_call_tree_options *options;
    op_map label_of_frame;   // (0, frame), (1, process), (2, thread) or (3, 0: hidden) -> label index + 1
    op_map label_of_text;    // text id -> label index + 1
    op_map children;         // (node, label) -> node
    op_map stack_nodes;      // (root, stack) -> node + 1
    op_map folded;           // (node, label): seen in that hidden node
    op_buffer text;
    op_id *chain;   // stacks on the way up, OP_PROFILE_MAX_STACK_DEPTH of them
} builder;

enum { SUBJECT_FRAME, SUBJECT_PROCESS, SUBJECT_THREAD, SUBJECT_HIDDEN };

// All helpers below return false where memory ran out.
static bool add_label(builder *build, op_tree_label label, uint32_t *index)
{
    op_call_tree *tree = build->tree;
    const char *text = op_buffer_text(&build->text);
    if (text == NULL) {
        return false;
    }
    label.text = op_strings_add(&tree->texts, text, build->text.size);
    if (label.text == 0) {
        return false;
    }
    // The kind parts a function that is called like a thread root from that root.
    uint32_t *known = op_map_add(&build->label_of_text, (op_map_key){label.kind, label.text}, NULL);
    if (known == NULL) {
        return false;
    }
    if (*known == 0) {
        op_tree_label *slot = OP_VECTOR_PUSH(&tree->labels);
        if (slot == NULL) {
            return false;
        }
        *slot = label;
        *known = (uint32_t)tree->labels.count;
    }
    *index = *known - 1;
    return true;
}

static bool label_of(builder *build, uint64_t subject, op_id id, uint32_t *index)
{
    op_map_key key = {subject, id};
    const uint32_t *known = op_map_find(&build->label_of_frame, key);
    if (known != NULL) {
        *index = *known - 1;
        return true;
    }
    op_tree_label label = {.kind = OP_NODE_FRAME};
    op_escape escape = build->options->escape;
    op_buffer_reset(&build->text);
    switch (subject) {
    case SUBJECT_PROCESS:
        label.kind = OP_NODE_PROCESS;
        op_process_label_add(&build->text, build->profile, id, escape);
        break;
    case SUBJECT_THREAD:
        label.kind = OP_NODE_THREAD;
        label.thread = id;
        op_thread_label_add(&build->text, build->profile, id, escape);
        break;
    case SUBJECT_HIDDEN:
        label.kind = OP_NODE_HIDDEN;
        label.origin = OP_ORIGIN_PACKAGE;
        op_buffer_add_text(&build->text, "[hidden]");
        break;
    default:
        label.parts = op_frame_parts_of(build->profile, id, &build->options->shape);
        op_string module;
        label.origin = op_origin_of(label.parts.kind, label.parts.file, &module);
        label.module_hash = op_hash_bytes(module.text, module.bytes, 0);
        op_frame_label_add(&build->text, &label.parts, escape);
        break;
    }
    if (!add_label(build, label, index)) {
        return false;
    }
    uint32_t *slot = op_map_add(&build->label_of_frame, key, NULL);
    if (slot == NULL) {
        return false;
    }
    *slot = *index + 1;
    return true;
}

static bool child_of(builder *build, uint32_t parent, uint32_t label, uint32_t *child)
{
    op_call_tree *tree = build->tree;
    bool added;
    uint32_t *slot = op_map_add(&build->children, (op_map_key){parent, label}, &added);
    if (slot == NULL) {
        return false;
    }
    if (added) {
        op_tree_node *node = tree->nodes.count < MAX_NODES ? OP_VECTOR_PUSH(&tree->nodes) : NULL;
        if (node == NULL) {
            return false;
        }
        *slot = (uint32_t)tree->nodes.count - 1;
        *node = (op_tree_node){.parent = parent, .label = label, .depth = tree->nodes.items[parent].depth + 1};
    }
    *child = *slot;
    return true;
}

static bool is_library(const op_call_tree *tree, uint32_t node)
{
    return node != 0 && op_call_tree_label(tree, node)->kind != OP_NODE_PROCESS &&
           op_call_tree_label(tree, node)->kind != OP_NODE_THREAD &&
           op_call_tree_label(tree, node)->origin != OP_ORIGIN_OWN;
}

// The node of `frame` called from *node.
static bool descend(builder *build, op_id frame, uint32_t *node)
{
    op_call_tree *tree = build->tree;
    uint32_t label, at = *node;
    if (!label_of(build, SUBJECT_FRAME, frame, &label)) {
        return false;
    }
    if (build->options->squeeze_recursion && at != 0 && tree->nodes.items[at].label == label) {
        tree->nodes.items[at].recursive = true;
        return true;
    }
    if (build->options->fold_libraries && is_library(tree, at) &&
        tree->labels.items[label].origin != OP_ORIGIN_OWN) {
        if (op_call_tree_label(tree, at)->kind != OP_NODE_HIDDEN) {
            uint32_t hidden;
            if (!label_of(build, SUBJECT_HIDDEN, 0, &hidden) || !child_of(build, at, hidden, &at)) {
                return false;
            }
        }
        bool added;
        if (op_map_add(&build->folded, (op_map_key){at, label}, &added) == NULL) {
            return false;
        }
        tree->nodes.items[at].hidden += added;
        *node = at;
        return true;
    }
    return child_of(build, at, label, node);
}

// The node of a stack below `root`. Each stack is walked once; a chain that is too long (a loop, in a damaged file)
// is cut at its root end.
static bool node_of_stack(builder *build, uint32_t root, op_id stack, uint32_t *node)
{
    size_t depth = 0;
    uint32_t at = root;
    for (op_id up = stack; depth < OP_PROFILE_MAX_STACK_DEPTH;) {
        const uint32_t *known = op_map_find(&build->stack_nodes, (op_map_key){root, up});
        const op_stack *row = known == NULL ? op_profile_stack(build->profile, up) : NULL;
        if (known != NULL) {
            at = *known - 1;
        }
        if (row == NULL) {
            break;
        }
        build->chain[depth++] = up;
        up = row->parent;
    }
    if (depth == 0 && at == root) {   // no stack at all: visible, not lost
        return descend(build, 0, &at) && (*node = at, true);
    }
    while (depth-- > 0) {
        const op_stack *row = op_profile_stack(build->profile, build->chain[depth]);
        if (!descend(build, row->frame, &at)) {
            return false;
        }
        uint32_t *slot = op_map_add(&build->stack_nodes, (op_map_key){root, build->chain[depth]}, NULL);
        if (slot == NULL) {
            return false;
        }
        *slot = at + 1;
    }
    *node = at;
    return true;
}

static bool add_sample(builder *build, const op_sample *sample)
{
    uint32_t root = 0, label, node;
    if (build->options->shape.by_thread) {
        const op_thread_row *thread = op_profile_thread(build->profile, sample->thread);
        if (!label_of(build, SUBJECT_PROCESS, thread == NULL ? 0 : thread->process, &label) ||
            !child_of(build, 0, label, &root) || !label_of(build, SUBJECT_THREAD, sample->thread, &label) ||
            !child_of(build, root, label, &root)) {
            return false;
        }
    }
    if (!node_of_stack(build, root, sample->stack, &node)) {
        return false;
    }
    build->tree->nodes.items[node].own_count += sample->count;
    build->tree->nodes.items[node].own_weight_ns += sample->weight_ns;
    return true;
}

static bool is_wanted(const builder *build, const op_sample *sample)
{
    if (sample->count == 0 && sample->weight_ns == 0) {
        return false;
    }
    return op_thread_has_name(build->profile, sample->thread, build->options->thread_name);
}

static void add_up(op_call_tree *tree)
{
    for (size_t i = tree->nodes.count; i-- > 0;) {   // children stand behind their parents
        op_tree_node *node = &tree->nodes.items[i];
        node->count += node->own_count;
        node->weight_ns += node->own_weight_ns;
        if (node->depth > tree->max_depth) {
            tree->max_depth = node->depth;
        }
        if (i > 0) {
            tree->nodes.items[node->parent].count += node->count;
            tree->nodes.items[node->parent].weight_ns += node->weight_ns;
        }
    }
}

typedef struct {
    uint32_t parent, node;
    uint64_t value;
    op_string text;
} sibling;

static int compare_texts(op_string a, op_string b)
{
    int order = memcmp(a.text, b.text, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_siblings(const void *left, const void *right)
{
    const sibling *a = left, *b = right;
    if (a->parent != b->parent) {
        return a->parent < b->parent ? -1 : 1;
    }
    if (a->value != b->value) {
        return a->value > b->value ? -1 : 1;
    }
    int order = compare_texts(a->text, b->text);
    return order != 0 ? order : (a->node > b->node) - (a->node < b->node);
}

static bool link_children(op_call_tree *tree, bool by_text)
{
    size_t count = tree->nodes.count;
    sibling *order = op_alloc_zero(count, sizeof *order);
    if (order == NULL) {
        return false;
    }
    for (uint32_t i = 1; i < count; i++) {
        order[i] = (sibling){tree->nodes.items[i].parent, i, by_text ? 0 : op_call_tree_value(tree, i),
                             op_call_tree_text(tree, i)};
    }
    qsort(order + 1, count - 1, sizeof *order, compare_siblings);
    for (size_t i = count; i-- > 1;) {
        op_tree_node *parent = &tree->nodes.items[order[i].parent];
        tree->nodes.items[order[i].node].next_sibling = parent->first_child;
        parent->first_child = order[i].node;
    }
    op_free(order);
    return true;
}

static bool build_all(builder *build)
{
    op_tree_node *root = OP_VECTOR_PUSH(&build->tree->nodes);
    op_tree_label *none = OP_VECTOR_PUSH(&build->tree->labels);
    build->chain = op_alloc_zero(OP_PROFILE_MAX_STACK_DEPTH, sizeof *build->chain);
    if (root == NULL || none == NULL || build->chain == NULL) {
        return false;
    }
    *root = (op_tree_node){0};
    *none = (op_tree_label){.kind = OP_NODE_PROCESS};   // the root's: no sample looks for it
    for (size_t i = 0; i < build->profile->samples.count; i++) {
        const op_sample *sample = &build->profile->samples.items[i];
        if (is_wanted(build, sample) && !add_sample(build, sample)) {
            return false;
        }
    }
    add_up(build->tree);
    return link_children(build->tree, build->options->sort_by_text);
}

op_status op_call_tree_init(op_call_tree *tree, const op_profile *profile, const op_call_tree_options *options,
                            op_error *error)
{
    builder build = {.tree = tree, .profile = profile, .options = options};
    *tree = (op_call_tree){0};
    op_strings_init(&tree->texts);
    op_map *const maps[] = {&build.label_of_frame, &build.label_of_text, &build.children, &build.stack_nodes,
                            &build.folded};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        op_map_init(maps[i]);
    }
    op_buffer_init(&build.text);

    bool done = build_all(&build);

    op_free(build.chain);
    op_buffer_fini(&build.text);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        op_map_fini(maps[i]);
    }
    return done ? OP_OK : op_error_set(error, OP_NO_MEMORY, "out of memory for the call tree");
}

void op_call_tree_fini(op_call_tree *tree)
{
    op_strings_fini(&tree->texts);
    OP_VECTOR_FINI(&tree->labels);
    OP_VECTOR_FINI(&tree->nodes);
}

const op_tree_label *op_call_tree_label(const op_call_tree *tree, uint32_t node)
{
    return &tree->labels.items[tree->nodes.items[node].label];
}

op_string op_call_tree_text(const op_call_tree *tree, uint32_t node)
{
    return op_strings_get(&tree->texts, op_call_tree_label(tree, node)->text);
}

uint64_t op_call_tree_value(const op_call_tree *tree, uint32_t node)
{
    const op_tree_node *row = &tree->nodes.items[node];
    return tree->nodes.items[0].weight_ns > 0 ? row->weight_ns : row->count;
}

bool op_call_tree_next(const op_call_tree *tree, op_tree_walk *walk)
{
    const op_tree_node *node = &tree->nodes.items[walk->node];
    if (walk->entering && node->first_child != 0) {
        walk->node = node->first_child;
    } else if (walk->entering) {
        walk->entering = false;
    } else if (walk->node == 0) {
        return false;
    } else if (node->next_sibling != 0) {
        walk->node = node->next_sibling;
        walk->entering = true;
    } else {
        walk->node = node->parent;
    }
    return true;
}

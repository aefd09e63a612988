// SPDX-License-Identifier: MIT
#include "sample/stack_tree.h"

#include <string.h>

void op_stack_tree_init(op_stack_tree *tree, op_profile *profile)
{
    memset(tree, 0, sizeof *tree);
    op_map_init(&tree->ids);
    tree->profile = profile;
}

void op_stack_tree_fini(op_stack_tree *tree)
{
    OP_VECTOR_FINI(&tree->nodes);
    op_map_fini(&tree->ids);
}

uint32_t op_stack_tree_add(op_stack_tree *tree, uint32_t parent, op_frame_kind kind, uint32_t code, int32_t offset)
{
    op_map_key key = {((uint64_t)parent << 32) | (uint32_t)offset, ((uint64_t)code << 8) | (uint64_t)kind};
    bool added = false;
    uint32_t *slot = op_map_add(&tree->ids, key, &added);
    if (slot == NULL)
        return 0;
    if (!added)
        return *slot;
    op_stack_node *node = tree->nodes.count < OP_STACK_TREE_MAX ? OP_VECTOR_PUSH(&tree->nodes) : NULL;
    if (node == NULL) {
        (void)op_map_remove(&tree->ids, key);
        return 0;
    }
    *node = (op_stack_node){.parent = parent, .code = code, .offset = offset, .kind = (uint32_t)kind};
    return *slot = (uint32_t)tree->nodes.count;
}

static op_id profile_frame(op_stack_tree *tree, const op_codes *codes, const op_stack_node *node,
                           op_frame_kind kind)
{
    op_profile *profile = tree->profile;
    op_function function = {.kind = kind};
    uint32_t line = 0;
    const op_code_entry *entry = op_codes_entry(codes, node->code);
    if (kind == OP_FRAME_PYTHON && entry != NULL) {
        op_string name = op_strings_get(&codes->strings, entry->name);
        op_string file = op_strings_get(&codes->strings, entry->file);
        function.name = op_profile_string_bytes(profile, name.text, name.bytes);
        function.file = op_profile_string_bytes(profile, file.text, file.bytes);
        function.first_line = entry->identity.first_line;
        line = op_codes_line(codes, node->code, node->offset);
    } else {
        if (kind == OP_FRAME_PYTHON)
            function.kind = OP_FRAME_UNREADABLE;
        function.name = op_profile_string(profile, op_frame_kind_label(function.kind));
    }
    op_id id = op_profile_add_function(profile, &function);
    return id == 0 ? 0 : op_profile_add_frame(profile, (op_frame){.function = id, .line = line});
}

static bool was_dead(const op_codes *codes, const op_stack_node *node, int64_t seen_ns)
{
    const op_code_entry *entry = op_codes_entry(codes, node->code);
    return node->kind == OP_FRAME_PYTHON && entry != NULL && entry->dead && entry->checked_ns < seen_ns;
}

op_id op_stack_tree_resolve(op_stack_tree *tree, const op_codes *codes, uint32_t node, bool mind_dead,
                            int64_t seen_ns, bool *gone)
{
    if (node == 0 || node > tree->nodes.count)
        return 0;
    uint32_t *path = NULL;
    size_t depth = 0;
    bool any_dead = false;
    for (uint32_t at = node; at != 0; at = tree->nodes.items[at - 1].parent) {
        depth++;
        if (mind_dead && was_dead(codes, &tree->nodes.items[at - 1], seen_ns))
            any_dead = true;
    }
    if (!any_dead && tree->nodes.items[node - 1].stack != 0)
        return tree->nodes.items[node - 1].stack;
    path = op_resize(NULL, depth, sizeof *path);
    if (path == NULL)
        return 0;
    size_t left = depth;
    for (uint32_t at = node; at != 0; at = tree->nodes.items[at - 1].parent)
        path[--left] = at;
    op_id stack = 0;
    bool changed = false;   // below this frame a dead one was replaced: what is known of the path no longer holds
    for (size_t i = 0; i < depth; i++) {
        op_stack_node *at = &tree->nodes.items[path[i] - 1];
        bool dead = any_dead && was_dead(codes, at, seen_ns);
        changed = changed || dead;
        if (!changed && at->stack != 0) {
            stack = at->stack;
            continue;
        }
        op_id frame = profile_frame(tree, codes, at, dead ? OP_FRAME_GONE : (op_frame_kind)at->kind);
        stack = frame == 0 ? 0 : op_profile_add_stack(tree->profile, (op_stack){.parent = stack, .frame = frame});
        if (stack == 0)
            break;
        if (!changed)
            at->stack = stack;
    }
    op_free(path);
    *gone = *gone || changed;
    return stack;
}

// SPDX-License-Identifier: MIT
// The distinct stacks of one target, as (code, instruction) only: a tree from the root frame up. Turns them into stacks
// of the profile when they are counted.
#ifndef OP_SAMPLE_STACK_TREE_H
#define OP_SAMPLE_STACK_TREE_H

#include "cpython/codes.h"
#include "cpython/walker.h"
#include "profile/profile.h"
#include "profile/timeline.h"

enum { OP_STACK_TREE_MAX = 8 << 20 };   // nodes

typedef struct {
    uint32_t parent;   // node; 0: this is a root frame
    uint32_t code;
    int32_t offset;
    uint32_t kind;   // op_frame_kind; PYTHON with code
    op_id stack;     // of the profile; 0: not yet resolved
} op_stack_node;

typedef struct {
    OP_VECTOR(op_stack_node) nodes;   // id - 1
    op_map ids;
    op_profile *profile;   // borrowed
} op_stack_tree;

void op_stack_tree_init(op_stack_tree *tree, op_profile *profile);
void op_stack_tree_fini(op_stack_tree *tree);
// The node of a frame above `parent`; 0: out of memory or room.
uint32_t op_stack_tree_add(op_stack_tree *tree, uint32_t parent, op_frame_kind kind, uint32_t code, int32_t offset);
// The profile's stack for a node; 0: out of memory. With `mind_dead`, frames whose code was not known to live at seen_ns
// (it has died since its last check) become <gone>, and *gone tells that there were some.
op_id op_stack_tree_resolve(op_stack_tree *tree, const op_codes *codes, uint32_t node, bool mind_dead,
                            int64_t seen_ns, bool *gone);

#endif

// SPDX-License-Identifier: MIT
// Stacks as a tree of equal texts: what every output is drawn from. Deep trees are walked without recursion.
//
// Invariants: node 0 is the root and stands for the whole; a parent's index is smaller than its children's; a
// node's count and weight are its own plus those of its children. Texts are already escaped for the sink.
#ifndef OP_EXPORT_CALL_TREE_H
#define OP_EXPORT_CALL_TREE_H

#include "export/frame_label.h"
#include "export/origin.h"

typedef struct {
    op_export_options shape;   // by_thread: process and thread nodes stand above the frames
    op_escape escape;
    bool sort_by_text;         // children by text; else the heaviest first
    bool squeeze_recursion;    // a function that called itself is one node
    bool fold_libraries;       // library frames below a library frame are one HIDDEN node
    const char *thread_name;   // only these threads (exact name); NULL: all
} op_call_tree_options;

typedef enum { OP_NODE_FRAME, OP_NODE_PROCESS, OP_NODE_THREAD, OP_NODE_HIDDEN } op_node_kind;

typedef struct {
    op_node_kind kind;
    op_id text;             // in `texts`
    op_id thread;           // THREAD: its row
    op_frame_parts parts;   // FRAME: of the first frame that had this text
    op_origin origin;
    uint64_t module_hash;   // of the top package or file
} op_tree_label;

typedef struct {
    uint32_t parent, first_child, next_sibling;   // 0: none
    uint32_t label;                               // index into `labels`; of the root: 0, without meaning
    uint32_t depth;                               // the root's is 0
    uint32_t hidden;                              // HIDDEN: distinct frames in it
    bool recursive;                               // it called itself and was squeezed
    uint64_t own_count, own_weight_ns, count, weight_ns;
} op_tree_node;

typedef struct {
    op_strings texts;
    OP_VECTOR(op_tree_label) labels;
    OP_VECTOR(op_tree_node) nodes;
    uint32_t max_depth;
} op_call_tree;

// The profile must outlive the tree. fini is fine after a failure, too.
op_status op_call_tree_init(op_call_tree *tree, const op_profile *profile, const op_call_tree_options *options,
                            op_error *error) OP_MUST_CHECK;
void op_call_tree_fini(op_call_tree *tree);

const op_tree_label *op_call_tree_label(const op_call_tree *tree, uint32_t node);
op_string op_call_tree_text(const op_call_tree *tree, uint32_t node);
// The weight by which nodes are compared: nanoseconds, or samples where the profile has no weights at all.
uint64_t op_call_tree_value(const op_call_tree *tree, uint32_t node);

// A walk that meets each node twice, before and behind its children:
// op_tree_walk walk = {0, true}; do { ... } while (op_call_tree_next(tree, &walk));
typedef struct {
    uint32_t node;
    bool entering;
} op_tree_walk;
bool op_call_tree_next(const op_call_tree *tree, op_tree_walk *walk);   // false: the root was left

#endif

// SPDX-License-Identifier: MIT
// Collapsed stacks: `frame;frame;... count`, root first, for flamegraph.pl, inferno, speedscope and grep.
#include <inttypes.h>
#include "export/call_tree.h"

// The format repeats every stack in full, so deep recursion with many distinct stacks grows without measure.
static const size_t max_bytes = (size_t)1 << 30;

static bool write_lines(const op_call_tree *tree, size_t start, op_buffer *path, op_buffer *out)
{
    op_tree_walk walk = {0, true};
    do {
        if (walk.node == 0) {
            continue;
        }
        const op_tree_node *node = &tree->nodes.items[walk.node];
        op_string text = op_call_tree_text(tree, walk.node);
        size_t separator = node->depth > 1;
        if (!walk.entering) {
            path->size -= text.bytes + separator;
            continue;
        }
        if (separator > 0) {
            op_buffer_add_byte(path, ';');
        }
        op_buffer_add(path, text.text, text.bytes);
        if (path->failed) {   // its size is no longer what leaving a node expects
            return true;
        }
        if (node->own_count > 0) {
            op_buffer_add(out, path->data, path->size);
            op_buffer_add_format(out, " %" PRIu64 "\n", node->own_count);
        }
        if (out->size - start > max_bytes) {
            return false;
        }
    } while (op_call_tree_next(tree, &walk));
    return true;
}

op_status op_export_collapsed(const op_profile *profile, const op_export_options *options, op_buffer *out,
                              op_error *error)
{
    op_call_tree tree;
    op_buffer path;
    op_buffer_init(&path);
    size_t start = out->size;
    op_call_tree_options shape = {.shape = *options, .escape = OP_ESCAPE_COLLAPSED, .sort_by_text = true};
    op_status status = op_call_tree_init(&tree, profile, &shape, error);
    if (status != OP_OK) {
        goto done;
    }
    if (!write_lines(&tree, start, &path, out)) {
        status = op_error_set(error, OP_NO_OUTPUT, "the collapsed stacks take more than 1 GiB");
        (void)op_error_hint(error, "choose svg or json with -f, or make stacks fewer with -F");
    } else if (path.failed || out->failed) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the collapsed stacks");
    }
done:
    if (status != OP_OK) {
        out->size = start;
    }
    op_buffer_fini(&path);
    op_call_tree_fini(&tree);
    return status;
}

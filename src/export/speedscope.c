// SPDX-License-Identifier: MIT
// speedscope's file format (file-format-schema.json of the speedscope project): one `sampled` profile a thread,
// equal stacks as one sample, the heaviest first: the file's size follows the distinct stacks and not the time.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "export/call_tree.h"

// The format repeats every stack in full.
static const size_t max_bytes = (size_t)1 << 30;

static void add_string(op_buffer *out, const char *key, op_string text)
{
    op_buffer_add_format(out, "\"%s\":", key);
    op_text_add_json(out, text.text, text.bytes);
}

// Frames by label; `index` tells the place in the file's table.
static void add_frames(const op_call_tree *tree, uint32_t *index, op_buffer *out)
{
    uint32_t count = 0;
    op_buffer_add_text(out, "\"shared\":{\"frames\":[");
    for (size_t i = 1; i < tree->labels.count; i++) {
        const op_tree_label *label = &tree->labels.items[i];
        if (label->kind != OP_NODE_FRAME) {
            continue;
        }
        op_buffer_add_text(out, count > 0 ? ",\n{" : "\n{");
        add_string(out, "name", label->parts.name);
        if (label->parts.file.bytes > 0) {
            op_buffer_add_byte(out, ',');
            add_string(out, "file", label->parts.file);
        }
        if (label->parts.line != 0) {
            op_buffer_add_format(out, ",\"line\":%" PRIu32, label->parts.line);
        }
        op_buffer_add_byte(out, '}');
        index[i] = count++;
    }
    op_buffer_add_text(out, "\n]}");
}

typedef struct {
    const op_call_tree *tree;
    const uint32_t *frame_index;   // by label
    size_t start;                  // of this file in the buffer
    bool by_count;                 // no weights in the profile: samples are the unit
} writer;

static uint64_t own_value(const writer *write, const op_tree_node *node)
{
    return write->by_count ? node->own_count : node->own_weight_ns;
}

// Walks the nodes below `thread` and calls for each that has own cost: its stack, or its weight. False: too large.
static bool add_samples(const writer *write, uint32_t thread, bool weights, op_buffer *path, op_buffer *out)
{
    const op_call_tree *tree = write->tree;
    op_tree_walk walk = {thread, true};
    bool first = true;
    path->size = 0;
    while (op_call_tree_next(tree, &walk) && walk.node != thread) {
        const op_tree_node *node = &tree->nodes.items[walk.node];
        char text[16];
        int bytes = snprintf(text, sizeof text, "%" PRIu32 ",", write->frame_index[node->label]);
        if (!walk.entering) {
            path->size -= (size_t)bytes;
            continue;
        }
        op_buffer_add(path, text, (size_t)bytes);
        if (path->failed) {
            return true;
        }
        if (own_value(write, node) == 0) {
            continue;
        }
        op_buffer_add_text(out, first ? "" : ",");
        first = false;
        if (weights) {
            op_buffer_add_format(out, "%" PRIu64, own_value(write, node));
        } else {
            op_buffer_add_byte(out, '[');
            op_buffer_add(out, path->data, path->size - 1);   // without the last comma
            op_buffer_add_byte(out, ']');
        }
        if (out->size - write->start > max_bytes) {
            return false;
        }
    }
    return true;
}

static bool add_profile(const writer *write, uint32_t thread, op_string name, op_buffer *path, op_buffer *out)
{
    const op_tree_node *node = &write->tree->nodes.items[thread];
    op_buffer_add_text(out, "{\"type\":\"sampled\",");
    add_string(out, "name", name);
    op_buffer_add_format(out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%" PRIu64 ",\n\"samples\":[",
                         write->by_count ? "none" : "nanoseconds", write->by_count ? node->count : node->weight_ns);
    if (!add_samples(write, thread, false, path, out)) {
        return false;
    }
    op_buffer_add_text(out, "],\n\"weights\":[");
    if (!add_samples(write, thread, true, path, out)) {
        return false;
    }
    op_buffer_add_text(out, "]}");
    return true;
}

// The threads' profiles, processes and threads in the tree's order. With several processes each name tells its own.
static bool add_profiles(const writer *write, op_buffer *out)
{
    const op_call_tree *tree = write->tree;
    op_buffer path, name;
    op_buffer_init(&path);
    op_buffer_init(&name);
    bool fits = true, first = true;
    uint32_t processes = tree->nodes.items[0].first_child;
    bool several = processes != 0 && tree->nodes.items[processes].next_sibling != 0;
    op_buffer_add_text(out, "\"profiles\":[");
    for (uint32_t process = processes; process != 0 && fits; process = tree->nodes.items[process].next_sibling) {
        for (uint32_t thread = tree->nodes.items[process].first_child; thread != 0 && fits;
             thread = tree->nodes.items[thread].next_sibling) {
            op_string thread_text = op_call_tree_text(tree, thread);
            op_string process_text = op_call_tree_text(tree, process);
            op_buffer_reset(&name);
            op_buffer_add(&name, thread_text.text, thread_text.bytes);
            if (several) {
                op_buffer_add_text(&name, ", ");
                op_buffer_add(&name, process_text.text, process_text.bytes);
            }
            op_buffer_add_text(out, first ? "\n" : ",\n");
            first = false;
            fits = add_profile(write, thread, (op_string){name.data, name.size}, &path, out);
        }
    }
    op_buffer_add_text(out, "\n]");
    out->failed |= path.failed || name.failed;
    op_buffer_fini(&path);
    op_buffer_fini(&name);
    return fits;
}

static void add_head(const op_profile *profile, op_buffer *out)
{
    op_buffer exporter;
    op_buffer_init(&exporter);
    op_string version = op_profile_text(profile, profile->run.tool_version);
    op_buffer_add_text(&exporter, version.bytes > 0 ? "outpace " : "outpace");
    op_buffer_add(&exporter, version.text, version.bytes);
    op_buffer_add_text(out, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n");
    add_string(out, "exporter", (op_string){exporter.data, exporter.size});
    op_buffer_add_byte(out, ',');
    add_string(out, "name", op_profile_text(profile, profile->run.command));
    op_buffer_add_text(out, ",\"activeProfileIndex\":0,\n");
    out->failed |= exporter.failed;
    op_buffer_fini(&exporter);
}

op_status op_export_speedscope(const op_profile *profile, const op_export_options *options, op_buffer *out,
                               op_error *error)
{
    op_call_tree tree;
    uint32_t *frame_index = NULL;
    size_t start = out->size;
    op_call_tree_options shape = {.shape = *options, .escape = OP_ESCAPE_CLEAN};
    shape.shape.by_thread = true;
    op_status status = op_call_tree_init(&tree, profile, &shape, error);
    if (status != OP_OK) {
        goto done;
    }
    frame_index = op_alloc_zero(tree.labels.count, sizeof *frame_index);
    if (frame_index == NULL) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the speedscope file");
        goto done;
    }
    writer write = {&tree, frame_index, start, tree.nodes.items[0].weight_ns == 0};
    add_head(profile, out);
    add_frames(&tree, frame_index, out);
    op_buffer_add_text(out, ",\n");
    if (!add_profiles(&write, out)) {
        status = op_error_set(error, OP_NO_OUTPUT, "the speedscope file takes more than 1 GiB");
        (void)op_error_hint(error, "choose svg or json with -f, or make stacks fewer with -F");
        goto done;
    }
    op_buffer_add_text(out, "}\n");
    if (out->failed) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the speedscope file");
    }
done:
    if (status != OP_OK) {
        out->size = start;
    }
    op_free(frame_index);
    op_call_tree_fini(&tree);
    return status;
}

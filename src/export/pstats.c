// SPDX-License-Identifier: MIT
// Python's pstats: a dict {(file, line, function): (cc, nc, tt, ct, {caller: (cc, nc, tt, ct)})}, written as marshal
// does, version 4 (CPython Python/marshal.c). tt and ct are seconds from the samples' weights; a sampler cannot
// count calls, so cc and nc are the samples in which the function (or the call from that caller) was seen.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "export/call_tree.h"

typedef struct {
    uint64_t own_ns, total_ns, samples;
    uint32_t open;   // how often it stands on the path walked
} cost;

typedef struct {
    uint32_t callee, caller;   // labels
    cost cost;
} edge;

typedef struct {
    const op_call_tree *tree;
    cost *costs;   // by label
    OP_VECTOR(edge) edges;
    op_map edge_ids;   // (callee, caller) -> edge + 1
} statistics;

static void enter(cost *at, const op_tree_node *node)
{
    at->own_ns += node->own_weight_ns;
    if (at->open++ == 0) {   // once a stack, as cProfile counts the outermost call of a recursion
        at->total_ns += node->weight_ns;
        at->samples += node->count;
    }
}

static bool visit(statistics *stats, const op_tree_walk *walk)
{
    const op_tree_node *node = &stats->tree->nodes.items[walk->node];
    cost *own = &stats->costs[node->label], *call = NULL;
    if (walk->node == 0) {
        return true;
    }
    if (node->parent != 0) {
        uint32_t caller = stats->tree->nodes.items[node->parent].label;
        uint32_t *id = op_map_add(&stats->edge_ids, (op_map_key){node->label, caller}, NULL);
        if (id == NULL) {
            return false;
        }
        if (*id == 0) {
            edge *added = OP_VECTOR_PUSH(&stats->edges);
            if (added == NULL) {
                return false;
            }
            *added = (edge){.callee = node->label, .caller = caller};
            *id = (uint32_t)stats->edges.count;
        }
        call = &stats->edges.items[*id - 1].cost;
    }
    if (walk->entering) {
        enter(own, node);
        if (call != NULL) {
            enter(call, node);
        }
    } else {
        own->open--;
        if (call != NULL) {
            call->open--;
        }
    }
    return true;
}

static int compare_edges(const void *left, const void *right)
{
    const edge *a = left, *b = right;
    if (a->callee != b->callee) {
        return a->callee < b->callee ? -1 : 1;
    }
    return (a->caller > b->caller) - (a->caller < b->caller);
}

static void add_int32(op_buffer *out, uint32_t number)
{
    for (unsigned shift = 0; shift < 32; shift += 8) {
        op_buffer_add_byte(out, (unsigned char)(number >> shift & 0xFF));
    }
}

// 'i' up to 31 bits, else 'l': a count of 15-bit digits, then the digits, the low one first.
static void add_integer(op_buffer *out, uint64_t number)
{
    if (number <= INT32_MAX) {
        op_buffer_add_byte(out, 'i');
        add_int32(out, (uint32_t)number);
        return;
    }
    uint32_t digits = 0;
    for (uint64_t rest = number; rest != 0; rest >>= 15) {
        digits++;
    }
    op_buffer_add_byte(out, 'l');
    add_int32(out, digits);
    for (; number != 0; number >>= 15) {
        op_buffer_add_byte(out, (unsigned char)(number & 0xFF));
        op_buffer_add_byte(out, (unsigned char)(number >> 8 & 0x7F));
    }
}

static void add_seconds(op_buffer *out, uint64_t ns)
{
    double seconds = (double)ns / 1e9;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    op_buffer_add_byte(out, 'g');
    add_int32(out, (uint32_t)(bits & UINT32_MAX));
    add_int32(out, (uint32_t)(bits >> 32));
}

static void add_text(op_buffer *out, op_string text, op_buffer *scratch)
{
    op_buffer_reset(scratch);
    op_escape_add(scratch, text, OP_ESCAPE_CLEAN);
    op_buffer_add_byte(out, 'u');
    add_int32(out, (uint32_t)scratch->size);
    op_buffer_add(out, scratch->data, scratch->size);
    out->failed |= scratch->failed || scratch->size > INT32_MAX;
}

static void add_tuple(op_buffer *out, unsigned char items)
{
    op_buffer_add_byte(out, ')');
    op_buffer_add_byte(out, items);
}

static void add_key(op_buffer *out, const op_tree_label *label, op_buffer *scratch)
{
    add_tuple(out, 3);
    // As cProfile writes what has no file.
    add_text(out, label->parts.file.bytes > 0 ? label->parts.file : (op_string){"~", 1}, scratch);
    add_integer(out, label->parts.line);
    add_text(out, label->parts.name, scratch);
}

static void add_cost(op_buffer *out, const cost *at)
{
    add_integer(out, at->samples);
    add_integer(out, at->samples);
    add_seconds(out, at->own_ns);
    add_seconds(out, at->total_ns);
}

static void write_dict(const statistics *stats, op_buffer *out)
{
    op_buffer scratch;
    op_buffer_init(&scratch);
    size_t at = 0;
    op_buffer_add_byte(out, '{');
    for (uint32_t i = 1; i < stats->tree->labels.count; i++) {
        add_key(out, &stats->tree->labels.items[i], &scratch);
        add_tuple(out, 5);
        add_cost(out, &stats->costs[i]);
        op_buffer_add_byte(out, '{');
        for (; at < stats->edges.count && stats->edges.items[at].callee == i; at++) {
            add_key(out, &stats->tree->labels.items[stats->edges.items[at].caller], &scratch);
            add_tuple(out, 4);
            add_cost(out, &stats->edges.items[at].cost);
        }
        op_buffer_add_byte(out, '0');
    }
    op_buffer_add_byte(out, '0');
    op_buffer_fini(&scratch);
}

static bool collect(statistics *stats)
{
    stats->costs = op_alloc_zero(stats->tree->labels.count, sizeof *stats->costs);
    if (stats->costs == NULL) {
        return false;
    }
    op_tree_walk walk = {0, true};
    do {
        if (!visit(stats, &walk)) {
            return false;
        }
    } while (op_call_tree_next(stats->tree, &walk));
    if (stats->edges.count > 1) {
        qsort(stats->edges.items, stats->edges.count, sizeof *stats->edges.items, compare_edges);
    }
    return true;
}

op_status op_export_pstats(const op_profile *profile, const op_export_options *options, op_buffer *out,
                           op_error *error)
{
    (void)options;   // pstats knows neither threads nor lines inside a function
    op_call_tree tree;
    size_t start = out->size;
    op_call_tree_options shape = {.shape = {.by_function = true}, .escape = OP_ESCAPE_CLEAN};
    statistics stats = {.tree = &tree};
    op_map_init(&stats.edge_ids);
    op_status status = op_call_tree_init(&tree, profile, &shape, error);
    if (status != OP_OK) {
        goto done;
    }
    if (collect(&stats)) {
        write_dict(&stats, out);
    } else {
        out->failed = true;
    }
    if (out->failed) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the pstats file");
    }
done:
    if (status != OP_OK) {
        out->size = start;
    }
    op_free(stats.costs);
    OP_VECTOR_FINI(&stats.edges);
    op_map_fini(&stats.edge_ids);
    op_call_tree_fini(&tree);
    return status;
}

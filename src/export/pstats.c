// SPDX-License-Identifier: MIT
// Python's pstats: a dict {(file, line, function): (cc, nc, tt, ct, {caller: (nc, cc, tt, ct)})}, written as
// marshal does, version 4 (CPython Python/marshal.c). Where the profile has exact calls, they are what cProfile's
// create_stats makes of the same calls, except that functions of one key are summed and do not overwrite each
// other. Else tt and ct are seconds from the samples' weights, and cc and nc, which a sampler cannot count, are
// the samples in which the function (or the call from that caller) was seen.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "export/call_sums.h"
#include "export/call_tree.h"

// The samples as if they were calls: a row a label.
typedef struct {
    const op_call_tree *tree;
    op_call_sums *sums;
    uint32_t *rows_open;              // how often each row stands on the path walked
    OP_VECTOR(uint32_t) edges_open;   // the same of an edge
    op_map edge_ids;                  // (function, caller) -> edge + 1
} sampled;

static void enter(op_call_figures *at, uint32_t *open, const op_tree_node *node)
{
    at->own_ns += node->own_weight_ns;
    if ((*open)++ == 0) {   // once a stack, as cProfile counts the outermost call of a recursion
        at->total_ns += node->weight_ns;
        at->calls += node->count;
        at->primitive = at->calls;
    }
}

// The index of the edge + 1; 0: out of memory.
static uint32_t edge_of(sampled *of, uint32_t function, uint32_t caller)
{
    uint32_t *id = op_map_add(&of->edge_ids, (op_map_key){function, caller}, NULL);
    if (id == NULL || *id != 0) {
        return id == NULL ? 0 : *id;
    }
    uint32_t *open = OP_VECTOR_PUSH(&of->edges_open);
    op_call_edge *edge = open == NULL ? NULL : OP_VECTOR_PUSH(&of->sums->edges);
    if (edge == NULL) {
        return 0;
    }
    *open = 0;
    *edge = (op_call_edge){.caller = caller, .function = function};
    return *id = (uint32_t)of->sums->edges.count;
}

static bool visit(sampled *of, const op_tree_walk *walk)
{
    const op_tree_node *node = &of->tree->nodes.items[walk->node];
    if (walk->node == 0) {
        return true;
    }
    uint32_t function = node->label - 1, edge = 0;
    if (node->parent != 0) {
        edge = edge_of(of, function, of->tree->nodes.items[node->parent].label - 1);
        if (edge == 0) {
            return false;
        }
    }
    if (walk->entering) {
        enter(&of->sums->rows.items[function].figures, &of->rows_open[function], node);
        if (edge != 0) {
            enter(&of->sums->edges.items[edge - 1].figures, &of->edges_open.items[edge - 1], node);
        }
    } else {
        of->rows_open[function]--;
        if (edge != 0) {
            of->edges_open.items[edge - 1]--;
        }
    }
    return true;
}

static bool collect(sampled *of)
{
    of->rows_open = op_alloc_zero(of->tree->labels.count, sizeof *of->rows_open);
    if (of->rows_open == NULL) {
        return false;
    }
    for (size_t i = 1; i < of->tree->labels.count; i++) {
        const op_frame_parts *parts = &of->tree->labels.items[i].parts;
        op_call_row *row = OP_VECTOR_PUSH(&of->sums->rows);
        if (row == NULL) {
            return false;
        }
        *row = (op_call_row){.kind = parts->kind, .file = parts->file, .name = parts->name, .line = parts->line};
    }
    op_tree_walk walk = {0, true};
    do {
        if (!visit(of, &walk)) {
            return false;
        }
    } while (op_call_tree_next(of->tree, &walk));
    if (of->sums->edges.count > 1) {
        qsort(of->sums->edges.items, of->sums->edges.count, sizeof *of->sums->edges.items, op_call_edge_compare);
    }
    return true;
}

static op_status sums_of_samples(op_call_sums *sums, const op_profile *profile, op_error *error)
{
    op_call_tree tree;
    op_call_tree_options shape = {.shape = {.by_function = true}, .escape = OP_ESCAPE_CLEAN};
    sampled of = {.tree = &tree, .sums = sums};
    *sums = (op_call_sums){0};
    op_map_init(&of.edge_ids);
    op_status status = op_call_tree_init(&tree, profile, &shape, error);
    if (status == OP_OK && !collect(&of)) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the pstats file");
    }
    op_free(of.rows_open);
    OP_VECTOR_FINI(&of.edges_open);
    op_map_fini(&of.edge_ids);
    op_call_tree_fini(&tree);
    return status;
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

static void add_key(op_buffer *out, const op_call_row *row, op_buffer *scratch)
{
    add_tuple(out, 3);
    // As cProfile writes what has no file.
    add_text(out, row->file.bytes > 0 ? row->file : (op_string){"~", 1}, scratch);
    add_integer(out, row->line);
    add_text(out, row->name, scratch);
}

static void add_times(op_buffer *out, const op_call_figures *figures)
{
    add_seconds(out, figures->own_ns);
    add_seconds(out, figures->total_ns);
}

static void write_dict(const op_call_sums *sums, op_buffer *out)
{
    op_buffer scratch;
    op_buffer_init(&scratch);
    size_t at = 0;
    op_buffer_add_byte(out, '{');
    for (uint32_t i = 0; i < sums->rows.count; i++) {
        const op_call_row *row = &sums->rows.items[i];
        add_key(out, row, &scratch);
        add_tuple(out, 5);
        add_integer(out, row->figures.primitive);
        add_integer(out, row->figures.calls);
        add_times(out, &row->figures);
        op_buffer_add_byte(out, '{');
        for (; at < sums->edges.count && sums->edges.items[at].function == i; at++) {
            const op_call_edge *edge = &sums->edges.items[at];
            add_key(out, &sums->rows.items[edge->caller], &scratch);
            add_tuple(out, 4);
            // The other way round than above: so does cProfile, and so pstats prints them.
            add_integer(out, edge->figures.calls);
            add_integer(out, edge->figures.primitive);
            add_times(out, &edge->figures);
        }
        op_buffer_add_byte(out, '0');
    }
    op_buffer_add_byte(out, '0');
    op_buffer_fini(&scratch);
}

op_status op_export_pstats(const op_profile *profile, const op_export_options *options, op_buffer *out,
                           op_error *error)
{
    (void)options;   // pstats knows neither threads nor lines inside a function
    size_t start = out->size;
    op_call_sums sums;
    op_call_sums_options by_name = {.key = OP_CALL_BY_NAME};
    op_status status = profile->calls.count > 0 ? op_call_sums_init(&sums, profile, &by_name, error)
                                                : sums_of_samples(&sums, profile, error);
    if (status == OP_OK) {
        write_dict(&sums, out);
        if (out->failed) {
            status = op_error_set(error, OP_NO_MEMORY, "out of memory for the pstats file");
        }
    }
    if (status != OP_OK) {
        out->size = start;
    }
    op_call_sums_fini(&sums);
    return status;
}

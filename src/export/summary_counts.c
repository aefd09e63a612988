// SPDX-License-Identifier: MIT
#include "export/summary_counts.h"

#include <stdlib.h>
#include "export/call_sums.h"
#include "export/line_sums.h"

// What one function took in one thread.
typedef struct {
    op_id function, thread;
    op_call_figures figures;
} part;

typedef struct {
    uint32_t row;
    uint64_t own_ns;
} ranked;

const char *op_summary_kind(op_frame_kind kind)
{
    return kind == OP_FRAME_PYTHON ? "python" : kind == OP_FRAME_BUILTIN ? "builtin" : "label";
}

static void add_figures(op_json *json, const op_call_figures *figures)
{
    op_json_add_unsigned(json, "calls", figures->calls);
    op_json_add_unsigned(json, "starts", op_call_starts(figures));
    op_json_add_unsigned(json, "resumes", figures->resumes);
    op_json_add_unsigned(json, "primitive_calls", figures->primitive);
    op_json_add_unsigned(json, "exceptions", figures->exceptions);
    op_json_add_unsigned(json, "own_ns", figures->own_ns);
    op_json_add_unsigned(json, "total_ns", figures->total_ns);
    op_json_add_unsigned(json, "suspended_ns", figures->suspended_ns);
}

static int compare_parts(const void *left, const void *right)
{
    const part *a = left, *b = right;
    if (a->function != b->function) {
        return a->function < b->function ? -1 : 1;
    }
    return (a->thread > b->thread) - (a->thread < b->thread);
}

// By function, then thread; NULL: out of memory. The caller frees.
static part *parts_of(const op_profile *profile, size_t *count)
{
    part *parts = op_alloc_zero(profile->calls.count + 1, sizeof *parts);
    size_t kept = 0;
    if (parts == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < profile->calls.count; i++) {
        const op_call *call = &profile->calls.items[i];
        parts[i] = (part){.function = call->function, .thread = call->thread};
        op_call_figures_add(&parts[i].figures, call, false);
    }
    if (profile->calls.count > 1) {
        qsort(parts, profile->calls.count, sizeof *parts, compare_parts);
    }
    for (size_t i = 0; i < profile->calls.count; i++) {
        if (kept > 0 && compare_parts(&parts[kept - 1], &parts[i]) == 0) {
            op_call_figures_join(&parts[kept - 1].figures, &parts[i].figures);
        } else {
            parts[kept++] = parts[i];
        }
    }
    *count = kept;
    return parts;
}

static void add_threads(op_json *json, const part *parts, size_t count, op_id function)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (parts[middle].function < function) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    op_json_open_inline(json, "threads", "[");
    for (; low < count && parts[low].function == function; low++) {
        op_json_open_item(json);
        op_json_add_unsigned(json, "thread", parts[low].thread);
        add_figures(json, &parts[low].figures);
        op_json_close(json, "}");
    }
    op_json_close(json, "]");
}

static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->own_ns != b->own_ns) {
        return a->own_ns > b->own_ns ? -1 : 1;
    }
    return (a->row > b->row) - (a->row < b->row);
}

static void add_function(op_json *json, const op_call_row *row)
{
    op_json_add_text(json, "function", row->name);
    op_json_add_text(json, "file", row->file);
    op_json_add_unsigned(json, "first_line", row->line);
}

static void add_rows(op_json *json, const op_call_sums *sums, ranked *order, const part *parts, size_t count)
{
    for (size_t i = 0; i < sums->rows.count; i++) {
        order[i] = (ranked){(uint32_t)i, sums->rows.items[i].figures.own_ns};
    }
    if (sums->rows.count > 1) {
        qsort(order, sums->rows.count, sizeof *order, compare_ranked);
    }
    for (size_t i = 0; i < sums->rows.count; i++) {
        const op_call_row *row = &sums->rows.items[order[i].row];
        op_json_open_row(json);
        add_function(json, row);
        op_json_add_text(json, "kind", op_json_string(op_summary_kind(row->kind)));
        add_figures(json, &row->figures);
        add_threads(json, parts, count, row->function);
        op_json_close(json, "}");
    }
}

static void add_edges(op_json *json, const op_call_sums *sums, ranked *order)
{
    for (size_t i = 0; i < sums->edges.count; i++) {
        order[i] = (ranked){(uint32_t)i, sums->edges.items[i].figures.own_ns};
    }
    if (sums->edges.count > 1) {
        qsort(order, sums->edges.count, sizeof *order, compare_ranked);
    }
    for (size_t i = 0; i < sums->edges.count; i++) {
        const op_call_edge *edge = &sums->edges.items[order[i].row];
        const op_call_row *caller = &sums->rows.items[edge->caller];
        op_json_open_row(json);
        op_json_add_text(json, "caller", caller->name);
        op_json_add_text(json, "caller_file", caller->file);
        op_json_add_unsigned(json, "caller_first_line", caller->line);
        add_function(json, &sums->rows.items[edge->function]);
        add_figures(json, &edge->figures);
        op_json_close(json, "}");
    }
}

static op_status add_calls(op_json *json, const op_profile *profile)
{
    static const op_call_sums_options by_function = {.key = OP_CALL_BY_FUNCTION};
    op_call_sums sums;
    size_t count = 0, most = 0;
    part *parts = NULL;
    ranked *order = NULL;
    op_status status = op_call_sums_init(&sums, profile, &by_function, NULL);
    if (status != OP_OK) {
        goto done;
    }
    most = sums.rows.count > sums.edges.count ? sums.rows.count : sums.edges.count;
    parts = parts_of(profile, &count);
    order = op_alloc_zero(most + 1, sizeof *order);
    if (parts == NULL || order == NULL) {
        status = OP_NO_MEMORY;
        goto done;
    }
    op_json_open(json, "calls", "[");
    add_rows(json, &sums, order, parts, count);
    op_json_close(json, "]");
    op_json_open(json, "edges", "[");
    add_edges(json, &sums, order);
    op_json_close(json, "]");
done:
    op_free(order);
    op_free(parts);
    op_call_sums_fini(&sums);
    return status;
}

static op_status add_lines(op_json *json, const op_profile *profile)
{
    op_line_sums sums;
    op_status status = op_line_sums_init(&sums, profile, false, NULL, NULL);
    if (status == OP_OK) {
        op_json_open(json, "line_hits", "[");
        for (size_t i = 0; i < sums.lines.count; i++) {
            const op_line_sum *line = &sums.lines.items[i];
            op_json_open_row(json);
            op_json_add_text(json, "function", line->name);
            op_json_add_text(json, "file", line->file);
            op_json_add_unsigned(json, "first_line", line->first_line);
            op_json_add_unsigned(json, "line", line->line);
            op_json_add_unsigned(json, "hits", line->hits);
            op_json_add_unsigned(json, "ns", line->ns);
            op_json_close(json, "}");
        }
        op_json_close(json, "]");
    }
    op_line_sums_fini(&sums);
    return status;
}

op_status op_summary_add_counts(op_json *json, const op_profile *profile)
{
    op_status status = add_calls(json, profile);
    return status == OP_OK ? add_lines(json, profile) : status;
}

// SPDX-License-Identifier: MIT
#include "export/line_sums.h"

#include <stdlib.h>
#include <string.h>
#include "export/aggregate.h"
#include "export/call_sums.h"

static int compare_texts(op_string a, op_string b)
{
    int order = memcmp(a.text, b.text, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_functions(const op_line_sum *a, const op_line_sum *b)
{
    int order = compare_texts(a->file, b->file);
    if (order == 0) {
        order = (a->first_line > b->first_line) - (a->first_line < b->first_line);
    }
    return order != 0 ? order : compare_texts(a->name, b->name);
}

static int compare_lines(const void *left, const void *right)
{
    const op_line_sum *a = left, *b = right;
    int order = compare_functions(a, b);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static bool add_counted(op_line_sums *sums, const op_profile *profile, const char *thread_name)
{
    for (size_t i = 0; i < profile->lines.count; i++) {
        const op_line *line = &profile->lines.items[i];
        if (!op_thread_has_name(profile, line->thread, thread_name)) {
            continue;
        }
        op_call_row function = op_call_row_of(profile, line->function, OP_CALL_BY_FUNCTION);
        op_line_sum *sum = OP_VECTOR_PUSH(&sums->lines);
        if (sum == NULL) {
            return false;
        }
        *sum = (op_line_sum){function.file, function.name, function.line, line->line, line->hits, line->ns};
    }
    return true;
}

static bool add_sampled(op_line_sums *sums, const op_profile *profile, const op_aggregate *aggregate)
{
    for (size_t i = 0; i < aggregate->lines.count; i++) {
        const op_aggregate_row *row = &aggregate->lines.items[i];
        const op_function *function = op_profile_function(profile, row->parts.function);
        op_line_sum *sum = OP_VECTOR_PUSH(&sums->lines);
        if (sum == NULL) {
            return false;
        }
        *sum = (op_line_sum){
            .file = row->parts.file,
            .name = row->parts.name,
            .first_line = function == NULL ? 0 : function->first_line,
            .line = row->parts.line,
            .hits = row->total_count,
            .ns = row->total_weight_ns,
        };
    }
    return true;
}

// Sorts, and makes one of equal ones.
static void settle(op_line_sums *sums)
{
    size_t kept = 0;
    if (sums->lines.count > 1) {
        qsort(sums->lines.items, sums->lines.count, sizeof *sums->lines.items, compare_lines);
    }
    for (size_t i = 0; i < sums->lines.count; i++) {
        op_line_sum *line = &sums->lines.items[i];
        op_line_sum *last = kept > 0 ? &sums->lines.items[kept - 1] : NULL;
        if (last != NULL && compare_lines(last, line) == 0) {
            last->hits += line->hits;
            last->ns += line->ns;
        } else {
            sums->lines.items[kept++] = *line;
        }
    }
    sums->lines.count = kept;
}

op_status op_line_sums_init(op_line_sums *sums, const op_profile *profile, bool of_samples, const char *thread_name,
                            op_error *error)
{
    *sums = (op_line_sums){0};
    bool done = false;
    if (of_samples) {
        op_aggregate aggregate;
        op_status status = op_aggregate_init(&aggregate, profile, thread_name, error);
        if (status == OP_OK) {
            done = add_sampled(sums, profile, &aggregate);
        }
        op_aggregate_fini(&aggregate);
        if (status != OP_OK) {
            return status;
        }
    } else {
        done = add_counted(sums, profile, thread_name);
    }
    if (!done) {
        return op_error_set(error, OP_NO_MEMORY, "out of memory for the sums of lines");
    }
    settle(sums);
    return OP_OK;
}

void op_line_sums_fini(op_line_sums *sums)
{
    OP_VECTOR_FINI(&sums->lines);
}

size_t op_line_sums_end(const op_line_sums *sums, size_t first)
{
    size_t end = first + 1;
    while (end < sums->lines.count && compare_functions(&sums->lines.items[first], &sums->lines.items[end]) == 0) {
        end++;
    }
    return end;
}

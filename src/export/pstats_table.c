// SPDX-License-Identifier: MIT
#include "export/pstats_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "export/table_text.h"

static const struct {
    const char *word;
    op_pstats_sort sort;
} words[] = {
    {"calls", OP_PSTATS_SORT_CALLS},
    {"ncalls", OP_PSTATS_SORT_CALLS},
    {"cumtime", OP_PSTATS_SORT_CUMULATIVE},
    {"cumulative", OP_PSTATS_SORT_CUMULATIVE},
    {"filename", OP_PSTATS_SORT_FILENAME},
    {"line", OP_PSTATS_SORT_LINE},
    {"module", OP_PSTATS_SORT_FILENAME},
    {"name", OP_PSTATS_SORT_NAME},
    {"nfl", OP_PSTATS_SORT_NFL},
    {"pcalls", OP_PSTATS_SORT_PCALLS},
    {"stdname", OP_PSTATS_SORT_STDNAME},
    {"time", OP_PSTATS_SORT_TIME},
    {"tottime", OP_PSTATS_SORT_TIME},
};

const char *op_pstats_sort_word(size_t index)
{
    return index < sizeof words / sizeof *words ? words[index].word : NULL;
}

bool op_pstats_sort_find(const char *word, op_pstats_sort *sort)
{
    size_t bytes = strlen(word), found = 0;
    op_pstats_sort by = OP_PSTATS_SORT_CUMULATIVE;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (bytes == 0 || strncmp(words[i].word, word, bytes) != 0) {
            continue;
        }
        if (words[i].word[bytes] == '\0') {
            *sort = words[i].sort;
            return true;
        }
        if (found > 0 && words[i].sort != by) {
            return false;
        }
        by = words[i].sort;
        found++;
    }
    if (found > 0) {
        *sort = by;
    }
    return found > 0;
}

// A row and its "standard name", the last column.
typedef struct {
    const op_call_row *row;
    const op_buffer *names;
    size_t offset, bytes;
    op_pstats_sort sort;
} line;

static op_string name_of(const line *of)
{
    return (op_string){of->names->data + of->offset, of->bytes};
}

static int compare_texts(op_string a, op_string b)
{
    int order = memcmp(a.text, b.text, a.bytes < b.bytes ? a.bytes : b.bytes);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_lines(const void *left, const void *right)
{
    const line *one = left, *other = right;
    const op_call_row *a = one->row, *b = other->row;
    int order = 0;
    switch (one->sort) {
    case OP_PSTATS_SORT_CUMULATIVE: order = compare_numbers(b->figures.total_ns, a->figures.total_ns); break;
    case OP_PSTATS_SORT_TIME: order = compare_numbers(b->figures.own_ns, a->figures.own_ns); break;
    case OP_PSTATS_SORT_CALLS: order = compare_numbers(b->figures.calls, a->figures.calls); break;
    case OP_PSTATS_SORT_PCALLS: order = compare_numbers(b->figures.primitive, a->figures.primitive); break;
    case OP_PSTATS_SORT_FILENAME: order = compare_texts(a->file, b->file); break;
    case OP_PSTATS_SORT_LINE: order = compare_numbers(a->line, b->line); break;
    case OP_PSTATS_SORT_STDNAME: order = compare_texts(name_of(one), name_of(other)); break;
    case OP_PSTATS_SORT_NAME:
    case OP_PSTATS_SORT_NFL:
        order = compare_texts(a->name, b->name);
        if (one->sort == OP_PSTATS_SORT_NFL) {
            order = order != 0 ? order : compare_texts(a->file, b->file);
            order = order != 0 ? order : compare_numbers(a->line, b->line);
        }
        break;
    case OP_PSTATS_SORT_COUNT: break;
    }
    return order != 0 ? order : (a > b) - (a < b);   // equal ones in the order of the sums
}

static void add_standard_name(op_buffer *out, const op_call_row *row)
{
    if (strcmp(row->file.text, "~") != 0 || row->line != 0) {
        op_buffer_add(out, row->file.text, row->file.bytes);
        op_buffer_add_format(out, ":%" PRIu32 "(", row->line);
        op_buffer_add(out, row->name.text, row->name.bytes);
        op_buffer_add_byte(out, ')');
    } else if (row->name.bytes > 1 && row->name.text[0] == '<' && row->name.text[row->name.bytes - 1] == '>') {
        op_buffer_add_byte(out, '{');
        op_buffer_add(out, row->name.text + 1, row->name.bytes - 2);
        op_buffer_add_byte(out, '}');
    } else {
        op_buffer_add(out, row->name.text, row->name.bytes);
    }
}

static void add_seconds(op_buffer *out, uint64_t ns, uint64_t parts)
{
    if (parts == 0) {
        op_buffer_add_text(out, "         ");
    } else {
        op_buffer_add_format(out, "%8.3f ", (double)ns / 1e9 / (double)parts);
    }
}

static void add_line(op_buffer *out, const line *of)
{
    const op_call_figures *figures = &of->row->figures;
    char calls[48];
    if (figures->calls == figures->primitive) {
        (void)snprintf(calls, sizeof calls, "%" PRIu64, figures->calls);
    } else {
        (void)snprintf(calls, sizeof calls, "%" PRIu64 "/%" PRIu64, figures->calls, figures->primitive);
    }
    op_buffer_add_format(out, "%9s ", calls);
    add_seconds(out, figures->own_ns, 1);
    add_seconds(out, figures->own_ns, figures->calls);
    add_seconds(out, figures->total_ns, 1);
    add_seconds(out, figures->total_ns, figures->primitive);
    op_string name = name_of(of);
    op_text_add_terminal(out, name.text, name.bytes);
    op_buffer_add_byte(out, '\n');
}

static void write_table(op_table *table, const op_pstats_table_options *options, const op_call_sums *sums,
                        const line *lines)
{
    static const char *const orders[] = {
#define X(name, text) text,
        OP_PSTATS_SORT_MAP(X)
#undef X
    };
    op_buffer *out = table->out;
    size_t count = sums->rows.count, shown = options->top > 0 && options->top < count ? options->top : count;
    op_buffer_add_format(out, "         %" PRIu64 " function calls ", sums->all.calls);
    if (sums->all.calls != sums->all.primitive) {
        op_buffer_add_format(out, "(%" PRIu64 " primitive calls) ", sums->all.primitive);
    }
    op_buffer_add_format(out, "in %.3f seconds\n\n", (double)sums->all.own_ns / 1e9);
    if (count == 0) {
        return;
    }
    op_buffer_add_format(out, "   Ordered by: %s\n", orders[options->sort]);
    if (shown < count) {
        op_buffer_add_format(out, "   List reduced from %zu to %zu due to restriction <%zu>\n", count, shown,
                             shown);
    }
    op_buffer_add_text(out, "\n   ncalls  tottime  percall  cumtime  percall filename:lineno(function)\n");
    for (size_t i = 0; i < shown; i++) {
        add_line(out, &lines[i]);
    }
    op_buffer_add_text(out, "\n\n");
}

// Files as cProfile has them: it writes "~" where there is none.
static line *lines_of(op_call_sums *sums, op_pstats_sort sort, op_buffer *names)
{
    line *lines = op_alloc_zero(sums->rows.count + 1, sizeof *lines);
    for (size_t i = 0; lines != NULL && i < sums->rows.count; i++) {
        op_call_row *row = &sums->rows.items[i];
        if (row->file.bytes == 0) {
            row->file = (op_string){"~", 1};
        }
        size_t offset = names->size;
        add_standard_name(names, row);
        lines[i] =
            (line){.row = row, .names = names, .offset = offset, .bytes = names->size - offset, .sort = sort};
    }
    if (lines == NULL || names->failed) {
        op_free(lines);
        return NULL;
    }
    if (sums->rows.count > 1) {
        qsort(lines, sums->rows.count, sizeof *lines, compare_lines);
    }
    return lines;
}

op_status op_pstats_table_add(const op_profile *profile, const op_pstats_table_options *options, op_buffer *out,
                              op_error *error)
{
    op_table_options form = {.unicode = options->unicode};
    op_call_sums_options shape = {.key = options->keep_folders ? OP_CALL_BY_NAME : OP_CALL_BY_BASENAME,
                                  .thread_name = options->thread_name};
    op_call_sums sums;
    op_table table;
    op_buffer names;
    op_buffer_init(&names);
    op_table_init(&table, profile, &form, out);
    op_status status = op_call_sums_init(&sums, profile, &shape, error);
    if (status == OP_OK) {
        line *lines = lines_of(&sums, options->sort, &names);
        if (lines == NULL) {
            status = op_error_set(error, OP_NO_MEMORY, "out of memory for the table");
        } else {
            write_table(&table, options, &sums, lines);
        }
        op_free(lines);
    }
    op_buffer_fini(&names);
    op_call_sums_fini(&sums);
    return op_table_finish(&table, status, error);
}

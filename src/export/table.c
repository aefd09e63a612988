// SPDX-License-Identifier: MIT
#include "export/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "export/aggregate.h"
#include "export/number_text.h"
#include "export/run_text.h"
#include "export/source_text.h"
#include "export/table_text.h"

static double share_of(const op_aggregate *all, uint64_t weight_ns, uint64_t count)
{
    return all->weight_ns > 0 ? op_number_share(weight_ns, all->weight_ns) : op_number_share(count, all->count);
}

static void add_name(op_table *table, const op_aggregate_row *row, size_t columns, op_cell cell)
{
    op_buffer_reset(&table->cell);
    op_escape_add(&table->cell, row->parts.name, OP_ESCAPE_VISIBLE);
    op_table_add_cell(table, op_string_of_buffer(&table->cell), columns, cell, false);
}

// "file:line", cut at its start, since the end tells files apart.
static void add_place(op_table *table, const op_aggregate_row *row, size_t columns, op_cell cell)
{
    op_buffer_reset(&table->cell);
    op_escape_add(&table->cell, row->parts.file, OP_ESCAPE_VISIBLE);
    if (row->parts.file.bytes > 0 && row->parts.line != 0) {
        op_buffer_add_format(&table->cell, ":%" PRIu32, row->parts.line);
    }
    op_table_add_cell(table, op_string_of_buffer(&table->cell), columns, cell, true);
}

static void end_row(op_table *table)
{
    op_buffer *out = table->out;
    while (out->size > table->start && out->data[out->size - 1] == ' ') {
        out->size--;
    }
    op_buffer_add_byte(out, '\n');
}

// The columns' names, in the widths that the rows use.
static void add_columns(op_table *table, bool error, bool total_error, const char *rest)
{
    op_table_ink(table, OP_INK_DIM);
    op_buffer_add_format(table->out, "%*s", OP_TABLE_SHARE_COLUMNS, "own");
    if (error) {
        op_buffer_add_format(table->out, "%*s%s", OP_TABLE_ERROR_COLUMNS - 1, "", "±");
    }
    op_buffer_add_format(table->out, "%*s%*s", OP_TABLE_TIME_COLUMNS, "time", OP_TABLE_SHARE_COLUMNS + 1, "total");
    if (total_error && error) {
        op_buffer_add_format(table->out, "%*s%s", OP_TABLE_ERROR_COLUMNS - 1, "", "±");
    }
    op_buffer_add_format(table->out, "%*s  %s", OP_TABLE_TIME_COLUMNS, "time", rest);
    op_table_ink(table, OP_INK_PLAIN);
    op_buffer_add_byte(table->out, '\n');
}

// The numbers of a row; returns the columns that they took.
static size_t add_numbers(op_table *table, const op_aggregate *all, const op_aggregate_row *row, bool total_error)
{
    bool error = op_table_has_error(all->count);
    double own = share_of(all, row->own_weight_ns, row->own_count);
    double total = share_of(all, row->total_weight_ns, row->total_count);
    op_table_add_share(table, own);
    op_table_add_error(table, own, all->count);
    op_table_add_time(table, row->own_weight_ns);
    op_buffer_add_byte(table->out, ' ');
    op_table_add_share(table, total);
    if (total_error) {
        op_table_add_error(table, total, all->count);
    }
    op_table_add_time(table, row->total_weight_ns);
    op_buffer_add_text(table->out, "  ");
    return 2 * (OP_TABLE_SHARE_COLUMNS + OP_TABLE_TIME_COLUMNS) + 3 +
           (error ? OP_TABLE_ERROR_COLUMNS * (total_error ? 2U : 1U) : 0U);
}

static void add_note(op_table *table, const char *text)
{
    op_table_ink(table, OP_INK_DIM);
    op_buffer_add_text(table->out, text);
    op_table_ink(table, OP_INK_PLAIN);
    op_buffer_add_byte(table->out, '\n');
}

// What is behind the last row shown.
static void add_rest(op_table *table, size_t shown, size_t count, const char *noun)
{
    if (shown < count) {
        op_buffer_reset(&table->cell);
        op_number_add_grouped(&table->cell, count - shown);
        op_buffer_add_format(&table->cell, " more %s%s", noun, count - shown == 1 ? "" : "s");
        const char *text = op_buffer_text(&table->cell);
        add_note(table, text == NULL ? "" : text);
    }
}

static bool is_worth_a_row(const op_table *table, const op_aggregate_row *row)
{
    return table->options->by_total || row->own_count > 0 || row->own_weight_ns > 0;
}

static void write_functions(op_table *table, const op_aggregate *all)
{
    op_table_add_heading(table, table->options->by_total ? "Functions by total time" : "Functions by own time");
    bool error = op_table_has_error(all->count);
    size_t left = table->width > 80 ? (table->width - 50) * 2 / 5 : 14;
    char names[64];
    (void)snprintf(names, sizeof names, "%-*.*s %s", (int)(left > 40 ? 40 : left), 40, "function", "file");
    add_columns(table, error, true, names);
    left = left > 40 ? 40 : left;
    size_t shown = 0;
    for (; shown < all->functions.count && shown < table->top; shown++) {
        const op_aggregate_row *row = &all->functions.items[shown];
        if (!is_worth_a_row(table, row)) {
            break;
        }
        size_t used = add_numbers(table, all, row, true);
        add_name(table, row, left, OP_CELL_LEFT);
        op_buffer_add_byte(table->out, ' ');
        add_place(table, row, table->width > used + left + 1 ? table->width - used - left - 1 : 8, OP_CELL_LAST);
        end_row(table);
    }
    add_rest(table, shown, all->functions.count, "function");
}

// The source where the file is there and unchanged, else whose line it is.
static void add_source(op_table *table, const op_aggregate_row *row, size_t columns)
{
    const op_run *run = &table->profile->run;
    op_buffer source;
    op_buffer_init(&source);
    bool found = !table->options->no_source &&
                 op_source_text_add_line(&source, row->parts.file, row->parts.line, run->started_unix_ns);
    if (found && source.size > 0) {
        op_buffer_reset(&table->cell);
        op_text_add_terminal(&table->cell, source.data, source.size);
        op_table_add_cell(table, op_string_of_buffer(&table->cell), columns, OP_CELL_LAST, false);
    } else {
        op_table_ink(table, OP_INK_DIM);
        op_buffer_add_text(table->out, "in ");
        add_name(table, row, columns > 3 ? columns - 3 : 1, OP_CELL_LAST);
        op_table_ink(table, OP_INK_PLAIN);
    }
    table->out->failed |= source.failed;
    op_buffer_fini(&source);
}

static void write_lines(op_table *table, const op_aggregate *all)
{
    op_table_add_heading(table, table->options->by_total ? "Lines by total time" : "Lines by own time");
    size_t left = table->width / 4 > 40 ? 40 : table->width / 4;
    char names[64];
    (void)snprintf(names, sizeof names, "%-*.*s %s", (int)left, 40, "line", "source");
    add_columns(table, op_table_has_error(all->count), false, names);
    size_t shown = 0;
    for (; shown < all->lines.count && shown < table->top; shown++) {
        const op_aggregate_row *row = &all->lines.items[shown];
        if (!is_worth_a_row(table, row)) {
            break;
        }
        size_t used = add_numbers(table, all, row, false);
        add_place(table, row, left, OP_CELL_LEFT);
        op_buffer_add_byte(table->out, ' ');
        add_source(table, row, table->width > used + left + 1 ? table->width - used - left - 1 : 8);
        end_row(table);
    }
    add_rest(table, shown, all->lines.count, "line");
}

static op_status add_table(const op_profile *profile, const op_table_options *options, op_buffer *out,
                           op_error *error, bool of_lines)
{
    op_table table;
    op_aggregate all;
    op_table_init(&table, profile, options, out);
    op_status status = op_aggregate_init(&all, profile, options->thread_name, error);
    if (status == OP_OK) {
        op_aggregate_sort(all.functions.items, all.functions.count, options->by_total);
        op_aggregate_sort(all.lines.items, all.lines.count, options->by_total);
        if (of_lines) {
            write_lines(&table, &all);
        } else {
            write_functions(&table, &all);
        }
    }
    op_aggregate_fini(&all);
    return op_table_finish(&table, status, error);
}

op_status op_table_add_functions(const op_profile *profile, const op_table_options *options, op_buffer *out,
                                 op_error *error)
{
    return add_table(profile, options, out, error, false);
}

op_status op_table_add_lines(const op_profile *profile, const op_table_options *options, op_buffer *out,
                             op_error *error)
{
    return add_table(profile, options, out, error, true);
}

static op_status add_head(const op_profile *profile, const op_table_options *options, op_buffer *out,
                          op_error *error)
{
    op_table table;
    op_table_init(&table, profile, options, out);
    op_buffer text;
    op_buffer_init(&text);
    op_run_text_add_command(&text, profile);
    const char *command = op_buffer_text(&text);
    op_table_add_heading(&table, command == NULL ? "" : command);
    op_run_text_add_facts(out, profile, op_profile_total_samples(profile));
    op_buffer_add_byte(out, '\n');
    if (options->thread_name != NULL) {
        op_buffer_add_text(out, "only thread ");
        op_text_add_terminal(out, options->thread_name, strlen(options->thread_name));
        op_buffer_add_byte(out, '\n');
    }
    out->failed |= text.failed;
    op_buffer_fini(&text);
    return op_table_finish(&table, OP_OK, error);
}

op_status op_table_add_report(const op_profile *profile, const op_table_options *options, op_buffer *out,
                              op_error *error)
{
    op_status (*const parts[])(const op_profile *, const op_table_options *, op_buffer *, op_error *) = {
        add_head, op_table_add_functions, op_table_add_lines, op_table_add_tree};
    size_t start = out->size;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i > 0) {
            op_buffer_add_byte(out, '\n');
        }
        op_status status = parts[i](profile, options, out, error);
        if (status != OP_OK) {
            out->size = start;
            return status;
        }
    }
    return OP_OK;
}

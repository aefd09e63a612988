// SPDX-License-Identifier: MIT
#include "export/calls_columns.h"

#include <string.h>
#include "export/number_text.h"

enum {
    PER_CALL_COLUMNS = 10,
    SUSPENDED_COLUMNS = 11,
    GOOD_NAME_COLUMNS = 30,   // of a name and its place: shares are left out below it
};

static const char *number_text(op_table *table, uint64_t number)
{
    op_buffer_reset(&table->cell);
    op_number_add_grouped(&table->cell, number);
    const char *text = op_buffer_text(&table->cell);
    return text == NULL ? "" : text;
}

static void add_count(op_table *table, uint64_t number, size_t width)
{
    if (width > 0) {
        op_buffer_add_format(table->out, "%*s", (int)width, number > 0 ? number_text(table, number) : "");
    }
}

// Nothing where it is 0.
static void add_time(op_table *table, uint64_t ns, size_t width)
{
    op_buffer_reset(&table->cell);
    if (ns > 0) {
        op_number_add_duration(&table->cell, ns);
    }
    op_table_add_cell(table, op_string_of_buffer(&table->cell), width, OP_CELL_RIGHT, false);
}

// As wide as counts up to `most` and their title, two spaces apart.
static size_t width_of(op_table *table, uint64_t most, const char *title)
{
    size_t digits = strlen(number_text(table, most)), letters = strlen(title);
    return (digits > letters ? digits : letters) + 2;
}

static void raise_to(uint64_t *most, uint64_t number)
{
    *most = number > *most ? number : *most;
}

void op_calls_columns_raise(op_call_figures *most, const op_call_figures *figures)
{
    raise_to(&most->calls, op_call_starts(figures));
    raise_to(&most->resumes, figures->resumes);
    raise_to(&most->exceptions, figures->exceptions);
    raise_to(&most->suspended_ns, figures->suspended_ns);
}

void op_calls_columns_choose(op_calls_columns *columns, op_table *table, const op_call_figures *most)
{
    size_t used = 2 * OP_TABLE_TIME_COLUMNS + PER_CALL_COLUMNS + 2, left_out = 0, share = OP_TABLE_SHARE_COLUMNS;
    struct {
        uint64_t most;
        size_t width, *to;
        const char *title;
    } rare[] = {
        {most->suspended_ns, SUSPENDED_COLUMNS, &columns->suspended, "suspended"},
        {most->resumes, width_of(table, most->resumes, "resumes"), &columns->resumes, "resumes"},
        {most->exceptions, width_of(table, most->exceptions, "exceptions"), &columns->exceptions, "exceptions"},
    };
    memset(columns->left_out, 0, sizeof columns->left_out);
    columns->calls = width_of(table, most->calls, "calls");
    used += columns->calls;
    for (size_t i = 0; i < sizeof rare / sizeof *rare; i++) {
        *rare[i].to = 0;
        if (rare[i].most > 0 && used + rare[i].width + OP_CALLS_MIN_NAME_COLUMNS <= table->width) {
            *rare[i].to = rare[i].width;
            used += rare[i].width;
        } else if (rare[i].most > 0) {
            columns->left_out[left_out++] = rare[i].title;
        }
    }
    columns->own_share = used + share + GOOD_NAME_COLUMNS <= table->width;
    used += columns->own_share ? share : 0;
    columns->total_share = columns->own_share && used + share + 1 + GOOD_NAME_COLUMNS <= table->width;
    used += columns->total_share ? share + 1 : 0;
    columns->room = used + OP_CALLS_MIN_NAME_COLUMNS < table->width ? table->width - used
                                                                    : OP_CALLS_MIN_NAME_COLUMNS;
}

void op_calls_columns_add_titles(const op_calls_columns *columns, op_table *table, const char *rest)
{
    op_buffer *out = table->out;
    int share = OP_TABLE_SHARE_COLUMNS, time = OP_TABLE_TIME_COLUMNS;
    op_table_ink(table, OP_INK_DIM);
    if (columns->own_share) {
        op_buffer_add_format(out, "%*s", share, "own");
    }
    op_buffer_add_format(out, "%*s", time, columns->own_share ? "time" : "own");
    if (columns->total_share) {
        op_buffer_add_format(out, "%*s", share + 1, "total");
    }
    op_buffer_add_format(out, "%*s", time, columns->total_share ? "time" : "total");
    op_buffer_add_format(out, "%*s%*s", (int)columns->calls, "calls", PER_CALL_COLUMNS, "per call");
    op_buffer_add_format(out, "%*s", (int)columns->resumes, columns->resumes > 0 ? "resumes" : "");
    op_buffer_add_format(out, "%*s", (int)columns->suspended, columns->suspended > 0 ? "suspended" : "");
    op_buffer_add_format(out, "%*s  %s", (int)columns->exceptions, columns->exceptions > 0 ? "exceptions" : "",
                         rest);
    op_table_ink(table, OP_INK_PLAIN);
    op_buffer_add_byte(out, '\n');
}

void op_calls_columns_add(const op_calls_columns *columns, op_table *table, const op_call_figures *figures)
{
    // Total time of a call that the function did not make itself: of a recursion, of the outermost one.
    uint64_t starts = op_call_starts(figures);
    uint64_t outer = starts < figures->primitive ? starts : figures->primitive;
    if (columns->own_share) {
        op_table_add_share(table, op_number_share(figures->own_ns, columns->own_ns));
    }
    op_table_add_time(table, figures->own_ns);
    if (columns->total_share) {
        op_buffer_add_byte(table->out, ' ');
        op_table_add_share(table, op_number_share(figures->total_ns, columns->own_ns));
    }
    op_table_add_time(table, figures->total_ns);
    op_buffer_add_format(table->out, "%*s", (int)columns->calls, number_text(table, starts));
    add_time(table, outer > 0 ? figures->total_ns / outer : 0, PER_CALL_COLUMNS);
    add_count(table, figures->resumes, columns->resumes);
    add_time(table, figures->suspended_ns, columns->suspended);
    add_count(table, figures->exceptions, columns->exceptions);
    op_buffer_add_text(table->out, "  ");
}

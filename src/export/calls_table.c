// SPDX-License-Identifier: MIT
#include "export/calls_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "export/calls_columns.h"
#include "export/number_text.h"
#include "export/origin.h"

enum {
    MAX_NAME_COLUMNS = 40,
    MIN_PLACE_COLUMNS = 12,
    MAX_THREADS = 8,   // with a table of their own
    ROWS_OF_A_THREAD = 5,
};

typedef struct {
    op_table table;
    op_calls_columns columns;   // of the part being written
} view;

static void add_note(view *of, const char *text)
{
    op_table_ink(&of->table, OP_INK_DIM);
    op_buffer_add_text(of->table.out, text);
    op_table_ink(&of->table, OP_INK_PLAIN);
    op_buffer_add_byte(of->table.out, '\n');
}

static void add_rest(view *of, size_t count, const char *noun)
{
    if (count > 0) {
        op_buffer text;
        op_buffer_init(&text);
        op_number_add_grouped(&text, count);
        op_buffer_add_format(&text, " more %s%s", noun, count == 1 ? "" : "s");
        const char *note = op_buffer_text(&text);
        add_note(of, note == NULL ? "" : note);
        of->table.out->failed |= text.failed;
        op_buffer_fini(&text);
    }
}

// ---- rows ----

static bool has_ends(op_string text, const char *start, const char *end)
{
    size_t first = strlen(start), last = strlen(end);
    return text.bytes > first + last && memcmp(text.text, start, first) == 0 &&
           memcmp(text.text + text.bytes - last, end, last) == 0;
}

static op_string without_ends(op_string text, const char *start, const char *end)
{
    return (op_string){text.text + strlen(start), text.bytes - strlen(start) - strlen(end)};
}

// A built-in function as it is written: "len" of "<built-in method builtins.len>", "list.append" of
// "<method 'append' of 'list' objects>".
static void add_short_name(op_buffer *out, const op_call_row *row)
{
    static const char function[] = "<built-in method ", module[] = "builtins.";
    static const char method[] = "<method '", of[] = "' of '";
    op_string name = row->name;
    if (row->kind == OP_FRAME_BUILTIN && has_ends(name, function, ">")) {
        name = without_ends(name, function, ">");
        name = has_ends(name, module, "") ? without_ends(name, module, "") : name;
    } else if (row->kind == OP_FRAME_BUILTIN && has_ends(name, method, "' objects>")) {
        op_string parts = without_ends(name, method, "' objects>");
        const char *middle = memmem(parts.text, parts.bytes, of, strlen(of));
        if (middle != NULL) {
            name = (op_string){parts.text, (size_t)(middle - parts.text)};
            op_string type = {middle + strlen(of), (size_t)(parts.text + parts.bytes - middle) - strlen(of)};
            op_escape_add(out, type, OP_ESCAPE_VISIBLE);
            op_buffer_add_byte(out, '.');
        }
    }
    op_escape_add(out, name, OP_ESCAPE_VISIBLE);
}

// The name in the table's cell.
static op_string name_text(view *of, const op_call_row *row)
{
    op_buffer_reset(&of->table.cell);
    add_short_name(&of->table.cell, row);
    return op_string_of_buffer(&of->table.cell);
}

static size_t name_width(view *of, const op_call_row *row)
{
    op_string name = name_text(of, row);
    return op_text_columns(name.text, name.bytes);
}

static op_string place_text(view *of, const op_call_row *row)
{
    op_buffer *cell = &of->table.cell;
    op_buffer_reset(cell);
    if (row->kind == OP_FRAME_BUILTIN) {
        op_buffer_add_text(cell, "built-in");
    } else {
        op_escape_add(cell, op_origin_short_path(row->file), OP_ESCAPE_VISIBLE);
        if (row->file.bytes > 0 && row->line != 0) {
            op_buffer_add_format(cell, ":%" PRIu32, row->line);
        }
    }
    return op_string_of_buffer(cell);
}

// The name, and where it is defined as far as there is room: cut at its start, since the end tells files apart.
static void add_function(view *of, const op_call_row *row, size_t names)
{
    size_t room = of->columns.room;
    bool placed = room >= names + 1 + MIN_PLACE_COLUMNS && place_text(of, row).bytes > 0;
    op_table_add_cell(&of->table, name_text(of, row), placed ? names : room, placed ? OP_CELL_LEFT : OP_CELL_LAST,
                      false);
    if (placed) {
        op_buffer_add_byte(of->table.out, ' ');
        op_table_add_cell(&of->table, place_text(of, row), room - names - 1, OP_CELL_LAST, true);
    }
    op_buffer_add_byte(of->table.out, '\n');
}

// A row or an edge to be sorted.
typedef struct {
    const op_call_figures *figures;
    size_t index;
    bool by_total;
} ranked;

static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    uint64_t first[2] = {a->figures->own_ns, a->figures->total_ns};
    uint64_t second[2] = {b->figures->own_ns, b->figures->total_ns};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t one = first[i ^ a->by_total], other = second[i ^ a->by_total];
        if (one != other) {
            return one > other ? -1 : 1;
        }
    }
    if (a->figures->calls != b->figures->calls) {
        return a->figures->calls > b->figures->calls ? -1 : 1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

static void sort_ranked(ranked *items, size_t count)
{
    if (count > 1) {
        qsort(items, count, sizeof *items, compare_ranked);
    }
}

// As wide as the longest name, if that leaves the place a share of the room.
static size_t name_columns(view *of, const op_call_sums *sums, const ranked *rows, size_t count)
{
    size_t longest = strlen("function"), most = of->columns.room * 3 / 5;
    most = most < OP_CALLS_MIN_NAME_COLUMNS ? OP_CALLS_MIN_NAME_COLUMNS
           : most > MAX_NAME_COLUMNS        ? MAX_NAME_COLUMNS
                                            : most;
    for (size_t i = 0; i < count && longest < most; i++) {
        const op_call_row *row = &sums->rows.items[rows[i].index];
        size_t columns = name_width(of, row);
        longest = columns > longest ? columns : longest;
    }
    return longest < most ? longest : most;
}

static void write_rows(view *of, const op_call_sums *sums, const ranked *rows, size_t count, size_t top)
{
    size_t shown = count < top ? count : top;
    op_call_figures most = {0};
    for (size_t i = 0; i < shown; i++) {
        op_calls_columns_raise(&most, rows[i].figures);
    }
    op_calls_columns_choose(&of->columns, &of->table, &most);
    size_t names = name_columns(of, sums, rows, shown);
    char titles[64];
    (void)snprintf(titles, sizeof titles, "%-*s %s", (int)names, "function", "file");
    op_calls_columns_add_titles(&of->columns, &of->table,
                                of->columns.room >= names + 1 + MIN_PLACE_COLUMNS ? titles : "function");
    for (size_t i = 0; i < shown; i++) {
        op_calls_columns_add(&of->columns, &of->table, rows[i].figures);
        add_function(of, &sums->rows.items[rows[i].index], names);
    }
    add_rest(of, count - shown, "function");
    const char *const *left = of->columns.left_out;
    if (left[0] != NULL) {
        char note[96];
        (void)snprintf(note, sizeof note, "no room for: %s%s%s%s%s", left[0], left[1] != NULL ? ", " : "",
                       left[1] != NULL ? left[1] : "", left[1] != NULL && left[2] != NULL ? ", " : "",
                       left[1] != NULL && left[2] != NULL ? left[2] : "");
        add_note(of, note);
    }
}

// Rows that were left at least once, sorted. One that was not is known by what it called only.
static op_status add_functions(view *of, const op_call_sums *sums, size_t top)
{
    ranked *rows = op_alloc_zero(sums->rows.count + 1, sizeof *rows);
    if (rows == NULL) {
        return OP_NO_MEMORY;
    }
    size_t count = 0;
    for (size_t i = 0; i < sums->rows.count; i++) {
        if (sums->rows.items[i].figures.calls > 0) {
            rows[count++] = (ranked){&sums->rows.items[i].figures, i, of->table.options->by_total};
        }
    }
    sort_ranked(rows, count);
    write_rows(of, sums, rows, count, top);
    size_t open = sums->rows.count - count;
    if (open > 0) {
        char note[96];
        (void)snprintf(note, sizeof note, "%zu function%s had not returned: only what %s called is counted", open,
                       open == 1 ? "" : "s", open == 1 ? "it" : "they");
        add_note(of, note);
    }
    op_free(rows);
    return OP_OK;
}

static void add_edge(view *of, const op_call_sums *sums, const op_call_edge *edge)
{
    const op_call_row *caller = &sums->rows.items[edge->caller], *function = &sums->rows.items[edge->function];
    size_t room = of->columns.room - 3;
    size_t first = name_width(of, caller), second = name_width(of, function);
    // Each has half of the room, and what the other leaves of its half.
    size_t half = room / 2;
    if (first + second > room) {
        first = first <= half ? first : second <= room - half ? room - second : half;
    }
    op_calls_columns_add(&of->columns, &of->table, &edge->figures);
    op_table_add_cell(&of->table, name_text(of, caller), first, OP_CELL_LAST, false);
    op_buffer_add_text(of->table.out, " → ");
    op_table_add_cell(&of->table, name_text(of, function), room - first, OP_CELL_LAST, false);
    op_buffer_add_byte(of->table.out, '\n');
}

static op_status add_edges(view *of, const op_call_sums *sums)
{
    size_t count = sums->edges.count, shown = count < of->table.top ? count : of->table.top;
    ranked *edges = op_alloc_zero(count + 1, sizeof *edges);
    if (edges == NULL) {
        return OP_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        edges[i] = (ranked){&sums->edges.items[i].figures, i, of->table.options->by_total};
    }
    sort_ranked(edges, count);
    op_call_figures most = {0};
    for (size_t i = 0; i < shown; i++) {
        op_calls_columns_raise(&most, edges[i].figures);
    }
    most = (op_call_figures){.calls = most.calls};   // what is rare stands in the first table
    op_calls_columns_choose(&of->columns, &of->table, &most);
    op_buffer_add_byte(of->table.out, '\n');
    op_table_add_heading(&of->table, of->table.options->by_total ? "Who called whom, by total time"
                                                                 : "Who called whom, by own time");
    op_calls_columns_add_titles(&of->columns, &of->table, "caller → function");
    for (size_t i = 0; i < shown; i++) {
        add_edge(of, sums, &sums->edges.items[edges[i].index]);
    }
    add_rest(of, count - shown, "pair");
    op_free(edges);
    return OP_OK;
}

// ---- threads ----

typedef struct {
    op_id thread;
    uint64_t own_ns, calls;
} thread_sum;

static int compare_threads(const void *left, const void *right)
{
    const thread_sum *a = left, *b = right;
    if (a->own_ns != b->own_ns) {
        return a->own_ns > b->own_ns ? -1 : 1;
    }
    if (a->calls != b->calls) {
        return a->calls > b->calls ? -1 : 1;
    }
    return (a->thread > b->thread) - (a->thread < b->thread);
}

// Threads with calls, the busiest first; NULL: out of memory. The caller frees.
static thread_sum *threads_of(const op_profile *profile, const char *name, size_t *count)
{
    size_t all = profile->threads.count;
    thread_sum *sums = op_alloc_zero(all + 1, sizeof *sums);
    for (size_t i = 0; sums != NULL && i < profile->calls.count; i++) {
        const op_call *call = &profile->calls.items[i];
        thread_sum *sum = &sums[call->thread <= all ? call->thread : 0];
        sum->thread = call->thread;
        sum->own_ns += call->own_ns;
        sum->calls += call->calls > call->resumes ? call->calls - call->resumes : 0;
    }
    *count = 0;
    for (size_t i = 1; sums != NULL && i <= all; i++) {
        if (sums[i].thread != 0 && op_thread_has_name(profile, (op_id)i, name)) {
            sums[(*count)++] = sums[i];
        }
    }
    if (*count > 1) {
        qsort(sums, *count, sizeof *sums, compare_threads);
    }
    return sums;
}

static void add_total(op_buffer *out, uint64_t calls, uint64_t own_ns)
{
    op_number_add_grouped(out, calls);
    op_buffer_add_format(out, " call%s, ", calls == 1 ? "" : "s");
    op_number_add_duration(out, own_ns);
}

static void add_heading_of(view *of, op_buffer *text)
{
    const char *heading = op_buffer_text(text);
    op_table_add_heading(&of->table, heading == NULL ? "" : heading);
    of->table.out->failed |= text->failed;
}

static op_status add_thread(view *of, const thread_sum *thread, size_t top)
{
    const op_profile *profile = of->table.profile;
    op_call_sums_options shape = {.key = OP_CALL_BY_FUNCTION, .thread = thread->thread};
    op_call_sums sums;
    op_buffer text;
    op_buffer_init(&text);
    op_status status = op_call_sums_init(&sums, profile, &shape, NULL);
    if (status == OP_OK) {
        op_thread_label_add(&text, profile, thread->thread, OP_ESCAPE_VISIBLE);
        const op_thread_row *row = op_profile_thread(profile, thread->thread);
        const op_process_row *process = row == NULL ? NULL : op_profile_process(profile, row->process);
        if (profile->processes.count > 1 && process != NULL) {
            op_buffer_add_format(&text, " of process %" PRId64, process->pid);
        }
        op_buffer_add_text(&text, ": ");
        add_total(&text, thread->calls, thread->own_ns);
        if (text.size > 0 && text.data[0] == 't') {
            text.data[0] = 'T';
        }
        op_buffer_add_byte(of->table.out, '\n');
        add_heading_of(of, &text);
        of->columns.own_ns = thread->own_ns;
        status = add_functions(of, &sums, top);
    }
    op_buffer_fini(&text);
    op_call_sums_fini(&sums);
    return status;
}

static op_status add_all(view *of, const op_call_sums *sums)
{
    size_t count = 0, top = of->table.top < ROWS_OF_A_THREAD ? of->table.top : ROWS_OF_A_THREAD;
    thread_sum *threads = threads_of(of->table.profile, of->table.options->thread_name, &count);
    op_buffer text;
    op_buffer_init(&text);
    op_status status = threads == NULL ? OP_NO_MEMORY : OP_OK;
    if (status == OP_OK) {
        op_buffer_add_text(&text, of->table.options->by_total ? "Calls by total time: " : "Calls by own time: ");
        add_total(&text, op_call_starts(&sums->all), sums->all.own_ns);
        if (count > 1) {
            op_buffer_add_text(&text, " in ");
            op_number_add_grouped(&text, count);
            op_buffer_add_text(&text, " threads");
        }
        add_heading_of(of, &text);
        status = add_functions(of, sums, of->table.top);
    }
    if (status == OP_OK && sums->edges.count > 0) {
        status = add_edges(of, sums);
    }
    for (size_t i = 0; status == OP_OK && count > 1 && i < count && i < MAX_THREADS; i++) {
        status = add_thread(of, &threads[i], top);
    }
    if (status == OP_OK) {
        add_rest(of, count > MAX_THREADS ? count - MAX_THREADS : 0, "thread");
    }
    op_buffer_fini(&text);
    op_free(threads);
    return status;
}

op_status op_calls_table_add(const op_profile *profile, const op_calls_table_options *options, op_buffer *out,
                             op_error *error)
{
    if (options->as_cprofile) {
        op_pstats_table_options same = {
            .sort = options->sort,
            .keep_folders = options->keep_folders,
            .top = options->table.top,
            .thread_name = options->table.thread_name,
            .unicode = options->table.unicode,
        };
        return op_pstats_table_add(profile, &same, out, error);
    }
    op_call_sums_options shape = {.key = OP_CALL_BY_FUNCTION, .thread_name = options->table.thread_name};
    op_call_sums sums;
    view of;
    memset(&of, 0, sizeof of);
    op_table_init(&of.table, profile, &options->table, out);
    op_status status = op_call_sums_init(&sums, profile, &shape, error);
    if (status == OP_OK && sums.rows.count == 0) {
        op_table_add_heading(&of.table, "Calls");
        add_note(&of, "none was counted");
    } else if (status == OP_OK) {
        of.columns.own_ns = sums.all.own_ns;
        status = add_all(&of, &sums);
        if (status != OP_OK) {
            status = op_error_set(error, status, "out of memory for the table of calls");
        }
    }
    op_call_sums_fini(&sums);
    return op_table_finish(&of.table, status, error);
}

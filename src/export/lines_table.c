// SPDX-License-Identifier: MIT
#include "export/lines_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "export/code_block.h"
#include "export/table_text.h"

enum { MAX_ROWS_WITHOUT_HITS = 1 << 20, CELL_BYTES = 64 };
static const double unit_s = 1e-9;

enum { LINE, HITS, TIME, PER_HIT, PERCENT, CELLS };
static const size_t min_columns[CELLS] = {6, 9, 12, 8, 8};

typedef struct {
    size_t first, end;   // lines of the sums
    uint64_t hits, ns;
} function;

typedef struct {
    const op_profile *profile;
    const op_lines_table_options *options;
    const op_line_sums *sums;
    op_buffer *out;
    double output_s;
    op_source_file source;   // of the function before, whose file this one may have, too
    op_string source_path;
    bool source_is_read;
} view;

// Source keeps its tabs, which do no harm.
static void add_source(op_buffer *out, op_string text)
{
    const char *at = text.text, *end = text.text + text.bytes;
    while (at < end) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        const char *stop = tab == NULL ? end : tab;
        op_text_add_terminal(out, at, (size_t)(stop - at));
        if (tab != NULL) {
            op_buffer_add_byte(out, '\t');
        }
        at = stop + (tab != NULL);
    }
}

static void add_escaped(op_buffer *out, op_string text)
{
    op_text_add_terminal(out, text.text, text.bytes);
}

// With one decimal, or, where that is too wide for the column, three digits.
static void format_time(char cell[CELL_BYTES], double time, size_t columns)
{
    if ((size_t)snprintf(cell, CELL_BYTES, "%5.1f", time) > columns) {
        (void)snprintf(cell, CELL_BYTES, "%5.3g", time);
    }
}

static void format_line(const view *of, const function *func, const op_line_sum *line,
                        char cells[CELLS][CELL_BYTES])
{
    double scale = unit_s / of->output_s, time = (double)line->ns;
    (void)snprintf(cells[LINE], CELL_BYTES, "%" PRIu32, line->line);
    if ((size_t)snprintf(cells[HITS], CELL_BYTES, "%" PRIu64, line->hits) > min_columns[HITS]) {
        (void)snprintf(cells[HITS], CELL_BYTES, "%g", (double)line->hits);
    }
    format_time(cells[TIME], time * scale, min_columns[TIME]);
    cells[PER_HIT][0] = cells[PERCENT][0] = '\0';
    if (line->hits > 0) {
        format_time(cells[PER_HIT], time * scale / (double)line->hits, min_columns[PER_HIT]);
    }
    if (func->ns > 0) {
        (void)snprintf(cells[PERCENT], CELL_BYTES, "%5.1f", 100 * time / (double)func->ns);
    }
}

static void add_row(const view *of, const size_t columns[CELLS], char cells[CELLS][CELL_BYTES])
{
    for (size_t i = 0; i < CELLS; i++) {
        op_buffer_add_format(of->out, "%*s ", (int)columns[i], cells[i]);
    }
    op_buffer_add_byte(of->out, ' ');
}

static void add_content(const view *of, uint32_t line)
{
    add_source(of->out, op_source_file_line(&of->source, line));
    op_buffer_add_byte(of->out, '\n');
}

// What line_profiler takes for source that was never in a file.
static bool is_generated(op_string file)
{
    static const char *const starts[] = {"<generated", "<ipython-input-", "/tmp/ipykernel_", "/tmp/xpython_"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t bytes = strlen(starts[i]);
        if (file.bytes >= bytes && memcmp(file.text, starts[i], bytes) == 0) {
            return true;
        }
    }
    return false;
}

static void add_head(const view *of, const function *func, const op_line_sum *first)
{
    op_buffer *out = of->out;
    const op_run *run = &of->profile->run;
    op_buffer_add_format(out, "Total time: %g s\n", (double)func->ns * unit_s);
    if (of->source.exists || is_generated(first->file)) {
        op_buffer_add_text(out, "File: ");
        add_escaped(out, first->file);
        op_buffer_add_text(out, "\nFunction: ");
        add_escaped(out, first->name);
        op_buffer_add_format(out, " at line %" PRIu32 "\n", first->first_line);
        if (of->source.changed_unix_ns > run->started_unix_ns + run->duration_ns) {
            op_buffer_add_text(out,
                               "The file has changed since: what stands beside the times may be other lines.\n");
        }
        return;
    }
    op_buffer_add_text(out, "\nCould not find file ");
    add_escaped(out, first->file);
    op_buffer_add_text(out, "\nAre you sure you are running this program from the same directory\n"
                            "that you ran the profiler from?\n"
                            "Continuing without the function's contents.\n");
}

static void add_rows_without_hits(const view *of, const size_t columns[CELLS], uint64_t from, uint64_t end)
{
    for (uint64_t line = from; line < end; line++) {
        char cells[CELLS][CELL_BYTES] = {{0}};
        (void)snprintf(cells[LINE], CELL_BYTES, "%" PRIu64, line);
        add_row(of, columns, cells);
        add_content(of, (uint32_t)line);
    }
}

// From the function's first line on, as far as its source goes and as lines were counted. A module's source is what
// was counted: its first definition, which inspect would take for its block, ends anywhere.
static void add_lines(const view *of, const function *func, const op_line_sum *lines, const size_t columns[CELLS])
{
    char cells[CELLS][CELL_BYTES];
    bool is_module = lines->name.bytes == 8 && memcmp(lines->name.text, "<module>", 8) == 0;
    // A first line may be unknown, or not true.
    uint64_t next = lines->first_line == 0 || lines->line < lines->first_line ? lines->line : lines->first_line;
    uint64_t end = is_module ? next : next + op_code_block_lines(&of->source, (uint32_t)next);
    uint64_t filled = 0;
    for (size_t i = 0; i < func->end - func->first; i++) {
        uint64_t gap = lines[i].line - next;
        // So that a profile that lies makes no endless table.
        if (filled + gap <= MAX_ROWS_WITHOUT_HITS) {
            add_rows_without_hits(of, columns, next, lines[i].line);
            filled += gap;
        } else {
            add_rows_without_hits(of, columns, next, end < lines[i].line ? end : lines[i].line);
        }
        format_line(of, func, &lines[i], cells);
        add_row(of, columns, cells);
        add_content(of, lines[i].line);
        next = (uint64_t)lines[i].line + 1;
    }
    add_rows_without_hits(of, columns, next, end);
}

static void choose_columns(const view *of, const function *func, const op_line_sum *lines, size_t columns[CELLS])
{
    char cells[CELLS][CELL_BYTES];
    memcpy(columns, min_columns, sizeof min_columns);
    for (size_t i = 0; i < func->end - func->first; i++) {
        format_line(of, func, &lines[i], cells);
        for (size_t j = HITS; j <= PER_HIT; j++) {
            size_t bytes = strlen(cells[j]);
            columns[j] = bytes > columns[j] ? bytes : columns[j];
        }
    }
}

static bool read_source(view *of, op_string path)
{
    if (of->source_is_read && path.text == of->source_path.text) {
        return true;   // a text stands in the profile once
    }
    op_source_file_fini(&of->source);
    of->source_path = path;
    of->source_is_read = true;
    return op_source_file_init(&of->source, path);
}

static bool add_function(view *of, const function *func)
{
    const op_line_sum *lines = &of->sums->lines.items[func->first];
    char titles[CELLS][CELL_BYTES] = {"Line #", "Hits", "Time", "Per Hit", "% Time"};
    static const char contents[] = "Line Contents";
    size_t columns[CELLS];
    if (!read_source(of, lines->file)) {
        return false;
    }
    choose_columns(of, func, lines, columns);
    add_head(of, func, lines);
    op_buffer_add_byte(of->out, '\n');
    size_t start = of->out->size;
    add_row(of, columns, titles);
    op_buffer_add_text(of->out, contents);
    size_t bytes = of->out->size - start;
    op_buffer_add_byte(of->out, '\n');
    for (size_t i = 0; i < bytes; i++) {
        op_buffer_add_byte(of->out, '=');
    }
    op_buffer_add_byte(of->out, '\n');
    add_lines(of, func, lines, columns);
    op_buffer_add_byte(of->out, '\n');
    return true;
}

static int compare_times(const void *left, const void *right)
{
    const function *a = left, *b = right;
    if (a->ns != b->ns) {
        return a->ns < b->ns ? -1 : 1;
    }
    return (a->first > b->first) - (a->first < b->first);
}

// The functions in the order asked; NULL: out of memory. The caller frees.
static function *functions_of(const op_line_sums *sums, bool by_time, size_t *count)
{
    function *functions = op_alloc_zero(sums->lines.count + 1, sizeof *functions);
    *count = 0;
    for (size_t first = 0, end; functions != NULL && first < sums->lines.count; first = end) {
        end = op_line_sums_end(sums, first);
        function *func = &functions[(*count)++];
        *func = (function){.first = first, .end = end};
        for (size_t i = first; i < end; i++) {
            func->hits += sums->lines.items[i].hits;
            func->ns += sums->lines.items[i].ns;
        }
    }
    if (by_time && functions != NULL && *count > 1) {
        qsort(functions, *count, sizeof *functions, compare_times);
    }
    return functions;
}

static void summarize(const view *of, const function *func)
{
    const op_line_sum *first = &of->sums->lines.items[func->first];
    if (of->options->skip_zero && func->ns == 0) {
        return;
    }
    op_buffer_add_format(of->out, "%6.2f seconds - ", (double)func->ns * unit_s);
    add_escaped(of->out, first->file);
    op_buffer_add_format(of->out, ":%" PRIu32 " - ", first->first_line);
    add_escaped(of->out, first->name);
    op_buffer_add_byte(of->out, '\n');
}

static bool write_tables(view *of)
{
    size_t count = 0;
    function *functions = functions_of(of->sums, of->options->by_time, &count);
    bool done = functions != NULL;
    op_buffer_add_format(of->out, "Timer unit: %g s\n\n", of->output_s);
    for (size_t i = 0; done && i < count; i++) {
        if (!of->options->skip_zero || functions[i].hits > 0) {
            done = add_function(of, &functions[i]);
        }
    }
    for (size_t i = 0; done && of->options->summarize && i < count; i++) {
        summarize(of, &functions[i]);
    }
    op_free(functions);
    return done;
}

op_status op_lines_table_add(const op_profile *profile, const op_lines_table_options *options, op_buffer *out,
                             op_error *error)
{
    op_table_options form = {.unicode = options->unicode};
    op_line_sums sums;
    op_table table;
    view of = {.profile = profile,
               .options = options,
               .sums = &sums,
               .out = out,
               .output_s = options->unit_s > 0 ? options->unit_s : 1e-6};
    op_buffer_init(&of.source.text);
    op_table_init(&table, profile, &form, out);
    op_status status = op_line_sums_init(&sums, profile, false, options->thread_name, error);
    if (status == OP_OK && !write_tables(&of)) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the table of lines");
    }
    op_source_file_fini(&of.source);
    op_line_sums_fini(&sums);
    return op_table_finish(&table, status, error);
}

// SPDX-License-Identifier: MIT
// The summary for programs; docs/json-summary.md says what each field means. Change both together.
#include <inttypes.h>
#include <string.h>
#include "base/text.h"
#include "export/aggregate.h"
#include "export/number_text.h"

enum { SUMMARY_VERSION = 1 };

// Where commas go: set to false behind an opening bracket.
typedef struct {
    op_buffer *out;
    bool behind_item;
} writer;

static void add_name(writer *write, const char *name)
{
    op_buffer_add_text(write->out, write->behind_item ? ", \"" : "\"");
    op_buffer_add_text(write->out, name);
    op_buffer_add_text(write->out, "\": ");
    write->behind_item = true;
}

static void add_text(writer *write, const char *name, op_string text)
{
    add_name(write, name);
    op_text_add_json(write->out, text.text, text.bytes);
}

static void add_signed(writer *write, const char *name, int64_t number)
{
    add_name(write, name);
    op_buffer_add_format(write->out, "%" PRId64, number);
}

static void add_unsigned(writer *write, const char *name, uint64_t number)
{
    add_name(write, name);
    op_buffer_add_format(write->out, "%" PRIu64, number);
}

static void add_truth(writer *write, const char *name, bool truth)
{
    add_name(write, name);
    op_buffer_add_text(write->out, truth ? "true" : "false");
}

// A share, and the interval in which as many samples leave it.
static void add_share(writer *write, const char *name, double share, uint64_t samples)
{
    op_interval interval = op_number_interval(share, samples);
    add_name(write, name);
    op_buffer_add_format(write->out, "%.6f", share);
    op_buffer_add_format(write->out, ", \"%s_95\": [%.6f, %.6f]", name, interval.low, interval.high);
}

static void open_named(writer *write, const char *name, const char *bracket)
{
    op_buffer_add_format(write->out, ",\n\"%s\": %s", name, bracket);
    write->behind_item = false;
}

// A row of an array, on a line of its own.
static void open_row(writer *write)
{
    op_buffer_add_text(write->out, write->behind_item ? ",\n  {" : "\n  {");
    write->behind_item = false;
}

static void close_with(writer *write, const char *bracket)
{
    op_buffer_add_text(write->out, bracket);
    write->behind_item = true;
}

static op_string string_of(const char *text)
{
    return (op_string){text, strlen(text)};
}

static void add_run(writer *write, const op_profile *profile)
{
    const op_run *run = &profile->run;
    op_buffer_add_format(write->out, "{\"format\": \"outpace-summary\", \"version\": %d", SUMMARY_VERSION);
    open_named(write, "run", "{");
    add_text(write, "command", op_profile_text(profile, run->command));
    add_text(write, "host", op_profile_text(profile, run->host));
    add_text(write, "tool_version", op_profile_text(profile, run->tool_version));
    add_signed(write, "started_unix_ns", run->started_unix_ns);
    add_signed(write, "duration_ns", run->duration_ns);
    bool finite = run->asked_rate_hz >= 0 && run->asked_rate_hz < 1e18;   // JSON knows no infinity
    add_name(write, "asked_rate_hz");
    op_buffer_add_format(write->out, "%.10g", finite ? run->asked_rate_hz : 0.0);
    add_text(write, "mode", string_of(run->mode == OP_MODE_CPU ? "cpu" : "wall"));
    add_truth(write, "include_idle", run->include_idle);
    add_truth(write, "complete", run->complete);
    close_with(write, "}");
}

typedef struct {
    uint64_t count, weight_ns;
} sum;

static void add_sum(writer *write, sum of)
{
    add_unsigned(write, "samples", of.count);
    add_unsigned(write, "ns", of.weight_ns);
}

static void add_totals(writer *write, const op_profile *profile, const op_aggregate *aggregate)
{
    static const char *const names[OP_STATE_COUNT] = {"running", "waiting", "wants_gil"};
    sum sums[OP_STATE_COUNT] = {{0, 0}};
    for (size_t i = 0; i < profile->samples.count; i++) {
        const op_sample *sample = &profile->samples.items[i];
        if ((unsigned)sample->state < OP_STATE_COUNT) {
            sums[sample->state].count += sample->count;
            sums[sample->state].weight_ns += sample->weight_ns;
        }
    }
    open_named(write, "totals", "{");
    add_sum(write, (sum){aggregate->count, aggregate->weight_ns});
    for (size_t i = 0; i < OP_STATE_COUNT; i++) {
        add_name(write, names[i]);
        close_with(write, "{");
        write->behind_item = false;
        add_sum(write, sums[i]);
        close_with(write, "}");
    }
    close_with(write, "}");
}

static void add_processes(writer *write, const op_profile *profile)
{
    open_named(write, "processes", "[");
    for (size_t i = 0; i < profile->processes.count; i++) {
        const op_process_row *row = &profile->processes.items[i];
        open_row(write);
        add_unsigned(write, "id", i + 1);
        add_signed(write, "pid", row->pid);
        add_signed(write, "parent_pid", row->parent_pid);
        add_text(write, "command", op_profile_text(profile, row->command));
        add_text(write, "executable", op_profile_text(profile, row->executable));
        add_text(write, "python", op_profile_text(profile, row->python));
        close_with(write, "}");
    }
    close_with(write, "]");
}

static op_status add_threads(writer *write, const op_profile *profile)
{
    size_t count = profile->threads.count;
    sum *sums = op_alloc_zero(count + 1, sizeof *sums);   // [0]: of samples without a thread
    if (sums == NULL) {
        return OP_NO_MEMORY;
    }
    for (size_t i = 0; i < profile->samples.count; i++) {
        const op_sample *sample = &profile->samples.items[i];
        sum *at = &sums[sample->thread <= count ? sample->thread : 0];
        at->count += sample->count;
        at->weight_ns += sample->weight_ns;
    }
    open_named(write, "threads", "[");
    for (size_t i = 0; i < count; i++) {
        const op_thread_row *row = &profile->threads.items[i];
        open_row(write);
        add_unsigned(write, "id", i + 1);
        add_unsigned(write, "process", row->process);
        add_signed(write, "tid", row->tid);
        add_text(write, "name", op_profile_text(profile, row->name));
        add_truth(write, "main", row->is_main);
        add_sum(write, sums[i + 1]);
        close_with(write, "}");
    }
    close_with(write, "]");
    op_free(sums);
    return OP_OK;
}

static void add_costs(writer *write, const op_aggregate *aggregate, const op_aggregate_row *row)
{
    // Shares are of time; where a profile carries none, of samples.
    bool timed = aggregate->weight_ns > 0;
    double own = timed ? op_number_share(row->own_weight_ns, aggregate->weight_ns)
                       : op_number_share(row->own_count, aggregate->count);
    double total = timed ? op_number_share(row->total_weight_ns, aggregate->weight_ns)
                         : op_number_share(row->total_count, aggregate->count);
    add_unsigned(write, "own_samples", row->own_count);
    add_unsigned(write, "own_ns", row->own_weight_ns);
    add_share(write, "own_share", own, aggregate->count);
    add_unsigned(write, "total_samples", row->total_count);
    add_unsigned(write, "total_ns", row->total_weight_ns);
    add_share(write, "total_share", total, aggregate->count);
}

static void add_functions(writer *write, const op_aggregate *aggregate)
{
    open_named(write, "functions", "[");
    for (size_t i = 0; i < aggregate->functions.count; i++) {
        const op_aggregate_row *row = &aggregate->functions.items[i];
        open_row(write);
        add_text(write, "function", row->parts.name);
        add_text(write, "file", row->parts.file);
        add_unsigned(write, "first_line", row->parts.line);
        add_text(write, "kind", string_of(row->parts.kind == OP_FRAME_PYTHON ? "python" : "label"));
        add_costs(write, aggregate, row);
        close_with(write, "}");
    }
    close_with(write, "]");
    open_named(write, "lines", "[");
    for (size_t i = 0; i < aggregate->lines.count; i++) {
        const op_aggregate_row *row = &aggregate->lines.items[i];
        open_row(write);
        add_text(write, "function", row->parts.name);
        add_text(write, "file", row->parts.file);
        add_unsigned(write, "line", row->parts.line);
        add_costs(write, aggregate, row);
        close_with(write, "}");
    }
    close_with(write, "]");
}

static void add_counters(writer *write, const op_profile *profile)
{
    open_named(write, "counters", "{");
    for (size_t i = 0; i < profile->counters.count; i++) {
        op_string name = op_profile_text(profile, profile->counters.items[i].name);
        op_buffer_add_text(write->out, write->behind_item ? ", " : "");
        op_text_add_json(write->out, name.text, name.bytes);
        op_buffer_add_format(write->out, ": %" PRId64, profile->counters.items[i].value);
        write->behind_item = true;
    }
    close_with(write, "}");
}

op_status op_export_json(const op_profile *profile, const op_export_options *options, op_buffer *out,
                         op_error *error)
{
    (void)options;   // the summary has functions and lines both
    op_aggregate aggregate;
    size_t start = out->size;
    writer write = {out, false};
    op_status status = op_aggregate_init(&aggregate, profile, NULL, error);
    if (status != OP_OK) {
        goto done;
    }
    add_run(&write, profile);
    add_totals(&write, profile, &aggregate);
    add_processes(&write, profile);
    status = add_threads(&write, profile);
    add_functions(&write, &aggregate);
    add_counters(&write, profile);
    op_buffer_add_text(out, "}\n");
    if (status != OP_OK || out->failed) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the summary");
    }
done:
    if (status != OP_OK) {
        out->size = start;
    }
    op_aggregate_fini(&aggregate);
    return status;
}

// SPDX-License-Identifier: MIT
// The summary for programs; docs/json-summary.md says what each field means. Change both together.
#include <inttypes.h>
#include "base/text.h"
#include "export/aggregate.h"
#include "export/json_writer.h"
#include "export/number_text.h"
#include "export/summary_counts.h"

enum { SUMMARY_VERSION = 1 };

// A share, and the interval in which as many samples leave it.
static void add_share(op_json *write, const char *name, double share, uint64_t samples)
{
    op_interval interval = op_number_interval(share, samples);
    op_json_add_name(write, name);
    op_buffer_add_format(write->out, "%.6f", share);
    op_buffer_add_format(write->out, ", \"%s_95\": [%.6f, %.6f]", name, interval.low, interval.high);
}

static void add_run(op_json *write, const op_profile *profile)
{
    const op_run *run = &profile->run;
    op_buffer_add_format(write->out, "{\"format\": \"outpace-summary\", \"version\": %d", SUMMARY_VERSION);
    op_json_open(write, "run", "{");
    op_json_add_text(write, "command", op_profile_text(profile, run->command));
    op_json_add_text(write, "host", op_profile_text(profile, run->host));
    op_json_add_text(write, "tool_version", op_profile_text(profile, run->tool_version));
    op_json_add_signed(write, "started_unix_ns", run->started_unix_ns);
    op_json_add_signed(write, "duration_ns", run->duration_ns);
    bool finite = run->asked_rate_hz >= 0 && run->asked_rate_hz < 1e18;   // JSON knows no infinity
    op_json_add_name(write, "asked_rate_hz");
    op_buffer_add_format(write->out, "%.10g", finite ? run->asked_rate_hz : 0.0);
    op_json_add_text(write, "mode", op_json_string(run->mode == OP_MODE_CPU ? "cpu" : "wall"));
    op_json_add_truth(write, "include_idle", run->include_idle);
    op_json_add_truth(write, "complete", run->complete);
    op_json_close(write, "}");
}

typedef struct {
    uint64_t count, weight_ns;
} sum;

static void add_sum(op_json *write, sum of)
{
    op_json_add_unsigned(write, "samples", of.count);
    op_json_add_unsigned(write, "ns", of.weight_ns);
}

static void add_totals(op_json *write, const op_profile *profile, const op_aggregate *aggregate)
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
    op_json_open(write, "totals", "{");
    add_sum(write, (sum){aggregate->count, aggregate->weight_ns});
    for (size_t i = 0; i < OP_STATE_COUNT; i++) {
        op_json_add_name(write, names[i]);
        op_json_close(write, "{");
        write->behind_item = false;
        add_sum(write, sums[i]);
        op_json_close(write, "}");
    }
    op_json_close(write, "}");
}

static void add_processes(op_json *write, const op_profile *profile)
{
    op_json_open(write, "processes", "[");
    for (size_t i = 0; i < profile->processes.count; i++) {
        const op_process_row *row = &profile->processes.items[i];
        op_json_open_row(write);
        op_json_add_unsigned(write, "id", i + 1);
        op_json_add_signed(write, "pid", row->pid);
        op_json_add_signed(write, "parent_pid", row->parent_pid);
        op_json_add_text(write, "command", op_profile_text(profile, row->command));
        op_json_add_text(write, "executable", op_profile_text(profile, row->executable));
        op_json_add_text(write, "python", op_profile_text(profile, row->python));
        op_json_close(write, "}");
    }
    op_json_close(write, "]");
}

static op_status add_threads(op_json *write, const op_profile *profile)
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
    op_json_open(write, "threads", "[");
    for (size_t i = 0; i < count; i++) {
        const op_thread_row *row = &profile->threads.items[i];
        op_json_open_row(write);
        op_json_add_unsigned(write, "id", i + 1);
        op_json_add_unsigned(write, "process", row->process);
        op_json_add_signed(write, "tid", row->tid);
        op_json_add_text(write, "name", op_profile_text(profile, row->name));
        op_json_add_truth(write, "main", row->is_main);
        add_sum(write, sums[i + 1]);
        op_json_close(write, "}");
    }
    op_json_close(write, "]");
    op_free(sums);
    return OP_OK;
}

static void add_costs(op_json *write, const op_aggregate *aggregate, const op_aggregate_row *row)
{
    // Shares are of time; where a profile carries none, of samples.
    bool timed = aggregate->weight_ns > 0;
    double own = timed ? op_number_share(row->own_weight_ns, aggregate->weight_ns)
                       : op_number_share(row->own_count, aggregate->count);
    double total = timed ? op_number_share(row->total_weight_ns, aggregate->weight_ns)
                         : op_number_share(row->total_count, aggregate->count);
    op_json_add_unsigned(write, "own_samples", row->own_count);
    op_json_add_unsigned(write, "own_ns", row->own_weight_ns);
    add_share(write, "own_share", own, aggregate->count);
    op_json_add_unsigned(write, "total_samples", row->total_count);
    op_json_add_unsigned(write, "total_ns", row->total_weight_ns);
    add_share(write, "total_share", total, aggregate->count);
}

static void add_functions(op_json *write, const op_aggregate *aggregate)
{
    op_json_open(write, "functions", "[");
    for (size_t i = 0; i < aggregate->functions.count; i++) {
        const op_aggregate_row *row = &aggregate->functions.items[i];
        op_json_open_row(write);
        op_json_add_text(write, "function", row->parts.name);
        op_json_add_text(write, "file", row->parts.file);
        op_json_add_unsigned(write, "first_line", row->parts.line);
        op_json_add_text(write, "kind", op_json_string(op_summary_kind(row->parts.kind)));
        add_costs(write, aggregate, row);
        op_json_close(write, "}");
    }
    op_json_close(write, "]");
    op_json_open(write, "lines", "[");
    for (size_t i = 0; i < aggregate->lines.count; i++) {
        const op_aggregate_row *row = &aggregate->lines.items[i];
        op_json_open_row(write);
        op_json_add_text(write, "function", row->parts.name);
        op_json_add_text(write, "file", row->parts.file);
        op_json_add_unsigned(write, "line", row->parts.line);
        add_costs(write, aggregate, row);
        op_json_close(write, "}");
    }
    op_json_close(write, "]");
}

static void add_counters(op_json *write, const op_profile *profile)
{
    op_json_open(write, "counters", "{");
    for (size_t i = 0; i < profile->counters.count; i++) {
        op_string name = op_profile_text(profile, profile->counters.items[i].name);
        op_buffer_add_text(write->out, write->behind_item ? ", " : "");
        op_text_add_json(write->out, name.text, name.bytes);
        op_buffer_add_format(write->out, ": %" PRId64, profile->counters.items[i].value);
        write->behind_item = true;
    }
    op_json_close(write, "}");
}

op_status op_export_json(const op_profile *profile, const op_export_options *options, op_buffer *out,
                         op_error *error)
{
    (void)options;   // the summary has functions and lines both
    op_aggregate aggregate;
    size_t start = out->size;
    op_json write = {out, false};
    op_status status = op_aggregate_init(&aggregate, profile, NULL, error);
    if (status != OP_OK) {
        goto done;
    }
    add_run(&write, profile);
    add_totals(&write, profile, &aggregate);
    add_processes(&write, profile);
    status = add_threads(&write, profile);
    add_functions(&write, &aggregate);
    if (status == OP_OK) {
        status = op_summary_add_counts(&write, profile);
    }
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

// SPDX-License-Identifier: MIT
// The one honesty line: what the recording did and what it failed to do.
#include "cli/say.h"
#include "cli/status_line.h"

static void add_rate(op_buffer *out, double rate_hz)
{
    bool whole = rate_hz >= 100 && rate_hz < 1e15 && rate_hz - (double)(int64_t)rate_hz < 0.05;
    op_buffer_add_format(out, whole ? "%.0f/s" : rate_hz >= 10 ? "%.1f/s" : "%.3g/s", rate_hz);
}

static void add_where_any(op_buffer *out, const char *name, uint64_t count)
{
    if (count > 0) {
        op_buffer_add_format(out, ", %s %llu", name, (unsigned long long)count);
    }
}

void op_honesty_add(op_buffer *out, const op_record_stats *stats)
{
    op_buffer_add_text(out, "asked ");
    add_rate(out, stats->asked_rate_hz);
    op_buffer_add_text(out, ", achieved ");
    add_rate(out, stats->achieved_rate_hz);
    op_buffer_add_format(out, "; %llu samples in %.2f s; late %llu, retried %llu, given up %llu, lost %llu",
                         (unsigned long long)stats->samples, (double)stats->elapsed_ns / 1e9,
                         (unsigned long long)stats->late, (unsigned long long)stats->retried,
                         (unsigned long long)stats->given_up, (unsigned long long)stats->lost);
    add_where_any(out, "skipped", stats->skipped);
    add_where_any(out, "unproven", stats->unproven);
    add_where_any(out, "unreadable", stats->unreadable);
    add_where_any(out, "truncated", stats->truncated);
    add_where_any(out, "gone", stats->gone);
    double share = stats->elapsed_ns > 0 ? 100.0 * (double)stats->own_cpu_ns / (double)stats->elapsed_ns : 0;
    op_buffer_add_format(out, "; own CPU time %.3f s (%.1f %% of a core)", (double)stats->own_cpu_ns / 1e9, share);
}

void op_say_honesty(const op_record_stats *stats)
{
    if (stats->asked == 0) {
        return;
    }
    op_buffer line;
    op_buffer_init(&line);
    op_honesty_add(&line, stats);
    const char *text = op_buffer_text(&line);
    if (text != NULL) {
        op_say_note("%s", text);
    }
    op_buffer_fini(&line);
}

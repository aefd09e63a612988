// SPDX-License-Identifier: MIT
#include "export/run_text.h"

#include "base/text.h"
#include "export/number_text.h"

static void add_escaped(op_buffer *out, op_string text)
{
    op_text_add_terminal(out, text.text, text.bytes);
}

static void add_plural(op_buffer *out, uint64_t number, const char *noun, const char *plural)
{
    op_number_add_grouped(out, number);
    op_buffer_add_format(out, " %s", number == 1 ? noun : plural);
}

void op_run_text_add_command(op_buffer *out, const op_profile *profile)
{
    op_string command = op_profile_text(profile, profile->run.command);
    if (command.bytes == 0) {
        op_buffer_add_text(out, "unknown command");
        return;
    }
    add_escaped(out, command);
}

static void add_rate(op_buffer *out, double hz)
{
    if (!(hz > 0 && hz < 1e12)) {
        return;
    }
    op_buffer_add_text(out, ", asked ");
    if (hz >= 10) {
        op_number_add_grouped(out, (uint64_t)(hz + 0.5));
    } else {
        op_buffer_add_format(out, "%.3g", hz);
    }
    op_buffer_add_text(out, " a second");
}

void op_run_text_add_facts(op_buffer *out, const op_profile *profile, uint64_t samples)
{
    const op_run *run = &profile->run;
    op_number_add_date(out, run->started_unix_ns);
    op_buffer_add_text(out, " · ");
    op_number_add_duration(out, run->duration_ns > 0 ? (uint64_t)run->duration_ns : 0);
    op_buffer_add_text(out, run->mode == OP_MODE_CPU ? " · CPU time" : " · wall time");
    op_buffer_add_text(out, run->include_idle ? " with idle threads" : "");
    add_rate(out, run->asked_rate_hz);
    op_buffer_add_text(out, " · ");
    add_plural(out, samples, "sample", "samples");
    op_buffer_add_text(out, " · ");
    add_plural(out, profile->processes.count, "process", "processes");
    op_buffer_add_text(out, ", ");
    add_plural(out, profile->threads.count, "thread", "threads");
    const op_process_row *first = op_profile_process(profile, 1);
    if (first != NULL && first->python != 0) {
        op_buffer_add_text(out, " · Python ");
        add_escaped(out, op_profile_text(profile, first->python));
    }
    op_buffer_add_text(out, run->complete ? "" : " · cut off");
}

// SPDX-License-Identifier: MIT
#include "cli/status_line.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/output.h"

static const int64_t interval_ns = 200000000;
static const char clear_line[] = "\r\033[K";

void op_status_line_init(op_status_line *line, bool shares_terminal)
{
    const char *terminal = getenv("TERM");
    *line = (op_status_line){.shown = isatty(STDERR_FILENO) && !shares_terminal &&
                                      (terminal == NULL || strcmp(terminal, "dumb") != 0)};
}

static void draw(const char *text, size_t bytes)
{
    if (op_output_write_all(STDERR_FILENO, text, bytes) != OP_OK) {
        return;   // nobody looks
    }
}

void op_status_line_progress(void *context, const op_record_stats *stats)
{
    op_status_line *line = context;
    int64_t now = op_clock_monotonic_ns();
    if (!line->shown || now < line->next_ns) {
        return;
    }
    line->next_ns = now + interval_ns;
    line->drawn = true;
    op_buffer text;
    op_buffer_init(&text);
    op_buffer_add_format(&text, "%srecording %.1f s   %llu samples   %.0f/s   %llu retried   Ctrl-C ends it\033[K",
                         clear_line, (double)stats->elapsed_ns / 1e9, (unsigned long long)stats->samples,
                         stats->achieved_rate_hz, (unsigned long long)stats->retried);
    if (!text.failed) {
        draw(text.data, text.size);
    }
    op_buffer_fini(&text);
}

void op_status_line_end(op_status_line *line)
{
    if (line->drawn) {
        draw(clear_line, sizeof clear_line - 1);
        line->drawn = false;
    }
}

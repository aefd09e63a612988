// SPDX-License-Identifier: MIT
#include "cli/hot.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "cli/output.h"
#include "cli/signals.h"
#include "export/aggregate.h"
#include "sample/record.h"

// Functions are chosen until they own that share together; one that owns less than the least is not.
enum { MAX_FUNCTIONS = 12, ENOUGH_PERCENT = 90, LEAST_PERCENT = 1 };
#define DEFAULT_NS INT64_C(1000000000)

typedef struct {
    void (*poll)(void *);
    void *context;
} polling;

static void progress(void *context, const op_record_stats *stats)
{
    (void)stats;
    const polling *each = context;
    each->poll(each->context);
}

// Lines belong to files that can be looked at, not to "<frozen ...>" or "<string>".
static bool has_lines(const op_aggregate_row *row)
{
    return row->parts.kind == OP_FRAME_PYTHON && row->parts.file.bytes > 0 && row->parts.file.text[0] != '<' &&
           memchr(row->parts.name.text, '\n', row->parts.name.bytes) == NULL &&
           memchr(row->parts.file.text, '\n', row->parts.file.bytes) == NULL;
}

static void add_hottest(op_buffer *out, const op_aggregate *all)
{
    uint64_t sum = 0, chosen = 0;
    for (size_t i = 0; i < all->functions.count; i++) {
        sum += has_lines(&all->functions.items[i]) ? all->functions.items[i].own_weight_ns : 0;
    }
    size_t count = 0;
    for (size_t i = 0; i < all->functions.count && count < MAX_FUNCTIONS; i++) {
        const op_aggregate_row *row = &all->functions.items[i];
        if (!has_lines(row)) {
            continue;
        }
        if (row->own_weight_ns == 0 || (double)row->own_weight_ns * 100 < (double)sum * LEAST_PERCENT ||
            (double)chosen * 100 >= (double)sum * ENOUGH_PERCENT) {
            break;   // they are sorted
        }
        op_buffer_add(out, row->parts.name.text, row->parts.name.bytes);
        op_buffer_add_byte(out, '\t');
        op_buffer_add(out, row->parts.file.text, row->parts.file.bytes);
        op_buffer_add_byte(out, '\n');
        chosen += row->own_weight_ns;
        count++;
    }
}

op_status op_hot_find(pid_t pid, const op_flags *flags, const char *folder, void (*poll)(void *), void *context,
                      int *wait_status, op_error *error)
{
    op_profile *profile = NULL;
    op_aggregate all = {.count = 0};
    op_buffer text;
    char path[PATH_MAX];
    polling each = {poll, context};
    op_record_stats stats;
    op_buffer_init(&text);
    op_status status = op_profile_new(&profile);
    if (status != OP_OK) {
        return op_error_set(error, status, "%s", op_status_text(status));
    }
    op_record_options options = {
        .rate_hz = flags->rate_hz,
        .duration_ns = flags->duration_ns > 0 ? flags->duration_ns : DEFAULT_NS,
        .mode = OP_MODE_WALL,
        .no_children = flags->no_children,
        .no_timeline = true,
        .is_child = true,
        .stop = op_signals_stop(),
        .progress = progress,
        .context = &each,
    };
    status = op_record(pid, &options, profile, NULL, &stats, wait_status, error);
    if (*wait_status != -1) {
        op_signals_forget_child();
        status = OP_OK;
        goto done;
    }
    if (status == OP_OK) {
        status = op_aggregate_init(&all, profile, NULL, error);
    }
    if (status == OP_OK) {
        add_hottest(&text, &all);
        int length = snprintf(path, sizeof path, "%s/" OP_HOT_FILE, folder);
        if (text.failed || length < 0 || (size_t)length >= sizeof path) {
            status = op_error_set(error, OP_NO_MEMORY, "out of memory");
        } else if (text.size > 0) {
            status = op_output_write(path, text.data, text.size, error);
        }
    }
done:
    op_aggregate_fini(&all);
    op_buffer_fini(&text);
    op_profile_free(profile);
    return status;
}

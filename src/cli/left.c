// SPDX-License-Identifier: MIT
#include "cli/left.h"

#include <sys/stat.h>
#include "cli/describe.h"
#include "cli/say.h"
#include "collect/collector.h"

bool op_left_is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

static const char what_to_give[] = "give a profile file, or the folder that a killed 'outpace trace' left";

static op_status nothing_there(const char *path, const op_error *why, op_error *error)
{
    if (why->status != OP_OK) {
        *error = *why;
        return why->status;
    }
    op_error_set(error, OP_NOT_PROFILE, "no trace lies in the folder '%.300s'", path);
    op_error_hint(error, "%s", what_to_give);
    return OP_NOT_PROFILE;
}

// Which program it was is known of its processes alone.
static op_status describe(op_profile *profile, const op_collector *collector, op_error *error)
{
    op_launch none = {.argv = NULL};
    op_status status = op_describe_run(profile, &none, 0, error);
    profile->run.started_unix_ns = op_collector_start_unix_ns(collector);
    for (size_t i = 0; i < profile->processes.count; i++) {
        const op_process_row *row = &profile->processes.items[i];
        profile->run.command = i == 0 ? row->command : profile->run.command;
        if (row->ended_ns > profile->run.duration_ns) {
            profile->run.duration_ns = row->ended_ns;
        }
    }
    return status;
}

op_status op_left_read(const char *path, op_profile **profile, op_error *error)
{
    op_collector *collector = NULL;
    op_profile *made = NULL;
    op_status status = op_collector_open(path, &collector, error);
    if (status != OP_OK) {
        if (status == OP_FOREIGN_FILE) {
            op_error_hint(error, "%s", what_to_give);
        }
        return status;
    }
    op_collector_keep(collector);
    status = op_profile_new(&made);
    status = status == OP_OK ? op_collector_finish(collector, made, error)
                             : op_error_set(error, OP_NO_MEMORY, "out of memory");
    if (status == OP_OK) {
        const op_collector_stats *stats = op_collector_get_stats(collector);
        status = stats->processes > 0 ? describe(made, collector, error) : nothing_there(path, &stats->why, error);
        unsigned long long damaged = stats->torn + stats->refused;
        if (status == OP_OK && damaged > 0) {
            op_say_note("processes whose trace is damaged: %llu (%s)", damaged, stats->why.message);
        }
    }
    op_collector_free(collector);
    if (status != OP_OK) {
        op_profile_free(made);
        return status;
    }
    *profile = made;
    return OP_OK;
}

// SPDX-License-Identifier: MIT
// The recording of `trace` and `lines`. Invariant (1) of session.h holds here too; (2) does for the segments.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/counted.h"
#include "cli/describe.h"
#include "cli/format.h"
#include "cli/hot.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/tracing.h"
#include "process/child.h"

typedef struct {
    const op_flags *flags;
    op_session *session;
    const op_export_format *format;   // NULL: nothing is written
    op_launch launch;
    op_tracing tracing;
    op_error unsampled;   // --counts: why there are no samples
    op_profile
        *traced;   // what the tracer leaves: the session's profile, or one beside it while that is sampled into
} traced_run;

static op_status refuse_samples(const op_export_format *format, op_error *error)
{
    op_error_set(error, OP_USAGE, "the format %s shows samples, and a trace has none", format->name);
    return op_error_hint(error, "give another, or sample the program: outpace record");
}

// By -f, by the ending of -o, or what the habit says. A name without a known ending is fine: cProfile and kernprof
// take any.
static op_status choose_format(traced_run *run, op_error *error)
{
    const op_flags *flags = run->flags;
    bool lines = flags->verb == OP_VERB_LINES;
    if (flags->output == NULL && (!lines || flags->json)) {
        if (flags->format != NULL) {
            op_error_set(error, OP_USAGE, "-f %.40s says how to write, but nothing says where", flags->format);
            return op_error_hint(error, "give a file with -o FILE");
        }
        return OP_OK;
    }
    op_status status = op_format_choose(flags, &run->format, error);
    if (status != OP_OK && !(status == OP_UNKNOWN_FORMAT && flags->format == NULL)) {
        return status;
    }
    if (run->format == NULL) {
        run->format = op_export_find(lines ? "lprof" : "pstats");
    }
    if (run->format == NULL) {
        return op_error_set(error, OP_UNKNOWN_FORMAT, "no format fits");
    }
    static const char *const sampled[] = {"svg", "collapsed", "speedscope"};
    for (size_t i = 0; i < sizeof sampled / sizeof *sampled && !flags->counts; i++) {
        if (strcmp(run->format->name, sampled[i]) == 0) {
            return refuse_samples(run->format, error);
        }
    }
    return OP_OK;
}

// kernprof's: the script's name in the current folder.
static const char *default_name(const op_flags *flags)
{
    const char *script = flags->module != NULL ? flags->module : flags->rest[0];
    const char *slash = strrchr(script, '/');
    return slash != NULL ? slash + 1 : script;
}

static op_status check_output(traced_run *run, op_error *error)
{
    const op_flags *flags = run->flags;
    op_session *session = run->session;
    if (run->format == NULL) {
        return OP_OK;
    }
    const char *name = flags->output != NULL ? flags->output : default_name(flags);
    int length = snprintf(session->path, sizeof session->path, "%s%s", name, flags->output != NULL ? "" : ".lprof");
    if (length < 0 || (size_t)length >= sizeof session->path) {
        op_error_set(error, OP_NO_OUTPUT, "the name of the output is too long");
        return op_error_hint(error, "give a shorter one with -o");
    }
    return op_output_check(session->path, run->format->write != NULL, error);
}

static void poll_traces(void *context)
{
    traced_run *run = context;
    op_tracing_poll(&run->tracing, run->traced);
}

static void poll_while_sampling(void *context, const op_record_stats *stats)
{
    (void)stats;
    poll_traces(context);
}

// Until the sampler has nothing to do any more; what went wrong there does not stop the tracer.
static void sample(traced_run *run)
{
    op_session *session = run->session;
    op_record_options options = {
        .rate_hz = run->flags->rate_hz,
        .mode = OP_MODE_WALL,
        .include_idle = true,   // as the exact times, which pass while a thread waits
        .no_children = run->flags->no_children,
        .no_timeline = run->format == NULL || run->format->write != NULL,
        .is_child = true,
        .stop = op_signals_stop(),
        .progress = poll_while_sampling,
        .context = run,
    };
    op_status status = op_record(session->pid, &options, session->profile, NULL, &session->stats,
                                 &session->wait_status, &run->unsampled);
    if (status == OP_OK || session->stats.samples > 0) {
        run->unsampled.status = OP_OK;
    }
    if (session->wait_status != -1) {
        op_signals_forget_child();
    }
}

// A profile file beside the one that is meant, then renamed: what stands under that name stays until all is on disk.
static op_status write_store(op_profile *profile, const char *path, op_error *error)
{
    char part[PATH_MAX + 8], beside[PATH_MAX + 16];
    op_store *store = NULL;
    snprintf(part, sizeof part, "%s.part", path);
    op_status status = op_store_create(part, profile, &store, error);
    status = status == OP_OK ? op_store_close(store, error) : status;
    static const char *const endings[] = {"-wal", "-shm"};   // of what SQLite had under the name before
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(beside, sizeof beside, "%s%s", status == OP_OK ? path : part, endings[i]);
        unlink(beside);
    }
    if (status == OP_OK && rename(part, path) != 0) {
        status = op_error_set(error, OP_NO_OUTPUT, "'%.300s' cannot be written: %s", path, strerror(errno));
    }
    if (status != OP_OK) {
        unlink(part);
    }
    return status;
}

// What cannot be written where it should be is not lost.
static void keep_elsewhere(traced_run *run, op_error *error)
{
    char path[PATH_MAX];
    const char *folder = secure_getenv("TMPDIR");
    int length = snprintf(path, sizeof path, "%s/outpace-%d.outpace", folder != NULL ? folder : "/tmp",
                          (int)run->session->pid);
    if (length > 0 && (size_t)length < sizeof path && op_output_check(path, false, NULL) == OP_OK &&
        write_store(run->session->profile, path, NULL) == OP_OK) {
        op_error_hint(error, "the trace is kept: outpace report %.300s", path);
    }
}

static op_status write_output(traced_run *run, op_error *error)
{
    op_session *session = run->session;
    op_status status = run->format->write != NULL
                           ? op_format_write(run->format, session->profile, run->flags, session->path, error)
                           : write_store(session->profile, session->path, error);
    session->kept = status == OP_OK;
    if (status == OP_NO_OUTPUT) {
        keep_elsewhere(run, error);
    }
    return status;
}

static op_status nothing_was_traced(const op_session *session, const op_flags *flags, bool ended_early,
                                    op_error *error)
{
    bool lines = flags->verb == OP_VERB_LINES;
    op_error_set(error, OP_NOTHING_MEASURED, "nothing was traced");
    if (session->profile->processes.count == 0) {
        op_error_hint(error,
                      "the program ran no Python, or one that was told to ignore its environment (-I, -E, -S)");
    } else if (!lines) {
        op_error_hint(error, "it ended before it called anything");
    } else if (ended_early) {
        op_error_hint(error,
                      "it ended before its hottest functions were known: look for less long with -d, or choose "
                      "functions with -p or --function");
    } else if (flags->hot) {
        op_error_hint(error,
                      "no function of its own was hot, or none ran again: look for longer with -d, or choose "
                      "functions with -p or --function");
    } else if (flags->modules.count + flags->functions.count > 0) {
        op_error_hint(error, "no function that was chosen ran: check the names, and whether they were called");
    } else {
        op_error_hint(error, "mark functions with @profile, or choose them: -p MODULE, --function MODULE:NAME");
    }
    return OP_NOTHING_MEASURED;
}

op_status op_session_trace(const op_flags *flags, op_session *session, op_error *error)
{
    *session = (op_session){.launched = false, .wait_status = -1};
    traced_run run = {.flags = flags, .session = session};
    op_arena_init(&run.launch.arena);
    op_status status = choose_format(&run, error);
    status = status == OP_OK ? op_launch_make(flags, &run.launch, error) : status;
    status = status == OP_OK ? check_output(&run, error) : status;
    status = status == OP_OK ? op_tracing_start(&run.tracing, flags, error) : status;
    if (status != OP_OK) {
        goto done;
    }
    op_signals_start(true);
    status = op_profile_new(&session->profile);
    run.traced = session->profile;
    if (status == OP_OK && (flags->counts || flags->no_children)) {
        status = op_profile_new(&run.traced);
    }
    status = status == OP_OK ? op_describe_run(session->profile, &run.launch, 0, error)
                             : op_error_set(error, status, "%s", op_status_text(status));
    if (status != OP_OK) {
        goto done;
    }
    int64_t begin_ns = op_clock_monotonic_ns();
    session->profile->run.started_unix_ns = op_clock_unix_ns();
    op_collector_set_start(run.tracing.collector, begin_ns, session->profile->run.started_unix_ns);
    op_launch_clean_environment();
    status = op_child_start(run.launch.argv, &session->pid, error);
    if (status != OP_OK) {
        goto done;
    }
    session->launched = true;
    op_signals_set_child(session->pid);
    if (flags->counts) {
        sample(&run);
    }
    op_error hot_error = {.status = OP_OK};
    if (flags->hot && op_hot_find(session->pid, flags, op_collector_folder(run.tracing.collector), poll_traces,
                                  &run, &session->wait_status, &hot_error) != OP_OK) {
        op_say_error(&hot_error);   // what was chosen otherwise is counted
    }
    bool ended_early = flags->hot && session->wait_status != -1;
    if (session->wait_status == -1) {
        op_tracing_wait(&run.tracing, run.traced, session->pid, &session->wait_status);
    }
    session->profile->run.duration_ns = op_clock_monotonic_ns() - begin_ns;
    session->profile->run.complete = true;
    status = op_tracing_finish(&run.tracing, run.traced, error);
    if (status == OP_OK && run.traced != session->profile) {
        // Children that were forked have the tracer, too.
        status = op_counted_join(session->profile, run.traced, flags->no_children ? session->pid : 0, error);
    }
    if (status == OP_OK && run.unsampled.status != OP_OK && run.unsampled.message[0] != '\0') {
        op_say_note("the times are not known, for the program could not be sampled: %s", run.unsampled.message);
    }
    if (status == OP_OK && flags->counts) {
        status = op_counted_estimate(session->profile, error);
    }
    bool any = flags->verb == OP_VERB_LINES ? session->profile->lines.count > 0
                                            : op_tracing_has_calls(session->profile);
    if (status == OP_OK && !any) {
        status = nothing_was_traced(session, flags, ended_early, error);
    }
    if (status == OP_OK && run.format != NULL) {
        status = write_output(&run, error);
    }
done:
    if (run.traced != session->profile) {
        op_profile_free(run.traced);
    }
    op_tracing_fini(&run.tracing);
    op_launch_fini(&run.launch);
    return status;
}

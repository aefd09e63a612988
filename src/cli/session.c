// SPDX-License-Identifier: MIT
#include "cli/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/counted.h"
#include "cli/describe.h"
#include "cli/format.h"
#include "cli/launch.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/status_line.h"
#include "cli/tracing.h"
#include "process/child.h"
#include "process/process.h"

static const char part_ending[] = ".outpace.part";

typedef struct {
    const op_flags *flags;
    op_session *session;
    const op_export_format *format;
    op_launch launch;
    op_tracing tracing;   // of --trace
    op_profile *traced;   // owned; what that leaves, until the end
    op_status_line line;
    op_store *store;             // open, or NULL
    char store_path[PATH_MAX];   // the profile file that is written while recording
    char aside_path[PATH_MAX];   // where the file that stood there waits; "" where none did
} recording;

// --- names -------------------------------------------------------------------------------------------------

static op_status too_long(op_error *error)
{
    op_error_set(error, OP_NO_OUTPUT, "the name of the output is too long");
    return op_error_hint(error, "give a shorter one with -o");
}

// outpace-PID-TIME with the first ending of the format, in the current folder.
static op_status make_default_path(const op_export_format *format, pid_t pid, char *out, size_t size,
                                   op_error *error)
{
    time_t now = time(NULL);
    struct tm local;
    char stamp[32];
    if (localtime_r(&now, &local) == NULL || strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &local) == 0) {
        snprintf(stamp, sizeof stamp, "%lld", (long long)now);
    }
    int ending = (int)strcspn(format->endings, " ");
    int length = snprintf(out, size, "outpace-%d-%s%.*s", (int)pid, stamp, ending, format->endings);
    return length > 0 && (size_t)length < size ? OP_OK : too_long(error);
}

static op_status make_store_path(recording *work, op_error *error)
{
    const char *path = work->session->path;
    const char *ending = work->format->write != NULL ? part_ending : "";
    char name[PATH_MAX];
    if (op_output_is_device(path)) {   // nothing can be put beside a device
        op_status status = make_default_path(op_export_find("outpace"), work->session->pid, name, sizeof name,
                                             error);
        if (status != OP_OK) {
            return status;
        }
        path = name;
        ending = ".part";
    }
    int length = snprintf(work->store_path, sizeof work->store_path, "%s%s", path, ending);
    return length > 0 && (size_t)length < sizeof work->store_path ? OP_OK : too_long(error);
}

// --- the profile file while recording ----------------------------------------------------------------------

// Moves a profile file with what SQLite keeps beside it, where there is any; `to` NULL: removes them. False: the
// file itself stayed.
static bool move_store(const char *from, const char *to)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    bool moved = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char source[PATH_MAX + 8], target[PATH_MAX + 8];
        snprintf(source, sizeof source, "%s%s", from, parts[i]);
        snprintf(target, sizeof target, "%s%s", to != NULL ? to : "", parts[i]);
        bool done = (to != NULL ? rename(source, target) : unlink(source)) == 0;
        moved = i == 0 ? done : moved;
        if (!moved) {
            return false;
        }
    }
    return true;
}

// An old file waits under another name until the recording has something to replace it with.
static op_status open_store(recording *work, op_error *error)
{
    op_status status = make_store_path(work, error);
    if (status != OP_OK) {
        return status;
    }
    struct stat info;
    work->aside_path[0] = '\0';
    if (lstat(work->store_path, &info) == 0 && S_ISREG(info.st_mode)) {
        int length = snprintf(work->aside_path, sizeof work->aside_path, "%s.%d.old", work->store_path,
                              (int)getpid());
        if (length < 0 || (size_t)length >= sizeof work->aside_path) {
            work->aside_path[0] = '\0';
            return too_long(error);
        }
        if (!move_store(work->store_path, work->aside_path)) {
            work->aside_path[0] = '\0';
            return op_error_set(error, OP_NO_OUTPUT, "'%.300s' cannot be replaced: %s", work->store_path,
                                strerror(errno));
        }
    }
    status = op_store_create(work->store_path, work->session->profile, &work->store, error);
    if (status != OP_OK && work->aside_path[0] != '\0') {
        move_store(work->aside_path, work->store_path);
    }
    return status;
}

static void discard_store(recording *work)
{
    if (work->store != NULL) {
        op_store_discard(work->store);
        work->store = NULL;
        if (work->aside_path[0] != '\0') {
            move_store(work->aside_path, work->store_path);
        }
    }
}

static op_status close_store(recording *work, op_error *error)
{
    op_status status = op_store_close(work->store, error);
    work->store = NULL;
    if (work->aside_path[0] != '\0') {
        move_store(work->aside_path, NULL);
    }
    return status;
}

// --- recording ---------------------------------------------------------------------------------------------

static op_status prepare(recording *work, op_error *error)
{
    const op_flags *flags = work->flags;
    op_session *session = work->session;
    op_status status = op_format_choose(flags, &work->format, error);
    if (status != OP_OK) {
        return status;
    }
    if (work->format == NULL) {
        work->format = op_export_find("outpace");
    }
    if (session->launched) {
        status = op_launch_make(flags, &work->launch, error);
    } else {
        session->pid = flags->pid;
        status = op_process_check(flags->pid, error);
    }
    if (status != OP_OK) {
        return status;
    }
    if (flags->output != NULL) {
        int length = snprintf(session->path, sizeof session->path, "%s", flags->output);
        if (length < 0 || (size_t)length >= sizeof session->path) {
            return too_long(error);
        }
        status = op_output_check(session->path, work->format->write != NULL, error);
    } else if (session->launched) {
        // Its name has the program's id, which is not known yet; a name of the same kind tells as much.
        status = make_default_path(work->format, getpid(), session->path, sizeof session->path, error);
        if (status == OP_OK) {
            status = op_output_check(session->path, false, error);
        }
    } else {
        status = make_default_path(work->format, session->pid, session->path, sizeof session->path, error);
        if (status == OP_OK) {
            status = op_output_check(session->path, false, error);
        }
    }
    return status;
}

static op_status start_program(recording *work, op_error *error)
{
    op_session *session = work->session;
    op_launch_clean_environment();
    if (work->flags->trace) {
        op_collector_set_start(work->tracing.collector, op_clock_monotonic_ns(), op_clock_unix_ns());
    }
    op_status status = op_child_start(work->launch.argv, &session->pid, error);
    if (status != OP_OK) {
        session->launched = false;
        return status;
    }
    op_signals_set_child(session->pid);
    if (work->flags->output == NULL) {
        status = make_default_path(work->format, session->pid, session->path, sizeof session->path, error);
        if (status == OP_OK) {
            status = open_store(work, error);
        }
        if (status != OP_OK) {   // the folder was fine a moment ago; nobody wants a run without its recording
            kill(session->pid, SIGTERM);
        }
    }
    return status;
}

static void progress(void *context, const op_record_stats *stats)
{
    recording *work = context;
    if (work->line.shown) {
        op_status_line_progress(&work->line, stats);
    }
    if (work->flags->trace) {
        op_tracing_poll(&work->tracing, work->traced);
    }
}

// The exact calls, too, where they were asked for: the tracer is in the program until its end.
static void finish_trace(recording *work)
{
    op_session *session = work->session;
    op_error error = {.status = OP_OK};
    if (session->wait_status == -1) {
        op_tracing_wait(&work->tracing, work->traced, session->pid, &session->wait_status);
    }
    if (op_tracing_finish(&work->tracing, work->traced, &error) != OP_OK ||
        op_counted_join(session->profile, work->traced, work->flags->no_children ? session->pid : 0, &error) !=
            OP_OK) {
        op_say_error(&error);   // what was sampled is there all the same
    }
}

static op_status finish_output(recording *work, op_error *error)
{
    op_session *session = work->session;
    if (!op_session_has_any(session)) {
        discard_store(work);
        op_error_set(error, OP_NOTHING_MEASURED,
                     session->launched ? "nothing was measured: the program ran no Python, or too short"
                                       : "nothing was measured");
        op_error_hint(error, "%s",
                      session->launched ? "give a program that runs Python for longer, or a higher rate with -r"
                                        : "its threads may all be idle (--idle keeps them); or give it more time");
        return OP_NOTHING_MEASURED;
    }
    if (work->format->write == NULL) {
        op_status status = close_store(work, error);
        session->kept = status == OP_OK;
        return status;
    }
    // Safe on disk before it is rendered, for what may happen meanwhile.
    op_status status = op_store_flush(work->store, error);
    if (status == OP_OK) {
        status = op_format_write(work->format, session->profile, work->flags, session->path, error);
    }
    if (status == OP_OK) {
        session->kept = true;
        discard_store(work);
        return OP_OK;
    }
    if (close_store(work, NULL) == OP_OK) {
        op_error_hint(error, "the recording is kept: outpace report %.300s -f %s -o OTHER", work->store_path,
                      work->format->name);
    }
    return status;
}

op_status op_session_record(const op_flags *flags, op_session *session, op_error *error)
{
    bool launches = flags->pid == 0;
    *session = (op_session){.launched = launches, .wait_status = -1};
    recording work = {.flags = flags, .session = session};
    op_arena_init(&work.launch.arena);
    op_status status = prepare(&work, error);
    if (status != OP_OK) {
        session->launched = false;
        goto done;
    }
    if (flags->trace) {
        status = op_tracing_start(&work.tracing, flags, error);
        status = status == OP_OK ? op_profile_new(&work.traced) : status;
        if (status != OP_OK) {
            session->launched = false;
            goto done;
        }
    }
    op_signals_start(launches);
    status = op_profile_new(&session->profile);
    status = status == OP_OK
                 ? op_describe_run(session->profile, launches ? &work.launch : NULL, session->pid, error)
                 : op_error_set(error, status, "%s", op_status_text(status));
    if (status != OP_OK) {
        session->launched = false;
        goto done;
    }
    if (!launches || flags->output != NULL) {
        status = open_store(&work, error);
        if (status != OP_OK) {
            session->launched = false;
            goto done;
        }
    }
    if (launches) {
        status = start_program(&work, error);
        if (status != OP_OK) {
            goto done;
        }
    }
    op_status_line_init(&work.line, launches && isatty(STDOUT_FILENO));
    op_record_options options = {
        .rate_hz = flags->rate_hz,
        .duration_ns = flags->duration_ns,
        .mode = flags->mode,
        .include_idle = flags->idle,
        .no_children = flags->no_children,
        .is_child = launches,
        .stop = op_signals_stop(),
        .progress = work.line.shown || flags->trace ? progress : NULL,
        .context = &work,
    };
    status = op_record(session->pid, &options, session->profile, work.store, &session->stats, &session->wait_status,
                       error);
    op_status_line_end(&work.line);
    if (session->wait_status != -1) {
        op_signals_forget_child();
    }
    if (status == OP_PROCESS_GONE && (launches || session->stats.samples > 0)) {
        status = OP_OK;   // that is how recordings end
    }
    if (flags->trace) {
        finish_trace(&work);
    }
    if (status == OP_OK || op_session_has_any(session)) {
        op_status finished = finish_output(&work, status == OP_OK ? error : NULL);
        status = status == OP_OK ? finished : status;
    }
done:
    discard_store(&work);
    op_profile_free(work.traced);
    op_tracing_fini(&work.tracing);
    op_launch_fini(&work.launch);
    return status;
}

bool op_session_has_any(const op_session *session)
{
    return session->stats.samples > 0 || (session->profile != NULL && op_tracing_has_calls(session->profile));
}

void op_session_wait(op_session *session)
{
    if (session->launched && session->wait_status == -1) {
        int wait_status = 0;
        session->wait_status = op_child_wait(session->pid, &wait_status) == OP_OK ? wait_status : 0;
        op_signals_forget_child();
    }
}

void op_session_fini(op_session *session)
{
    op_profile_free(session->profile);
    session->profile = NULL;
}

int op_session_exit_code(const op_session *session, op_status status, int own_code)
{
    if (!session->launched) {
        return own_code;
    }
    bool failed = WIFSIGNALED(session->wait_status) || WEXITSTATUS(session->wait_status) != 0;
    // That too little ran to measure is no failure of the program.
    if (failed || status == OP_OK || status == OP_NOTHING_MEASURED) {
        op_child_repeat_exit(session->wait_status);
    }
    return own_code;
}

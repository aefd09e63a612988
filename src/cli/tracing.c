// SPDX-License-Identifier: MIT
#include "cli/tracing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/hot.h"
#include "cli/package.h"
#include "cli/reasons.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "process/child.h"

enum { POLL_MS = 200, CLOSE_POLL_MS = 5 };

// --- the environment of the program --------------------------------------------------------------------------

static op_status set(const char *name, const char *value, op_error *error)
{
    return value != NULL && setenv(name, value, 1) == 0 ? OP_OK
                                                        : op_error_set(error, OP_NO_MEMORY, "out of memory");
}

// The folder with the hook, then what was there before, but for the hook of an Outpace that traces us.
static op_status set_python_path(const char *start, op_error *error)
{
    op_buffer path;
    op_buffer_init(&path);
    op_buffer_add_text(&path, start);
    const char *old = getenv("PYTHONPATH");
    for (const char *at = old != NULL && *old != '\0' ? old : NULL; at != NULL;) {
        static const char ours[] = "/outpace/_start";
        size_t length = strcspn(at, ":"), tail = sizeof ours - 1;
        if (length < tail || memcmp(at + length - tail, ours, tail) != 0) {
            op_buffer_add_byte(&path, ':');
            op_buffer_add(&path, at, length);
        }
        at = at[length] == ':' ? at + length + 1 : NULL;
    }
    op_status status = set("PYTHONPATH", op_buffer_text(&path), error);
    op_buffer_fini(&path);
    return status;
}

static void add_item(op_buffer *out, const char *kind, const char *text, size_t length)
{
    op_buffer_add_format(out, "%s%s ", out->size > 0 ? "\n" : "", kind);
    op_buffer_add(out, text, length);
}

// A module by its name, or a file or folder where it is written as one.
static op_status add_module(op_buffer *out, const char *text, size_t length, op_error *error)
{
    char name[PATH_MAX], real[PATH_MAX];
    if (length == 0) {
        return OP_OK;   // a comma too many
    }
    if (length >= sizeof name || memchr(text, '\n', length) != NULL) {
        op_error_set(error, OP_USAGE, "'%.100s' is no name of a module", text);
        op_error_hint(error, "give a module, a package or a file: -p app.views");
        return OP_USAGE;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    bool is_file = length > 3 && strcmp(name + length - 3, ".py") == 0;
    if (!is_file && strchr(name, '/') == NULL) {
        add_item(out, "module", name, length);
        return OP_OK;
    }
    struct stat info;
    if (stat(name, &info) != 0) {
        op_error_set(error, OP_NO_FILE, "the file '%.300s' of --prof-mod does not exist", name);
        op_error_hint(error, "check its name and the current folder; a module is written with dots");
        return OP_NO_FILE;
    }
    // Not behind symbolic links, as Python does not follow them either.
    char *folder = name[0] == '/' ? NULL : getcwd(real, sizeof real);
    op_buffer_add_format(out, "%sfile %s%s%s%s", out->size > 0 ? "\n" : "", folder != NULL ? folder : "",
                         folder != NULL ? "/" : "", strncmp(name, "./", 2) == 0 ? name + 2 : name,
                         S_ISDIR(info.st_mode) && name[length - 1] != '/' ? "/" : "");
    return OP_OK;
}

static op_status set_selection(const op_flags *flags, op_error *error)
{
    op_buffer items;
    op_buffer_init(&items);
    op_status status = OP_OK;
    for (size_t i = 0; i < flags->modules.count && status == OP_OK; i++) {
        const char *at = flags->modules.items[i];
        for (;;) {
            size_t length = strcspn(at, ",");
            status = add_module(&items, at, length, error);
            if (status != OP_OK || at[length] == '\0') {
                break;
            }
            at += length + 1;
        }
    }
    for (size_t i = 0; i < flags->functions.count; i++) {
        add_item(&items, "function", flags->functions.items[i], strlen(flags->functions.items[i]));
    }
    if (status == OP_OK) {
        status = set("OUTPACE_TRACE_SELECT", op_buffer_text(&items), error);
    }
    op_buffer_fini(&items);
    return status;
}

static op_status set_environment(const op_tracing *tracing, const op_package *package, const op_flags *flags,
                                 op_error *error)
{
    const char *modes = flags->verb == OP_VERB_LINES ? "lines"
                        : flags->counts              ? flags->no_builtins ? "counts" : "counts,builtins"
                        : flags->no_builtins         ? "calls"
                                                     : "calls,builtins";
    op_status status = set("OUTPACE_TRACE", op_collector_folder(tracing->collector), error);
    status = status == OP_OK ? set("OUTPACE_TRACE_MODES", modes, error) : status;
    status = status == OP_OK ? set("OUTPACE_TRACE_AGENT", package->agents.data, error) : status;
    status = status == OP_OK ? set_python_path(package->start, error) : status;
    status = status == OP_OK ? set_selection(flags, error) : status;
    unsetenv("OUTPACE_TRACE_PARENT");
    unsetenv("OUTPACE_TRACE_HOT");
    if (status == OP_OK && flags->hot) {
        char path[PATH_MAX + sizeof OP_HOT_FILE];
        snprintf(path, sizeof path, "%s/" OP_HOT_FILE, op_collector_folder(tracing->collector));
        status = set("OUTPACE_TRACE_HOT", path, error);
    }
    if (status == OP_OK && flags->no_children) {
        char parent[24];
        snprintf(parent, sizeof parent, "%d", (int)getpid());
        status = set("OUTPACE_TRACE_PARENT", parent, error);
    }
    return status;
}

op_status op_tracing_start(op_tracing *tracing, const op_flags *flags, op_error *error)
{
    *tracing = (op_tracing){.poll_status = OP_OK};
    op_package package;
    op_status status = op_package_find(&package, error);
    if (status == OP_OK) {
        status = op_collector_new(&tracing->collector, error);
    }
    if (status == OP_OK) {
        status = set_environment(tracing, &package, flags, error);
    }
    op_package_fini(&package);
    return status;
}

// --- while the program runs ------------------------------------------------------------------------------------

void op_tracing_poll(op_tracing *tracing, op_profile *profile)
{
    if (tracing->poll_status == OP_OK) {
        tracing->poll_status = op_collector_poll(tracing->collector, profile, &tracing->poll_error);
    }
}

// Whether it ended, leaving its end to be waited for.
static bool has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    int got;
    do {
        got = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (got < 0 && errno == EINTR);
    return got < 0 || info.si_pid == pid;
}

void op_tracing_wait(op_tracing *tracing, op_profile *profile, pid_t pid, int *wait_status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);   // -1: an old kernel
    int64_t next_ns = op_clock_monotonic_ns() + POLL_MS * INT64_C(1000000);
    while (!has_ended(pid)) {
        struct pollfd end = {.fd = fd, .events = POLLIN};
        if (poll(&end, 1, fd >= 0 ? POLL_MS : CLOSE_POLL_MS) < 0 && errno != EINTR) {
            break;
        }
        if (op_clock_monotonic_ns() >= next_ns) {
            op_tracing_poll(tracing, profile);
            next_ns = op_clock_monotonic_ns() + POLL_MS * INT64_C(1000000);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    op_signals_forget_child();
    int found = 0;
    *wait_status = op_child_wait(pid, &found) == OP_OK ? found : 0;
}

// --- at the end ------------------------------------------------------------------------------------------------

static bool is_of_the_start(const op_profile *profile, op_id function)
{
    const op_function *row = op_profile_function(profile, function);
    if (row == NULL || row->kind != OP_FRAME_PYTHON) {
        return true;
    }
    op_string file = op_profile_text(profile, row->file);
    return file.bytes >= 8 && memcmp(file.text, "<frozen ", 8) == 0;
}

bool op_tracing_has_calls(const op_profile *profile)
{
    for (size_t i = 0; i < profile->calls.count; i++) {
        if (!is_of_the_start(profile, profile->calls.items[i].function)) {
            return true;
        }
    }
    return false;
}

static void say_losses(const op_profile *profile, const op_collector_stats *stats)
{
    static const struct {
        const char *counter, *text;
    } losses[] = {
        {"lost_calls", "calls that could not be counted"},
        {"lost_functions", "functions that could not be kept"},
        {"lost_lines", "lines that could not be kept"},
        {"lost_processes", "child processes that could not be traced"},
        {"lost_hooks", "threads counted in part, as the program set the profile hook for itself"},
    };
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        int64_t lost = op_profile_counter(profile, losses[i].counter);
        if (lost > 0) {
            op_say_note("%s: %lld", losses[i].text, (long long)lost);
        }
    }
    uint64_t damaged = stats->torn + stats->refused;
    if (damaged > 0) {
        op_say_note("processes whose trace is damaged: %llu (%s)", (unsigned long long)damaged, stats->why.message);
    }
}

op_status op_tracing_finish(op_tracing *tracing, op_profile *profile, op_error *error)
{
    op_reasons reasons;
    op_reasons_read(&reasons, op_collector_folder(tracing->collector));
    op_status status = tracing->poll_status;
    if (status != OP_OK) {
        if (error != NULL) {
            *error = tracing->poll_error;
        }
        return status;
    }
    status = op_collector_finish(tracing->collector, profile, error);
    if (status != OP_OK) {
        return status;
    }
    const op_collector_stats *stats = op_collector_get_stats(tracing->collector);
    // Where the tracer failed at its start it may have left an empty segment.
    if (reasons.count > 0 && profile->calls.count == 0 && profile->lines.count == 0) {
        return op_reasons_error(&reasons, error);
    }
    if (stats->processes == 0 && stats->why.status != OP_OK) {
        if (error != NULL) {
            *error = stats->why;
        }
        return stats->why.status;
    }
    op_reasons_say(&reasons);
    say_losses(profile, stats);
    return OP_OK;
}

void op_tracing_fini(op_tracing *tracing)
{
    op_collector_free(tracing->collector);
    tracing->collector = NULL;
}

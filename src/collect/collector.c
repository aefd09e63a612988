// SPDX-License-Identifier: MIT
#include "collect/collector.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/memory.h"
#include "collect/fold.h"
#include "process/process.h"

enum {
    MAX_NAME_BYTES = 64,
    MIN_BASELINE_NS = 20000000,   // of the clocks: two readings are right within some 50 ns
    MIN_FREE_BYTES = 64 << 20,    // where a folder is made: a disk that is full kills what is mapped from it
    FINISH_ROUNDS = 8,
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

struct op_collector {
    char *folder;   // owned
    int fd;
    bool made;     // by us
    bool keep;     // nothing is removed
    bool failed;   // out of memory in the middle of a segment
    bool again;    // of a later round of the end: what could not be removed was counted
    op_fold_clock clock;
    int64_t start_ns, start_unix_ns;
    op_collector_stats stats;
};

typedef struct {
    char name[MAX_NAME_BYTES];
    int64_t started_ns;
    bool running;
} left_segment;

typedef OP_VECTOR(left_segment) left_segments;

// ---- the folder ------------------------------------------------------------------------------------------------

static op_status check_folder(int fd, const char *path, op_error *error)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0)
        return op_error_set(error, OP_SYSTEM, "cannot read '%s': %s", path, strerror(errno));
    if (facts.st_uid != geteuid())
        return op_error_set(error, OP_FOREIGN_FILE, "the folder '%s' belongs to user %u", path, facts.st_uid);
    if (facts.st_mode & (S_IRWXG | S_IRWXO))
        return op_error_set(error, OP_FOREIGN_FILE, "the folder '%s' may be entered by others", path);
    return OP_OK;
}

// Takes over `folder` and `fd`, also where it fails.
static op_status make_collector(char *folder, int fd, bool made, op_collector **collector, op_error *error)
{
    op_collector *new_one = folder ? op_alloc_zero(1, sizeof *new_one) : NULL;
    if (!new_one) {
        op_free(folder);
        close(fd);
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    }
    new_one->folder = folder;
    new_one->fd = fd;
    new_one->made = made;
    op_clock_read_both(&new_one->clock.ticks_a, &new_one->clock.ns_a);
    new_one->start_ns = new_one->clock.ns_a;
    new_one->start_unix_ns = op_clock_unix_ns();
    *collector = new_one;
    return OP_OK;
}

// Whether a folder for traces can stand below `parent`: with room, and where `private`, in our hands only.
static bool parent_is_good(const char *parent, bool private)
{
    struct stat facts;
    struct statvfs room;
    if (!parent || parent[0] != '/' || strlen(parent) > PATH_MAX / 2 || stat(parent, &facts) != 0 ||
        !S_ISDIR(facts.st_mode))
        return false;
    if (private && (facts.st_uid != geteuid() || facts.st_mode & (S_IWGRP | S_IWOTH)))
        return false;
    return statvfs(parent, &room) == 0 && (uint64_t)room.f_bavail * room.f_frsize >= MIN_FREE_BYTES;
}

op_status op_collector_new(op_collector **collector, op_error *error)
{
    const char *const parents[] = {secure_getenv("XDG_RUNTIME_DIR"), secure_getenv("TMPDIR"), "/tmp"};
    char path[PATH_MAX], last[PATH_MAX] = "/tmp";
    int number = ENOSPC;
    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++) {
        if (!parent_is_good(parents[i], i == 0))
            continue;
        snprintf(last, sizeof last, "%s", parents[i]);
        snprintf(path, sizeof path, "%.*s/outpace-XXXXXX", PATH_MAX / 2, parents[i]);
        if (!mkdtemp(path)) {
            number = errno;
            continue;
        }
        int fd = open(path, FOLDER_FLAGS);
        // The mode again: mkdtemp obeys the umask.
        if (fd >= 0 && fchmod(fd, S_IRWXU) == 0 && check_folder(fd, path, NULL) == OP_OK) {
            op_status status = make_collector(op_copy_string(path), fd, true, collector, error);
            if (status != OP_OK)
                rmdir(path);
            return status;
        }
        number = errno;
        if (fd >= 0)
            close(fd);
        rmdir(path);
    }
    op_error_set(error, OP_NO_OUTPUT, "cannot make a folder for the trace below '%s': %s", last, strerror(number));
    op_error_hint(error, "set TMPDIR to a folder that you may write and that has room");
    return OP_NO_OUTPUT;
}

// ---- what is in it ---------------------------------------------------------------------------------------------

// PID-N.segment
static bool is_segment_name(const char *name)
{
    static const char digits[] = "0123456789";
    size_t pid = strspn(name, digits);
    if (pid == 0 || name[pid] != '-' || strlen(name) >= MAX_NAME_BYTES)
        return false;
    size_t number = strspn(name + pid + 1, digits);
    return number > 0 && strcmp(name + pid + 1 + number, ".segment") == 0;
}

static DIR *open_listing(const op_collector *collector)
{
    int fd = openat(collector->fd, ".", FOLDER_FLAGS);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (!listing && fd >= 0)
        close(fd);
    return listing;
}

static bool has_ended(const op_segment_header *header)
{
    pid_t pid = (pid_t)header->pid, tids[2];
    size_t threads;
    uint64_t start = op_process_start_ticks(pid);
    if (start == 0 || (header->process_start != 0 && start != header->process_start))
        return true;
    // A zombie; but where its main thread ended alone, the others still run.
    return !op_process_is_alive(pid) && (op_process_threads(pid, tids, 2, &threads) != OP_OK || threads < 2);
}

// Counts a file that cannot be folded, and removes it where it is of no use to anybody. SYSTEM: it may well be, but
// cannot be read now.
static op_status set_aside(op_collector *collector, const char *name, const op_error *why, op_error *error)
{
    bool torn = why->status == OP_TORN_SEGMENT;
    if (why->status == OP_NO_FILE)
        return OP_OK;   // gone meanwhile
    if (why->status == OP_SYSTEM) {
        op_error_set(error, OP_SYSTEM, "%s", why->message);
        op_error_hint(error, "the traces stay in '%s'", collector->folder);
        return OP_SYSTEM;
    }
    if (!collector->again) {
        collector->stats.torn += torn;
        collector->stats.refused += !torn;
        collector->stats.why = *why;
    }
    if ((torn || collector->made) && !collector->keep)
        unlinkat(collector->fd, name, 0);
    return OP_OK;
}

static int by_start(const void *left, const void *right)
{
    const left_segment *a = left, *b = right;
    if (a->started_ns != b->started_ns)
        return a->started_ns < b->started_ns ? -1 : 1;
    return strcmp(a->name, b->name);
}

// The segments of processes that ended, of all where `all`; the oldest first. Sets aside (only where `all`: what is
// not whole yet may become so) what is none. SYSTEM: one could not be read.
static op_status list_segments(op_collector *collector, bool all, left_segments *list, op_error *error)
{
    op_status status = OP_OK;
    DIR *listing = open_listing(collector);
    if (!listing)
        return op_error_set(error, OP_SYSTEM, "cannot read the folder '%s': %s", collector->folder,
                            strerror(errno));
    for (struct dirent *entry; (entry = readdir(listing));) {
        op_segment_reader reader;
        op_error why = {0};
        if (!is_segment_name(entry->d_name))
            continue;
        if (op_segment_open(&reader, collector->fd, entry->d_name, &why) != OP_OK) {
            if (all && set_aside(collector, entry->d_name, &why, error) != OP_OK)
                status = OP_SYSTEM;
            continue;
        }
        bool ended = has_ended(&reader.header);
        left_segment found = {.started_ns = reader.header.started_monotonic_ns, .running = !ended};
        op_segment_close(&reader);
        if (!ended && !all)
            continue;
        left_segment *slot = OP_VECTOR_PUSH(list);
        if (!slot) {
            status = op_error_set(error, OP_NO_MEMORY, "out of memory while collecting traces");
            break;
        }
        *slot = found;
        memcpy(slot->name, entry->d_name, strlen(entry->d_name) + 1);   // fits: is_segment_name
    }
    closedir(listing);
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, by_start);
    return status;
}

// ---- folding ---------------------------------------------------------------------------------------------------

static void read_clock(op_collector *collector)
{
    op_clock_sleep_until_ns(collector->clock.ns_a + MIN_BASELINE_NS);
    do
        op_clock_read_both(&collector->clock.ticks_b, &collector->clock.ns_b);
    while (collector->clock.ns_b - collector->clock.ns_a < MIN_BASELINE_NS);   // a signal woke us
}

static op_status fold_one(op_collector *collector, const left_segment *segment, op_profile *profile,
                          op_error *error)
{
    op_segment_reader reader;
    op_fold_result result = {0};
    op_error why = {0};
    op_status status = op_segment_open(&reader, collector->fd, segment->name, &why);
    if (status != OP_OK)   // changed meanwhile
        return set_aside(collector, segment->name, &why, error);
    if (!reader.header.ticks_are_ns)
        read_clock(collector);
    status = op_segment_scan(&reader);
    if (status == OP_OK)
        status = op_fold_segment(&reader, &collector->clock, collector->start_ns, profile, &result, &why);
    op_segment_close(&reader);
    if (status == OP_NO_MEMORY) {
        collector->failed = true;
        op_error_set(error, OP_NO_MEMORY, "out of memory while collecting traces");
        op_error_hint(error, "free some memory; the traces stay in '%s'", collector->folder);
        return OP_NO_MEMORY;
    }
    if (status != OP_OK)
        return set_aside(collector, segment->name, &why, error);
    collector->stats.processes++;
    collector->stats.running += segment->running;
    if (result.torn > 0) {
        collector->stats.torn++;
        op_error_set(&collector->stats.why, OP_TORN_SEGMENT, "'%s' is damaged: %llu parts of it were left out",
                     segment->name, (unsigned long long)result.torn);
    }
    if (!collector->keep)
        unlinkat(collector->fd, segment->name, 0);
    return OP_OK;
}

static op_status fold_all(op_collector *collector, bool all, op_profile *profile, op_error *error)
{
    left_segments list = {0};
    if (collector->failed)
        return op_error_set(error, OP_NO_MEMORY, "out of memory while collecting traces");
    op_status status = list_segments(collector, all, &list, error);
    for (size_t i = 0; i < list.count && status != OP_NO_MEMORY; i++) {
        op_status folded = fold_one(collector, &list.items[i], profile, error);
        status = folded != OP_OK ? folded : status;
    }
    OP_VECTOR_FINI(&list);
    return status;
}

op_status op_collector_poll(op_collector *collector, op_profile *profile, op_error *error)
{
    return fold_all(collector, false, profile, error);
}

// ---- begin and end ---------------------------------------------------------------------------------------------

// Counts the times from the start of the oldest process.
static void begin_with_oldest(op_collector *collector)
{
    bool found = false;
    DIR *listing = open_listing(collector);
    if (!listing)
        return;
    for (struct dirent *entry; (entry = readdir(listing));) {
        op_segment_reader reader;
        if (!is_segment_name(entry->d_name) ||
            op_segment_open(&reader, collector->fd, entry->d_name, NULL) != OP_OK)
            continue;
        const op_segment_header *header = &reader.header;
        if (!found || header->started_monotonic_ns < collector->start_ns)
            op_collector_set_start(collector, header->started_monotonic_ns, header->started_unix_ns);
        found = true;
        op_segment_close(&reader);
    }
    closedir(listing);
}

op_status op_collector_open(const char *folder, op_collector **collector, op_error *error)
{
    char *path = realpath(folder, NULL), *copy;
    int fd = path ? open(path, FOLDER_FLAGS) : -1;
    if (fd < 0) {
        op_error_set(error, OP_NO_FILE, "cannot read the folder '%s': %s", folder, strerror(errno));
        free(path);
        return OP_NO_FILE;
    }
    op_status status = check_folder(fd, path, error);
    copy = status == OP_OK ? op_copy_string(path) : NULL;
    free(path);
    if (status != OP_OK) {
        close(fd);
        return status;
    }
    status = make_collector(copy, fd, false, collector, error);
    if (status == OP_OK)
        begin_with_oldest(*collector);
    return status;
}

void op_collector_keep(op_collector *collector)
{
    collector->keep = true;
}

void op_collector_free(op_collector *collector)
{
    if (!collector)
        return;
    if (collector->made)
        rmdir(collector->folder);
    close(collector->fd);
    op_free(collector->folder);
    op_free(collector);
}

// Whatever else lies in a folder that we made. Folders stay.
static void remove_rest(const op_collector *collector)
{
    DIR *listing = open_listing(collector);
    if (!listing)
        return;
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (!is_segment_name(entry->d_name))
            unlinkat(collector->fd, entry->d_name, 0);
    }
    closedir(listing);
}

op_status op_collector_finish(op_collector *collector, op_profile *profile, op_error *error)
{
    op_status status = OP_OK;
    // Processes that run on may make segments meanwhile, until the folder is gone.
    for (int round = 0; round < (collector->made ? FINISH_ROUNDS : 1); round++) {
        status = fold_all(collector, true, profile, error);
        if (status != OP_OK)
            break;
        if (collector->made)
            remove_rest(collector);
        collector->again = true;
        if (collector->keep || rmdir(collector->folder) == 0 || errno != ENOTEMPTY)
            break;
    }
    const op_collector_stats *stats = &collector->stats;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {{"traced_processes", stats->processes},
                    {"torn_segments", stats->torn},
                    {"refused_segments", stats->refused}};
    for (size_t i = 0; i < sizeof counters / sizeof *counters && status != OP_NO_MEMORY; i++) {
        if (op_profile_set_counter(profile, counters[i].name, (int64_t)counters[i].value) != OP_OK)
            status = op_error_set(error, OP_NO_MEMORY, "out of memory while collecting traces");
    }
    return status;
}

const char *op_collector_folder(const op_collector *collector)
{
    return collector->folder;
}

const op_collector_stats *op_collector_get_stats(const op_collector *collector)
{
    return &collector->stats;
}

void op_collector_set_start(op_collector *collector, int64_t monotonic_ns, int64_t unix_ns)
{
    collector->start_ns = monotonic_ns;
    collector->start_unix_ns = unix_ns;
}

int64_t op_collector_start_unix_ns(const op_collector *collector)
{
    return collector->start_unix_ns;
}

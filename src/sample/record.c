// SPDX-License-Identifier: MIT
// The recording: the schedule, the processes of the tree, and what has to be done between ticks.
#include "sample/record.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "process/child.h"
#include "process/newest_pid.h"
#include "process/process.h"
#include "sample/schedule.h"
#include "sample/target.h"

enum { MAX_PROCESSES = 4096 };
#define MS INT64_C(1000000)
#define COMMIT_INTERVAL_NS (10 * MS)
#define COMMIT_MAX_INTERVAL_NS (40 * MS)
#define TEND_INTERVAL_NS (1 * MS)
#define IDLE_INTERVAL_NS (5 * MS)
#define ALIVE_INTERVAL_NS (50 * MS)
#define CHILDREN_INTERVAL_NS (20 * MS)
#define CHILDREN_MAX_INTERVAL_NS (100 * MS)
#define CHILDREN_SETTLE_NS (100 * MS)    // a process has its id a little before its parent lists it
#define CHILDREN_ANYWAY_NS (1000 * MS)   // they are looked for even where no new process was seen
#define FLUSH_INTERVAL_NS (400 * MS)
#define PROGRESS_INTERVAL_NS (100 * MS)
#define ATTACH_PATIENCE_NS (300 * MS)   // how long an attached process may take to start its interpreter

typedef struct {
    const op_record_options *options;
    op_profile *profile;
    op_store *store;
    op_record_stats *stats;
    OP_VECTOR(op_target *) targets;   // [0] is the root
    op_schedule schedule;
    int64_t begin_ns, cpu_begin_ns;
    op_newest_pid newest;
    pid_t newest_pid;
    int64_t newest_ns;   // when that was seen to change
    int64_t children_cost_ns, children_looked_ns;
    int64_t alive_ns;   // last look whether the root lives
    int64_t commit_ns, commit_interval_ns, tend_ns, children_ns, flush_ns, progress_ns;
    bool root_ended;
    int wait_status;
} recording;

static op_status add_target(recording *rec, pid_t pid)
{
    op_target *target = NULL;
    op_status status = op_target_new(pid, rec->options, rec->profile, rec->stats, rec->begin_ns, &target);
    if (status != OP_OK)
        return status;
    op_target **slot = OP_VECTOR_PUSH(&rec->targets);
    if (slot == NULL) {
        op_target_free(target);
        return OP_NO_MEMORY;
    }
    *slot = target;
    return OP_OK;
}

static bool knows(const recording *rec, pid_t pid)
{
    for (size_t i = 0; i < rec->targets.count; i++)
        if (rec->targets.items[i]->pid == pid)
            return true;
    return false;
}

// Looks for new children of every process of the tree. Those without an interpreter are kept too: theirs may have one.
static op_status find_children(recording *rec)
{
    pid_t found[256];
    for (size_t i = 0; i < rec->targets.count; i++) {
        size_t count = 0;
        if (rec->targets.items[i]->gone ||
            op_process_children(rec->targets.items[i]->pid, found, sizeof found / sizeof *found, &count) != OP_OK)
            continue;
        for (size_t k = 0; k < count; k++) {
            if (knows(rec, found[k]) || rec->targets.count >= MAX_PROCESSES)
                continue;
            op_status status = add_target(rec, found[k]);
            if (status != OP_OK)
                return status;
        }
    }
    return OP_OK;
}

// A look for children costs a read a thread, so it is left out where nobody has been born since the last one.
static bool may_find_children(recording *rec, int64_t now_ns)
{
    pid_t newest = op_newest_pid_read(&rec->newest);
    if (newest == 0 || newest != rec->newest_pid)
        rec->newest_ns = now_ns;
    rec->newest_pid = newest;
    return now_ns - rec->newest_ns <= CHILDREN_SETTLE_NS || now_ns - rec->children_looked_ns >= CHILDREN_ANYWAY_NS;
}

static void drop_ended(recording *rec)
{
    size_t kept = 0;
    for (size_t i = 0; i < rec->targets.count; i++) {
        op_target *target = rec->targets.items[i];
        if (target->gone && i > 0)
            op_target_free(target);
        else
            rec->targets.items[kept++] = target;
    }
    rec->targets.count = kept;
}

static op_status commit_all(recording *rec, int64_t now_ns)
{
    op_status status = OP_OK;
    int64_t begin_ns = op_clock_monotonic_ns();
    for (size_t i = 0; i < rec->targets.count && status == OP_OK; i++)
        status = op_target_commit(rec->targets.items[i], now_ns);
    // At most about a hundredth of the time goes into it.
    int64_t cost_ns = op_clock_monotonic_ns() - begin_ns;
    rec->commit_interval_ns = cost_ns * 100 < COMMIT_INTERVAL_NS ? COMMIT_INTERVAL_NS : cost_ns * 100;
    if (rec->commit_interval_ns > COMMIT_MAX_INTERVAL_NS)
        rec->commit_interval_ns = COMMIT_MAX_INTERVAL_NS;
    rec->commit_ns = now_ns;
    return status;
}

static void count_up(recording *rec, int64_t now_ns)
{
    op_record_stats *stats = rec->stats;
    stats->late = rec->schedule.late;
    stats->skipped = rec->schedule.skipped;
    stats->elapsed_ns = now_ns - rec->begin_ns;
    stats->own_cpu_ns = op_clock_process_cpu_ns() - rec->cpu_begin_ns;
    uint64_t retried = 0;
    for (size_t i = 0; i < rec->targets.count; i++) {
        if (!rec->targets.items[i]->attached)
            continue;
        const op_walk_stats *walk = op_walker_stats(rec->targets.items[i]->walker);
        retried += walk->interrupted + walk->torn + walk->mispredicted;
    }
    if (retried > stats->retried)
        stats->retried = retried;
    if (stats->elapsed_ns > 0)
        stats->achieved_rate_hz = (double)rec->schedule.ticks * 1e9 / (double)stats->elapsed_ns;
}

static op_status store_counters(recording *rec)
{
    const op_record_stats *s = rec->stats;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"ticks", rec->schedule.ticks},
        {"asked", s->asked},
        {"samples", s->samples},
        {"late", s->late},
        {"skipped", s->skipped},
        {"retried", s->retried},
        {"given_up", s->given_up},
        {"lost", s->lost},
        {"unproven", s->unproven},
        {"unreadable", s->unreadable},
        {"truncated", s->truncated},
        {"gone", s->gone},
        {"own_cpu_ns", (uint64_t)s->own_cpu_ns},
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        op_status status = op_profile_set_counter(rec->profile, counters[i].name, (int64_t)counters[i].value);
        if (status != OP_OK)
            return status;
    }
    rec->profile->run.duration_ns = s->elapsed_ns;
    return OP_OK;
}

static op_status flush(recording *rec, int64_t now_ns, op_error *error)
{
    count_up(rec, now_ns);
    op_status status = store_counters(rec);
    rec->flush_ns = now_ns;
    if (status == OP_OK && rec->store != NULL)
        status = op_store_flush(rec->store, error);
    return status;
}

// A child may not be one that we may read, or not a Python: then it is left alone. Only the root's failure ends us.
static op_status try_attach(recording *rec, size_t index, int64_t now_ns, op_error *error)
{
    op_target *target = rec->targets.items[index];
    op_error reason = {0};
    if (target->attached || target->gone || now_ns < target->try_ns)
        return OP_OK;
    op_status status = op_target_attach(target, now_ns, &reason);
    if (status == OP_OK)
        return op_target_tend(target, now_ns);
    if (status == OP_NO_MEMORY)
        return status;
    if (index > 0) {
        target->gone = target->gone || !op_process_is_alive(target->pid);
        return OP_OK;
    }
    bool waits = status == OP_NOT_PYTHON || status == OP_PROCESS_GONE || status == OP_UNREADABLE ||
                 status == OP_BAD_DATA || status == OP_NO_PROCESS;
    if (waits && (rec->options->is_child || now_ns - rec->begin_ns < ATTACH_PATIENCE_NS))
        return OP_OK;
    if (rec->profile->processes.count > 0 || (!rec->options->no_children && rec->targets.count > 1))
        return OP_OK;
    if (status == OP_NOT_PYTHON && !rec->options->no_children) {
        // A shell or launcher that already has children is no obstacle.
        if (find_children(rec) != OP_OK)
            return OP_NO_MEMORY;
        if (rec->targets.count > 1)
            return OP_OK;
    }
    if (error != NULL)
        *error = reason;
    return status;
}

static op_status tend(recording *rec, int64_t now_ns, op_error *error)
{
    op_status status = OP_OK;
    if (now_ns - rec->commit_ns >= rec->commit_interval_ns)
        status = commit_all(rec, now_ns);
    if (status == OP_OK && now_ns - rec->tend_ns >= TEND_INTERVAL_NS) {
        rec->tend_ns = now_ns;
        for (size_t i = 0; i < rec->targets.count && status == OP_OK; i++) {
            status = try_attach(rec, i, now_ns, error);
            if (status == OP_OK)
                status = op_target_tend(rec->targets.items[i], now_ns);
        }
        drop_ended(rec);
        op_target *root = rec->targets.items[0];
        if (rec->options->is_child) {
            if (op_child_poll(root->pid, &rec->root_ended, &rec->wait_status) != OP_OK)
                rec->root_ended = true;
        } else if (now_ns - rec->alive_ns >= ALIVE_INTERVAL_NS) {
            rec->alive_ns = now_ns;
            rec->root_ended = !op_process_is_alive(root->pid);
        }
        if (root->gone && !rec->options->is_child)
            rec->root_ended = true;
    }
    int64_t children_interval_ns = now_ns - rec->begin_ns < 500 * MS ? CHILDREN_INTERVAL_NS / 4
                                                                     : CHILDREN_INTERVAL_NS;
    // Each thread has a list of its own: with many threads looks are dear.
    if (children_interval_ns < 50 * rec->children_cost_ns)
        children_interval_ns = 50 * rec->children_cost_ns < CHILDREN_MAX_INTERVAL_NS ? 50 * rec->children_cost_ns
                                                                                     : CHILDREN_MAX_INTERVAL_NS;
    if (status == OP_OK && !rec->options->no_children && now_ns - rec->children_ns >= children_interval_ns) {
        rec->children_ns = now_ns;
        if (may_find_children(rec, now_ns)) {
            rec->children_looked_ns = now_ns;
            status = find_children(rec);
            rec->children_cost_ns = op_clock_monotonic_ns() - now_ns;
        }
    }
    if (status == OP_OK && now_ns - rec->flush_ns >= FLUSH_INTERVAL_NS)
        status = flush(rec, now_ns, error);
    if (status == OP_OK && rec->options->progress != NULL && now_ns - rec->progress_ns >= PROGRESS_INTERVAL_NS) {
        rec->progress_ns = now_ns;
        count_up(rec, now_ns);
        rec->options->progress(rec->options->context, rec->stats);
    }
    return status;
}

static bool stopped(const recording *rec)
{
    return rec->options->stop != NULL && *rec->options->stop != 0;
}

static op_status loop(recording *rec, int64_t end_ns, op_error *error)
{
    op_status status = try_attach(rec, 0, rec->begin_ns, error);
    if (status == OP_OK && rec->targets.items[0]->attached) {
        // Attached at once: from here on the schedule counts.
        op_schedule_init(&rec->schedule, rec->options->rate_hz, rec->options->seed, op_clock_monotonic_ns());
    }
    while (status == OP_OK && !rec->root_ended && !stopped(rec)) {
        int64_t now_ns = op_clock_monotonic_ns();
        if (now_ns >= end_ns)
            break;
        // Each sleep costs as much as a sample: between ticks only what cannot wait wakes us.
        int64_t until_ns = now_ns + (rec->targets.items[0]->attached ? IDLE_INTERVAL_NS : TEND_INTERVAL_NS);
        if (until_ns > end_ns)
            until_ns = end_ns;
        bool due = false;
        now_ns = op_schedule_wait(&rec->schedule, until_ns, &due);
        for (size_t i = 0; due && i < rec->targets.count && status == OP_OK; i++)
            status = op_target_sample(rec->targets.items[i], now_ns, (uint64_t)rec->schedule.tick_ns);
        if (status == OP_OK)
            status = tend(rec, now_ns, error);
    }
    return status;
}

op_status op_record(pid_t pid, const op_record_options *options, op_profile *profile, op_store *store,
                    op_record_stats *stats, int *wait_status, op_error *error)
{
    memset(stats, 0, sizeof *stats);
    stats->asked_rate_hz = options->rate_hz;
    recording rec = {
        .options = options,
        .profile = profile,
        .store = store,
        .stats = stats,
        .begin_ns = op_clock_monotonic_ns(),
        .cpu_begin_ns = op_clock_process_cpu_ns(),
        .commit_interval_ns = COMMIT_INTERVAL_NS,
        .wait_status = -1,
    };
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    op_status status = options->is_child ? OP_OK : op_process_check(pid, error);
    if (status != OP_OK)
        return status;
    op_newest_pid_open(&rec.newest);
    rec.commit_ns = rec.flush_ns = rec.progress_ns = rec.begin_ns;
    profile->run.started_unix_ns = op_clock_unix_ns();
    profile->run.asked_rate_hz = options->rate_hz;
    profile->run.mode = options->mode;
    profile->run.include_idle = options->include_idle;
    op_schedule_init(&rec.schedule, options->rate_hz, options->seed, rec.begin_ns);
    int64_t end_ns = options->duration_ns > 0 ? rec.begin_ns + options->duration_ns : INT64_MAX;
    status = add_target(&rec, pid);
    if (status == OP_OK)
        status = loop(&rec, end_ns, error);
    int64_t now_ns = op_clock_monotonic_ns();
    if (status == OP_OK || rec.profile->processes.count > 0) {
        op_status counted = commit_all(&rec, now_ns);
        if (status == OP_OK)
            status = counted;
        count_up(&rec, now_ns);
        if (status == OP_OK)
            status = store_counters(&rec);
        profile->run.complete = status == OP_OK;   // else what is rendered says that it was cut off
    }
    if (status != OP_OK && error != NULL && error->status == OP_OK)
        (void)op_error_set(error, status, "%s", op_status_text(status));
    for (size_t i = 0; i < rec.targets.count; i++)
        op_target_free(rec.targets.items[i]);
    OP_VECTOR_FINI(&rec.targets);
    op_newest_pid_close(&rec.newest);
    if (wait_status != NULL)
        *wait_status = rec.wait_status;
    return status;
}

// SPDX-License-Identifier: MIT
#include "sample/target.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { THREAD_NAME_BYTES = 256, NAME_TRIES = 40, NAMES_AT_ONCE = 4 };
#define MS INT64_C(1000000)
#define ATTACH_MIN_NS (1 * MS)
#define ATTACH_MAX_NS (50 * MS)
#define FAILING_MAX_NS (20 * MS)      // no walk succeeds: look for the interpreter again
#define LIST_INTERVAL_NS (250 * MS)   // threads are listed at least so often; at most 1/20 of the time goes into it
#define NAME_RETRY_NS (3 * MS)
#define NAME_AGAIN_NS (50 * MS)
#define HEAD_INTERVAL_NS (1 * MS)

op_status op_target_new(pid_t pid, const op_record_options *options, op_profile *profile, op_record_stats *stats,
                        int64_t begin_ns, op_target **out)
{
    op_target *target = op_alloc_zero(1, sizeof *target);
    if (target == NULL)
        return OP_NO_MEMORY;
    target->pid = pid;
    target->start_ticks = op_process_start_ticks(pid);
    target->options = options;
    target->profile = profile;
    target->stats = stats;
    target->begin_ns = begin_ns;
    target->try_backoff_ns = ATTACH_MIN_NS;
    *out = target;
    return OP_OK;
}

static void free_thread(op_target_thread *thread)
{
    op_walk_thread_fini(&thread->walk);
    op_thread_clock_close(&thread->clock);
    OP_VECTOR_FINI(&thread->path);
    OP_VECTOR_FINI(&thread->raw);
    op_free(thread);
}

static void detach(op_target *target)
{
    for (size_t i = 0; i < target->threads.count; i++)
        free_thread(target->threads.items[i]);
    target->threads.count = target->active.count = 0;
    if (!target->attached)
        return;
    op_walker_free(target->walker);
    target->walker = NULL;
    op_codes_fini(&target->codes);
    op_stack_tree_fini(&target->tree);
    target->attached = false;
}

void op_target_free(op_target *target)
{
    if (target == NULL)
        return;
    detach(target);
    OP_VECTOR_FINI(&target->threads);
    OP_VECTOR_FINI(&target->active);
    OP_VECTOR_FINI(&target->pending);
    op_free(target);
}

static op_id process_row(op_target *target, int64_t now_ns)
{
    op_profile *profile = target->profile;
    op_buffer command;
    char path[4096], version[32];
    op_buffer_init(&command);
    if (op_process_command(target->pid, &command) != OP_OK)
        op_buffer_reset(&command);
    if (op_process_executable(target->pid, path, sizeof path) != OP_OK)
        path[0] = '\0';
    snprintf(version, sizeof version, "%d.%d.%d", target->runtime.major, target->runtime.minor,
             target->runtime.patch);
    const char *text = op_buffer_text(&command);
    op_process_row row = {
        .pid = target->pid,
        .parent_pid = op_process_parent(target->pid),
        .command = op_profile_string(profile, text != NULL ? text : ""),
        .executable = op_profile_string(profile, path),
        .python = op_profile_string(profile, version),
        .started_ns = now_ns - target->begin_ns,
        .ended_ns = now_ns - target->begin_ns,
    };
    op_buffer_fini(&command);
    return op_profile_add_process(profile, &row);
}

op_status op_target_attach(op_target *target, int64_t now_ns, op_error *error)
{
    bool starting = false;
    op_memory_reader_live(&target->memory, target->pid);
    op_status status = op_runtime_find(&target->memory, &target->runtime, &starting, error);
    if (status != OP_OK) {
        if (!op_process_is_alive(target->pid))
            target->gone = true;
        target->try_backoff_ns = starting ? ATTACH_MIN_NS : target->try_backoff_ns * 2;
        if (target->try_backoff_ns > ATTACH_MAX_NS)
            target->try_backoff_ns = ATTACH_MAX_NS;
        target->try_ns = now_ns + target->try_backoff_ns;
        return status;
    }
    op_codes_init(&target->codes, &target->runtime);
    op_stack_tree_init(&target->tree, target->profile);
    status = op_walker_new(&target->runtime, &target->codes, &target->walker);
    if (status != OP_OK) {
        op_codes_fini(&target->codes);
        return status;
    }
    target->attached = true;
    target->found_failing_ns = 0;
    target->list_ns = 0;
    target->threads_head = 0;
    target->glance = (op_glance){0};
    if (target->row == 0) {
        target->row = process_row(target, now_ns);
        target->stats->processes++;
    }
    return target->row == 0 ? OP_NO_MEMORY : OP_OK;
}

// ---- threads ----

static op_status name_thread(op_target *target, op_target_thread *thread, int64_t now_ns)
{
    char name[THREAD_NAME_BYTES];
    thread->named_ns = now_ns;
    thread->tries_named++;
    bool from_python = op_runtime_thread_name(&target->runtime, &thread->walk.thread, name, sizeof name) == OP_OK;
    // A thread that ends gives its pthread_t to the next one: the name is its own only if it still lives now.
    uint64_t run_ns, slices;
    if (thread->walk.thread.tid != 0 &&
        (thread->clock.schedstat_fd < 0 || op_thread_clock_read(&thread->clock, &run_ns, &slices) != OP_OK))
        return OP_OK;
    if (!from_python) {
        if (op_profile_thread(target->profile, thread->row)->name != 0)
            return OP_OK;
        // A program that never imported threading gives its only thread no name.
        if (thread->walk.thread.is_main)
            snprintf(name, sizeof name, "MainThread");
        else if (op_process_thread_name(target->pid, (pid_t)thread->walk.thread.tid, name, sizeof name) != OP_OK)
            return OP_OK;
    } else if (thread->was_there || thread->named) {
        thread->tries_named = NAME_TRIES;
    } else {
        thread->named = true;   // it can be changed soon after the start: one more look
    }
    op_id id = op_profile_string(target->profile, name);
    if (id == 0)
        return OP_NO_MEMORY;
    target->profile->threads.items[thread->row - 1].name = id;
    return OP_OK;
}

static op_status add_thread(op_target *target, const op_python_thread *python, bool was_there, int64_t now_ns)
{
    op_target_thread *thread = op_alloc_zero(1, sizeof *thread);
    op_target_thread **slot = thread == NULL ? NULL : OP_VECTOR_PUSH(&target->threads);
    if (slot == NULL) {
        op_free(thread);
        return OP_NO_MEMORY;
    }
    *slot = thread;
    op_walk_thread_init(&thread->walk, python);
    thread->clock = (op_thread_clock){.schedstat_fd = -1, .stat_fd = -1};
    thread->listed = true;
    if (python->tid != 0 && op_thread_clock_open(&thread->clock, target->pid, (pid_t)python->tid) != OP_OK)
        thread->clock = (op_thread_clock){.schedstat_fd = -1, .stat_fd = -1};
    if (thread->clock.schedstat_fd >= 0 &&
        op_thread_clock_read(&thread->clock, &thread->run_ns, &thread->slices) == OP_OK)
        thread->cpu_counted_ns = thread->run_ns;
    op_thread_row row = {
        .process = target->row,
        .tid = python->tid,
        .is_main = python->is_main,
        .started_ns = now_ns - target->begin_ns,
        .ended_ns = now_ns - target->begin_ns,
    };
    thread->row = op_profile_add_thread(target->profile, &row);
    if (thread->row == 0)
        return OP_NO_MEMORY;
    target->stats->threads++;
    thread->was_there = was_there;
    return OP_OK;
}

static op_target_thread *find_thread(op_target *target, const op_python_thread *python)
{
    for (size_t i = 0; i < target->threads.count; i++) {
        op_target_thread *thread = target->threads.items[i];
        if (thread->walk.thread.state.value == python->state.value && thread->walk.thread.tid == python->tid &&
            thread->walk.thread.thread_id == python->thread_id)
            return thread;
    }
    return NULL;
}

// A thread state is made by the thread that starts the new one: until that runs, it has no id (3.11+), or its maker's.
static bool has_not_begun(const op_target *target, const op_python_thread *found, size_t count, size_t index)
{
    if (target->runtime.minor >= 11)
        return found[index].tid == 0;
    for (size_t i = index + 1; i < count; i++)   // newest first
        if (found[i].thread_id == found[index].thread_id)
            return true;
    return false;
}

static op_status list_threads(op_target *target, int64_t now_ns)
{
    int64_t begin_ns = op_clock_monotonic_ns();
    op_python_thread *found = op_alloc_zero(OP_RUNTIME_MAX_THREADS, sizeof *found);
    size_t count = 0;
    if (found == NULL)
        return OP_NO_MEMORY;
    op_status status = op_runtime_threads(&target->runtime, found, OP_RUNTIME_MAX_THREADS, &count);
    bool first = target->list_ns == 0;
    target->list_ns = now_ns;
    target->threads_head = count > 0 ? found[0].state.value : 0;
    if (status == OP_OK) {
        for (size_t i = 0; i < target->threads.count; i++)
            target->threads.items[i]->listed = false;
        for (size_t i = 0; i < count && status == OP_OK; i++) {
            op_target_thread *thread = find_thread(target, &found[i]);
            if (thread != NULL)
                thread->listed = true;
            else if (has_not_begun(target, found, count, i))
                target->threads_head = 0;   // look again soon
            else
                status = add_thread(target, &found[i], first, now_ns);
        }
        bool any_ended = false;
        for (size_t i = 0; i < target->threads.count; i++)
            any_ended = any_ended || !target->threads.items[i]->listed;
        if (status == OP_OK && any_ended)
            status = op_target_commit(target, now_ns);   // pending runs name threads by index
        size_t kept = 0;
        for (size_t i = 0; i < target->threads.count; i++) {
            op_target_thread *thread = target->threads.items[i];
            if (thread->listed || status != OP_OK)
                target->threads.items[kept++] = thread;
            else
                free_thread(thread);
        }
        target->threads.count = kept;
        target->active.count = 0;
        target->relisted = true;
        target->name_ns = 0;
    } else if (status != OP_NO_MEMORY) {
        target->gone = status == OP_PROCESS_GONE && !op_process_is_alive(target->pid);
        status = OP_OK;   // else the list was torn, or the program has exec'ed: try again
        target->list_ns = now_ns - LIST_INTERVAL_NS + HEAD_INTERVAL_NS;
    }
    op_free(found);
    target->list_cost_ns = op_clock_monotonic_ns() - begin_ns;
    return status;
}

static int64_t next_naming_ns(const op_target_thread *thread)
{
    if (thread->tries_named >= NAME_TRIES)
        return INT64_MAX;
    // A new thread has its name only once it has run, so for a while it is looked for again and again.
    return thread->named_ns + (thread->tries_named == 0 ? 0 : thread->named ? NAME_AGAIN_NS : NAME_RETRY_NS);
}

static op_status name_threads(op_target *target, int64_t now_ns)
{
    int named = 0;
    op_status status = OP_OK;
    target->name_ns = INT64_MAX;
    for (size_t i = 0; i < target->threads.count && status == OP_OK; i++) {
        op_target_thread *thread = target->threads.items[i];
        if (now_ns >= next_naming_ns(thread) && named++ < NAMES_AT_ONCE)
            status = name_thread(target, thread, now_ns);
        if (next_naming_ns(thread) < target->name_ns)
            target->name_ns = next_naming_ns(thread);
    }
    return status;
}

op_status op_target_tend(op_target *target, int64_t now_ns)
{
    if (!target->attached)
        return OP_OK;
    int64_t since_ns = now_ns - target->list_ns;
    bool may_list = target->list_ns == 0 || since_ns >= 20 * target->list_cost_ns;
    if (may_list && since_ns >= HEAD_INTERVAL_NS &&
        (target->glance.threads_head.value != target->threads_head || since_ns >= LIST_INTERVAL_NS)) {
        op_status status = list_threads(target, now_ns);
        if (status != OP_OK)
            return status;
    }
    op_status named = now_ns >= target->name_ns ? name_threads(target, now_ns) : OP_OK;
    if (named != OP_OK)
        return named;
    if (target->found_failing_ns != 0 && now_ns - target->found_failing_ns > FAILING_MAX_NS) {
        op_status status = op_target_commit(target, now_ns);
        if (!op_process_is_alive(target->pid) || op_process_start_ticks(target->pid) != target->start_ticks)
            target->gone = true;
        detach(target);
        target->try_ns = now_ns;
        target->try_backoff_ns = ATTACH_MIN_NS;
        return status;
    }
    return OP_OK;
}

// ---- counting ----

// In cpu mode samples stand for the run time of their thread since the last commit, in equal parts: the kernel brings a
// running thread's time up to date at scheduler ticks only, so that what one sample saw of it would be chance.
static void share_run_time(op_target *target)
{
    for (size_t i = 0; i < target->pending.count; i++) {
        const op_pending *run = &target->pending.items[i];
        if (run->state != OP_STATE_WAITING)
            target->threads.items[run->thread]->uncounted += run->count;
    }
    for (size_t i = 0; i < target->pending.count; i++) {
        op_pending *run = &target->pending.items[i];
        op_target_thread *thread = target->threads.items[run->thread];
        run->weight_ns = 0;
        if (run->state == OP_STATE_WAITING)
            continue;
        uint64_t left_ns = thread->run_ns > thread->cpu_counted_ns ? thread->run_ns - thread->cpu_counted_ns : 0;
        run->weight_ns = run->count == thread->uncounted ? left_ns : left_ns / thread->uncounted * run->count;
        thread->cpu_counted_ns += run->weight_ns;
        thread->uncounted -= run->count;
    }
}

op_status op_target_commit(op_target *target, int64_t now_ns)
{
    uint32_t changed = 0;
    if (!target->attached || target->pending.count == 0)
        return OP_OK;
    op_codes_check(&target->codes, now_ns, &changed);
    if (target->options->mode == OP_MODE_CPU)
        share_run_time(target);
    op_status status = OP_OK;
    for (size_t i = 0; i < target->pending.count && status == OP_OK; i++) {
        const op_pending *run = &target->pending.items[i];
        op_target_thread *thread = target->threads.items[run->thread];
        bool gone = false;
        thread->pending = 0;
        op_sample sample = {
            .thread = thread->row,
            .stack = op_stack_tree_resolve(&target->tree, &target->codes, run->node, changed > 0, run->end_ns,
                                           &gone),
            .state = run->state,
            .count = run->count,
            .weight_ns = run->weight_ns,
        };
        if (gone)
            target->stats->gone += run->count;
        if (sample.stack == 0 || op_profile_add_sample(target->profile, &sample) == 0) {
            target->stats->lost += run->count;
            continue;
        }
        target->profile->threads.items[thread->row - 1].ended_ns = run->end_ns - target->begin_ns;
        target->profile->processes.items[target->row - 1].ended_ns = run->end_ns - target->begin_ns;
        if (!target->options->no_timeline)
            status = op_timeline_add(target->profile, thread->row, sample.stack, run->state,
                                     run->start_ns - target->begin_ns, run->end_ns - run->start_ns, run->count);
        if (status == OP_BAD_DATA)
            status = OP_OK;   // a time before the last run's: counted, but not drawn
    }
    target->pending.count = 0;
    return status;
}

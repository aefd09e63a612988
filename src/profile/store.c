// SPDX-License-Identifier: MIT
#include "profile/store.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include "base/memory.h"
#include "profile/packer.h"
#include "profile/schema.h"
#include "profile/store_file.h"
#include "profile/timeline.h"

// X(NAME, sql). One statement a table, each row whole, by id.
#define STATEMENT_MAP(X)                                                                                           \
    X(STRING, "INSERT OR REPLACE INTO string VALUES(?,?)")                                                         \
    X(RUN, "INSERT OR REPLACE INTO run VALUES(?,?,?,?,?,?,?,?,?,?)")                                               \
    X(PROCESS, "INSERT OR REPLACE INTO process VALUES(?,?,?,?,?,?,?,?)")                                           \
    X(THREAD, "INSERT OR REPLACE INTO thread VALUES(?,?,?,?,?,?,?)")                                               \
    X(FUNCTION, "INSERT OR REPLACE INTO function VALUES(?,?,?,?,?)")                                               \
    X(FRAME, "INSERT OR REPLACE INTO frame VALUES(?,?,?)")                                                         \
    X(STACK, "INSERT OR REPLACE INTO stack VALUES(?,?,?)")                                                         \
    X(SAMPLE, "INSERT INTO sample VALUES(?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "                            \
              "count = excluded.count, weight_ns = excluded.weight_ns")                                            \
    X(TIMELINE, "INSERT OR REPLACE INTO timeline VALUES(?,?,?,?,?,?,?)")                                           \
    X(COUNTER, "INSERT OR REPLACE INTO counter VALUES(?,?,?)")

enum {
#define X(name, sql) WRITE_##name,
    STATEMENT_MAP(X)
#undef X
        STATEMENT_COUNT
};

enum {
    // A growing block that has this much is closed by a flush; a smaller one is written again by the next.
    KEEP_BLOCK_BYTES = 4 << 10,
    // What may wait in memory while flushes fail.
    MAX_WAITING_BYTES = 8 << 20,
    MAX_RATE_HZ = 1000000000,
    CLOSE_BUSY_MS = 500,
};

typedef struct {
    uint64_t count, weight_ns;
} sample_mark;

// What the file holds: table sizes, and copies of the rows that may change.
typedef struct {
    size_t strings, functions, frames, stacks;
    op_run run;
    bool has_run;
    op_process_row *processes;   // owned
    op_thread_row *threads;      // owned
    sample_mark *samples;        // owned
    op_counter *counters;        // owned
    size_t process_count, thread_count, sample_count, counter_count;
    size_t process_room, thread_room, sample_room, counter_room;
    int64_t last_timeline;
} file_state;

struct op_store {
    op_profile *profile;      // borrowed
    char *path, *real_path;   // owned; as given (for messages), as opened
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    op_packer packer;
    dev_t device;
    ino_t inode;
    file_state state;
};

static void free_store(op_store *store)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    op_packer_fini(&store->packer);
    op_free(store->state.processes);
    op_free(store->state.threads);
    op_free(store->state.samples);
    op_free(store->state.counters);
    op_free(store->path);
    op_free(store->real_path);
    op_free(store);
}

static op_status prepare_statements(op_store *store, op_error *error)
{
    static const char *const sql[STATEMENT_COUNT] = {
#define X(name, text) text,
        STATEMENT_MAP(X)
#undef X
    };
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        int code = sqlite3_prepare_v3(store->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                                      NULL);
        if (code != SQLITE_OK)
            return op_store_file_error(store->db, code, store->path, error);
    }
    return OP_OK;
}

op_status op_store_create(const char *path, op_profile *profile, op_store **store, op_error *error)
{
    op_store *made = op_alloc_zero(1, sizeof *made);
    if (!made)
        return op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
    made->profile = profile;
    op_packer_init(&made->packer);
    made->path = op_copy_string(path);
    op_status status = OP_OK;
    if (!made->path)
        status = op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
    if (status == OP_OK)
        status = op_store_file_make(path, &made->real_path, error);
    if (status == OP_OK)
        status = op_store_file_open(made->real_path, path, &made->db, error);
    struct stat file;
    if (status == OP_OK && lstat(made->real_path, &file) == 0) {
        made->device = file.st_dev;
        made->inode = file.st_ino;
    }
    if (status == OP_OK)
        status = prepare_statements(made, error);
    if (status != OP_OK) {
        char *left = made->real_path;
        made->real_path = NULL;
        free_store(made);
        if (left)
            op_store_file_remove(left);
        op_free(left);
        return status;
    }
    *store = made;
    return OP_OK;
}

static int64_t clamp_count(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

// The reader refuses times outside of these bounds.
static int64_t clamp_time(int64_t ns)
{
    if (ns > OP_PROFILE_MAX_TIME_NS)
        return OP_PROFILE_MAX_TIME_NS;
    return ns < -OP_PROFILE_MAX_TIME_NS ? -OP_PROFILE_MAX_TIME_NS : ns;
}

static int finish_row(sqlite3_stmt *statement, int code)
{
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    if (code == SQLITE_DONE)
        return SQLITE_OK;
    return reset != SQLITE_OK ? reset : code;
}

static int bind_numbers(sqlite3_stmt *statement, const int64_t *values, int count)
{
    int code = SQLITE_OK;
    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = sqlite3_bind_int64(statement, i + 1, values[i]);
    return code;
}

#define PUT_ROW(store, which, ...)                                                                                 \
    put_numbers((store)->statements[which], (const int64_t[]){__VA_ARGS__},                                        \
                (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

static int put_numbers(sqlite3_stmt *statement, const int64_t *values, int count)
{
    return finish_row(statement, bind_numbers(statement, values, count));
}

static int put_strings(op_store *store)
{
    int code = SQLITE_OK;
    sqlite3_stmt *statement = store->statements[WRITE_STRING];
    for (size_t i = store->state.strings; i < store->profile->strings.count && code == SQLITE_OK; i++) {
        op_string string = op_strings_get(&store->profile->strings, (op_id)(i + 1));
        code = sqlite3_bind_int64(statement, 1, (int64_t)i + 1);
        if (code == SQLITE_OK)
            code = sqlite3_bind_text64(statement, 2, string.text, string.bytes, SQLITE_STATIC, SQLITE_UTF8);
        code = finish_row(statement, code);
    }
    return code;
}

static bool same_run(const op_run *a, const op_run *b)
{
    return a->command == b->command && a->host == b->host && a->tool_version == b->tool_version &&
           a->started_unix_ns == b->started_unix_ns && a->duration_ns == b->duration_ns &&
           !(a->asked_rate_hz < b->asked_rate_hz) && !(a->asked_rate_hz > b->asked_rate_hz) && a->mode == b->mode &&
           a->include_idle == b->include_idle && a->complete == b->complete;
}

static int put_run(op_store *store)
{
    const op_run *run = &store->profile->run;
    if (store->state.has_run && same_run(run, &store->state.run))
        return SQLITE_OK;
    double rate_hz = isfinite(run->asked_rate_hz) && run->asked_rate_hz > 0 ? run->asked_rate_hz : 0;
    const int64_t values[] = {1,
                              run->command,
                              run->host,
                              run->tool_version,
                              clamp_time(run->started_unix_ns),
                              clamp_time(run->duration_ns),
                              0,
                              run->mode == OP_MODE_CPU,
                              run->include_idle,
                              run->complete};
    sqlite3_stmt *statement = store->statements[WRITE_RUN];
    int code = bind_numbers(statement, values, (int)(sizeof values / sizeof values[0]));
    if (code == SQLITE_OK)
        code = sqlite3_bind_double(statement, 7, rate_hz < MAX_RATE_HZ ? rate_hz : MAX_RATE_HZ);
    return finish_row(statement, code);
}

static bool same_process(const op_process_row *a, const op_process_row *b)
{
    return a->pid == b->pid && a->parent_pid == b->parent_pid && a->command == b->command &&
           a->executable == b->executable && a->python == b->python && a->started_ns == b->started_ns &&
           a->ended_ns == b->ended_ns;
}

static int put_processes(op_store *store)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < store->profile->processes.count && code == SQLITE_OK; i++) {
        const op_process_row *row = &store->profile->processes.items[i];
        if (i < store->state.process_count && same_process(row, &store->state.processes[i]))
            continue;
        code = PUT_ROW(store, WRITE_PROCESS, (int64_t)i + 1, row->pid, row->parent_pid, row->command,
                       row->executable, row->python, clamp_time(row->started_ns), clamp_time(row->ended_ns));
    }
    return code;
}

static bool same_thread(const op_thread_row *a, const op_thread_row *b)
{
    return a->process == b->process && a->tid == b->tid && a->name == b->name && a->is_main == b->is_main &&
           a->started_ns == b->started_ns && a->ended_ns == b->ended_ns;
}

static int put_threads(op_store *store)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < store->profile->threads.count && code == SQLITE_OK; i++) {
        const op_thread_row *row = &store->profile->threads.items[i];
        if (i < store->state.thread_count && same_thread(row, &store->state.threads[i]))
            continue;
        code = PUT_ROW(store, WRITE_THREAD, (int64_t)i + 1, row->process, row->tid, row->name, row->is_main,
                       clamp_time(row->started_ns), clamp_time(row->ended_ns));
    }
    return code;
}

static int put_stacks(op_store *store)
{
    const op_profile *profile = store->profile;
    int code = SQLITE_OK;
    for (size_t i = store->state.functions; i < profile->functions.count && code == SQLITE_OK; i++) {
        const op_function *row = &profile->functions.items[i];
        code = PUT_ROW(store, WRITE_FUNCTION, (int64_t)i + 1, (int64_t)row->kind, row->name, row->file,
                       row->first_line);
    }
    for (size_t i = store->state.frames; i < profile->frames.count && code == SQLITE_OK; i++)
        code = PUT_ROW(store, WRITE_FRAME, (int64_t)i + 1, profile->frames.items[i].function,
                       profile->frames.items[i].line);
    for (size_t i = store->state.stacks; i < profile->stacks.count && code == SQLITE_OK; i++)
        code = PUT_ROW(store, WRITE_STACK, (int64_t)i + 1, profile->stacks.items[i].parent,
                       profile->stacks.items[i].frame);
    return code;
}

static int put_samples(op_store *store)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < store->profile->samples.count && code == SQLITE_OK; i++) {
        const op_sample *row = &store->profile->samples.items[i];
        if (i < store->state.sample_count && row->count == store->state.samples[i].count &&
            row->weight_ns == store->state.samples[i].weight_ns)
            continue;
        code = PUT_ROW(store, WRITE_SAMPLE, (int64_t)i + 1, row->thread, row->task, row->stack, (int64_t)row->state,
                       clamp_count(row->count), clamp_count(row->weight_ns));
    }
    return code;
}

static int put_counters(op_store *store)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < store->profile->counters.count && code == SQLITE_OK; i++) {
        const op_counter *row = &store->profile->counters.items[i];
        if (i < store->state.counter_count && row->value == store->state.counters[i].value)
            continue;
        code = PUT_ROW(store, WRITE_COUNTER, (int64_t)i + 1, row->name, row->value);
    }
    return code;
}

// New blocks get the rows behind *last; blocks that were written before keep theirs.
static int put_timelines(op_store *store, int64_t *last)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < store->profile->timelines.count && code == SQLITE_OK; i++) {
        const op_timeline *block = &store->profile->timelines.items[i];
        int64_t row = block->row ? block->row : ++*last;
        if (block->written || block->runs.size == 0)
            continue;
        op_status status = op_packer_pack(&store->packer, block->runs.data, block->runs.size);
        if (status != OP_OK)
            return SQLITE_NOMEM;
        const int64_t values[] = {row,
                                  block->thread,
                                  clamp_time(block->start_ns),
                                  clamp_time(block->end_ns),
                                  clamp_count(block->samples),
                                  (int64_t)block->runs.size};
        sqlite3_stmt *statement = store->statements[WRITE_TIMELINE];
        code = bind_numbers(statement, values, (int)(sizeof values / sizeof values[0]));
        if (code == SQLITE_OK)
            code = sqlite3_bind_blob64(statement, 7, store->packer.out.data, store->packer.out.size, SQLITE_STATIC);
        code = finish_row(statement, code);
    }
    return code;
}

static bool make_room(void **items, size_t *room, size_t count, size_t item_size)
{
    if (*room >= count)
        return true;
    size_t bigger = count + count / 2 + 16;
    void *moved = op_resize(*items, bigger, item_size);
    if (!moved)
        return false;
    *items = moved;
    *room = bigger;
    return true;
}

#define MAKE_ROOM(state, table, noun, count)                                                                       \
    make_room((void **)(void *)&(state)->table, &(state)->noun##_room, (count), sizeof *(state)->table)

// Before the transaction, so that noting what it wrote cannot fail.
static bool make_room_for_state(op_store *store)
{
    const op_profile *profile = store->profile;
    file_state *state = &store->state;
    return MAKE_ROOM(state, processes, process, profile->processes.count) &&
           MAKE_ROOM(state, threads, thread, profile->threads.count) &&
           MAKE_ROOM(state, samples, sample, profile->samples.count) &&
           MAKE_ROOM(state, counters, counter, profile->counters.count);
}

static void note_written(op_store *store, int64_t last_timeline)
{
    op_profile *profile = store->profile;
    file_state *state = &store->state;
    state->strings = profile->strings.count;
    state->functions = profile->functions.count;
    state->frames = profile->frames.count;
    state->stacks = profile->stacks.count;
    state->run = profile->run;
    state->has_run = true;
    for (size_t i = 0; i < profile->processes.count; i++)
        state->processes[i] = profile->processes.items[i];
    for (size_t i = 0; i < profile->threads.count; i++)
        state->threads[i] = profile->threads.items[i];
    for (size_t i = 0; i < profile->samples.count; i++)
        state->samples[i] = (sample_mark){profile->samples.items[i].count, profile->samples.items[i].weight_ns};
    for (size_t i = 0; i < profile->counters.count; i++)
        state->counters[i] = profile->counters.items[i];
    state->process_count = profile->processes.count;
    state->thread_count = profile->threads.count;
    state->sample_count = profile->samples.count;
    state->counter_count = profile->counters.count;
    for (size_t i = 0; i < profile->timelines.count; i++) {
        op_timeline *block = &profile->timelines.items[i];
        if (block->row == 0)
            block->row = ++state->last_timeline;   // in the order of put_timelines
        block->written = true;
    }
    state->last_timeline = last_timeline;
    op_timeline_drop_written(profile, KEEP_BLOCK_BYTES);
}

// Memory stays bounded while nothing can be written: the totals are kept, the oldest pictures are not.
static void drop_waiting(op_profile *profile)
{
    size_t bytes = 0;
    for (size_t i = 0; i < profile->timelines.count; i++)
        bytes += profile->timelines.items[i].runs.size;
    if (bytes > MAX_WAITING_BYTES)
        op_timeline_drop_closed(profile);
}

op_status op_store_flush(op_store *store, op_error *error)
{
    if (!make_room_for_state(store))
        return op_error_set(error, OP_NO_MEMORY, "out of memory while writing '%s'", store->path);
    int64_t last_timeline = store->state.last_timeline;
    int code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = put_strings(store);
    if (code == SQLITE_OK)
        code = put_run(store);
    if (code == SQLITE_OK)
        code = put_processes(store);
    if (code == SQLITE_OK)
        code = put_threads(store);
    if (code == SQLITE_OK)
        code = put_stacks(store);
    if (code == SQLITE_OK)
        code = put_samples(store);
    if (code == SQLITE_OK)
        code = put_counters(store);
    if (code == SQLITE_OK)
        code = put_timelines(store, &last_timeline);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        op_status status = op_store_file_error(store->db, code, store->path, error);
        if (!sqlite3_get_autocommit(store->db))
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        drop_waiting(store->profile);
        return status;
    }
    note_written(store, last_timeline);
    // Passive: takes what readers do not hold, waits for nobody. What it leaves is in the log: no loss if it fails.
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return OP_OK;
}

// False: what stands under the path is no longer our file.
static bool is_in_place(const op_store *store)
{
    struct stat file;
    return lstat(store->real_path, &file) == 0 && file.st_dev == store->device && file.st_ino == store->inode;
}

op_status op_store_close(op_store *store, op_error *error)
{
    if (!store)
        return OP_OK;
    store->profile->run.complete = true;
    op_status status = op_store_flush(store, error);
    if (status != OP_OK)
        store->profile->run.complete = false;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    // One lone file stays. This once the disk is waited for. Where a reader holds the log it stays beside, which
    // harms nothing: whoever opens the file next reads both.
    sqlite3_busy_timeout(store->db, CLOSE_BUSY_MS);
    sqlite3_exec(store->db, "PRAGMA synchronous=NORMAL; PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    if (status == OP_OK && !is_in_place(store))
        status = op_error_set(error, OP_NO_OUTPUT, "cannot write '%s': it was removed or replaced meanwhile",
                              store->path);
    free_store(store);
    return status;
}

void op_store_discard(op_store *store)
{
    if (!store)
        return;
    char *path = is_in_place(store) ? store->real_path : NULL;
    if (path)
        store->real_path = NULL;
    free_store(store);
    if (path)
        op_store_file_remove(path);
    op_free(path);
}

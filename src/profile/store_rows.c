// SPDX-License-Identifier: MIT
#include "profile/store_rows.h"

#include <math.h>
#include "base/memory.h"
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
    X(CALL, "INSERT INTO call VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "                    \
            "calls = excluded.calls, recursive_calls = excluded.recursive_calls, "                                 \
            "nested_calls = excluded.nested_calls, resumes = excluded.resumes, "                                   \
            "exceptions = excluded.exceptions, own_ns = excluded.own_ns, total_ns = excluded.total_ns, "           \
            "outer_ns = excluded.outer_ns, suspended_ns = excluded.suspended_ns")                                  \
    X(LINE, "INSERT INTO line VALUES(?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "                                  \
            "hits = excluded.hits, ns = excluded.ns")                                                              \
    X(TIMELINE, "INSERT OR REPLACE INTO timeline VALUES(?,?,?,?,?,?,?)")                                           \
    X(COUNTER, "INSERT OR REPLACE INTO counter VALUES(?,?,?)")

enum {
#define X(name, sql) WRITE_##name,
    STATEMENT_MAP(X)
#undef X
        STATEMENT_COUNT
};
_Static_assert((int)STATEMENT_COUNT == (int)OP_STORE_STATEMENTS, "a statement a table");

enum {
    // A growing block that has this much is closed by a flush; a smaller one is written again by the next.
    KEEP_BLOCK_BYTES = 4 << 10,
    MAX_RATE_HZ = 1000000000,
};

int op_store_rows_init(op_store_rows *rows, op_profile *profile, sqlite3 *db)
{
    static const char *const sql[STATEMENT_COUNT] = {
#define X(name, text) text,
        STATEMENT_MAP(X)
#undef X
    };
    *rows = (op_store_rows){.profile = profile};
    op_packer_init(&rows->packer);
    int code = SQLITE_OK;
    for (int i = 0; i < STATEMENT_COUNT && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &rows->statements[i], NULL);
    return code;
}

void op_store_rows_finish(op_store_rows *rows)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(rows->statements[i]);
        rows->statements[i] = NULL;
    }
}

void op_store_rows_fini(op_store_rows *rows)
{
    op_store_rows_finish(rows);
    op_packer_fini(&rows->packer);
    op_free(rows->processes);
    op_free(rows->threads);
    op_free(rows->samples);
    op_free(rows->calls);
    op_free(rows->lines);
    op_free(rows->counters);
    *rows = (op_store_rows){0};
}

static int64_t at_most(uint64_t value, int64_t max)
{
    return value > (uint64_t)max ? max : (int64_t)value;
}

static int64_t clamp_count(uint64_t value)
{
    return at_most(value, INT64_MAX);
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

#define PUT_ROW(rows, which, ...)                                                                                  \
    put_numbers((rows)->statements[which], (const int64_t[]){__VA_ARGS__},                                         \
                (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

static int put_numbers(sqlite3_stmt *statement, const int64_t *values, int count)
{
    return finish_row(statement, bind_numbers(statement, values, count));
}

static int put_strings(op_store_rows *rows)
{
    int code = SQLITE_OK;
    sqlite3_stmt *statement = rows->statements[WRITE_STRING];
    for (size_t i = rows->strings; i < rows->profile->strings.count && code == SQLITE_OK; i++) {
        op_string string = op_strings_get(&rows->profile->strings, (op_id)(i + 1));
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

static int put_run(op_store_rows *rows)
{
    const op_run *run = &rows->profile->run;
    if (rows->has_run && same_run(run, &rows->run))
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
    sqlite3_stmt *statement = rows->statements[WRITE_RUN];
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

static int put_processes(op_store_rows *rows)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < rows->profile->processes.count && code == SQLITE_OK; i++) {
        const op_process_row *row = &rows->profile->processes.items[i];
        if (i < rows->process_count && same_process(row, &rows->processes[i]))
            continue;
        code = PUT_ROW(rows, WRITE_PROCESS, (int64_t)i + 1, row->pid, row->parent_pid, row->command,
                       row->executable, row->python, clamp_time(row->started_ns), clamp_time(row->ended_ns));
    }
    return code;
}

static bool same_thread(const op_thread_row *a, const op_thread_row *b)
{
    return a->process == b->process && a->tid == b->tid && a->name == b->name && a->is_main == b->is_main &&
           a->started_ns == b->started_ns && a->ended_ns == b->ended_ns;
}

static int put_threads(op_store_rows *rows)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < rows->profile->threads.count && code == SQLITE_OK; i++) {
        const op_thread_row *row = &rows->profile->threads.items[i];
        if (i < rows->thread_count && same_thread(row, &rows->threads[i]))
            continue;
        code = PUT_ROW(rows, WRITE_THREAD, (int64_t)i + 1, row->process, row->tid, row->name, row->is_main,
                       clamp_time(row->started_ns), clamp_time(row->ended_ns));
    }
    return code;
}

static int put_stacks(op_store_rows *rows)
{
    const op_profile *profile = rows->profile;
    int code = SQLITE_OK;
    for (size_t i = rows->functions; i < profile->functions.count && code == SQLITE_OK; i++) {
        const op_function *row = &profile->functions.items[i];
        code = PUT_ROW(rows, WRITE_FUNCTION, (int64_t)i + 1, (int64_t)row->kind, row->name, row->file,
                       row->first_line);
    }
    for (size_t i = rows->frames; i < profile->frames.count && code == SQLITE_OK; i++)
        code = PUT_ROW(rows, WRITE_FRAME, (int64_t)i + 1, profile->frames.items[i].function,
                       profile->frames.items[i].line);
    for (size_t i = rows->stacks; i < profile->stacks.count && code == SQLITE_OK; i++)
        code = PUT_ROW(rows, WRITE_STACK, (int64_t)i + 1, profile->stacks.items[i].parent,
                       profile->stacks.items[i].frame);
    return code;
}

static int put_samples(op_store_rows *rows)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < rows->profile->samples.count && code == SQLITE_OK; i++) {
        const op_sample *row = &rows->profile->samples.items[i];
        if (i < rows->sample_count && row->count == rows->samples[i].count &&
            row->weight_ns == rows->samples[i].weight_ns)
            continue;
        code = PUT_ROW(rows, WRITE_SAMPLE, (int64_t)i + 1, row->thread, row->task, row->stack, (int64_t)row->state,
                       clamp_count(row->count), clamp_count(row->weight_ns));
    }
    return code;
}

static bool same_call(const op_call *a, const op_call *b)
{
    return a->calls == b->calls && a->recursive_calls == b->recursive_calls && a->nested_calls == b->nested_calls &&
           a->resumes == b->resumes && a->exceptions == b->exceptions && a->own_ns == b->own_ns &&
           a->total_ns == b->total_ns && a->outer_ns == b->outer_ns && a->suspended_ns == b->suspended_ns;
}

// Within the bounds of the reader, whoever changed the row.
static int put_call(op_store_rows *rows, int64_t id, const op_call *row)
{
    int64_t calls = at_most(row->calls, OP_PROFILE_MAX_COUNT), nested = at_most(row->nested_calls, calls);
    return PUT_ROW(rows, WRITE_CALL, id, row->thread, row->caller, row->function, calls,
                   at_most(row->recursive_calls, nested), nested, at_most(row->resumes, calls),
                   at_most(row->exceptions, calls), at_most(row->own_ns, OP_PROFILE_MAX_TIME_NS),
                   at_most(row->total_ns, OP_PROFILE_MAX_TIME_NS), at_most(row->outer_ns, OP_PROFILE_MAX_TIME_NS),
                   at_most(row->suspended_ns, OP_PROFILE_MAX_TIME_NS));
}

static int put_calls(op_store_rows *rows)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < rows->profile->calls.count && code == SQLITE_OK; i++) {
        const op_call *row = &rows->profile->calls.items[i];
        if (i < rows->call_count && same_call(row, &rows->calls[i]))
            continue;
        code = put_call(rows, (int64_t)i + 1, row);
    }
    return code;
}

static int put_lines(op_store_rows *rows)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < rows->profile->lines.count && code == SQLITE_OK; i++) {
        const op_line *row = &rows->profile->lines.items[i];
        if (i < rows->line_count && row->hits == rows->lines[i].hits && row->ns == rows->lines[i].ns)
            continue;
        code = PUT_ROW(rows, WRITE_LINE, (int64_t)i + 1, row->thread, row->function, row->line,
                       at_most(row->hits, OP_PROFILE_MAX_COUNT), at_most(row->ns, OP_PROFILE_MAX_TIME_NS));
    }
    return code;
}

static int put_counters(op_store_rows *rows)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < rows->profile->counters.count && code == SQLITE_OK; i++) {
        const op_counter *row = &rows->profile->counters.items[i];
        if (i < rows->counter_count && row->value == rows->counters[i].value)
            continue;
        code = PUT_ROW(rows, WRITE_COUNTER, (int64_t)i + 1, row->name, row->value);
    }
    return code;
}

// New blocks get the rows behind the last; blocks that were written before keep theirs.
static int put_timelines(op_store_rows *rows)
{
    int code = SQLITE_OK;
    rows->put_timeline = rows->last_timeline;
    for (size_t i = 0; i < rows->profile->timelines.count && code == SQLITE_OK; i++) {
        const op_timeline *block = &rows->profile->timelines.items[i];
        int64_t row = block->row ? block->row : ++rows->put_timeline;
        if (block->written || block->runs.size == 0)
            continue;
        op_status status = op_packer_pack(&rows->packer, block->runs.data, block->runs.size);
        if (status != OP_OK)
            return SQLITE_NOMEM;
        const int64_t values[] = {row,
                                  block->thread,
                                  clamp_time(block->start_ns),
                                  clamp_time(block->end_ns),
                                  clamp_count(block->samples),
                                  (int64_t)block->runs.size};
        sqlite3_stmt *statement = rows->statements[WRITE_TIMELINE];
        code = bind_numbers(statement, values, (int)(sizeof values / sizeof values[0]));
        if (code == SQLITE_OK)
            code = sqlite3_bind_blob64(statement, 7, rows->packer.out.data, rows->packer.out.size, SQLITE_STATIC);
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

#define MAKE_ROOM(rows, table, noun)                                                                               \
    make_room((void **)(void *)&(rows)->table, &(rows)->noun##_room, (rows)->profile->table.count,                 \
              sizeof *(rows)->table)

bool op_store_rows_reserve(op_store_rows *rows)
{
    return MAKE_ROOM(rows, processes, process) && MAKE_ROOM(rows, threads, thread) &&
           MAKE_ROOM(rows, samples, sample) && MAKE_ROOM(rows, calls, call) && MAKE_ROOM(rows, lines, line) &&
           MAKE_ROOM(rows, counters, counter);
}

int op_store_rows_put(op_store_rows *rows)
{
    static int (*const steps[])(op_store_rows *) = {put_strings,  put_run,      put_processes, put_threads,
                                                    put_stacks,   put_samples,  put_calls,     put_lines,
                                                    put_counters, put_timelines};
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && code == SQLITE_OK; i++)
        code = steps[i](rows);
    return code;
}

void op_store_rows_note(op_store_rows *rows)
{
    op_profile *profile = rows->profile;
    rows->strings = profile->strings.count;
    rows->functions = profile->functions.count;
    rows->frames = profile->frames.count;
    rows->stacks = profile->stacks.count;
    rows->run = profile->run;
    rows->has_run = true;
    for (size_t i = 0; i < profile->processes.count; i++)
        rows->processes[i] = profile->processes.items[i];
    for (size_t i = 0; i < profile->threads.count; i++)
        rows->threads[i] = profile->threads.items[i];
    for (size_t i = 0; i < profile->samples.count; i++)
        rows->samples[i] = (op_sample_mark){profile->samples.items[i].count, profile->samples.items[i].weight_ns};
    for (size_t i = 0; i < profile->calls.count; i++)
        rows->calls[i] = profile->calls.items[i];
    for (size_t i = 0; i < profile->lines.count; i++)
        rows->lines[i] = (op_line_mark){profile->lines.items[i].hits, profile->lines.items[i].ns};
    for (size_t i = 0; i < profile->counters.count; i++)
        rows->counters[i] = profile->counters.items[i];
    rows->process_count = profile->processes.count;
    rows->thread_count = profile->threads.count;
    rows->sample_count = profile->samples.count;
    rows->call_count = profile->calls.count;
    rows->line_count = profile->lines.count;
    rows->counter_count = profile->counters.count;
    for (size_t i = 0; i < profile->timelines.count; i++) {
        op_timeline *block = &profile->timelines.items[i];
        if (block->row == 0)
            block->row = ++rows->last_timeline;   // in the order of put_timelines
        block->written = true;
    }
    rows->last_timeline = rows->put_timeline;
    op_timeline_drop_written(profile, KEEP_BLOCK_BYTES);
}

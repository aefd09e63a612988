// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>
#include "base/memory.h"
#include "profile/packer.h"
#include "profile/read_file.h"
#include "profile/schema.h"
#include "profile/store.h"
#include "profile/timeline.h"

enum {
    MAX_COLUMNS = 12,    // of numbers, the id not counted
    MIN_ROW_BYTES = 4,   // no row of any table is smaller in a file
    MAX_COUNTERS = 4096,
    MAX_PROCESSES = 1 << 20,
    MAX_THREADS = 1 << 24,
    MAX_ROWS = 1 << 30,   // of any other table
    MAX_RATE_HZ = 1000000000,
};

typedef struct {
    op_read_file file;
    op_profile *profile;   // owned
    op_packer packer;
    int64_t timeline_bytes, timelines_left_out;
} op_reader;

// What a column may hold, both ends included.
typedef struct {
    int64_t min, max;
} column_range;

typedef struct {
    const char *table, *sql;   // sql: the id first, then the numbers, then what the handler reads itself
    const column_range *ranges;
    int columns;   // numbers behind the id
    int64_t max_rows;
    bool has_gaps;   // ids grow, but not by one
} table_plan;

typedef op_status row_handler(op_reader *reader, sqlite3_stmt *row, const int64_t *values);

static op_status damaged(const op_reader *reader, const char *table, int64_t row, op_error *error)
{
    return op_error_set(error, OP_TORN_PROFILE, "'%s' is damaged: table '%s', row %lld", reader->file.path, table,
                        (long long)row);
}

static bool take_numbers(sqlite3_stmt *row, const table_plan *plan, int64_t *values)
{
    for (int i = 0; i < plan->columns; i++) {
        if (sqlite3_column_type(row, i + 1) != SQLITE_INTEGER)
            return false;
        values[i] = sqlite3_column_int64(row, i + 1);
        if (values[i] < plan->ranges[i].min || values[i] > plan->ranges[i].max)
            return false;
    }
    return true;
}

static op_status read_table(op_reader *reader, const table_plan *plan, row_handler *handle, op_error *error)
{
    sqlite3_stmt *row = NULL;
    int64_t count = 0, last_id = 0;
    int64_t max_rows = reader->file.bytes / MIN_ROW_BYTES;
    if (max_rows > plan->max_rows)
        max_rows = plan->max_rows;
    op_status status = OP_OK;
    int code = sqlite3_prepare_v2(reader->file.db, plan->sql, -1, &row, NULL);
    while (status == OP_OK && (code == SQLITE_OK || code == SQLITE_ROW)) {
        code = sqlite3_step(row);
        if (code != SQLITE_ROW)
            break;
        int64_t values[MAX_COLUMNS] = {0};
        int64_t id = sqlite3_column_int64(row, 0);
        bool in_order = plan->has_gaps ? id > last_id : id == last_id + 1;
        if (++count > max_rows || !in_order || !take_numbers(row, plan, values))
            status = damaged(reader, plan->table, count, error);
        else
            status = handle(reader, row, values);
        if (status == OP_BAD_DATA)
            status = damaged(reader, plan->table, id, error);
        if (status == OP_NO_MEMORY)
            op_error_set(error, status, "out of memory while reading '%s'", reader->file.path);
        last_id = id;
    }
    sqlite3_finalize(row);
    if (status == OP_OK && code != SQLITE_DONE)
        status = op_read_file_error(&reader->file, code, error);
    return status;
}

// An add gave `id`, which must be that of a new row.
static op_status check_new(op_id id, size_t old_count)
{
    if (id == 0)
        return OP_NO_MEMORY;
    return id == old_count + 1 ? OP_OK : OP_BAD_DATA;
}

static op_status take_string(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)values;
    if (sqlite3_column_type(row, 1) != SQLITE_TEXT)
        return OP_BAD_DATA;
    const char *text = (const char *)sqlite3_column_text(row, 1);
    int bytes = sqlite3_column_bytes(row, 1);
    if (!text)
        return OP_NO_MEMORY;
    if (bytes < 0 || bytes > OP_PROFILE_MAX_STRING_BYTES)
        return OP_BAD_DATA;
    size_t old_count = reader->profile->strings.count;
    return check_new(op_profile_string_bytes(reader->profile, text, (size_t)bytes), old_count);
}

static op_status take_run(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    double rate_hz = sqlite3_column_double(row, 9);
    if (!isfinite(rate_hz) || rate_hz < 0 || rate_hz > MAX_RATE_HZ)
        return OP_BAD_DATA;
    reader->profile->run = (op_run){.command = (op_id)values[0],
                                    .host = (op_id)values[1],
                                    .tool_version = (op_id)values[2],
                                    .started_unix_ns = values[3],
                                    .duration_ns = values[4],
                                    .asked_rate_hz = rate_hz,
                                    .mode = (op_mode)values[5],
                                    .include_idle = values[6] != 0,
                                    .complete = values[7] != 0};
    return OP_OK;
}

static op_status take_process(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_process_row process = {.pid = values[0],
                              .parent_pid = values[1],
                              .command = (op_id)values[2],
                              .executable = (op_id)values[3],
                              .python = (op_id)values[4],
                              .started_ns = values[5],
                              .ended_ns = values[6]};
    return op_profile_add_process(reader->profile, &process) ? OP_OK : OP_NO_MEMORY;
}

static op_status take_thread(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_thread_row thread = {.process = (op_id)values[0],
                            .tid = values[1],
                            .name = (op_id)values[2],
                            .is_main = values[3] != 0,
                            .started_ns = values[4],
                            .ended_ns = values[5]};
    return op_profile_add_thread(reader->profile, &thread) ? OP_OK : OP_NO_MEMORY;
}

static op_status take_function(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_function function = {.kind = (op_frame_kind)values[0],
                            .name = (op_id)values[1],
                            .file = (op_id)values[2],
                            .first_line = (uint32_t)values[3]};
    size_t old_count = reader->profile->functions.count;
    return check_new(op_profile_add_function(reader->profile, &function), old_count);
}

static op_status take_frame(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_frame frame = {.function = (op_id)values[0], .line = (uint32_t)values[1]};
    size_t old_count = reader->profile->frames.count;
    return check_new(op_profile_add_frame(reader->profile, frame), old_count);
}

static op_status take_stack(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_stack stack = {.parent = (op_id)values[0], .frame = (op_id)values[1]};
    size_t old_count = reader->profile->stacks.count;
    if (stack.parent > old_count ||
        (stack.parent && reader->profile->stack_depths.items[stack.parent - 1] > OP_PROFILE_MAX_STACK_DEPTH))
        return OP_BAD_DATA;
    return check_new(op_profile_add_stack(reader->profile, stack), old_count);
}

static op_status take_sample(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_sample sample = {.thread = (op_id)values[0],
                        .task = (op_id)values[1],
                        .stack = (op_id)values[2],
                        .state = (op_thread_state)values[3],
                        .count = (uint64_t)values[4],
                        .weight_ns = (uint64_t)values[5]};
    size_t old_count = reader->profile->samples.count;
    return check_new(op_profile_add_sample(reader->profile, &sample), old_count);
}

static op_status take_call(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_call call = {.thread = (op_id)values[0],
                    .caller = (op_id)values[1],
                    .function = (op_id)values[2],
                    .calls = (uint64_t)values[3],
                    .recursive_calls = (uint64_t)values[4],
                    .nested_calls = (uint64_t)values[5],
                    .resumes = (uint64_t)values[6],
                    .exceptions = (uint64_t)values[7],
                    .own_ns = (uint64_t)values[8],
                    .total_ns = (uint64_t)values[9],
                    .outer_ns = (uint64_t)values[10],
                    .suspended_ns = (uint64_t)values[11]};
    if (call.recursive_calls > call.nested_calls || call.nested_calls > call.calls || call.resumes > call.calls ||
        call.exceptions > call.calls)
        return OP_BAD_DATA;
    size_t old_count = reader->profile->calls.count;
    return check_new(op_profile_add_call(reader->profile, &call), old_count);
}

static op_status take_line(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_line line = {.thread = (op_id)values[0],
                    .function = (op_id)values[1],
                    .line = (uint32_t)values[2],
                    .hits = (uint64_t)values[3],
                    .ns = (uint64_t)values[4]};
    size_t old_count = reader->profile->lines.count;
    return check_new(op_profile_add_line(reader->profile, &line), old_count);
}

static op_status take_counter(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    (void)row;
    op_string name = op_profile_text(reader->profile, (op_id)values[0]);
    size_t old_count = reader->profile->counters.count;
    if (memchr(name.text, '\0', name.bytes))
        return OP_BAD_DATA;
    if (op_profile_set_counter(reader->profile, name.text, values[1]) != OP_OK)
        return OP_NO_MEMORY;
    return reader->profile->counters.count == old_count + 1 ? OP_OK : OP_BAD_DATA;
}

static op_status take_timeline(op_reader *reader, sqlite3_stmt *row, const int64_t *values)
{
    op_timeline block = {.thread = (op_id)values[0], .start_ns = values[1]};
    size_t run_bytes = (size_t)values[4];
    if (reader->timeline_bytes + values[4] > OP_PROFILE_MAX_TIMELINE_BYTES) {
        reader->timelines_left_out++;
        return OP_OK;
    }
    if (sqlite3_column_type(row, 6) != SQLITE_BLOB)
        return OP_BAD_DATA;
    const void *packed = sqlite3_column_blob(row, 6);
    int packed_bytes = sqlite3_column_bytes(row, 6);
    if (packed_bytes <= 0 || packed_bytes > OP_SCHEMA_MAX_PACKED_BYTES)
        return OP_BAD_DATA;
    op_status status = packed ? op_packer_unpack(&reader->packer, packed, (size_t)packed_bytes, run_bytes)
                              : OP_NO_MEMORY;
    if (status != OP_OK)
        return status;
    op_buffer_init(&block.runs);
    op_buffer_add(&block.runs, reader->packer.out.data, run_bytes);
    status = block.runs.failed ? OP_NO_MEMORY : OP_OK;
    if (status != OP_OK)
        goto done;

    // The sums are those of the runs, whatever the columns say.
    op_timeline_iterator iterator;
    op_timeline_run run;
    op_timeline_iterate(&iterator, &block);
    while (op_timeline_next(&iterator, &run)) {
        if (run.stack == 0 || run.stack > reader->profile->stacks.count ||
            __builtin_add_overflow(block.samples, run.samples, &block.samples))
            iterator.bad = true;
    }
    block.end_ns = iterator.end_ns;
    if (iterator.bad)
        status = OP_BAD_DATA;
    else if (!op_timeline_take(reader->profile, &block))
        status = OP_NO_MEMORY;
    reader->timeline_bytes += values[4];
done:
    op_timeline_fini(&block);
    return status;
}

#define ANY                                                                                                        \
    {                                                                                                              \
        INT64_MIN, INT64_MAX                                                                                       \
    }
#define NOT_NEGATIVE                                                                                               \
    {                                                                                                              \
        0, INT64_MAX                                                                                               \
    }
#define TIME                                                                                                       \
    {                                                                                                              \
        -OP_PROFILE_MAX_TIME_NS, OP_PROFILE_MAX_TIME_NS                                                            \
    }
#define LENGTH                                                                                                     \
    {                                                                                                              \
        0, OP_PROFILE_MAX_TIME_NS                                                                                  \
    }
#define FLAG                                                                                                       \
    {                                                                                                              \
        0, 1                                                                                                       \
    }
#define LINE                                                                                                       \
    {                                                                                                              \
        0, UINT32_MAX                                                                                              \
    }
#define READ_TABLE(table_name, query, rows, gaps, handler)                                                         \
    read_table(reader,                                                                                             \
               &(table_plan){.table = table_name,                                                                  \
                             .sql = query,                                                                         \
                             .ranges = ranges,                                                                     \
                             .columns = (int)(sizeof ranges / sizeof ranges[0]),                                   \
                             .max_rows = (rows),                                                                   \
                             .has_gaps = (gaps)},                                                                  \
               handler, error)

static op_status read_facts(op_reader *reader, op_error *error)
{
    // ORDER BY id is the order in which the rows lie, so this costs no sorting.
    const op_profile *profile = reader->profile;
    op_status status = read_table(
        reader,
        &(table_plan){.table = "string", .sql = "SELECT id, text FROM string ORDER BY id", .max_rows = MAX_ROWS},
        take_string, error);
    column_range string = {0, (int64_t)profile->strings.count};
    if (status == OP_OK) {
        const column_range ranges[] = {string, string, string, TIME, TIME, {0, OP_MODE_CPU}, FLAG, FLAG};
        status = READ_TABLE("run",
                            "SELECT id, command, host, tool_version, started_unix_ns, duration_ns, mode, "
                            "include_idle, complete, asked_rate_hz FROM run ORDER BY id",
                            1, false, take_run);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {ANY, ANY, string, string, string, TIME, TIME};
        status = READ_TABLE("process",
                            "SELECT id, pid, parent_pid, command, executable, python, started_ns, ended_ns "
                            "FROM process ORDER BY id",
                            MAX_PROCESSES, false, take_process);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {{1, (int64_t)profile->processes.count}, ANY, string, FLAG, TIME, TIME};
        status = READ_TABLE("thread",
                            "SELECT id, process, tid, name, is_main, started_ns, ended_ns FROM thread "
                            "ORDER BY id",
                            MAX_THREADS, false, take_thread);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {{1, string.max}, ANY};
        status = READ_TABLE("counter", "SELECT id, name, value FROM counter ORDER BY id", MAX_COUNTERS, false,
                            take_counter);
    }
    return status;
}

static op_status read_stacks(op_reader *reader, op_error *error)
{
    const op_profile *profile = reader->profile;
    column_range string = {0, (int64_t)profile->strings.count};
    op_status status;
    {
        int64_t last_kind = reader->file.version == 1 ? OP_FRAME_IDLE : OP_FRAME_KIND_COUNT - 1;
        const column_range ranges[] = {{0, last_kind}, string, string, LINE};
        status = READ_TABLE("function", "SELECT id, kind, name, file, first_line FROM function ORDER BY id",
                            MAX_ROWS, false, take_function);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {{1, (int64_t)profile->functions.count}, LINE};
        status = READ_TABLE("frame", "SELECT id, function, line FROM frame ORDER BY id", MAX_ROWS, false,
                            take_frame);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {{0, MAX_ROWS}, {1, (int64_t)profile->frames.count}};
        status = READ_TABLE("stack", "SELECT id, parent, frame FROM stack ORDER BY id", MAX_ROWS, false,
                            take_stack);
    }
    return status;
}

static op_status read_samples(op_reader *reader, op_error *error)
{
    const op_profile *profile = reader->profile;
    column_range string = {0, (int64_t)profile->strings.count};
    column_range thread = {1, (int64_t)profile->threads.count};
    op_status status;
    {
        const column_range ranges[] = {
            thread,       string,      {1, (int64_t)profile->stacks.count}, {0, OP_STATE_COUNT - 1},
            NOT_NEGATIVE, NOT_NEGATIVE};
        status = READ_TABLE("sample",
                            "SELECT id, thread, task, stack, state, count, weight_ns FROM sample ORDER BY id",
                            MAX_ROWS, false, take_sample);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {thread, TIME, TIME, NOT_NEGATIVE, {1, OP_TIMELINE_MAX_BLOCK_BYTES}};
        status = READ_TABLE("timeline",
                            "SELECT id, thread, start_ns, end_ns, samples, run_bytes, runs FROM timeline "
                            "ORDER BY id",
                            MAX_ROWS, true, take_timeline);
    }
    return status;
}

static op_status read_counts(op_reader *reader, op_error *error)
{
    column_range thread = {1, (int64_t)reader->profile->threads.count};
    column_range function = {1, (int64_t)reader->profile->functions.count};
    op_status status;
    if (reader->file.version == 1)   // had neither
        return OP_OK;
    {
        const column_range ranges[] = {
            thread,       {0, function.max}, function, NOT_NEGATIVE, NOT_NEGATIVE, NOT_NEGATIVE,
            NOT_NEGATIVE, NOT_NEGATIVE,      LENGTH,   LENGTH,       LENGTH,       LENGTH};
        status = READ_TABLE("call",
                            "SELECT id, thread, caller, function, calls, recursive_calls, nested_calls, resumes, "
                            "exceptions, own_ns, total_ns, outer_ns, suspended_ns FROM call ORDER BY id",
                            MAX_ROWS, false, take_call);
    }
    if (status == OP_OK) {
        const column_range ranges[] = {thread, function, LINE, NOT_NEGATIVE, LENGTH};
        status = READ_TABLE("line", "SELECT id, thread, function, line, hits, ns FROM line ORDER BY id", MAX_ROWS,
                            false, take_line);
    }
    return status;
}

op_status op_profile_read(const char *path, op_profile **profile, op_error *error)
{
    op_reader reader = {0};
    op_packer_init(&reader.packer);
    op_status status = op_read_file_open(&reader.file, path, error);
    if (status != OP_OK)
        goto done;
    status = op_profile_new(&reader.profile);
    if (status != OP_OK) {
        op_error_set(error, status, "out of memory while reading '%s'", path);
        goto done;
    }
    status = read_facts(&reader, error);
    if (status == OP_OK)
        status = read_stacks(&reader, error);
    if (status == OP_OK)
        status = read_samples(&reader, error);
    if (status == OP_OK)
        status = read_counts(&reader, error);
    if (status == OP_OK && reader.timelines_left_out > 0) {
        status = op_profile_set_counter(reader.profile, "timelines_left_out", reader.timelines_left_out);
        if (status != OP_OK)
            op_error_set(error, status, "out of memory while reading '%s'", path);
    }
    if (status != OP_OK)
        goto done;
    *profile = reader.profile;
    reader.profile = NULL;
done:
    op_profile_free(reader.profile);
    op_packer_fini(&reader.packer);
    op_read_file_close(&reader.file);
    return status;
}

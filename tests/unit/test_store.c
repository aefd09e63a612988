// SPDX-License-Identifier: MIT
// The profile file: what is written comes back, and what is not a profile is refused.
#include <errno.h>
#include <sys/resource.h>
#include "base/memory.h"
#include "store_files.h"

TAP_TEST(round_trip)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    op_profile_string_bytes(profile, "nul\0 \xff\xfe bad", 10);
    op_profile_string(profile, "");
    write_profile(path, profile);
    TAP_OK(exists(path, "") && !exists(path, "-wal") && !exists(path, "-shm") && !exists(path, "-journal"));
    struct stat file;
    TAP_EQ_INT(stat(path, &file), 0);
    TAP_EQ_INT(file.st_mode & 07777, 0600);
    TAP_EQ_UINT(profile->timelines.count, 2);   // those that may still grow
    op_profile *back = read_profile(path);
    fixture_compare(back, profile);
    TAP_OK(back->run.complete);
    int64_t covered_ns;
    TAP_EQ_UINT(fixture_timeline_samples(back, 1, &covered_ns), 100);
    TAP_EQ_INT(covered_ns, 100000000);
    TAP_EQ_UINT(fixture_timeline_samples(back, 2, NULL), 100);
    op_profile_free(back);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(flushes_write_what_changed_and_readers_see_it)
{
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
    const char *path = fixture_path("p.outpace");
    op_store *store = NULL;
    TAP_REQUIRE(op_store_create(path, profile, &store, NULL) == OP_OK);
    op_profile *back = read_profile(path);   // before anything was written
    TAP_OK(!back->run.complete && back->samples.count == 0);
    op_profile_free(back);
    TAP_REQUIRE(fixture_begin(profile));
    op_random random;
    op_random_init(&random, 7);
    int64_t at_ns = 0;
    for (int flush = 0; flush < 30; flush++) {
        for (int i = 0; i < 700; i++, at_ns += 1000000) {
            char name[16];
            snprintf(name, sizeof name, "f%u", (unsigned)op_random_below(&random, (uint64_t)flush + 2));
            op_id parent = (op_id)op_random_below(&random, profile->stacks.count + 1);
            op_id stack = fixture_stack(profile, parent, name, 1 + (uint32_t)op_random_below(&random, 3));
            op_id thread = 1 + (op_id)op_random_below(&random, 2);
            TAP_REQUIRE(fixture_tick(profile, thread, stack, OP_STATE_RUNNING, at_ns, 1000000));
        }
        for (int i = 0; i < 20; i++) {
            op_id callee = 1 + (op_id)op_random_below(&random, profile->functions.count);
            op_call call = {.thread = 1 + (op_id)i % 2,
                            .caller = (op_id)op_random_below(&random, profile->functions.count + 1),
                            .function = callee,
                            .calls = 3,
                            .recursive_calls = 1,
                            .nested_calls = 1,
                            .own_ns = op_random_below(&random, 1000)};
            op_line line = {.thread = 1, .function = callee, .line = (uint32_t)i, .hits = 1, .ns = call.own_ns};
            TAP_REQUIRE(op_profile_add_call(profile, &call) && op_profile_add_line(profile, &line));
        }
        profile->threads.items[1].ended_ns = at_ns;
        profile->run.duration_ns = at_ns;
        TAP_EQ_INT(op_profile_set_counter(profile, "samples", flush), OP_OK);
        TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
        if (flush % 10 == 0) {
            back = read_profile(path);
            fixture_compare(back, profile);
            TAP_OK(!back->run.complete);
            TAP_EQ_UINT(fixture_timeline_samples(back, 1, NULL) + fixture_timeline_samples(back, 2, NULL),
                        op_profile_total_samples(profile));
            op_profile_free(back);
        }
    }
    TAP_OK(profile->timelines.count <= 2);   // the rest is freed
    TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
    TAP_EQ_INT(op_store_close(store, NULL), OP_OK);
    back = read_profile(path);
    fixture_compare(back, profile);
    TAP_EQ_UINT(fixture_timeline_samples(back, 1, NULL) + fixture_timeline_samples(back, 2, NULL), 21000);
    op_profile_free(back);
    op_profile_free(profile);
    TAP_OK(!exists(path, "-wal"));
    fixture_clean();
}

TAP_TEST(a_reader_in_the_middle_harms_nothing)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    op_store *store = NULL;
    TAP_REQUIRE(op_store_create(path, profile, &store, NULL) == OP_OK);
    TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
    sqlite3 *db = NULL;
    TAP_REQUIRE(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    TAP_EQ_INT(sqlite3_exec(db, "BEGIN; SELECT * FROM sample", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 20; i++) {
        TAP_REQUIRE(fixture_tick(profile, 1, 1 + (op_id)i % 4, OP_STATE_RUNNING, 200000000 + i * 1000000, 1000000));
        TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
    }
    TAP_EQ_INT(op_store_close(store, NULL), OP_OK);
    op_profile *back = read_profile(path);
    TAP_OK(back->run.complete);
    fixture_compare(back, profile);
    op_profile_free(back);
    sqlite3_close(db);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(places_that_are_refused)
{
    op_profile *profile = fixture_new();
    op_store *store = NULL;
    op_error error = {0};
    const char *target = fixture_path("target"), *link_path = fixture_path("link.outpace");
    TAP_EQ_INT(symlink(target, link_path), 0);
    TAP_EQ_INT(op_store_create(link_path, profile, &store, &error), OP_NO_OUTPUT);
    TAP_OK(strstr(error.message, "link.outpace") && strstr(error.message, "symbolic link"));
    TAP_OK(!exists(target, ""));
    TAP_EQ_INT(op_store_create(fixture_path(""), profile, &store, &error), OP_NO_OUTPUT);
    TAP_OK(strstr(error.message, strerror(EISDIR)) != NULL);
    TAP_EQ_INT(op_store_create(fixture_path("none/p.outpace"), profile, &store, &error), OP_NO_OUTPUT);
    TAP_OK(strstr(error.message, strerror(ENOENT)) != NULL);
    TAP_EQ_INT(op_store_create("", profile, &store, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(op_store_create("/", profile, &store, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(op_store_create("/proc/p.outpace", profile, &store, &error), OP_NO_OUTPUT);
    const char *pipe_path = fixture_path("pipe");
    TAP_EQ_INT(mkfifo(pipe_path, 0600), 0);
    TAP_EQ_INT(op_store_create(pipe_path, profile, &store, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(read_status(pipe_path), OP_NOT_PROFILE);
    TAP_OK(store == NULL);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(names_that_sqlite_might_take_for_something_else)
{
    static const char *const names[] = {"file:p.outpace?mode=memory", ":memory:", "a b#c%41?x=1", "-wal", "p'\"q"};
    op_profile *profile = fixture_new();
    TAP_REQUIRE(chdir(fixture_path("")) == 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        write_profile(names[i], profile);
        TAP_OK(exists(names[i], ""));
        op_profile *back = read_profile(names[i]);
        fixture_compare(back, profile);
        op_profile_free(back);
        execute(fixture_path(names[i]), "PRAGMA journal_mode=WAL");
        unlink("x");
        back = read_profile(names[i]);   // lone, in WAL mode: by a URI
        TAP_EQ_UINT(op_profile_total_samples(back), 207);
        op_profile_free(back);
    }
    op_profile_free(profile);
    TAP_REQUIRE(chdir("/") == 0);
    fixture_clean();
}

TAP_TEST(an_old_file_is_replaced_with_its_log)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    int file = open(path, O_CREAT | O_WRONLY, 0644);
    TAP_EQ_INT(write(file, "old", 3), 3);
    close(file);
    char log[FIXTURE_PATH_BYTES + 8];
    snprintf(log, sizeof log, "%s-wal", path);
    file = open(log, O_CREAT | O_WRONLY, 0644);
    TAP_EQ_INT(write(file, "old", 3), 3);
    close(file);
    write_profile(path, profile);
    op_profile *back = read_profile(path);
    fixture_compare(back, profile);
    struct stat facts;
    TAP_EQ_INT(stat(path, &facts), 0);
    TAP_EQ_INT(facts.st_mode & 07777, 0600);
    op_profile_free(back);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(discard_and_removal)
{
    op_profile *profile = fixture_new();
    op_store *store = NULL;
    op_error error;
    const char *path = fixture_path("p.outpace");
    TAP_REQUIRE(op_store_create(path, profile, &store, NULL) == OP_OK);
    TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
    op_store_discard(store);
    TAP_OK(!exists(path, "") && !exists(path, "-wal") && !exists(path, "-shm"));
    op_store_discard(NULL);
    TAP_EQ_INT(op_store_close(NULL, NULL), OP_OK);

    TAP_REQUIRE(op_store_create(path, profile, &store, NULL) == OP_OK);
    TAP_EQ_INT(unlink(path), 0);
    TAP_EQ_INT(op_store_close(store, &error), OP_NO_OUTPUT);   // not silently lost
    op_profile_free(profile);
    fixture_clean();
}

// A disk that is full: the limit on a file's size makes writes fail.
TAP_TEST(a_full_disk_is_an_error_and_no_loss)
{
    op_profile *profile = fixture_new();
    op_store *store = NULL;
    op_error error = {0};
    const char *path = fixture_path("p.outpace");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    TAP_EQ_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    fflush(NULL);
    setrlimit(RLIMIT_FSIZE, &small);
    op_status status = op_store_create(path, profile, &store, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    TAP_EQ_INT(status, OP_NO_OUTPUT);
    TAP_OK(strstr(error.message, path) && !exists(path, ""));
    char command[FIXTURE_PATH_BYTES + 64];
    snprintf(command, sizeof command, "test -z \"$(ls -A '%s')\"", fixture_path(""));
    TAP_EQ_INT(system(command), 0);   // nothing half-written

    TAP_REQUIRE(op_store_create(path, profile, &store, NULL) == OP_OK);
    TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
    int64_t at_ns = 200000000;
    for (int i = 0; i < 5000; i++, at_ns += 1000000)
        TAP_REQUIRE(fixture_tick(profile, 1, fixture_stack(profile, 1, "many", (uint32_t)i), OP_STATE_RUNNING,
                                 at_ns, 1000000));
    small.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &small);
    op_status first = op_store_flush(store, &error), second = op_store_flush(store, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    TAP_EQ_INT(first, OP_NO_OUTPUT);
    TAP_EQ_INT(second, OP_NO_OUTPUT);
    op_profile *back = read_profile(path);
    TAP_EQ_UINT(op_profile_total_samples(back), 207);   // as of the last good flush
    op_profile_free(back);
    TAP_EQ_INT(op_store_close(store, &error), OP_OK);
    back = read_profile(path);
    fixture_compare(back, profile);
    TAP_EQ_UINT(fixture_timeline_samples(back, 1, NULL), 5100);
    op_profile_free(back);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(what_is_no_profile)
{
    op_profile *profile = fixture_new();
    const char *good = fixture_path("good.outpace"), *path = fixture_path("p.outpace");
    write_profile(good, profile);
    TAP_EQ_INT(read_status(fixture_path("missing")), OP_NO_FILE);
    TAP_EQ_INT(read_status(fixture_path("")), OP_NOT_PROFILE);
    TAP_EQ_INT(read_status("/dev/null"), OP_NOT_PROFILE);
    TAP_EQ_INT(read_status("/dev/zero"), OP_NOT_PROFILE);
    TAP_EQ_INT(read_status("/etc/passwd"), OP_NOT_PROFILE);

    static const struct {
        const char *sql;
        op_status status;
    } cases[] = {
        {"PRAGMA user_version=3", OP_NEWER_PROFILE},
        {"PRAGMA user_version=0", OP_NOT_PROFILE},
        {"PRAGMA application_id=1", OP_NOT_PROFILE},
        {"CREATE TABLE foreign_one(x)", OP_NOT_PROFILE},
        {"CREATE VIEW foreign_one AS SELECT 1", OP_NOT_PROFILE},
        {"CREATE INDEX foreign_one ON sample(stack)", OP_NOT_PROFILE},
        {"CREATE TRIGGER foreign_one AFTER INSERT ON sample BEGIN SELECT 1; END", OP_NOT_PROFILE},
        {"CREATE VIRTUAL TABLE foreign_one USING fts5(x)", OP_NOT_PROFILE},
        {"DROP VIEW collapsed", OP_NOT_PROFILE},
        {"DROP TABLE timeline", OP_NOT_PROFILE},
        {"DROP VIEW run_text; CREATE VIEW run_text AS SELECT 1", OP_NOT_PROFILE},
        {"DROP TABLE frame; CREATE VIEW frame AS SELECT 1 AS id, 1 AS function, 1 AS line", OP_NOT_PROFILE},
        {"UPDATE stack SET parent = id WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE stack SET parent = 5 WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE stack SET parent = -1 WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE stack SET frame = 0 WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE stack SET frame = 999 WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE stack SET frame = 'x' WHERE id = 2", OP_TORN_PROFILE},
        {"DELETE FROM stack WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE frame SET function = 99 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE frame SET line = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE function SET kind = 9 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE function SET name = 9999 WHERE id = 1", OP_TORN_PROFILE},
        {"INSERT INTO function SELECT id + 6, kind, name, file, first_line FROM function", OP_TORN_PROFILE},
        {"UPDATE sample SET thread = 3 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE sample SET stack = 0 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE sample SET state = 3 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE sample SET count = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE sample SET count = 1.5 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE thread SET process = 2 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE thread SET started_ns = 9223372036854775807 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE run SET command = 999", OP_TORN_PROFILE},
        {"UPDATE run SET mode = 2", OP_TORN_PROFILE},
        {"UPDATE run SET asked_rate_hz = 9e999", OP_TORN_PROFILE},
        {"UPDATE run SET asked_rate_hz = 'fast'", OP_OK},   // reads as 0
        {"UPDATE string SET text = (SELECT text FROM string WHERE id = 1) WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE string SET text = CAST(zeroblob(70000) AS TEXT) WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE string SET text = zeroblob(10000000) WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE string SET text = x'00' WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE counter SET name = 0 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE counter SET name = 1 WHERE id > 0", OP_TORN_PROFILE},
        {"UPDATE timeline SET runs = x'00'", OP_TORN_PROFILE},
        {"UPDATE timeline SET runs = zeroblob(100000)", OP_TORN_PROFILE},
        {"UPDATE timeline SET run_bytes = run_bytes + 1", OP_TORN_PROFILE},
        {"UPDATE timeline SET run_bytes = run_bytes - 1", OP_TORN_PROFILE},
        {"UPDATE timeline SET run_bytes = 1000000000", OP_TORN_PROFILE},
        {"UPDATE timeline SET thread = 9", OP_TORN_PROFILE},
        {"DELETE FROM timeline; VACUUM", OP_OK},
        {"PRAGMA user_version=1", OP_NOT_PROFILE},   // which had no calls
        {"DROP TABLE call", OP_NOT_PROFILE},
        {"DROP VIEW line_text", OP_NOT_PROFILE},
        {"UPDATE call SET thread = 0 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET thread = 3 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET caller = 99 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET caller = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET function = 0 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET function = 99 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET calls = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET calls = 'x' WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET calls = calls - 1 WHERE id = 4", OP_TORN_PROFILE},   // below nested_calls
        {"UPDATE call SET recursive_calls = 21 WHERE id = 4", OP_TORN_PROFILE},
        {"UPDATE call SET resumes = calls + 1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET exceptions = calls + 1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET own_ns = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET total_ns = 9223372036854775807 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET outer_ns = 2305843009213693953 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET suspended_ns = 2305843009213693952 WHERE id = 1", OP_OK},   // the longest time
        {"UPDATE call SET suspended_ns = 1.5 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE call SET calls = 9223372036854775807", OP_OK},
        {"DELETE FROM call WHERE id = 2", OP_TORN_PROFILE},
        {"UPDATE call SET caller = 0, function = 1, thread = 1 WHERE id = 3", OP_TORN_PROFILE},   // as row 1
        {"UPDATE line SET thread = 3 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET function = 0 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET function = 99 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET line = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET line = 4294967296 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET hits = -1 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET ns = 9223372036854775807 WHERE id = 1", OP_TORN_PROFILE},
        {"UPDATE line SET line = 20 WHERE id = 2", OP_TORN_PROFILE},   // as row 1
        {"DELETE FROM call; DELETE FROM line", OP_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unlink(path);
        copy_file(good, path);
        execute(path, cases[i].sql);
        if (!TAP_EQ_INT(read_status(path), cases[i].status))
            TAP_NOTE("case: %s", cases[i].sql);
    }
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(damaged_bytes)
{
    op_profile *profile = fixture_new();
    const char *good = fixture_path("good.outpace"), *path = fixture_path("p.outpace");
    write_profile(good, profile);
    static char bytes[1 << 18], changed[1 << 18];
    int file = open(good, O_RDONLY);
    ssize_t size = read(file, bytes, sizeof bytes);
    close(file);
    TAP_REQUIRE(size > 0 && size < (ssize_t)sizeof bytes);
    TAP_NOTE("%zd bytes", size);
    op_random random;
    op_random_init(&random, 3);
    int counts[OP_STATUS_COUNT] = {0};
    for (int round = 0; round < 1500; round++) {
        memcpy(changed, bytes, (size_t)size);
        size_t keep = (size_t)size;
        if (round % 3 == 0) {
            keep = op_random_below(&random, (uint64_t)size);
        } else {
            for (uint64_t flips = 1 + op_random_below(&random, 8); flips > 0; flips--)
                changed[op_random_below(&random, round % 3 == 1 ? 100 : (uint64_t)size)] =
                    (char)op_random_u64(&random);
        }
        file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        TAP_REQUIRE(write(file, changed, keep) == (ssize_t)keep);
        close(file);
        op_status status = read_status(path);
        counts[status]++;
        TAP_OK(round % 3 != 0 || status == OP_TORN_PROFILE || status == OP_NOT_PROFILE);
    }
    for (int status = 0; status < OP_STATUS_COUNT; status++)
        if (counts[status])
            TAP_NOTE("%s: %d", op_status_name((op_status)status), counts[status]);
    op_profile_free(profile);
    fixture_clean();
}

// Rows that the reader would refuse are not written, whoever made them.
TAP_TEST(calls_are_written_within_bounds)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    op_call *call = &profile->calls.items[0];
    call->calls = 2;
    call->recursive_calls = 5;
    call->nested_calls = 4;
    call->resumes = call->exceptions = call->own_ns = call->total_ns = UINT64_MAX;
    profile->lines.items[0].hits = profile->lines.items[0].ns = UINT64_MAX;
    write_profile(path, profile);
    op_profile *back = read_profile(path);
    call = &back->calls.items[0];
    TAP_OK(call->calls == 2 && call->recursive_calls == 2 && call->nested_calls == 2 && call->resumes == 2 &&
           call->exceptions == 2);
    TAP_EQ_UINT(call->own_ns, OP_PROFILE_MAX_TIME_NS);
    TAP_EQ_UINT(back->lines.items[0].hits, OP_PROFILE_MAX_COUNT);
    TAP_EQ_UINT(back->lines.items[0].ns, OP_PROFILE_MAX_TIME_NS);
    op_profile_free(back);
    op_profile_free(profile);
    fixture_clean();
}

// 60 s at 1 kHz, flushed twice a second: the file, the log beside it, and SQLite's memory stay small.
TAP_TEST(small_file_and_small_memory)
{
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK && fixture_begin(profile));
    const char *path = fixture_path("p.outpace");
    op_store *store = NULL;
    TAP_REQUIRE(op_store_create(path, profile, &store, NULL) == OP_OK);
    op_random random;
    op_random_init(&random, 5);
    op_id stacks[20];
    for (int i = 0; i < 20; i++)
        stacks[i] = fixture_stack(profile, i ? stacks[i - 1] : 0, "deep", (uint32_t)i);
    int64_t at_ns = 0, next_flush_ns = 0, log_bytes = 0;
    op_id stack = stacks[0];
    while (at_ns < INT64_C(60000000000)) {
        int64_t length_ns = (int64_t)op_random_exponential(&random, 1e6);
        if (op_random_below(&random, 10) == 0)
            stack = stacks[op_random_below(&random, 20)];
        TAP_REQUIRE(fixture_tick(profile, 1, stack, OP_STATE_RUNNING, at_ns, length_ns));
        at_ns += length_ns;
        if (at_ns > next_flush_ns) {
            char log[FIXTURE_PATH_BYTES + 8];
            struct stat file;
            profile->run.duration_ns = at_ns;
            TAP_EQ_INT(op_store_flush(store, NULL), OP_OK);
            next_flush_ns += 500000000;
            snprintf(log, sizeof log, "%s-wal", path);
            if (stat(log, &file) == 0 && file.st_size > log_bytes)
                log_bytes = file.st_size;
        }
    }
    TAP_EQ_INT(op_store_close(store, NULL), OP_OK);
    struct stat file;
    TAP_EQ_INT(stat(path, &file), 0);
    TAP_NOTE("file %lld, log %lld, SQLite's memory %lld bytes, %zu samples, %lld timeline rows",
             (long long)file.st_size, (long long)log_bytes, (long long)sqlite3_memory_highwater(0),
             profile->samples.count, (long long)query(path, "SELECT count(*) FROM timeline"));
    TAP_OK(file.st_size <= 200000);
    TAP_OK(log_bytes <= 300000);
    TAP_OK(sqlite3_memory_highwater(0) < 1500000);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(out_of_memory)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    int failed = 0;
    for (int64_t after = 0; after < 200; after++) {
        op_store *store = NULL;
        op_error error;
        op_alloc_fail_after(after);
        op_status status = op_store_create(path, profile, &store, &error);
        if (status == OP_OK)
            status = op_store_close(store, &error);
        op_alloc_fail_after(-1);
        if (status == OP_OK)
            break;
        TAP_EQ_INT(status, OP_NO_MEMORY);
        failed++;
    }
    TAP_OK(failed >= 5 && failed < 200);
    int failed_reads = 0;
    for (int64_t after = 0; after < 500; after++) {
        op_profile *back = NULL;
        op_alloc_fail_after(after);
        op_status status = op_profile_read(path, &back, NULL);
        op_alloc_fail_after(-1);
        op_profile_free(back);
        if (status == OP_OK)
            break;
        TAP_EQ_INT(status, OP_NO_MEMORY);
        failed_reads++;
    }
    TAP_OK(failed_reads > 10 && failed_reads < 500);
    op_profile_free(profile);
    fixture_clean();
}

TAP_MAIN()

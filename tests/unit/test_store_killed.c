// SPDX-License-Identifier: MIT
// A kill at any moment: the profile file opens, and holds what was flushed.
#include <errno.h>
#include <time.h>
#include "store_files.h"

enum { NOBODY = 65534 };

// Writes for ever, `total` samples a flush; tells through `pipe_end` how many are safely in the file.
static void write_until_killed(const char *path, int pipe_end)
{
    op_profile *profile = NULL;
    op_store *store = NULL;
    if (op_profile_new(&profile) != OP_OK || op_store_create(path, profile, &store, NULL) != OP_OK ||
        !fixture_begin(profile))
        _exit(1);
    uint64_t total = 0;
    op_id last = 0;
    for (int64_t at_ns = 0;; at_ns += 1000000) {
        op_id parent = last % 7 ? last : 0;
        op_id stack = last = fixture_stack(profile, parent, "killed", (uint32_t)(total % 1000));
        if (!fixture_tick(profile, 1, stack, OP_STATE_RUNNING, at_ns, 1000000))
            _exit(1);
        if (++total % 500 == 0) {
            profile->run.duration_ns = at_ns;
            if (op_store_flush(store, NULL) != OP_OK || write(pipe_end, &total, sizeof total) != sizeof total)
                _exit(1);
        }
    }
}

static void start_writer(const char *path, pid_t *child, int *pipe_end)
{
    int ends[2];
    TAP_REQUIRE(pipe(ends) == 0);
    *child = fork();
    if (*child == 0) {
        close(ends[0]);
        write_until_killed(path, ends[1]);
    }
    close(ends[1]);
    *pipe_end = ends[0];
    uint64_t total;
    TAP_REQUIRE(read(*pipe_end, &total, sizeof total) == sizeof total);   // the first flush
}

// Kills the writer; how many samples it said were safe.
static uint64_t end_writer(pid_t child, int pipe_end)
{
    uint64_t total = 0, next;
    TAP_EQ_INT(kill(child, SIGKILL), 0);
    TAP_EQ_INT(waitpid(child, NULL, 0), child);
    while (read(pipe_end, &next, sizeof next) == sizeof next)
        total = next;
    close(pipe_end);
    return total ? total : 500;
}

TAP_TEST(a_kill_at_any_moment_loses_nothing_that_was_flushed)
{
    op_random random;
    op_random_init(&random, 42);
    const char *path = fixture_path("p.outpace");
    uint64_t most = 0;
    for (int round = 0; round < 40; round++) {
        pid_t child;
        int pipe_end;
        start_writer(path, &child, &pipe_end);
        struct timespec wait = {.tv_nsec = (long)op_random_below(&random, 60000000)};
        nanosleep(&wait, NULL);
        if (round % 4 == 0)
            TAP_EQ_INT(read_status(path), OP_OK);   // while it is being written
        uint64_t safe = end_writer(child, pipe_end);
        op_profile *back = read_profile(path);
        uint64_t total = op_profile_total_samples(back);
        TAP_OK(total >= safe && total <= safe + 500);
        TAP_EQ_UINT(fixture_timeline_samples(back, 1, NULL), total);
        TAP_OK(!back->run.complete);
        most = total > most ? total : most;
        op_profile_free(back);
    }
    TAP_NOTE("up to %llu samples", (unsigned long long)most);
    fixture_clean();
}

TAP_TEST(a_kill_while_making_or_closing_leaves_a_whole_file)
{
    op_random random;
    op_random_init(&random, 43);
    const char *path = fixture_path("p.outpace");
    op_profile *profile = fixture_new();
    int complete = 0;
    write_profile(path, profile);
    for (int round = 0; round < 60; round++) {
        pid_t child = fork();
        while (child == 0) {
            op_store *store = NULL;
            if (op_store_create(path, profile, &store, NULL) != OP_OK || op_store_close(store, NULL) != OP_OK)
                _exit(1);
        }
        struct timespec wait = {.tv_nsec = 1000000 + (long)op_random_below(&random, 30000000)};
        nanosleep(&wait, NULL);
        TAP_EQ_INT(kill(child, SIGKILL), 0);
        TAP_EQ_INT(waitpid(child, NULL, 0), child);
        op_profile *back = read_profile(path);
        TAP_OK(back->samples.count == 0 || op_profile_total_samples(back) == 207);
        complete += back->run.complete;
        op_profile_free(back);
    }
    TAP_NOTE("%d of 60 complete", complete);

    // The journal of the last change, left behind.
    write_profile(path, profile);   // the last kill may have left a file without rows to change
    execute(path, "PRAGMA journal_mode=PERSIST; UPDATE counter SET value = 5 WHERE id = 2");
    char journal[FIXTURE_PATH_BYTES + 16];
    snprintf(journal, sizeof journal, "%s-journal", path);
    int file = open(journal, O_WRONLY);
    static const unsigned char magic[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    TAP_EQ_INT(pwrite(file, magic, sizeof magic, 0), sizeof magic);   // as it was before the change was through
    close(file);
    TAP_EQ_INT(read_status(path), OP_OK);
    TAP_OK(exists(path, "-journal"));
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(a_killed_reader_harms_nothing)
{
    const char *path = fixture_path("p.outpace");
    pid_t writer;
    int pipe_end;
    start_writer(path, &writer, &pipe_end);
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (;;)
                read_status(path);
        }
        struct timespec wait = {.tv_nsec = 3000000 + round * 500000};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    uint64_t safe = end_writer(writer, pipe_end);
    op_profile *back = read_profile(path);
    TAP_OK(op_profile_total_samples(back) >= safe);
    op_profile_free(back);
    fixture_clean();
}

// What a kill left, taken to places where reading it is harder. As another user where we are root, whom no mode
// stops.
TAP_TEST(killed_files_open_anywhere)
{
    const char *path = fixture_path("p.outpace"), *folder = fixture_path("frozen");
    const char *frozen = fixture_path("frozen/p.outpace"), *frozen_log = fixture_path("frozen/p.outpace-wal");
    pid_t child;
    int pipe_end;
    start_writer(path, &child, &pipe_end);
    // A reader that holds the log makes it certain that the file alone is not all.
    sqlite3 *db = NULL;
    TAP_REQUIRE(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    TAP_EQ_INT(sqlite3_exec(db, "BEGIN; SELECT * FROM sample", NULL, NULL, NULL), SQLITE_OK);
    struct timespec wait = {.tv_nsec = 50000000};
    nanosleep(&wait, NULL);
    uint64_t safe = end_writer(child, pipe_end);
    TAP_EQ_INT(mkdir(folder, 0755), 0);
    char log[FIXTURE_PATH_BYTES + 8];
    snprintf(log, sizeof log, "%s-wal", path);
    copy_file(path, frozen);
    copy_file(log, frozen_log);
    sqlite3_close(db);
    TAP_OK(chmod(frozen, 0444) == 0 && chmod(frozen_log, 0444) == 0 && chmod(folder, 0555) == 0);
    TAP_EQ_INT(chmod(fixture_path(""), 0755), 0);
    pid_t reader = fork();
    if (reader == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(2);
        op_profile *back = read_profile(frozen);   // no index beside, and none can be made
        TAP_OK(op_profile_total_samples(back) >= safe);
        TAP_EQ_UINT(fixture_timeline_samples(back, 1, NULL), op_profile_total_samples(back));
        op_profile_free(back);
        _exit(0);
    }
    int status = -1;
    TAP_EQ_INT(waitpid(reader, &status, 0), reader);
    TAP_EQ_INT(status, 0);

    // The log was left behind: what the file itself holds.
    TAP_OK(chmod(folder, 0755) == 0 && unlink(frozen_log) == 0 && chmod(folder, 0555) == 0);
    op_status lone = read_status(frozen);
    TAP_OK(lone == OP_OK);
    TAP_OK(!exists(frozen, "-wal") && !exists(frozen, "-shm"));   // reading leaves nothing beside
    TAP_EQ_INT(chmod(folder, 0755), 0);
    fixture_clean();
}

TAP_MAIN()

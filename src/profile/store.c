// SPDX-License-Identifier: MIT
#include "profile/store.h"

#include <sys/stat.h>
#include "base/memory.h"
#include "profile/store_file.h"
#include "profile/store_rows.h"
#include "profile/timeline.h"

enum {
    // What may wait in memory while flushes fail.
    MAX_WAITING_BYTES = 8 << 20,
    CLOSE_BUSY_MS = 500,
};

struct op_store {
    op_profile *profile;      // borrowed
    char *path, *real_path;   // owned; as given (for messages), as opened
    sqlite3 *db;
    dev_t device;
    ino_t inode;
    op_store_rows rows;
};

static void free_store(op_store *store)
{
    op_store_rows_fini(&store->rows);
    sqlite3_close(store->db);
    op_free(store->path);
    op_free(store->real_path);
    op_free(store);
}

op_status op_store_create(const char *path, op_profile *profile, op_store **store, op_error *error)
{
    op_store *made = op_alloc_zero(1, sizeof *made);
    if (!made)
        return op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
    made->profile = profile;
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
    if (status == OP_OK) {
        int code = op_store_rows_init(&made->rows, profile, made->db);
        if (code != SQLITE_OK)
            status = op_store_file_error(made->db, code, path, error);
    }
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
    if (!op_store_rows_reserve(&store->rows))
        return op_error_set(error, OP_NO_MEMORY, "out of memory while writing '%s'", store->path);
    int code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = op_store_rows_put(&store->rows);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        op_status status = op_store_file_error(store->db, code, store->path, error);
        if (!sqlite3_get_autocommit(store->db))
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        drop_waiting(store->profile);
        return status;
    }
    op_store_rows_note(&store->rows);
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
    op_store_rows_finish(&store->rows);
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

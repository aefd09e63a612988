// SPDX-License-Identifier: MIT
#include "profile/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "profile/schema.h"

enum { TEMPORARY_NAME_TRIES = 16, TEXT_BYTES = 256 };

static const char *const companions[] = {"-wal", "-shm", "-journal"};

static op_status refuse(op_error *error, const char *path, const char *why)
{
    return op_error_set(error, OP_NO_OUTPUT, "cannot write '%s': %s", path, why);
}

op_status op_store_file_error(sqlite3 *db, int code, const char *path, op_error *error)
{
    int primary = code & 0xff;
    if (primary == SQLITE_NOMEM)
        return op_error_set(error, OP_NO_MEMORY, "out of memory while writing '%s'", path);
    int number = primary == SQLITE_FULL ? ENOSPC : 0;
    if (db && (primary == SQLITE_CANTOPEN || primary == SQLITE_IOERR))
        number = sqlite3_system_errno(db);
    return refuse(error, path, number ? strerror(number) : sqlite3_errstr(code));
}

// An allocated "first/second", "firstsecond" without a slash; NULL: out of memory.
static char *join(const char *first, const char *slash, const char *second)
{
    size_t bytes = strlen(first) + strlen(slash) + strlen(second) + 1;
    char *text = op_alloc(bytes);
    if (text)
        snprintf(text, bytes, "%s%s%s", first, slash, second);
    return text;
}

static void remove_companions(const char *real_path)
{
    for (size_t i = 0; i < sizeof companions / sizeof companions[0]; i++) {
        char *companion = join(real_path, "", companions[i]);
        if (companion)
            unlink(companion);
        op_free(companion);
    }
}

void op_store_file_remove(const char *real_path)
{
    unlink(real_path);
    remove_companions(real_path);
}

// The folder of `path` without symlinks, allocated by op_alloc, and in *base the name behind it.
static op_status find_folder(const char *path, char **folder, const char **base, op_error *error)
{
    const char *slash = strrchr(path, '/');
    *base = slash ? slash + 1 : path;
    if (**base == '\0' || strcmp(*base, ".") == 0 || strcmp(*base, "..") == 0)
        return refuse(error, path, *path ? strerror(EISDIR) : strerror(ENOENT));
    size_t count = slash ? (size_t)(slash - path) : 1;
    char *given = op_alloc(count + 2);
    if (!given)
        return op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
    memcpy(given, slash ? path : ".", count);
    given[count] = '\0';
    char *resolved = realpath(count ? given : "/", NULL);
    int number = errno;
    op_free(given);
    if (!resolved)
        return refuse(error, path, strerror(number));
    *folder = op_copy_string(strcmp(resolved, "/") == 0 ? "" : resolved);
    free(resolved);
    return *folder ? OP_OK : op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
}

static op_status check_place(const char *real_path, const char *path, op_error *error)
{
    struct stat place;
    if (lstat(real_path, &place) != 0)
        return errno == ENOENT ? OP_OK : refuse(error, path, strerror(errno));
    if (S_ISLNK(place.st_mode))
        return refuse(error, path, "it is a symbolic link");
    if (S_ISDIR(place.st_mode))
        return refuse(error, path, strerror(EISDIR));
    return S_ISREG(place.st_mode) ? OP_OK : refuse(error, path, "it is not a regular file");
}

// A new empty file in `folder`, readable by its owner only. *temporary is its path, freed by the caller.
static op_status make_temporary(const char *folder, const char *path, char **temporary, op_error *error)
{
    for (int i = 0; i < TEMPORARY_NAME_TRIES; i++) {
        char name[TEXT_BYTES];
        snprintf(name, sizeof name, ".outpace-%ld-%llx.tmp", (long)getpid(),
                 (unsigned long long)op_clock_monotonic_ns() & 0xffffffffU);
        char *made = join(folder, "/", name);
        if (!made)
            return op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
        int file = open(made, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int number = errno;
        if (file >= 0) {
            // The process's umask may have taken even the owner's rights.
            (void)!fchmod(file, 0600);
            close(file);
            *temporary = made;
            return OP_OK;
        }
        op_free(made);
        if (number != EEXIST)
            return refuse(error, path, strerror(number));
    }
    return refuse(error, path, strerror(EEXIST));
}

static op_status build(const char *temporary, const char *path, op_error *error)
{
    sqlite3 *db = NULL;
    char text[TEXT_BYTES];
    // Nobody sees the file yet: a crash here costs nothing, so no journal on disk and no waiting for it.
    snprintf(text, sizeof text,
             "PRAGMA page_size=%d; PRAGMA encoding='UTF-8'; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;"
             "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN",
             OP_SCHEMA_PAGE_BYTES, OP_SCHEMA_APPLICATION_ID, OP_PROFILE_VERSION);
    int code = sqlite3_open_v2(temporary, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX,
                               NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, text, NULL, NULL, NULL);
    for (size_t i = 0; i < op_schema_object_count && code == SQLITE_OK; i++)
        if (op_schema_has(OP_PROFILE_VERSION, &op_schema_objects[i]))
            code = sqlite3_exec(db, op_schema_objects[i].sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    op_status status = OP_OK;
    if (code != SQLITE_OK)
        status = op_store_file_error(db, sqlite3_extended_errcode(db), path, error);
    sqlite3_close(db);
    return status;
}

op_status op_store_file_make(const char *path, char **real_path, op_error *error)
{
    char *folder = NULL, *temporary = NULL, *place = NULL;
    const char *base = NULL;
    op_status status = find_folder(path, &folder, &base, error);
    if (status != OP_OK)
        goto done;
    place = join(folder, "/", base);
    if (!place) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory while making '%s'", path);
        goto done;
    }
    status = check_place(place, path, error);
    if (status == OP_OK)
        status = make_temporary(folder, path, &temporary, error);
    if (status == OP_OK)
        status = build(temporary, path, error);
    if (status != OP_OK)
        goto done;
    // A log of the file that stood here must be gone first: it would be taken for one of the new file.
    remove_companions(place);
    if (rename(temporary, place) != 0) {
        status = refuse(error, path, strerror(errno));
        goto done;
    }
    *real_path = place;
    place = NULL;
done:
    if (status != OP_OK && temporary)
        op_store_file_remove(temporary);
    op_free(temporary);
    op_free(place);
    op_free(folder);
    return status;
}

// The first column of the first row of a PRAGMA is `expected`.
static bool pragma_gives(sqlite3 *db, const char *sql, const char *expected)
{
    sqlite3_stmt *statement = NULL;
    bool same = false;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        same = text && strcmp(text, expected) == 0;
    }
    sqlite3_finalize(statement);
    return same;
}

op_status op_store_file_open(const char *real_path, const char *path, sqlite3 **db, op_error *error)
{
    enum { HEAP_BYTES = 1 << 20, BUSY_MS = 100 };
    if (sqlite3_soft_heap_limit64(-1) == 0)
        sqlite3_soft_heap_limit64(HEAP_BYTES);   // of the process; over it SQLite gives back cached pages first
    sqlite3 *opened = NULL;
    int code = sqlite3_open_v2(real_path, &opened,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(opened, 1);
        sqlite3_busy_timeout(opened, BUSY_MS);
        // synchronous=OFF: what is written survives the death of any process, as the kernel holds it. Only a power
        // failure during a recording may tear the file, and then it is recognised as torn. Waiting for the disk
        // twice a second would make the sampler late.
        code = sqlite3_exec(opened,
                            "PRAGMA cache_size=64; PRAGMA cache_spill=64; PRAGMA synchronous=OFF;"
                            "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA secure_delete=OFF;"
                            "PRAGMA journal_size_limit=1048576; PRAGMA trusted_schema=OFF",
                            NULL, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        op_status status = op_store_file_error(opened, sqlite3_extended_errcode(opened), path, error);
        sqlite3_close(opened);
        return status;
    }
    // Where the file system has no shared memory (some network ones) the rollback journal stays: still whole
    // after a kill between two flushes, but readers may have to wait.
    if (pragma_gives(opened, "PRAGMA journal_mode=WAL", "wal"))
        sqlite3_wal_autocheckpoint(opened, 64);
    *db = opened;
    return OP_OK;
}

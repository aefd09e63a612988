// SPDX-License-Identifier: MIT
#include "profile/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "profile/schema.h"

// SQLite's file header: https://www.sqlite.org/fileformat.html, 1.3.
enum {
    HEADER_BYTES = 100,
    MAGIC_BYTES = 16,
    READ_VERSION_OFFSET = 19,   // 2: write-ahead log
    ENCODING_OFFSET = 56,       // 1: UTF-8
    USER_VERSION_OFFSET = 60,
    APPLICATION_ID_OFFSET = 68,
    WAL_READ_VERSION = 2,
};

enum {
    MAX_VALUE_BYTES = 128 << 10,   // above OP_SCHEMA_MAX_PACKED_BYTES and OP_PROFILE_MAX_STRING_BYTES
    BUSY_MS = 2000,
    MIN_STEPS = 10 << 20,   // a small file needs far less
    STEPS_PER_BYTE = 16,
    MAX_PATH_BYTES = 4096,
};

typedef struct {
    int64_t bytes;
    bool wal_mode;
} file_facts;

op_status op_read_file_error(const op_read_file *file, int code, op_error *error)
{
    const char *path = file->path;
    switch (code & 0xff) {
    case SQLITE_NOMEM: return op_error_set(error, OP_NO_MEMORY, "out of memory while reading '%s'", path);
    case SQLITE_BUSY:
        op_error_set(error, OP_SYSTEM, "cannot read '%s': it is being written", path);
        op_error_hint(error, "try again");
        return OP_SYSTEM;
    case SQLITE_CANTOPEN: return op_error_set(error, OP_SYSTEM, "cannot read '%s': %s", path, sqlite3_errstr(code));
    case SQLITE_INTERRUPT:
        return op_error_set(error, OP_TORN_PROFILE, "'%s' is damaged: reading it does not end", path);
    default: return op_error_set(error, OP_TORN_PROFILE, "'%s' is damaged: %s", path, sqlite3_errstr(code));
    }
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return ((uint32_t)bytes[0] << 24) | ((uint32_t)bytes[1] << 16) | ((uint32_t)bytes[2] << 8) | bytes[3];
}

static op_status check_identity(const char *path, uint32_t application_id, uint32_t user_version, op_error *error)
{
    if (application_id != OP_SCHEMA_APPLICATION_ID || user_version == 0)
        return op_error_set(error, OP_NOT_PROFILE, "'%s' is not an Outpace profile", path);
    if (user_version > OP_PROFILE_VERSION)
        return op_error_set(error, OP_NEWER_PROFILE, "'%s' has version %u of the format, known is up to %d", path,
                            user_version, OP_PROFILE_VERSION);
    return OP_OK;
}

// By the bytes alone, before SQLite sees the file.
static op_status check_header(const char *path, file_facts *facts, op_error *error)
{
    unsigned char header[HEADER_BYTES];
    struct stat stat_now;
    op_status status = OP_OK;
    // O_NONBLOCK: opening a pipe would wait for its writer.
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) {
        int number = errno;
        status = op_error_set(error, OP_NO_FILE, "cannot read '%s': %s", path, strerror(number));
        if (number == EACCES)
            op_error_hint(error, "run as the owner of the file");
        return status;
    }
    if (fstat(file, &stat_now) != 0 || !S_ISREG(stat_now.st_mode)) {
        status = op_error_set(error, OP_NOT_PROFILE, "'%s' is not a regular file", path);
        goto done;
    }
    ssize_t count = pread(file, header, sizeof header, 0);
    bool magic = count >= MAGIC_BYTES && memcmp(header, "SQLite format 3", MAGIC_BYTES) == 0;
    if (!magic)
        status = op_error_set(error, OP_NOT_PROFILE, "'%s' is not an Outpace profile", path);
    else if (count < HEADER_BYTES)
        status = op_error_set(error, OP_TORN_PROFILE, "'%s' is damaged: it ends in its header", path);
    else
        status = check_identity(path, big_endian(header + APPLICATION_ID_OFFSET),
                                big_endian(header + USER_VERSION_OFFSET), error);
    if (status == OP_OK && big_endian(header + ENCODING_OFFSET) != 1)
        status = op_error_set(error, OP_TORN_PROFILE, "'%s' is damaged: its text is not UTF-8", path);
    if (status == OP_OK)
        *facts = (file_facts){.bytes = stat_now.st_size,
                              .wal_mode = header[READ_VERSION_OFFSET] == WAL_READ_VERSION};
done:
    close(file);
    return status;
}

// The size of the regular file `path` with `ending`; -1: there is none.
static int64_t companion_bytes(const char *path, const char *ending)
{
    char name[MAX_PATH_BYTES + 16];
    struct stat file;
    snprintf(name, sizeof name, "%s%s", path, ending);
    return lstat(name, &file) == 0 && S_ISREG(file.st_mode) ? file.st_size : -1;
}

static int stop_when_too_long(void *context)
{
    op_read_file *file = context;
    return --file->steps_left < 0;
}

static void set_limits(sqlite3 *db)
{
    static const int limits[][2] = {
        {SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES},
        {SQLITE_LIMIT_SQL_LENGTH, OP_SCHEMA_MAX_SQL_BYTES},
        {SQLITE_LIMIT_COLUMN, 32},
        {SQLITE_LIMIT_EXPR_DEPTH, 64},
        {SQLITE_LIMIT_COMPOUND_SELECT, 8},
        {SQLITE_LIMIT_VDBE_OP, 4096},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 8},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(db, limits[i][0], limits[i][1]);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
}

// Opens `name` and begins a read transaction. A code of SQLite; on failure nothing is open.
static int open_database(op_read_file *file, const char *name, int flags)
{
    int code = sqlite3_open_v2(name, &file->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(file->db, 1);
        sqlite3_busy_timeout(file->db, BUSY_MS);
        set_limits(file->db);
        sqlite3_progress_handler(file->db, OP_READ_FILE_STEPS, stop_when_too_long, file);
        // No memory mapping: a file that is cut meanwhile would kill us.
        code = sqlite3_exec(file->db,
                            "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=64;"
                            "PRAGMA temp_store=MEMORY; PRAGMA query_only=ON; BEGIN;"
                            "SELECT 1 FROM sqlite_schema LIMIT 1",
                            NULL, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        sqlite3_close(file->db);
        file->db = NULL;
    }
    return code;
}

// As the file lies, taken for one that nobody changes: needs neither locks nor files beside it, and leaves none.
static int open_immutable(op_read_file *file, const char *real_path)
{
    op_buffer name;
    op_buffer_init(&name);
    op_buffer_add_text(&name, "file:");
    for (const char *at = real_path; *at; at++) {
        if (*at == '%' || *at == '?' || *at == '#')
            op_buffer_add_format(&name, "%%%02X", (unsigned)*at);
        else
            op_buffer_add_byte(&name, (unsigned char)*at);
    }
    op_buffer_add_text(&name, "?immutable=1");
    const char *text = op_buffer_text(&name);
    int code = text ? open_database(file, text, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI) : SQLITE_NOMEM;
    op_buffer_fini(&name);
    return code;
}

static bool copy_bytes(const char *from, const char *to)
{
    bool whole = false;
    struct stat facts;
    int out = -1, in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (in < 0 || fstat(in, &facts) != 0 || !S_ISREG(facts.st_mode))
        goto done;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        goto done;
    off_t at = 0;
    while (at < facts.st_size) {
        ssize_t count = sendfile(out, in, &at, (size_t)(facts.st_size - at));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
    }
    whole = at == facts.st_size;
done:
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return whole;
}

static void remove_copy(op_read_file *file)
{
    static const char *const names[] = {"profile", "profile-wal", "profile-shm", "profile-journal"};
    if (!file->copy_folder)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[MAX_PATH_BYTES];
        snprintf(name, sizeof name, "%s/%s", file->copy_folder, names[i]);
        unlink(name);
    }
    rmdir(file->copy_folder);
    op_free(file->copy_folder);
    file->copy_folder = NULL;
}

// A log in a folder that we may not write: SQLite needs an index beside it to read it, so both are copied to where
// we may. Never the rollback journal: playing one back can delete files that it names.
static int open_copy(op_read_file *file, const char *real_path)
{
    const char *parent = secure_getenv("TMPDIR");
    char from[MAX_PATH_BYTES + 16], to[MAX_PATH_BYTES], copy[MAX_PATH_BYTES];
    if (!parent || parent[0] != '/' || strlen(parent) > MAX_PATH_BYTES / 2)
        parent = "/tmp";
    snprintf(copy, sizeof copy, "%s/outpace-XXXXXX", parent);
    if (!mkdtemp(copy))
        return SQLITE_CANTOPEN;
    file->copy_folder = op_copy_string(copy);
    if (!file->copy_folder) {
        rmdir(copy);
        return SQLITE_NOMEM;
    }
    snprintf(from, sizeof from, "%s-wal", real_path);
    snprintf(to, sizeof to, "%s/profile-wal", file->copy_folder);
    if (!copy_bytes(from, to))
        return SQLITE_CANTOPEN;
    snprintf(to, sizeof to, "%s/profile", file->copy_folder);
    if (!copy_bytes(real_path, to))
        return SQLITE_CANTOPEN;
    return open_database(file, to, SQLITE_OPEN_READWRITE);
}

static int open_somehow(op_read_file *file, const char *real_path, bool wal_mode)
{
    int64_t log_bytes = companion_bytes(real_path, "-wal");
    if (log_bytes > 0)
        file->bytes += log_bytes;
    // A lone file, whatever its mode says (the log of a killed recording was not taken along). Nobody writes it: a
    // writer has a log beside, or a journal while it writes.
    if (wal_mode && log_bytes < 0 && companion_bytes(real_path, "-shm") < 0)
        return open_immutable(file, real_path);
    int code = open_database(file, real_path, SQLITE_OPEN_READONLY);
    int primary = code & 0xff;
    if (primary != SQLITE_CANTOPEN && primary != SQLITE_READONLY)
        return code;
    // Without a log: a kill left a rollback journal while the store was closing, when only the mode in the header
    // changes. The file is whole either way.
    return wal_mode && log_bytes > 0 ? open_copy(file, real_path) : open_immutable(file, real_path);
}

// The number that a PRAGMA gives, inside the transaction: the log may hold another first page than the file.
static int read_number(sqlite3 *db, const char *sql, uint32_t *number)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *number = (uint32_t)sqlite3_column_int(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

static op_status check_schema(op_read_file *file, op_error *error)
{
    sqlite3_stmt *statement = NULL;
    size_t known = 0, rows = 0, expected = op_schema_count(file->version);
    uint64_t seen = 0;
    int code = sqlite3_prepare_v2(file->db, "SELECT type, name, sql FROM sqlite_schema", -1, &statement, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW || ++rows > expected)
            break;
        const char *type = (const char *)sqlite3_column_text(statement, 0);
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        const char *sql = (const char *)sqlite3_column_text(statement, 2);
        for (size_t i = 0; type && name && sql && i < op_schema_object_count; i++) {
            const op_schema_object *object = &op_schema_objects[i];
            bool same = op_schema_has(file->version, object) && strcmp(type, object->type) == 0 &&
                        strcmp(name, object->name) == 0 && strcmp(sql, object->sql) == 0;
            if (same && !(seen & (UINT64_C(1) << i))) {
                seen |= UINT64_C(1) << i;
                known++;
            }
        }
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        return op_read_file_error(file, code, error);
    if (known != expected || rows != expected)
        return op_error_set(error, OP_NOT_PROFILE, "'%s' is not an Outpace profile: it has other tables or views",
                            file->path);
    return OP_OK;
}

op_status op_read_file_open(op_read_file *file, const char *path, op_error *error)
{
    file_facts facts = {0};
    *file = (op_read_file){.path = path};
    op_status status = check_header(path, &facts, error);
    if (status != OP_OK)
        return status;
    char *real_path = realpath(path, NULL);
    if (!real_path || strlen(real_path) >= MAX_PATH_BYTES) {
        free(real_path);
        return op_error_set(error, OP_NO_FILE, "cannot read '%s': its path cannot be resolved", path);
    }
    file->bytes = facts.bytes;
    int64_t log_bytes = companion_bytes(real_path, "-wal");
    int64_t bytes = facts.bytes + (log_bytes > 0 ? log_bytes : 0);
    bytes = bytes < INT64_MAX / STEPS_PER_BYTE - MIN_STEPS ? bytes : INT64_MAX / STEPS_PER_BYTE - MIN_STEPS;
    file->steps_left = (MIN_STEPS + bytes * STEPS_PER_BYTE) / OP_READ_FILE_STEPS;
    uint32_t application_id = 0;
    int code = open_somehow(file, real_path, facts.wal_mode);
    free(real_path);
    if (code == SQLITE_OK)
        code = read_number(file->db, "PRAGMA application_id", &application_id);
    if (code == SQLITE_OK)
        code = read_number(file->db, "PRAGMA user_version", &file->version);
    status = code == SQLITE_OK ? check_identity(path, application_id, file->version, error)
                               : op_read_file_error(file, code, error);
    if (status == OP_OK)
        status = check_schema(file, error);
    if (status != OP_OK)
        op_read_file_close(file);
    return status;
}

void op_read_file_close(op_read_file *file)
{
    sqlite3_close(file->db);
    file->db = NULL;
    remove_copy(file);
}

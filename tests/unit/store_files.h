// SPDX-License-Identifier: MIT
// Profile files for the tests of the store: written, read back, and asked by SQL as a user would.
#ifndef OP_TESTS_STORE_FILES_H
#define OP_TESTS_STORE_FILES_H

#include <sqlite3.h>
#include "profile_fixture.h"

static inline bool exists(const char *path, const char *ending)
{
    char name[FIXTURE_PATH_BYTES + 16];
    struct stat file;
    snprintf(name, sizeof name, "%s%s", path, ending);
    return lstat(name, &file) == 0;
}

static inline void write_profile(const char *path, op_profile *profile)
{
    op_store *store = NULL;
    op_error error = {0};
    TAP_EQ_INT(op_store_create(path, profile, &store, &error), OP_OK);
    TAP_EQ_STR(error.message, "");
    TAP_REQUIRE(store != NULL);
    TAP_EQ_INT(op_store_close(store, &error), OP_OK);
}

static inline op_profile *read_profile(const char *path)
{
    op_profile *profile = NULL;
    op_error error = {0};
    op_status status = op_profile_read(path, &profile, &error);
    TAP_EQ_STR(status == OP_OK ? "" : error.message, "");
    TAP_REQUIRE(status == OP_OK);
    return profile;
}

static inline op_status read_status(const char *path)
{
    op_profile *profile = NULL;
    op_error error = {0};
    op_status status = op_profile_read(path, &profile, &error);
    TAP_OK(status == OP_OK || (error.status == status && error.message[0] && !profile));
    op_profile_free(profile);
    return status;
}

// Runs SQL on a file as a user would, and gives the first column of the first row as a number.
static inline int64_t query(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;
    int64_t value = INT64_MIN;
    TAP_REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK || sqlite3_step(row) != SQLITE_ROW)
        TAP_NOTE("%s: %s", sql, sqlite3_errmsg(db));
    else
        value = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return value;
}

static inline void execute(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    TAP_REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_exec(db, sql, NULL, NULL, &message);
    TAP_EQ_STR(message ? message : "", "");
    sqlite3_free(message);
    sqlite3_close(db);
}

static inline void copy_file(const char *from, const char *to)
{
    char command[3 * FIXTURE_PATH_BYTES];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    TAP_REQUIRE(system(command) == 0);
}

#endif

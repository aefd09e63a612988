// SPDX-License-Identifier: MIT
// What a profile file holds by its views, and files of older versions.
#include "profile/schema.h"
#include "store_files.h"

TAP_TEST(views)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    write_profile(path, profile);
    TAP_EQ_INT(query(path, "SELECT own_samples FROM function_time WHERE name = 'fib'"), 100);
    TAP_EQ_INT(query(path, "SELECT total_samples FROM function_time WHERE name = 'fib'"),
               100);   // once, though it recurs
    TAP_EQ_INT(query(path, "SELECT own_samples FROM function_time WHERE name = 'work'"), 7);
    TAP_EQ_INT(query(path, "SELECT total_samples FROM function_time WHERE name = 'work'"), 107);
    TAP_EQ_INT(query(path, "SELECT total_samples FROM function_time WHERE name = '<module>'"), 207);
    TAP_EQ_INT(query(path, "SELECT total_ns FROM function_time WHERE name = '<module>'"), 207000000);
    TAP_EQ_INT(query(path, "SELECT own_ns FROM function_time WHERE name = '<native>'"), 100000000);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM function_time"), (int64_t)profile->functions.count - 1);
    TAP_EQ_INT(query(path, "SELECT sum(count) FROM collapsed"), 207);
    TAP_EQ_INT(query(path, "SELECT count FROM collapsed WHERE path = '<module> (/app/main.py:10);work "
                           "(/app/main.py:20);fib (/app/main.py:30);fib (/app/main.py:30)'"),
               50);
    TAP_EQ_INT(query(path, "SELECT samples FROM line_time WHERE name = 'fib' AND line = 30"), 100);
    TAP_EQ_INT(query(path, "SELECT sum(count) FROM sample_text WHERE thread = 'worker' AND state = 'waiting'"), 75);
    TAP_EQ_INT(query(path, "SELECT count FROM sample_text WHERE task = 'Task-1'"), 7);
    TAP_EQ_INT(query(path, "SELECT value FROM counter_text WHERE name = 'late'"), -3);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM thread_text WHERE pid = 100 AND name IN ('worker', 'MainThread')"),
               2);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM run_text WHERE command = 'python app.py' AND mode = 'wall' "
                           "AND complete = 1 AND started_utc = '2023-11-14 22:13:20'"),
               1);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM process_text WHERE python = '3.13.0'"), 1);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(views_of_calls_and_lines)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    write_profile(path, profile);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM call_text"), (int64_t)profile->calls.count);
    TAP_EQ_INT(query(path,
                     "SELECT calls FROM call_text WHERE caller = 'work' AND caller_file = '/app/main.py' AND "
                     "caller_line = 1 AND callee = 'fib' AND callee_file = '/app/main.py' AND callee_line = 1 "
                     "AND pid = 100 AND tid = 100 AND thread = 'MainThread'"),
               5);
    TAP_EQ_INT(query(path, "SELECT calls FROM call_text WHERE caller = '' AND caller_file = '' AND caller_line = 0 "
                           "AND thread = 'worker' AND callee = 'work'"),
               1);
    TAP_EQ_INT(query(path, "SELECT recursive_calls FROM call_text WHERE caller = 'fib' AND callee = 'fib' "
                           "AND nested_calls = 20 AND own_ns = 350 AND total_ns = 380 AND outer_ns = 0"),
               15);
    TAP_EQ_INT(query(path, "SELECT callee_line FROM call_text WHERE callee = '<built-in method builtins.len>' "
                           "AND callee_file = '' AND calls = 25"),
               0);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM function_call"), 4);
    TAP_EQ_INT(query(path, "SELECT calls FROM function_call WHERE name = 'fib' AND primitive_calls = 5 AND "
                           "starts = 25 AND resumes = 0 AND own_ns = 650 AND total_ns = 700"),
               25);
    TAP_EQ_INT(query(path,
                     "SELECT suspended_ns FROM function_call WHERE name = 'work' AND calls = 5 AND starts = 2 "
                     "AND resumes = 3 AND exceptions = 1 AND own_ns = 207 AND total_ns = 907 "
                     "AND file = '/app/main.py' AND first_line = 1"),
               50);
    TAP_EQ_INT(query(path, "SELECT sum(own_ns) - (SELECT total_ns FROM function_call WHERE name = '<module>') "
                           "FROM call_text WHERE thread = 'MainThread'"),
               0);
    TAP_EQ_INT(query(path, "SELECT count(*) FROM line_text"), 3);
    TAP_EQ_INT(query(path, "SELECT ns FROM line_text WHERE file = '/app/main.py' AND name = 'work' AND line = 20 "
                           "AND hits = 2 AND pid = 100 AND tid = 101 AND thread = 'worker'"),
               6);
    op_profile_free(profile);
    fixture_clean();
}

TAP_TEST(view_labels_are_those_of_the_model)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    for (int kind = 1; kind < OP_FRAME_KIND_COUNT; kind++)
        op_profile_add_function(profile, &(op_function){.kind = (op_frame_kind)kind});
    write_profile(path, profile);
    for (int kind = 1; kind < OP_FRAME_KIND_COUNT; kind++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM function_text WHERE kind = %d AND name = '%s'", kind,
                 op_frame_kind_label((op_frame_kind)kind));
        TAP_EQ_INT(query(path, sql), 1);
    }
    TAP_EQ_INT(query(path, "SELECT count(*) FROM sqlite_schema"), (int64_t)op_schema_count(OP_PROFILE_VERSION));
    TAP_OK(op_schema_object_count <= 64);   // the reader ticks them off in a word
    op_profile_free(profile);
    fixture_clean();
}

// Version 1 word for word: neither calls nor lines, and a view that knows no builtins.
#define FUNCTION_TEXT_1                                                                                            \
    "CREATE VIEW function_text AS SELECT function.id, coalesce(nullif(name.text, ''), CASE kind WHEN 0 THEN '' "   \
    "WHEN 1 THEN '<native>' WHEN 2 THEN '<GC>' WHEN 3 THEN '<truncated>' WHEN 4 THEN '<unreadable>' "              \
    "WHEN 5 THEN '<unproven>' WHEN 6 THEN '<gone>' WHEN 7 THEN '<idle>' END) AS name, "                            \
    "coalesce(file.text, '') AS file, first_line, kind FROM function "                                             \
    "LEFT JOIN string AS name ON name.id = function.name LEFT JOIN string AS file ON file.id = function.file;"
#define TO_VERSION_1                                                                                               \
    "DROP VIEW call_text; DROP VIEW function_call; DROP VIEW line_text; DROP TABLE call; DROP TABLE line;"         \
    "DELETE FROM function WHERE kind = 8; DROP VIEW function_text; " FUNCTION_TEXT_1 "PRAGMA user_version = 1;"

TAP_TEST(files_of_version_1)
{
    op_profile *profile = fixture_new();
    const char *path = fixture_path("p.outpace");
    write_profile(path, profile);
    execute(path, TO_VERSION_1);
    op_profile *back = read_profile(path);
    TAP_EQ_UINT(op_profile_total_samples(back), 207);
    TAP_EQ_UINT(back->functions.count, profile->functions.count - 1);
    TAP_OK(back->calls.count == 0 && back->lines.count == 0);
    // What is written anew is of this version.
    const char *anew = fixture_path("anew.outpace");
    write_profile(anew, back);
    TAP_EQ_INT(query(anew, "PRAGMA user_version"), OP_PROFILE_VERSION);
    op_profile_free(back);

    static const char *const wrong[] = {
        "PRAGMA user_version = 2",
        "CREATE TABLE line(id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, function INTEGER NOT NULL, "
        "line INTEGER NOT NULL, hits INTEGER NOT NULL, ns INTEGER NOT NULL)",
        "DROP VIEW collapsed",
        "DROP VIEW function_text; CREATE VIEW function_text AS SELECT 1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        unlink(path);
        write_profile(path, profile);
        execute(path, TO_VERSION_1);
        execute(path, wrong[i]);
        TAP_EQ_INT(read_status(path), OP_NOT_PROFILE);
    }
    unlink(path);
    write_profile(path, profile);
    execute(path, TO_VERSION_1);
    execute(path, "UPDATE function SET kind = 8 WHERE id = 1");
    TAP_EQ_INT(read_status(path), OP_TORN_PROFILE);   // a kind of later versions
    op_profile_free(profile);
    fixture_clean();
}

TAP_MAIN()

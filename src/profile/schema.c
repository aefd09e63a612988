// SPDX-License-Identifier: MIT
#include "profile/schema.h"

#include "profile/profile.h"

// The numbers of kind and state are those of op_frame_kind and op_thread_state; a test compares the labels.
// Tables are plain ones (not STRICT, no WITHOUT ROWID) so that old builds of sqlite3 open the file too.

#define OBJECT(type, name, since, until, sql)                                                                      \
    {                                                                                                              \
        type, #name, sql, since, until                                                                             \
    }
// Version 1 is the first; calls and lines came with 2.
#define TABLE(name, since, columns)                                                                                \
    OBJECT("table", name, since, OP_PROFILE_VERSION, "CREATE TABLE " #name "(" columns ")")
#define VIEW_UNTIL(name, since, until, select)                                                                     \
    OBJECT("view", name, since, until, "CREATE VIEW " #name " AS " select)
#define VIEW(name, since, select) VIEW_UNTIL(name, since, OP_PROFILE_VERSION, select)
// How function_text names functions without a name, by kind.
#define FUNCTION_TEXT(more_kinds)                                                                                  \
    "SELECT function.id, coalesce(nullif(name.text, ''), CASE kind WHEN 0 THEN '' WHEN 1 THEN '<native>' "         \
    "WHEN 2 THEN '<GC>' WHEN 3 THEN '<truncated>' WHEN 4 THEN '<unreadable>' WHEN 5 THEN '<unproven>' "            \
    "WHEN 6 THEN '<gone>' WHEN 7 THEN '<idle>' " more_kinds "END) AS name, coalesce(file.text, '') AS file, "      \
    "first_line, kind FROM function LEFT JOIN string AS name ON name.id = function.name "                          \
    "LEFT JOIN string AS file ON file.id = function.file"

const op_schema_object op_schema_objects[] = {
    TABLE(string, 1, "id INTEGER PRIMARY KEY, text TEXT NOT NULL"),
    TABLE(run, 1,
          "id INTEGER PRIMARY KEY, command INTEGER NOT NULL, host INTEGER NOT NULL, "
          "tool_version INTEGER NOT NULL, started_unix_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, "
          "asked_rate_hz REAL NOT NULL, mode INTEGER NOT NULL, include_idle INTEGER NOT NULL, "
          "complete INTEGER NOT NULL"),
    TABLE(process, 1,
          "id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, parent_pid INTEGER NOT NULL, "
          "command INTEGER NOT NULL, executable INTEGER NOT NULL, python INTEGER NOT NULL, "
          "started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL"),
    TABLE(thread, 1,
          "id INTEGER PRIMARY KEY, process INTEGER NOT NULL, tid INTEGER NOT NULL, name INTEGER NOT NULL, "
          "is_main INTEGER NOT NULL, started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL"),
    TABLE(function, 1,
          "id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name INTEGER NOT NULL, file INTEGER NOT NULL, "
          "first_line INTEGER NOT NULL"),
    TABLE(frame, 1, "id INTEGER PRIMARY KEY, function INTEGER NOT NULL, line INTEGER NOT NULL"),
    TABLE(stack, 1, "id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, frame INTEGER NOT NULL"),
    TABLE(sample, 1,
          "id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, task INTEGER NOT NULL, stack INTEGER NOT NULL, "
          "state INTEGER NOT NULL, count INTEGER NOT NULL, weight_ns INTEGER NOT NULL"),
    TABLE(timeline, 1,
          "id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, start_ns INTEGER NOT NULL, "
          "end_ns INTEGER NOT NULL, samples INTEGER NOT NULL, run_bytes INTEGER NOT NULL, "
          "runs BLOB NOT NULL"),
    TABLE(call, 2,
          "id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, caller INTEGER NOT NULL, function INTEGER NOT NULL, "
          "calls INTEGER NOT NULL, recursive_calls INTEGER NOT NULL, nested_calls INTEGER NOT NULL, "
          "resumes INTEGER NOT NULL, exceptions INTEGER NOT NULL, own_ns INTEGER NOT NULL, "
          "total_ns INTEGER NOT NULL, outer_ns INTEGER NOT NULL, suspended_ns INTEGER NOT NULL"),
    TABLE(line, 2,
          "id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, function INTEGER NOT NULL, "
          "line INTEGER NOT NULL, hits INTEGER NOT NULL, ns INTEGER NOT NULL"),
    TABLE(counter, 1, "id INTEGER PRIMARY KEY, name INTEGER NOT NULL, value INTEGER NOT NULL"),

    VIEW(run_text, 1,
         "SELECT (SELECT text FROM string WHERE id = command) AS command, "
         "(SELECT text FROM string WHERE id = host) AS host, "
         "(SELECT text FROM string WHERE id = tool_version) AS tool_version, "
         "datetime(started_unix_ns / 1000000000, 'unixepoch') AS started_utc, duration_ns / 1e9 AS seconds, "
         "asked_rate_hz, CASE mode WHEN 0 THEN 'wall' ELSE 'cpu' END AS mode, include_idle, complete FROM run"),
    VIEW(process_text, 1,
         "SELECT id, pid, parent_pid, (SELECT text FROM string WHERE id = command) AS command, "
         "(SELECT text FROM string WHERE id = executable) AS executable, "
         "(SELECT text FROM string WHERE id = python) AS python, started_ns, ended_ns FROM process"),
    VIEW(thread_text, 1,
         "SELECT thread.id, process.pid, thread.tid, string.text AS name, thread.is_main, thread.started_ns, "
         "thread.ended_ns FROM thread JOIN process ON process.id = thread.process "
         "LEFT JOIN string ON string.id = thread.name"),
    VIEW_UNTIL(function_text, 1, 1, FUNCTION_TEXT("")),
    VIEW(function_text, 2, FUNCTION_TEXT("WHEN 8 THEN '' ")),
    VIEW(frame_text, 1,
         "SELECT frame.id, frame.function, name, file, line, CASE file WHEN '' THEN name "
         "ELSE name || ' (' || file || ':' || line || ')' END AS text "
         "FROM frame JOIN function_text ON function_text.id = frame.function"),
    VIEW(counter_text, 1, "SELECT string.text AS name, value FROM counter JOIN string ON string.id = counter.name"),
    VIEW(sample_text, 1,
         "SELECT sample.id, pid, tid, thread_text.name AS thread, string.text AS task, "
         "CASE state WHEN 0 THEN 'running' WHEN 1 THEN 'waiting' ELSE 'wants GIL' END AS state, stack, "
         "frame_text.text AS leaf, count, weight_ns FROM sample JOIN thread_text ON thread_text.id = sample.thread "
         "JOIN stack ON stack.id = sample.stack JOIN frame_text ON frame_text.id = stack.frame "
         "LEFT JOIN string ON string.id = sample.task"),
    VIEW(line_time, 1,
         "SELECT name, file, line, sum(count) AS samples, sum(weight_ns) AS weight_ns FROM sample "
         "JOIN stack ON stack.id = sample.stack JOIN frame_text ON frame_text.id = stack.frame "
         "GROUP BY frame_text.function, line"),
    VIEW(call_text, 2,
         "SELECT call.id, pid, tid, thread_text.name AS thread, coalesce(caller.name, '') AS caller, "
         "coalesce(caller.file, '') AS caller_file, coalesce(caller.first_line, 0) AS caller_line, "
         "callee.name AS callee, callee.file AS callee_file, callee.first_line AS callee_line, calls, "
         "recursive_calls, nested_calls, resumes, exceptions, own_ns, total_ns, outer_ns, suspended_ns FROM call "
         "JOIN thread_text ON thread_text.id = call.thread JOIN function_text AS callee ON callee.id = function "
         "LEFT JOIN function_text AS caller ON caller.id = call.caller"),
    VIEW(function_call, 2,
         "SELECT call.function, name, file, first_line, sum(calls) AS calls, "
         "sum(calls - nested_calls) AS primitive_calls, sum(calls - resumes) AS starts, sum(resumes) AS resumes, "
         "sum(exceptions) AS exceptions, sum(own_ns) AS own_ns, sum(outer_ns) AS total_ns, "
         "sum(suspended_ns) AS suspended_ns FROM call JOIN function_text ON function_text.id = call.function "
         "GROUP BY call.function"),
    VIEW(line_text, 2,
         "SELECT line.id, pid, tid, thread_text.name AS thread, function_text.name AS name, file, "
         "line.line AS line, hits, ns FROM line JOIN thread_text ON thread_text.id = line.thread "
         "JOIN function_text ON function_text.id = line.function"),
    // Each sampled stack once, then up to its root; a function counts once a stack however often it recurs.
    VIEW(function_time, 1,
         "WITH RECURSIVE leaf(stack, count, weight_ns) AS (SELECT stack, sum(count), sum(weight_ns) FROM sample "
         "GROUP BY stack), up(leaf, at) AS (SELECT stack, stack FROM leaf UNION ALL SELECT up.leaf, stack.parent "
         "FROM up JOIN stack ON stack.id = up.at WHERE stack.parent > 0), "
         "total(function, count, weight_ns) AS (SELECT function, sum(count), sum(weight_ns) FROM (SELECT DISTINCT "
         "up.leaf AS leaf, frame.function AS function FROM up JOIN stack ON stack.id = up.at "
         "JOIN frame ON frame.id = stack.frame) AS seen JOIN leaf ON leaf.stack = seen.leaf GROUP BY function), "
         "own(function, count, weight_ns) AS (SELECT frame.function, sum(count), sum(weight_ns) FROM leaf "
         "JOIN stack ON stack.id = leaf.stack JOIN frame ON frame.id = stack.frame GROUP BY frame.function) "
         "SELECT total.function, name, file, first_line, coalesce(own.count, 0) AS own_samples, "
         "coalesce(own.weight_ns, 0) AS own_ns, total.count AS total_samples, total.weight_ns AS total_ns "
         "FROM total JOIN function_text ON function_text.id = total.function "
         "LEFT JOIN own ON own.function = total.function"),
    VIEW(collapsed, 1,
         "WITH RECURSIVE leaf(stack, count, weight_ns) AS (SELECT stack, sum(count), sum(weight_ns) FROM sample "
         "GROUP BY stack), walk(leaf, up, path) AS (SELECT leaf.stack, parent, text FROM leaf "
         "JOIN stack ON stack.id = leaf.stack JOIN frame_text ON frame_text.id = stack.frame UNION ALL "
         "SELECT leaf, parent, text || ';' || path FROM walk JOIN stack ON stack.id = walk.up "
         "JOIN frame_text ON frame_text.id = stack.frame) "
         "SELECT leaf.stack, path, count, weight_ns FROM walk JOIN leaf ON leaf.stack = walk.leaf WHERE up = 0"),
};
const size_t op_schema_object_count = sizeof op_schema_objects / sizeof op_schema_objects[0];

bool op_schema_has(uint32_t version, const op_schema_object *object)
{
    return version >= object->since && version <= object->until;
}

size_t op_schema_count(uint32_t version)
{
    size_t count = 0;
    for (size_t i = 0; i < op_schema_object_count; i++)
        count += op_schema_has(version, &op_schema_objects[i]);
    return count;
}

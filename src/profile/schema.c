// SPDX-License-Identifier: MIT
#include "profile/schema.h"

// The numbers of kind and state are those of op_frame_kind and op_thread_state; a test compares the labels.
// Tables are plain ones (not STRICT, no WITHOUT ROWID) so that old builds of sqlite3 open the file too.

#define TABLE(name, columns)                                                                                       \
    {                                                                                                              \
        "table", #name, "CREATE TABLE " #name "(" columns ")"                                                      \
    }
#define VIEW(name, select)                                                                                         \
    {                                                                                                              \
        "view", #name, "CREATE VIEW " #name " AS " select                                                          \
    }

const op_schema_object op_schema_objects[] = {
    TABLE(string, "id INTEGER PRIMARY KEY, text TEXT NOT NULL"),
    TABLE(run, "id INTEGER PRIMARY KEY, command INTEGER NOT NULL, host INTEGER NOT NULL, "
               "tool_version INTEGER NOT NULL, started_unix_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, "
               "asked_rate_hz REAL NOT NULL, mode INTEGER NOT NULL, include_idle INTEGER NOT NULL, "
               "complete INTEGER NOT NULL"),
    TABLE(process, "id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, parent_pid INTEGER NOT NULL, "
                   "command INTEGER NOT NULL, executable INTEGER NOT NULL, python INTEGER NOT NULL, "
                   "started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL"),
    TABLE(thread, "id INTEGER PRIMARY KEY, process INTEGER NOT NULL, tid INTEGER NOT NULL, name INTEGER NOT NULL, "
                  "is_main INTEGER NOT NULL, started_ns INTEGER NOT NULL, ended_ns INTEGER NOT NULL"),
    TABLE(function, "id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name INTEGER NOT NULL, file INTEGER NOT NULL, "
                    "first_line INTEGER NOT NULL"),
    TABLE(frame, "id INTEGER PRIMARY KEY, function INTEGER NOT NULL, line INTEGER NOT NULL"),
    TABLE(stack, "id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, frame INTEGER NOT NULL"),
    TABLE(sample, "id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, task INTEGER NOT NULL, stack INTEGER NOT NULL, "
                  "state INTEGER NOT NULL, count INTEGER NOT NULL, weight_ns INTEGER NOT NULL"),
    TABLE(timeline, "id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, start_ns INTEGER NOT NULL, "
                    "end_ns INTEGER NOT NULL, samples INTEGER NOT NULL, run_bytes INTEGER NOT NULL, "
                    "runs BLOB NOT NULL"),
    TABLE(counter, "id INTEGER PRIMARY KEY, name INTEGER NOT NULL, value INTEGER NOT NULL"),

    VIEW(run_text,
         "SELECT (SELECT text FROM string WHERE id = command) AS command, "
         "(SELECT text FROM string WHERE id = host) AS host, "
         "(SELECT text FROM string WHERE id = tool_version) AS tool_version, "
         "datetime(started_unix_ns / 1000000000, 'unixepoch') AS started_utc, duration_ns / 1e9 AS seconds, "
         "asked_rate_hz, CASE mode WHEN 0 THEN 'wall' ELSE 'cpu' END AS mode, include_idle, complete FROM run"),
    VIEW(process_text, "SELECT id, pid, parent_pid, (SELECT text FROM string WHERE id = command) AS command, "
                       "(SELECT text FROM string WHERE id = executable) AS executable, "
                       "(SELECT text FROM string WHERE id = python) AS python, started_ns, ended_ns FROM process"),
    VIEW(thread_text,
         "SELECT thread.id, process.pid, thread.tid, string.text AS name, thread.is_main, thread.started_ns, "
         "thread.ended_ns FROM thread JOIN process ON process.id = thread.process "
         "LEFT JOIN string ON string.id = thread.name"),
    VIEW(function_text,
         "SELECT function.id, coalesce(nullif(name.text, ''), CASE kind WHEN 0 THEN '' WHEN 1 THEN '<native>' "
         "WHEN 2 THEN '<GC>' WHEN 3 THEN '<truncated>' WHEN 4 THEN '<unreadable>' WHEN 5 THEN '<unproven>' "
         "WHEN 6 THEN '<gone>' WHEN 7 THEN '<idle>' END) AS name, coalesce(file.text, '') AS file, first_line, "
         "kind FROM function LEFT JOIN string AS name ON name.id = function.name "
         "LEFT JOIN string AS file ON file.id = function.file"),
    VIEW(frame_text, "SELECT frame.id, frame.function, name, file, line, CASE file WHEN '' THEN name "
                     "ELSE name || ' (' || file || ':' || line || ')' END AS text "
                     "FROM frame JOIN function_text ON function_text.id = frame.function"),
    VIEW(counter_text, "SELECT string.text AS name, value FROM counter JOIN string ON string.id = counter.name"),
    VIEW(sample_text,
         "SELECT sample.id, pid, tid, thread_text.name AS thread, string.text AS task, "
         "CASE state WHEN 0 THEN 'running' WHEN 1 THEN 'waiting' ELSE 'wants GIL' END AS state, stack, "
         "frame_text.text AS leaf, count, weight_ns FROM sample JOIN thread_text ON thread_text.id = sample.thread "
         "JOIN stack ON stack.id = sample.stack JOIN frame_text ON frame_text.id = stack.frame "
         "LEFT JOIN string ON string.id = sample.task"),
    VIEW(line_time, "SELECT name, file, line, sum(count) AS samples, sum(weight_ns) AS weight_ns FROM sample "
                    "JOIN stack ON stack.id = sample.stack JOIN frame_text ON frame_text.id = stack.frame "
                    "GROUP BY frame_text.function, line"),
    // Each sampled stack once, then up to its root; a function counts once a stack however often it recurs.
    VIEW(function_time,
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
    VIEW(collapsed,
         "WITH RECURSIVE leaf(stack, count, weight_ns) AS (SELECT stack, sum(count), sum(weight_ns) FROM sample "
         "GROUP BY stack), walk(leaf, up, path) AS (SELECT leaf.stack, parent, text FROM leaf "
         "JOIN stack ON stack.id = leaf.stack JOIN frame_text ON frame_text.id = stack.frame UNION ALL "
         "SELECT leaf, parent, text || ';' || path FROM walk JOIN stack ON stack.id = walk.up "
         "JOIN frame_text ON frame_text.id = stack.frame) "
         "SELECT leaf.stack, path, count, weight_ns FROM walk JOIN leaf ON leaf.stack = walk.leaf WHERE up = 0"),
};
const size_t op_schema_object_count = sizeof op_schema_objects / sizeof op_schema_objects[0];

// SPDX-License-Identifier: MIT
// A small segment that holds something of everything, and what a reader gives of it.
#ifndef OP_TESTS_SEGMENT_SAMPLE_H
#define OP_TESTS_SEGMENT_SAMPLE_H

#include "profile_fixture.h"
#include "segment/reader.h"
#include "segment_fixture.h"

// Two threads, three functions, four edges, a shadow stack of two frames, six lines of which three were run.
typedef struct {
    segment s;
    uint64_t main, worker, edges[2], shadow, lines, edge[4], function[3];
} sample;

static inline sample sample_new(void)
{
    sample m = {.s = segment_new()};
    segment *s = &m.s;
    m.main = segment_thread(s, (op_segment_thread){.tid = 1234, .is_main = 1, .depth = 2, .name = "MainThread"});
    m.worker = segment_thread(s, (op_segment_thread){.tid = 1235, .name = "worker"});
    m.function[0] = segment_function(s, 1, OP_SEGMENT_PYTHON, "main", "/app/main.py", 3);
    m.function[1] = segment_function(s, 2, OP_SEGMENT_PYTHON, "Class.method", "/app/main.py", 30);
    m.function[2] = segment_function(s, 3, OP_SEGMENT_BUILTIN, "<built-in method builtins.len>", "", 0);
    m.edges[0] = segment_chunk(s, OP_SEGMENT_EDGE, 0, 0, 0, 1000);
    m.edge[0] = segment_edge(s, m.edges[0], (op_segment_edge){.caller = 0, .callee = 1, .calls = 1, .own = 10});
    m.edge[1] = segment_edge(s, m.edges[0], (op_segment_edge){.caller = 1, .callee = 2, .calls = 2, .own = 20});
    m.edge[2] = segment_edge(s, m.edges[0], (op_segment_edge){.caller = 2, .callee = 3, .calls = 3, .own = 30});
    m.edges[1] = segment_chunk(s, OP_SEGMENT_EDGE, 1, 0, 0, 1000);
    m.edge[3] = segment_edge(s, m.edges[1], (op_segment_edge){.caller = 0, .callee = 2, .calls = 4, .own = 40});
    m.shadow = segment_chunk(s, OP_SEGMENT_SHADOW, 0, 0, 0, 100 * sizeof(op_segment_frame));
    segment_frame(s, m.shadow, 0, 0, 0, 0, 0);
    segment_frame(s, m.shadow, 1, 0x1000, m.edge[0], 100, 5);
    segment_frame(s, m.shadow, 2, 0x2000, m.edge[1], 200, 6);
    m.lines = segment_chunk(s, OP_SEGMENT_LINE, 0, 2, 30, 6 * sizeof(op_segment_line));
    segment_line(s, m.lines, 0, 1, 100);
    segment_line(s, m.lines, 3, 2, 0);
    segment_line(s, m.lines, 5, 0, 7);
    return m;
}

// All that a reader gives.
typedef struct {
    uint64_t threads, functions, edges, calls, lines, hits, frames, torn;
} totals;

static inline totals read_all(const char *path)
{
    totals sum = {0};
    op_segment_reader reader;
    op_segment_named function;
    op_segment_edge edge;
    op_segment_line line;
    uint32_t thread, function_id, number;
    op_error error = {0};
    TAP_EQ_INT(op_segment_open(&reader, AT_FDCWD, path, &error), OP_OK);
    TAP_REQUIRE(error.message[0] == '\0');
    TAP_REQUIRE(op_segment_scan(&reader) == OP_OK);
    op_segment_begin(&reader, OP_SEGMENT_FUNCTION);
    while (op_segment_next_function(&reader, &function))
        sum.functions++;
    op_segment_begin(&reader, OP_SEGMENT_EDGE);
    while (op_segment_next_edge(&reader, &edge, &thread)) {
        sum.edges++;
        sum.calls += edge.calls;
        TAP_OK(thread < reader.threads.count);
    }
    op_segment_begin(&reader, OP_SEGMENT_LINE);
    while (op_segment_next_line(&reader, &line, &thread, &function_id, &number)) {
        sum.lines++;
        sum.hits += line.hits;
        TAP_OK(thread < reader.threads.count);
    }
    for (size_t i = 0; i < reader.threads.count; i++) {
        op_segment_thread facts;
        op_segment_frame *frames;
        size_t count;
        if (!op_segment_thread_at(&reader, i, &facts))
            continue;
        sum.threads++;
        TAP_REQUIRE(op_segment_frames(&reader, i, facts.depth, &frames, &count) == OP_OK);
        for (size_t j = 0; j < count; j++)
            sum.frames += op_segment_edge_at(&reader, i, frames[j].edge - reader.header.base, &edge);
        op_free(frames);
    }
    sum.torn = reader.torn;
    op_segment_close(&reader);
    return sum;
}

static inline totals read_segment(segment *s)
{
    const char *path = fixture_path("1-1.segment");
    segment_write(s, path);
    return read_all(path);
}

static inline op_status open_status(const char *path)
{
    op_segment_reader reader;
    op_error error = {0};
    op_status status = op_segment_open(&reader, AT_FDCWD, path, &error);
    TAP_EQ_INT(error.status, status);
    TAP_OK(status == OP_OK || (strstr(error.message, path) != NULL && op_status_text(status)[0] != '\0'));
    if (status == OP_OK)
        op_segment_close(&reader);
    return status;
}

#endif

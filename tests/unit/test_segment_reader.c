// SPDX-License-Identifier: MIT
#include <sys/socket.h>
#include <sys/un.h>
#include "profile_fixture.h"
#include "segment/reader.h"
#include "segment_fixture.h"

enum { NOBODY = 65534 };

// Two threads, three functions, four edges, a shadow stack of two frames, six lines of which three were run.
typedef struct {
    segment s;
    uint64_t main, worker, edges[2], shadow, lines, edge[4], function[3];
} sample;

static sample sample_new(void)
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

static totals read_all(const char *path)
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

static totals read_segment(segment *s)
{
    const char *path = fixture_path("1-1.segment");
    segment_write(s, path);
    return read_all(path);
}

static op_status open_status(const char *path)
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

TAP_TEST(all_that_was_written_is_read)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    segment_write(&m.s, path);
    op_segment_reader reader;
    op_segment_named function;
    op_segment_edge edge;
    op_segment_line line;
    op_segment_thread facts;
    uint32_t thread, function_id, number;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK);
    TAP_EQ_UINT(reader.header.pid, 1234);
    TAP_EQ_STR(reader.header.executable, "/usr/bin/python3");
    TAP_REQUIRE(op_segment_scan(&reader) == OP_OK);

    TAP_EQ_UINT(reader.threads.count, 2);
    TAP_OK(op_segment_thread_at(&reader, 0, &facts) && facts.tid == 1234 && facts.is_main == 1);
    TAP_EQ_STR(facts.name, "MainThread");
    TAP_OK(op_segment_thread_at(&reader, 1, &facts) && facts.tid == 1235 && facts.is_main == 0);
    TAP_OK(!op_segment_thread_at(&reader, 2, &facts));

    static const char *const names[] = {"main", "Class.method", "<built-in method builtins.len>"};
    static const uint32_t first_lines[] = {3, 30, 0};
    op_segment_begin(&reader, OP_SEGMENT_FUNCTION);
    for (uint32_t i = 0; i < 3; i++) {
        TAP_REQUIRE(op_segment_next_function(&reader, &function));
        TAP_EQ_UINT(function.facts.id, i + 1);
        TAP_EQ_UINT(function.facts.kind, i == 2 ? OP_SEGMENT_BUILTIN : OP_SEGMENT_PYTHON);
        TAP_EQ_UINT(function.facts.first_line, first_lines[i]);
        TAP_EQ_BYTES(function.name, function.facts.name_bytes, names[i], strlen(names[i]));
        TAP_EQ_BYTES(function.file, function.facts.file_bytes, "/app/main.py", i == 2 ? 0 : 12);
    }
    TAP_OK(!op_segment_next_function(&reader, &function));
    TAP_OK(!op_segment_next_function(&reader, &function));

    op_segment_begin(&reader, OP_SEGMENT_EDGE);
    for (uint32_t i = 0; i < 4; i++) {
        TAP_REQUIRE(op_segment_next_edge(&reader, &edge, &thread));
        TAP_EQ_UINT(edge.calls, i + 1);
        TAP_EQ_UINT(edge.own, 10 * (i + 1));
        TAP_EQ_UINT(thread, i == 3);
    }
    TAP_OK(!op_segment_next_edge(&reader, &edge, &thread));

    static const uint32_t numbers[] = {30, 33, 35};
    static const uint64_t hits[] = {1, 2, 0}, ticks[] = {100, 0, 7};
    op_segment_begin(&reader, OP_SEGMENT_LINE);
    for (int i = 0; i < 3; i++) {
        TAP_REQUIRE(op_segment_next_line(&reader, &line, &thread, &function_id, &number));
        TAP_EQ_UINT(number, numbers[i]);
        TAP_EQ_UINT(line.hits, hits[i]);
        TAP_EQ_UINT(line.ticks, ticks[i]);
        TAP_OK(thread == 0 && function_id == 2);
    }
    TAP_OK(!op_segment_next_line(&reader, &line, &thread, &function_id, &number));

    op_segment_frame *frames;
    size_t count;
    TAP_REQUIRE(op_segment_frames(&reader, 0, 2, &frames, &count) == OP_OK);
    TAP_REQUIRE(count == 2);
    TAP_EQ_UINT(frames[0].key, 0x1000);
    TAP_EQ_UINT(frames[1].start, 200);
    TAP_OK(op_segment_edge_at(&reader, 0, frames[1].edge - SEGMENT_BASE, &edge) && edge.callee == 2);
    op_free(frames);
    TAP_REQUIRE(op_segment_frames(&reader, 1, 1, &frames, &count) == OP_OK);   // no shadow stack yet
    TAP_OK(count == 0 && frames == NULL && reader.torn == 1);
    TAP_REQUIRE(op_segment_frames(&reader, 9, 1, &frames, &count) == OP_OK);
    TAP_OK(count == 0 && frames == NULL);
    op_segment_close(&reader);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(what_is_no_segment_is_refused)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment"), *link = fixture_path("2-1.segment");
    segment_write(&m.s, path);
    TAP_EQ_INT(open_status(path), OP_OK);
    TAP_EQ_INT(open_status(fixture_path("none")), OP_NO_FILE);
    TAP_EQ_INT(open_status(fixture_path("")), OP_NOT_SEGMENT);
    TAP_EQ_INT(symlink(path, link), 0);
    TAP_EQ_INT(open_status(link), OP_NOT_SEGMENT);
    unlink(link);
    TAP_EQ_INT(mkfifo(link, 0600), 0);
    TAP_EQ_INT(open_status(link), OP_NOT_SEGMENT);
    TAP_EQ_INT(open_status("/dev/null"), OP_NOT_SEGMENT);
    unlink(link);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%.100s", link);
    int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TAP_EQ_INT(bind(socket_fd, (struct sockaddr *)(void *)&name, sizeof name), 0);
    TAP_EQ_INT(open_status(link), OP_NOT_SEGMENT);
    close(socket_fd);

    TAP_EQ_INT(chmod(path, 0620), 0);
    TAP_EQ_INT(open_status(path), OP_FOREIGN_FILE);
    TAP_EQ_INT(chmod(path, 0602), 0);
    TAP_EQ_INT(open_status(path), OP_FOREIGN_FILE);
    TAP_EQ_INT(chmod(path, 0644), 0);
    TAP_EQ_INT(open_status(path), OP_OK);
    TAP_EQ_INT(truncate(path, (off_t)OP_SEGMENT_MAX_BYTES + 1), 0);
    TAP_EQ_INT(open_status(path), OP_NOT_SEGMENT);

    segment_header(&m.s)->magic[0] = 'x';
    segment_write(&m.s, path);
    TAP_EQ_INT(open_status(path), OP_NOT_SEGMENT);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_file_of_another_user_is_refused)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    if (geteuid() != 0)
        TAP_SKIP("only root can give a file away");
    segment_write(&m.s, path);
    TAP_EQ_INT(chown(path, NOBODY, NOBODY), 0);
    TAP_EQ_INT(open_status(path), OP_FOREIGN_FILE);
    TAP_EQ_INT(chown(path, 0, 0), 0);
    TAP_EQ_INT(chmod(fixture_path(""), 0755), 0);
    TAP_EQ_INT(seteuid(NOBODY), 0);
    TAP_EQ_INT(open_status(path), OP_FOREIGN_FILE);
    TAP_EQ_INT(seteuid(0), 0);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_header_is_whole_or_refused)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    for (size_t at = 0; at < offsetof(op_segment_header, bytes); at++) {
        m.s.bytes[at] ^= 0x10;
        segment_write(&m.s, path);
        op_status expected = at < 8 ? OP_NOT_SEGMENT : at < 12 ? OP_OTHER_SEGMENT : OP_TORN_SEGMENT;
        if (open_status(path) != expected)
            TAP_EQ_INT((int)at, -1);
        m.s.bytes[at] ^= 0x10;
    }
    segment_header(&m.s)->version = OP_SEGMENT_VERSION + 1;
    segment_seal_header(&m.s);
    segment_write(&m.s, path);
    TAP_EQ_INT(open_status(path), OP_OTHER_SEGMENT);
    segment_header(&m.s)->version = OP_SEGMENT_VERSION;

    // Killed before the header was written.
    memset(segment_header(&m.s)->magic, 0, 8);
    segment_write(&m.s, path);
    TAP_EQ_INT(open_status(path), OP_TORN_SEGMENT);
    segment_write_bytes(path, "", 0);
    TAP_EQ_INT(open_status(path), OP_TORN_SEGMENT);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(texts_of_the_header_always_end)
{
    segment s = segment_new();
    op_segment_header *header = segment_header(&s);
    memset(header->executable, 'e', sizeof header->executable);
    memset(header->command, 'c', sizeof header->command);
    segment_seal_header(&s);
    const char *path = fixture_path("1-1.segment");
    segment_write(&s, path);
    op_segment_reader reader;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK);
    TAP_EQ_UINT(strlen(reader.header.executable), sizeof header->executable - 1);
    TAP_EQ_UINT(strlen(reader.header.command), sizeof header->command - 2);
    op_segment_close(&reader);
    segment_free(&s);
    fixture_clean();
}

// Header.bytes may hold anything.
TAP_TEST(no_more_is_read_than_is_there)
{
    sample m = sample_new();
    const totals all = read_segment(&m.s);
    TAP_EQ_UINT(all.torn, 0);
    TAP_EQ_UINT(all.threads, 2);
    TAP_EQ_UINT(all.functions, 3);
    TAP_EQ_UINT(all.calls, 10);
    TAP_EQ_UINT(all.lines, 3);
    TAP_EQ_UINT(all.frames, 2);

    const uint64_t said[] = {0, 1, 4095, m.s.size + 1, m.s.size + 4096, UINT64_MAX, UINT64_MAX - 4095};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        segment_header(&m.s)->bytes = said[i];
        totals sum = read_segment(&m.s);
        TAP_EQ_UINT(sum.torn, 1);
        TAP_EQ_UINT(sum.calls, i < 3 ? 0 : 10);
    }
    // What lies behind header.bytes is not begun yet.
    segment_header(&m.s)->bytes = m.edges[0];
    totals sum = read_segment(&m.s);
    TAP_EQ_UINT(sum.torn, 1);   // a depth without a shadow stack
    TAP_EQ_UINT(sum.functions, 3);
    TAP_EQ_UINT(sum.edges, 0);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_chunk_that_is_not_whole_ends_the_segment)
{
    sample m = sample_new();
    for (size_t at = 0; at < offsetof(op_segment_chunk, count); at++) {
        m.s.bytes[m.edges[0] + at] ^= 0x40;
        totals sum = read_segment(&m.s);
        if (sum.functions != 3 || sum.edges != 0 || sum.torn != 2)
            TAP_EQ_INT((int)at, -1);
        m.s.bytes[m.edges[0] + at] ^= 0x40;
    }
    // Whole by its check, and wrong.
    const op_segment_chunk good = *segment_head(&m.s, m.edges[0]);
    op_segment_chunk bad[10];
    for (size_t i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].magic = 0;
    bad[1].kind = 0;
    bad[2].kind = OP_SEGMENT_KIND_END;
    bad[3].bytes = 0;
    bad[4].bytes = OP_SEGMENT_PAGE_BYTES - 1;
    bad[5].bytes = OP_SEGMENT_PAGE_BYTES + 64;
    bad[6].bytes = UINT64_MAX - OP_SEGMENT_PAGE_BYTES + 1;
    bad[7].thread = 2;
    bad[8].kind = OP_SEGMENT_THREAD;   // not the next index
    bad[9].kind = OP_SEGMENT_LINE;     // of function 0
    for (size_t i = 0; i < 10; i++) {
        *segment_head(&m.s, m.edges[0]) = bad[i];
        segment_seal_head(&m.s, m.edges[0]);
        totals sum = read_segment(&m.s);
        if (sum.functions != 3 || sum.edges != 0 || sum.torn != 2)
            TAP_EQ_INT((int)i, -1);
    }
    // Longer than the file: what is there is given.
    *segment_head(&m.s, m.edges[0]) = good;
    segment_head(&m.s, m.edges[0])->bytes = 1 << 30;
    segment_seal_head(&m.s, m.edges[0]);
    totals sum = read_segment(&m.s);
    TAP_EQ_UINT(sum.edges, 3);
    TAP_EQ_UINT(sum.torn, 2);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_count_is_bounded_by_its_chunk)
{
    sample m = sample_new();
    const uint64_t counts[] = {32, 1000, UINT64_MAX, UINT64_MAX / sizeof(op_segment_edge) + 2};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        segment_head(&m.s, m.edges[0])->count = counts[i];
        totals sum = read_segment(&m.s);
        TAP_EQ_UINT(sum.edges, 4);
        TAP_EQ_UINT(sum.torn, 1 + (4096 - 64) / sizeof(op_segment_edge) - 3);
    }
    segment_head(&m.s, m.edges[0])->count = 2;
    TAP_EQ_UINT(read_segment(&m.s).edges, 3);
    segment_head(&m.s, m.edges[0])->count = 3;

    segment_head(&m.s, m.main)->count = UINT64_MAX;
    totals sum = read_segment(&m.s);
    TAP_EQ_UINT(sum.threads, 1);
    TAP_OK(sum.torn > 0);
    segment_head(&m.s, m.main)->count = 0;   // killed before the thread was whole
    TAP_EQ_UINT(read_segment(&m.s).threads, 1);
    segment_head(&m.s, m.main)->count = 1;

    segment_head(&m.s, m.s.functions)->count = UINT64_MAX;
    sum = read_segment(&m.s);
    TAP_EQ_UINT(sum.functions, 3);
    TAP_EQ_UINT(sum.torn, 2);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_record_that_is_not_whole_is_left_out)
{
    sample m = sample_new();
    for (size_t at = 0; at < offsetof(op_segment_edge, open); at++) {
        m.s.bytes[m.edge[1] + at] ^= 0x40;
        totals sum = read_segment(&m.s);
        if (sum.edges != 3 || sum.calls != 8 || sum.torn != 1 || sum.frames != 1)
            TAP_EQ_INT((int)at, -1);
        m.s.bytes[m.edge[1] + at] ^= 0x40;
    }
    // Nobody is called.
    op_segment_edge none = {.caller = 1};
    none.check = (uint32_t)op_segment_check(0, &none, offsetof(op_segment_edge, check));
    memcpy(m.s.bytes + m.edge[1], &none, sizeof none);
    TAP_EQ_UINT(read_segment(&m.s).edges, 3);
    segment_free(&m.s);

    m = sample_new();
    uint64_t end = m.function[1] + sizeof(op_segment_function) + strlen("Class.method/app/main.py");
    for (uint64_t at = m.function[1]; at < end; at++) {
        m.s.bytes[at] ^= 0x40;
        totals sum = read_segment(&m.s);
        // Where the length is wrong, nothing behind it is found.
        bool is_length = at < m.function[1] + 4 ||
                         (at >= m.function[1] + offsetof(op_segment_function, name_bytes) &&
                          at < m.function[1] + offsetof(op_segment_function, check));
        if (sum.functions != (is_length ? 1 : 2) || sum.torn != 1)
            TAP_EQ_INT((int)(at - m.function[1]), -1);
        m.s.bytes[at] ^= 0x40;
    }
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(a_function_that_is_whole_may_still_make_no_sense)
{
    const struct {
        uint32_t id, kind, bytes, name_bytes, file_bytes;
        uint64_t left;
    } cases[] = {
        {0, 0, 48, 4, 4, 1},
        {OP_SEGMENT_MAX_FUNCTIONS + 1, 0, 48, 4, 4, 1},
        {2, OP_SEGMENT_BUILTIN + 1, 48, 4, 4, 1},
        {2, 0, 0, 4, 4, 0},
        {2, 0, 32, 4, 4, 0},
        {2, 0, 56, 4, 4, 0},
        {2, 0, 44, 4, 4, 0},
        {2, 0, 4096, 4, 4, 0},
        {2, 0, 48, UINT32_MAX, 4, 0},
        {2, 0, 48, 4, UINT32_MAX, 0},
        {2, 0, 48, UINT32_MAX - 3, 8, 0},
        {2, 0, UINT32_MAX - 7, OP_SEGMENT_MAX_TEXT_BYTES + 1, 4, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        segment s = segment_new();
        uint64_t at = segment_function(&s, 1, OP_SEGMENT_PYTHON, "name", "file", 1);
        segment_function(&s, 9, OP_SEGMENT_PYTHON, "next", "file", 1);
        op_segment_function facts;
        memcpy(&facts, s.bytes + at, sizeof facts);
        TAP_EQ_UINT(facts.bytes, 40);
        facts.id = cases[i].id;
        facts.kind = cases[i].kind;
        facts.bytes = cases[i].bytes == 48 ? facts.bytes : cases[i].bytes;
        facts.name_bytes = cases[i].name_bytes;
        facts.file_bytes = cases[i].file_bytes;
        uint64_t seed = op_segment_check(0, s.bytes + at + sizeof facts, 8);
        facts.check = op_segment_check(seed, &facts, offsetof(op_segment_function, check));
        memcpy(s.bytes + at, &facts, sizeof facts);
        totals sum = read_segment(&s);
        if (sum.functions != cases[i].left || sum.torn != 1)
            TAP_EQ_INT((int)i, -1);
        segment_free(&s);
    }
    fixture_clean();
}

TAP_TEST(texts_of_the_greatest_length_are_read)
{
    static char name[OP_SEGMENT_MAX_TEXT_BYTES + 2];
    segment s = segment_new();
    memset(name, 'n', OP_SEGMENT_MAX_TEXT_BYTES);
    // Many, so that records lie across the windows in which the file is read.
    for (uint32_t i = 1; i <= 40; i++)
        segment_function(&s, i, OP_SEGMENT_PYTHON, name + (i % 7), name + (i % 11), i);
    totals sum = read_segment(&s);
    TAP_EQ_UINT(sum.functions, 40);
    TAP_EQ_UINT(sum.torn, 0);
    name[OP_SEGMENT_MAX_TEXT_BYTES] = 'n';
    segment_function(&s, 41, OP_SEGMENT_PYTHON, name, "", 1);
    sum = read_segment(&s);
    TAP_EQ_UINT(sum.functions, 40);
    TAP_EQ_UINT(sum.torn, 1);
    segment_free(&s);
    fixture_clean();
}

TAP_TEST(many_edges_are_read_in_order)
{
    enum { EDGES = 10000 };
    segment s = segment_new();
    segment_thread(&s, (op_segment_thread){.tid = 1});
    segment_function(&s, 1, OP_SEGMENT_PYTHON, "f", "f.py", 1);
    uint64_t chunk = segment_chunk(&s, OP_SEGMENT_EDGE, 0, 0, 0, EDGES * sizeof(op_segment_edge));
    for (uint32_t i = 0; i < EDGES; i++)
        segment_edge(&s, chunk, (op_segment_edge){.caller = i, .callee = 1, .calls = i});
    const char *path = fixture_path("1-1.segment");
    segment_write(&s, path);
    op_segment_reader reader;
    op_segment_edge edge;
    uint32_t thread;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
    for (int again = 0; again < 2; again++) {
        op_segment_begin(&reader, OP_SEGMENT_EDGE);
        for (uint32_t i = 0; i < EDGES; i++) {
            TAP_REQUIRE(op_segment_next_edge(&reader, &edge, &thread));
            TAP_REQUIRE(edge.caller == i && edge.calls == i);
        }
        TAP_OK(!op_segment_next_edge(&reader, &edge, &thread));
    }
    // Cut while it is read: what was read stands, the rest is missed.
    op_segment_begin(&reader, OP_SEGMENT_EDGE);
    TAP_OK(op_segment_next_edge(&reader, &edge, &thread));
    TAP_EQ_INT(truncate(path, (off_t)chunk + 64 + 5000 * 128 + 64), 0);
    uint32_t seen = 1;
    while (op_segment_next_edge(&reader, &edge, &thread))
        seen++;
    TAP_OK(seen >= 4096 && seen <= 5000);
    TAP_EQ_UINT(reader.torn, 1);
    op_segment_close(&reader);

    // Garbage is not read to its end.
    memset(s.bytes + chunk + 64, 0xff, EDGES * sizeof(op_segment_edge));
    totals sum = read_segment(&s);
    TAP_EQ_UINT(sum.edges, 0);
    TAP_EQ_UINT(sum.torn, OP_SEGMENT_MAX_TORN);
    segment_free(&s);
    fixture_clean();
}

TAP_TEST(an_edge_is_found_by_its_place_alone)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    segment_write(&m.s, path);
    op_segment_reader reader;
    op_segment_edge edge;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
    TAP_OK(op_segment_edge_at(&reader, 0, m.edge[0], &edge) && edge.callee == 1);
    TAP_OK(op_segment_edge_at(&reader, 0, m.edge[2], &edge) && edge.callee == 3);
    TAP_OK(op_segment_edge_at(&reader, 1, m.edge[3], &edge) && edge.callee == 2);
    const uint64_t wrong[] = {0,
                              1,
                              4096,
                              m.edges[0],
                              m.edges[0] + 63,
                              m.edge[0] + 1,
                              m.edge[3],
                              m.shadow,
                              m.s.size,
                              UINT64_MAX,
                              m.edge[0] + 64,
                              m.edge[0] - 128,
                              m.edge[2] + 128,
                              m.lines + 64,
                              m.shadow + 64,
                              m.edges[1] - 128,
                              1ULL << 40};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (op_segment_edge_at(&reader, 0, wrong[i], &edge))
            TAP_EQ_UINT(wrong[i], 0);
    op_segment_close(&reader);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(the_last_shadow_stack_of_a_thread_is_the_live_one)
{
    sample m = sample_new();
    uint64_t next = segment_chunk(&m.s, OP_SEGMENT_SHADOW, 0, 0, 0, 300 * sizeof(op_segment_frame));
    segment_chunk(&m.s, OP_SEGMENT_SHADOW, 1, 0, 0, 64);
    segment_frame(&m.s, next, 1, 0x5000, m.edge[2], 1, 1);
    segment_frame(&m.s, next, 2, 0x6000, m.edge[2], 2, 2);
    const char *path = fixture_path("1-1.segment");
    segment_write(&m.s, path);
    op_segment_reader reader;
    op_segment_frame *frames;
    size_t count;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
    TAP_REQUIRE(op_segment_frames(&reader, 0, 2, &frames, &count) == OP_OK && count == 2);
    TAP_EQ_UINT(frames[0].key, 0x5000);
    TAP_EQ_UINT(frames[1].key, 0x6000);
    op_free(frames);
    // Deeper than the stack has room.
    uint64_t room = (segment_head(&m.s, next)->bytes - 64) / sizeof(op_segment_frame) - 1;
    TAP_REQUIRE(op_segment_frames(&reader, 0, room, &frames, &count) == OP_OK);
    TAP_OK(count == room && reader.torn == 0);
    op_free(frames);
    TAP_REQUIRE(op_segment_frames(&reader, 0, UINT64_MAX, &frames, &count) == OP_OK);
    TAP_OK(count == room && reader.torn == 1);
    op_free(frames);
    op_segment_close(&reader);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(lines_are_bounded_and_holes_cost_nothing)
{
    segment s = segment_new();
    segment_thread(&s, (op_segment_thread){.tid = 1});
    uint64_t chunk = segment_chunk(&s, OP_SEGMENT_LINE, 0, 1, UINT32_MAX - 2, 10 * sizeof(op_segment_line));
    for (uint64_t i = 0; i < 10; i++)
        segment_line(&s, chunk, i, 1, 1);
    totals sum = read_segment(&s);
    TAP_EQ_UINT(sum.lines, 3);   // no line number is greater
    TAP_EQ_UINT(sum.torn, 1);
    segment_free(&s);

    // 64 gigabytes that were never stored into, and one line at its end.
    s = segment_new();
    segment_thread(&s, (op_segment_thread){.tid = 1});
    chunk = segment_chunk(&s, OP_SEGMENT_LINE, 0, 1, 1, 16);
    op_segment_chunk head = *segment_head(&s, chunk);
    const char *path = fixture_path("1-1.segment");
    uint64_t bytes = sizeof head + OP_SEGMENT_MAX_LINES * sizeof(op_segment_line) + OP_SEGMENT_PAGE_BYTES -
                     sizeof head;
    head.count = OP_SEGMENT_MAX_LINES;
    head.bytes = bytes;
    head.check = op_segment_check(0, &head, offsetof(op_segment_chunk, check));
    enum { CHUNKS = 4096 };
    segment_header(&s)->bytes = chunk + CHUNKS * bytes;
    segment_write(&s, path);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    TAP_REQUIRE(file >= 0 && ftruncate(file, (off_t)(chunk + CHUNKS * bytes)) == 0);
    for (uint64_t i = 0; i < CHUNKS; i++)
        TAP_REQUIRE(pwrite(file, &head, sizeof head, (off_t)(chunk + i * bytes)) == sizeof head);
    op_segment_line line = {.hits = 3};
    TAP_REQUIRE(pwrite(file, &line, sizeof line,
                       (off_t)(chunk + (CHUNKS - 1) * bytes + sizeof head +
                               (OP_SEGMENT_MAX_LINES - 1) * sizeof line)) == sizeof line);
    close(file);
    op_segment_reader reader;
    uint32_t thread, function, number;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
    op_segment_begin(&reader, OP_SEGMENT_LINE);
    TAP_REQUIRE(op_segment_next_line(&reader, &line, &thread, &function, &number));
    TAP_EQ_UINT(line.hits, 3);
    TAP_EQ_UINT(number, OP_SEGMENT_MAX_LINES);
    TAP_OK(!op_segment_next_line(&reader, &line, &thread, &function, &number));
    TAP_EQ_UINT(reader.torn, 0);
    op_segment_close(&reader);
    segment_free(&s);
    fixture_clean();
}

// What a process makes between two looks of the reader.
TAP_TEST(growth_is_seen)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    for (int i = 0; i < 4; i++) {
        op_segment_reader reader;
        segment_write(&m.s, path);
        TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
        TAP_OK(!op_segment_has_grown(&reader));
        if (i == 0)
            segment_edge(&m.s, m.edges[1], (op_segment_edge){.caller = 1, .callee = 2});
        else if (i == 1)
            segment_function(&m.s, 4, OP_SEGMENT_PYTHON, "late", "late.py", 1);
        else if (i == 2)
            segment_chunk(&m.s, OP_SEGMENT_EDGE, 0, 0, 0, 1);
        segment_write(&m.s, path);
        TAP_EQ_INT(op_segment_has_grown(&reader), i < 3);
        op_segment_close(&reader);
    }
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(functions_made_meanwhile_are_found)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    uint64_t before = m.s.size;
    segment_write(&m.s, path);
    op_segment_reader reader;
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK);

    segment_thread(&m.s, (op_segment_thread){.tid = 7});
    segment_thread(&m.s, (op_segment_thread){.tid = 8});
    uint64_t chunk = segment_chunk(&m.s, OP_SEGMENT_EDGE, 3, 0, 0, 128);
    segment_edge(&m.s, chunk, (op_segment_edge){.callee = 1});
    m.s.functions = 0;
    segment_function(&m.s, 4, OP_SEGMENT_PYTHON, "late", "late.py", 1);
    segment_write(&m.s, path);
    TAP_OK(m.s.size > before);
    TAP_REQUIRE(op_segment_scan(&reader) == OP_OK);
    TAP_EQ_UINT(reader.threads.count, 2);
    TAP_OK(op_segment_has_grown(&reader));
    segment_function(&m.s, 5, OP_SEGMENT_PYTHON, "later", "late.py", 1);
    segment_write(&m.s, path);

    op_segment_named function;
    op_segment_edge edge;
    uint32_t functions = 0, edges = 0, thread;
    op_segment_begin(&reader, OP_SEGMENT_FUNCTION);
    while (op_segment_next_function(&reader, &function))
        functions++;
    op_segment_begin(&reader, OP_SEGMENT_EDGE);
    while (op_segment_next_edge(&reader, &edge, &thread))
        edges++;
    TAP_EQ_UINT(functions, 5);
    TAP_EQ_UINT(edges, 4);
    TAP_EQ_UINT(reader.torn, 0);
    op_segment_close(&reader);
    segment_free(&m.s);
    fixture_clean();
}

// A file that is cut anywhere gives what is whole: never more than before, and never less than a shorter one.
TAP_TEST(a_cut_anywhere_gives_what_is_whole)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    totals last = {0};
    for (uint64_t size = 0; size <= m.s.size; size += size % 8 == 0 ? 1 : 7) {
        segment_write_bytes(path, m.s.bytes, size);
        if (size < sizeof(op_segment_header)) {
            TAP_EQ_INT(open_status(path), OP_TORN_SEGMENT);
            continue;
        }
        totals sum = read_all(path);
        bool grows = sum.threads >= last.threads && sum.functions >= last.functions && sum.calls >= last.calls &&
                     sum.lines >= last.lines && sum.frames >= last.frames;
        bool whole_record = true;
        for (int i = 0; i < 4; i++) {
            uint64_t edges = i < 3 ? (uint64_t)i + 1 : 4;
            if (size >= m.edge[i] + sizeof(op_segment_edge))
                whole_record = whole_record && sum.edges >= edges;
            else
                whole_record = whole_record && sum.edges < edges;
        }
        if (!grows || !whole_record || (sum.torn == 0) != (size == m.s.size))
            TAP_EQ_UINT(size, 0);
        last = sum;
    }
    TAP_EQ_UINT(last.edges, 4);
    TAP_EQ_UINT(last.lines, 3);
    TAP_EQ_UINT(last.frames, 2);
    segment_free(&m.s);
    fixture_clean();
}

TAP_TEST(out_of_memory_is_told)
{
    sample m = sample_new();
    const char *path = fixture_path("1-1.segment");
    segment_write(&m.s, path);
    for (int64_t after = 0;; after++) {
        op_segment_reader reader;
        op_segment_frame *frames = NULL;
        size_t count;
        TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK);
        op_alloc_fail_after(after);
        op_status status = op_segment_scan(&reader);
        if (status == OP_OK)
            status = op_segment_frames(&reader, 0, 2, &frames, &count);
        op_alloc_fail_after(-1);
        op_free(frames);
        op_segment_close(&reader);
        TAP_OK(status == OP_OK || status == OP_NO_MEMORY);
        if (status == OP_OK) {
            TAP_OK(after >= 4);
            break;
        }
    }
    segment_free(&m.s);
    fixture_clean();
}

TAP_MAIN()

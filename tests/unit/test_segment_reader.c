// SPDX-License-Identifier: MIT
#include <sys/socket.h>
#include <sys/un.h>
#include "segment_sample.h"

enum { NOBODY = 65534 };

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

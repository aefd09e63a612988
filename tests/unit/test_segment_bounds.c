// SPDX-License-Identifier: MIT
// Segments that are cut, overwritten or hostile: no more is read than is there and whole.
#include "segment_sample.h"

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

TAP_MAIN()

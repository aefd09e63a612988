// SPDX-License-Identifier: MIT
// Line tables of every version, against the lines that the interpreter itself reads from them
// (tests/fixtures/line_tables, made by tools/line_tables.py).
#include "cpython/code.h"

#include <inttypes.h>
#include "base/memory.h"
#include "tap.h"

enum { MAX_FIXTURE_BYTES = 1 << 20 };

static char *read_fixture(int minor)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/line_tables/3.%d.txt", OP_TEST_SOURCE_ROOT, minor);
    FILE *file = fopen(path, "rb");
    char *text = op_alloc_zero(MAX_FIXTURE_BYTES, 1);
    TAP_REQUIRE(file && text);
    size_t count = fread(text, 1, MAX_FIXTURE_BYTES - 1, file);
    TAP_REQUIRE(count > 0 && count < MAX_FIXTURE_BYTES - 1);
    fclose(file);
    return text;
}

typedef struct {
    int minor;
    char name[64];
    uint32_t first_line;
    int64_t code_bytes;
    unsigned char *table;
    size_t table_bytes;
    int codes, checks;
} line_fixture;

static void take_code(line_fixture *fixture, const char *line)
{
    int hex_at = 0;
    fixture->table_bytes = 0;
    TAP_REQUIRE(sscanf(line, "code %63s %" SCNu32 " %" SCNd64 " %n", fixture->name, &fixture->first_line,
                       &fixture->code_bytes, &hex_at) == 3 &&
                hex_at > 0);
    op_free(fixture->table);
    fixture->table = op_alloc(strlen(line));
    TAP_REQUIRE(fixture->table);
    unsigned byte;
    for (const char *at = line + hex_at; sscanf(at, "%2x", &byte) == 1; at += 2)
        fixture->table[fixture->table_bytes++] = (unsigned char)byte;
    fixture->codes++;
}

// Every instruction, which lie 2 bytes apart.
static void check_lines(line_fixture *fixture, const char *line)
{
    int64_t start, end;
    uint32_t expected;
    int used;
    const char *at = line + strlen("lines");
    while (sscanf(at, " %" SCNd64 "-%" SCNd64 ":%" SCNu32 "%n", &start, &end, &expected, &used) == 3) {
        at += used;
        for (int64_t lasti = start; lasti < end; lasti += 2) {
            uint32_t got = op_line_table_find(fixture->minor, fixture->table, fixture->table_bytes,
                                              fixture->first_line, lasti);
            fixture->checks++;
            if (got != expected) {
                TAP_NOTE("3.%d %s at %d", fixture->minor, fixture->name, (int)lasti);
                TAP_EQ_UINT(got, expected);
            }
        }
    }
}

static void check_version(int minor)
{
    char *text = read_fixture(minor);
    line_fixture fixture = {.minor = minor};
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "code ", 5) == 0)
            take_code(&fixture, line);
        else if (strncmp(line, "lines", 5) == 0)
            check_lines(&fixture, line);
    }
    TAP_OK(fixture.codes >= 15);
    TAP_OK(fixture.checks > 1000);
    op_free(fixture.table);
    op_free(text);
}

TAP_TEST(lines_3_8)
{
    check_version(8);
}
TAP_TEST(lines_3_9)
{
    check_version(9);
}
TAP_TEST(lines_3_10)
{
    check_version(10);
}
TAP_TEST(lines_3_11)
{
    check_version(11);
}
TAP_TEST(lines_3_12)
{
    check_version(12);
}
TAP_TEST(lines_3_13)
{
    check_version(13);
}
TAP_TEST(lines_3_14)
{
    check_version(14);
}
TAP_TEST(lines_3_15)
{
    check_version(15);
}

TAP_TEST(before_the_first_instruction)
{
    for (int minor = 8; minor <= 15; minor++) {
        TAP_EQ_UINT(op_line_table_find(minor, NULL, 0, 7, -1), 7);
        TAP_EQ_UINT(op_line_table_find(minor, NULL, 0, 7, 0), minor >= 10 ? 0 : 7);   // no table at all
    }
}

TAP_TEST(a_cut_table)
{
    // 3.11+: a long entry whose line delta is cut off; 3.10: half a pair; both end without a line.
    const unsigned char cut[] = {0xf0, 0x7f};
    TAP_EQ_UINT(op_line_table_find(13, cut, 1, 5, 100), 0);
    TAP_EQ_UINT(op_line_table_find(10, cut, 1, 5, 0), 0);
    TAP_EQ_UINT(op_line_table_find(9, cut, 1, 5, 0), 5);
    TAP_EQ_UINT(op_line_table_find(13, cut, 0, 5, 0), 0);
}

// Entries of 3.11+ for one instruction each, with a line delta of its own.
static void check_endless(const unsigned char entry[6], uint32_t first_line)
{
    enum { ENTRIES = 100 };
    unsigned char table[ENTRIES * 6];
    for (size_t i = 0; i < sizeof table; i++)
        table[i] = entry[i % 6];
    TAP_EQ_UINT(op_line_table_find(12, table, sizeof table, first_line, ENTRIES), 0);
}

// Deltas that add up beyond what a line can be, and below zero.
TAP_TEST(endless_lines)
{
    static const unsigned char up[6] = {0xe8, 0x7e, 0x7f, 0x7f, 0x7f, 0x3f};
    static const unsigned char down[6] = {0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x3f};
    check_endless(up, 4000000000u);
    check_endless(down, 1);
}

TAP_MAIN()

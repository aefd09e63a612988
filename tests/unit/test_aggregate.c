// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "export/aggregate.h"
#include "export_fixture.h"

static const op_aggregate_row *find(const op_aggregate_row *rows, size_t count, const char *name, uint32_t line)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].parts.line == line && rows[i].parts.name.bytes == strlen(name) &&
            memcmp(rows[i].parts.name.text, name, strlen(name)) == 0)
            return &rows[i];
    }
    return NULL;
}

TAP_TEST(own_and_total)
{
    op_profile *profile = fixture_small();
    op_aggregate all;
    TAP_REQUIRE(op_aggregate_init(&all, profile, NULL, NULL) == OP_OK);
    TAP_EQ_UINT(all.count, 100);
    TAP_EQ_UINT(all.weight_ns, 100 * FIXTURE_MS);
    static const struct {
        const char *name;
        uint32_t line;
        uint64_t own, total;
    } functions[] = {{"<module>", 1, 0, 80}, {"main", 10, 5, 80},   {"fib", 2, 50, 50}, {"scan_once", 30, 25, 25},
                     {"<GC>", 0, 15, 15},    {"<native>", 0, 5, 5}, {"work", 7, 0, 20}},
      lines[] = {{"main", 12, 0, 50}, {"main", 13, 5, 30}, {"fib", 4, 50, 50}, {"fib", 5, 0, 40}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const op_aggregate_row *row = find(all.functions.items, all.functions.count, functions[i].name,
                                           functions[i].line);
        TAP_REQUIRE(row != NULL);
        TAP_EQ_UINT(row->own_count, functions[i].own);
        TAP_EQ_UINT(row->total_count, functions[i].total);
        TAP_EQ_UINT(row->total_weight_ns, functions[i].total * FIXTURE_MS);
    }
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const op_aggregate_row *row = find(all.lines.items, all.lines.count, lines[i].name, lines[i].line);
        TAP_REQUIRE(row != NULL);
        TAP_EQ_UINT(row->own_count, lines[i].own);
        TAP_EQ_UINT(row->total_count, lines[i].total);
    }
    TAP_OK(find(all.lines.items, all.lines.count, "<GC>", 0) == NULL);
    TAP_EQ_UINT(all.functions.items[0].own_count, 50);
    op_aggregate_sort(all.functions.items, all.functions.count, true);
    TAP_EQ_UINT(all.functions.items[0].total_count, 80);
    TAP_EQ_UINT(all.functions.items[0].own_count, 5);
    op_aggregate_fini(&all);
    op_profile_free(profile);
}

TAP_TEST(one_thread)
{
    op_profile *profile = fixture_small();
    op_aggregate all;
    TAP_REQUIRE(op_aggregate_init(&all, profile, "worker", NULL) == OP_OK);
    TAP_EQ_UINT(all.count, 20);
    TAP_EQ_UINT(all.functions.count, 4);
    op_aggregate_fini(&all);
    TAP_REQUIRE(op_aggregate_init(&all, profile, "work", NULL) == OP_OK);
    TAP_EQ_UINT(all.count, 0);
    op_aggregate_fini(&all);
    op_profile_free(profile);
}

TAP_TEST(mutual_recursion_counts_once)
{
    op_profile *profile = fixture_new();
    op_id a = fixture_frame(profile, "a", "m.py", 1, 1), b = fixture_frame(profile, "b", "m.py", 5, 5);
    FIXTURE_SAMPLE(profile, 0, 10, a, b, a, b, a);
    FIXTURE_SAMPLE(profile, 0, 1, b, a, b);
    op_aggregate all;
    TAP_REQUIRE(op_aggregate_init(&all, profile, NULL, NULL) == OP_OK);
    TAP_EQ_UINT(find(all.functions.items, all.functions.count, "a", 1)->total_count, 11);
    TAP_EQ_UINT(find(all.functions.items, all.functions.count, "b", 5)->total_count, 11);
    TAP_EQ_UINT(find(all.functions.items, all.functions.count, "a", 1)->own_count, 10);
    op_aggregate_fini(&all);
    op_profile_free(profile);
}

TAP_TEST(equal_rows_have_an_order)
{
    op_profile *profile = fixture_new();
    static const char *const names[] = {"c", "a", "b"};
    for (size_t i = 0; i < 3; i++)
        FIXTURE_SAMPLE(profile, 0, 1, fixture_frame(profile, names[i], "m.py", 1, 1));
    op_aggregate all;
    TAP_REQUIRE(op_aggregate_init(&all, profile, NULL, NULL) == OP_OK);
    TAP_EQ_BYTES(all.functions.items[0].parts.name.text, 1, "a", 1);
    TAP_EQ_BYTES(all.functions.items[2].parts.name.text, 1, "c", 1);
    op_aggregate_fini(&all);
    op_profile_free(profile);
}

TAP_MAIN()

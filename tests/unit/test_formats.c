// SPDX-License-Identifier: MIT
#include "export/export.h"
#include "tap.h"

static const char *name_by_path(const char *path)
{
    const op_export_format *format = op_export_find_by_path(path);
    return format == NULL ? "none" : format->name;
}

TAP_TEST(endings)
{
    static const char *const pairs[][2] = {
        {"a.svg", "svg"},
        {"a.txt", "collapsed"},
        {"a.folded", "collapsed"},
        {"a.collapsed", "collapsed"},
        {"a.json", "json"},
        {"a.speedscope.json", "speedscope"},
        {"/x.svg/a.outpace", "outpace"},
        {"a.prof", "pstats"},
        {"a.pstats", "pstats"},
        {"a.lprof", "lprof"},
        {"a", "none"},
        {"a.svg/", "none"},
        {".svg", "none"},
        {"x/.svg", "none"},
        {"", "none"},
        {"a.svgz", "none"},
        {"a.SVG", "none"},
        {"svg", "none"},
        {"speedscope.json", "json"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        TAP_EQ_STR(name_by_path(pairs[i][0]), pairs[i][1]);
}

TAP_TEST(names)
{
    size_t count = 0;
    for (const op_export_format *format; (format = op_export_at(count)) != NULL; count++) {
        TAP_OK(op_export_find(format->name) == format);
        TAP_OK((format->write == NULL) == (strcmp(format->name, "outpace") == 0));
    }
    TAP_EQ_UINT(count, 7);
    TAP_OK(op_export_find("pprof") == NULL);
}

TAP_MAIN()

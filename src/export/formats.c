// SPDX-License-Identifier: MIT
// The table of formats. A new one is a row here and a file of its own.
#include <string.h>
#include "export/export.h"

enum { ANYTHING = OP_CONTENT_SAMPLES | OP_CONTENT_CALLS | OP_CONTENT_LINES };

static const op_export_format formats[] = {
    {"outpace", ".outpace", NULL, "the profile itself, a SQLite database", true, ANYTHING},
    {"svg", ".svg", op_export_svg, "flame graph for a browser: zoom, search", false, OP_CONTENT_SAMPLES},
    {"collapsed", ".collapsed .txt .folded", op_export_collapsed, "one stack a line and its samples", false,
     OP_CONTENT_SAMPLES},
    {"speedscope", ".speedscope.json", op_export_speedscope, "for speedscope", false, OP_CONTENT_SAMPLES},
    {"pstats", ".pstats .prof", op_export_pstats, "for Python's pstats, snakeviz, gprof2dot", true,
     OP_CONTENT_SAMPLES | OP_CONTENT_CALLS},
    {"lprof", ".lprof", op_export_lprof, "for line_profiler: python -m line_profiler", true,
     OP_CONTENT_SAMPLES | OP_CONTENT_LINES},
    {"json", ".json", op_export_json, "summary by function and line for programs", false, ANYTHING},
};

unsigned op_export_content_of(const op_profile *profile)
{
    return (op_profile_total_samples(profile) > 0 ? OP_CONTENT_SAMPLES : 0U) |
           (profile->calls.count > 0 ? OP_CONTENT_CALLS : 0U) | (profile->lines.count > 0 ? OP_CONTENT_LINES : 0U);
}

const op_export_format *op_export_at(size_t index)
{
    return index < sizeof formats / sizeof *formats ? &formats[index] : NULL;
}

const op_export_format *op_export_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

// Bytes of the longest of `endings` that the name has; 0: none. A bare ".svg" is a hidden file, not an ending.
static size_t fit(const char *endings, const char *name)
{
    size_t best = 0, name_bytes = strlen(name);
    for (const char *at = endings; *at != '\0';) {
        size_t bytes = strcspn(at, " ");
        if (bytes < name_bytes && bytes > best && memcmp(name + name_bytes - bytes, at, bytes) == 0) {
            best = bytes;
        }
        at += bytes;
        at += strspn(at, " ");
    }
    return best;
}

const op_export_format *op_export_find_by_path(const char *path)
{
    const op_export_format *found = NULL;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t best = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t bytes = fit(formats[i].endings, name);
        if (bytes > best) {
            best = bytes;
            found = &formats[i];
        }
    }
    return found;
}

// SPDX-License-Identifier: MIT
#include "export/origin.h"

#include <string.h>

const char *op_origin_text(op_origin origin)
{
    static const char *const texts[] = {
#define X(name, text) [OP_ORIGIN_##name] = text,
        OP_ORIGIN_MAP(X)
#undef X
    };
    return (unsigned)origin < OP_ORIGIN_COUNT ? texts[origin] : "";
}

static bool starts_with(op_string text, const char *start)
{
    size_t bytes = strlen(start);
    return text.bytes >= bytes && memcmp(text.text, start, bytes) == 0;
}

static op_string behind(op_string text, size_t bytes)
{
    return (op_string){text.text + bytes, text.bytes - bytes};
}

// What stands behind the last `folder` in the path. False: not there.
static bool find_behind(op_string path, const char *folder, op_string *rest)
{
    size_t bytes = strlen(folder);
    if (path.bytes < bytes) {
        return false;
    }
    for (size_t at = path.bytes - bytes + 1; at-- > 0;) {
        if (memcmp(path.text + at, folder, bytes) == 0) {
            *rest = behind(path, at + bytes);
            return true;
        }
    }
    return false;
}

// ".../lib/python3.11/json/decoder.py": what stands behind "python3.11/".
static bool find_standard_library(op_string path, op_string *rest)
{
    op_string tail;
    if (!find_behind(path, "/lib/python3", &tail) && !find_behind(path, "/lib64/python3", &tail)) {
        return false;
    }
    size_t at = 0;
    while (at < tail.bytes && (tail.text[at] == '.' || (tail.text[at] >= '0' && tail.text[at] <= '9'))) {
        at++;
    }
    if (at < tail.bytes && tail.text[at] == 't') {   // a free-threaded build's folder
        at++;
    }
    if (at >= tail.bytes || tail.text[at] != '/') {
        return false;
    }
    *rest = behind(tail, at + 1);
    return true;
}

static op_string first_part(op_string path)
{
    size_t bytes = 0;
    while (bytes < path.bytes && path.text[bytes] != '/' && path.text[bytes] != '.' && path.text[bytes] != '>') {
        bytes++;
    }
    return (op_string){path.text, bytes};
}

op_string op_origin_short_path(op_string file)
{
    op_string rest;
    bool found = find_behind(file, "/site-packages/", &rest) || find_behind(file, "/dist-packages/", &rest) ||
                 find_standard_library(file, &rest);
    return found && rest.bytes > 0 ? rest : file;
}

op_origin op_origin_of(op_frame_kind kind, op_string file, op_string *module)
{
    op_string rest;
    if (kind != OP_FRAME_PYTHON) {
        const char *label = op_frame_kind_label(kind);
        *module = (op_string){label, strlen(label)};
        return OP_ORIGIN_RUNTIME;
    }
    if (starts_with(file, "<frozen ")) {
        *module = first_part(behind(file, strlen("<frozen ")));
        return OP_ORIGIN_STDLIB;
    }
    // Packages before the standard library: site-packages lies inside lib/python3.N.
    if (find_behind(file, "/site-packages/", &rest) || find_behind(file, "/dist-packages/", &rest)) {
        *module = first_part(rest);
        return OP_ORIGIN_PACKAGE;
    }
    if (find_standard_library(file, &rest)) {
        *module = first_part(rest);
        return OP_ORIGIN_STDLIB;
    }
    *module = file;
    return OP_ORIGIN_OWN;
}

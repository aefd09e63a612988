// SPDX-License-Identifier: MIT
#include "cpython/python_version.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RODATA_BYTES = 256 << 20 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// At most three digits; false: none.
static bool read_number(const char **at, const char *end, unsigned *value)
{
    unsigned number = 0;
    const char *start = *at;
    for (; *at < end && *at - start < 3 && **at >= '0' && **at <= '9'; ++*at)
        number = number * 10 + (unsigned)(**at - '0');
    *value = number;
    return *at != start;
}

bool op_version_of_path(const char *path, int *major, int *minor)
{
    const char *at = base_name(path);
    const char *end = at + strlen(at);
    unsigned first, second;
    at = strstr(at, "python");
    if (!at)
        return false;
    at += strlen("python");
    if (!read_number(&at, end, &first) || at == end || *at++ != '.' || !read_number(&at, end, &second))
        return false;
    *major = (int)first;
    *minor = (int)second;
    return true;
}

bool op_path_is_python(const char *path)
{
    const char *name = base_name(path);
    return strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0;
}

uint32_t op_version_of_symbol(const op_elf_file *elf)
{
    uint64_t address, bytes, version;
    if (op_elf_symbol(elf, "Py_Version", &address, &bytes) != OP_OK)
        return 0;
    const unsigned char *at = op_elf_at(elf, address, sizeof version);
    if (!at)
        return 0;
    memcpy(&version, at, sizeof version);
    return version >> 24 == 3 ? (uint32_t)version : 0;
}

// Reads "3.N.P", "3.N.Pb2", "3.N.Prc1", each with an optional '+', at `at`. 0: no version there.
static uint32_t read_version(const char **at, const char *end)
{
    unsigned major, minor, patch, level = 0xf, serial = 0;
    if (!read_number(at, end, &major) || major != 3 || *at == end || *(*at)++ != '.' ||
        !read_number(at, end, &minor) || *at == end || *(*at)++ != '.' || !read_number(at, end, &patch) ||
        minor > 99 || patch > 99)
        return 0;
    if (*at < end && (**at == 'a' || **at == 'b' || **at == 'r')) {
        level = **at == 'a' ? 0xa : **at == 'b' ? 0xb : 0xc;
        ++*at;
        if (level == 0xc && (*at == end || *(*at)++ != 'c'))
            return 0;
        if (!read_number(at, end, &serial) || serial > 15)
            return 0;
    }
    if (*at < end && **at == '+')
        ++*at;
    return 3u << 24 | minor << 16 | patch << 8 | level << 4 | serial;
}

size_t op_version_of_bytes(const unsigned char *bytes, size_t count, char end_byte,
                           uint32_t found[OP_VERSION_MAX_FOUND], size_t found_count)
{
    static const char start[] = {'\0', '3', '.'};
    const unsigned char *at = bytes, *last = bytes + count;
    while (found_count < OP_VERSION_MAX_FOUND) {
        at = memmem(at, (size_t)(last - at), start, sizeof start);
        if (!at)
            break;
        const char *text = (const char *)++at;
        uint32_t hex = read_version(&text, (const char *)last);
        if (hex == 0 || text == (const char *)last || *text != end_byte)
            continue;
        size_t i = 0;
        while (i < found_count && found[i] != hex)
            i++;
        if (i == found_count)
            found[found_count++] = hex;
    }
    return found_count;
}

size_t op_version_of_rodata(const op_elf_file *elf, uint32_t found[OP_VERSION_MAX_FOUND])
{
    uint64_t address, bytes;
    if (op_elf_section(elf, ".rodata", &address, &bytes) != OP_OK || bytes > MAX_RODATA_BYTES)
        return 0;
    const unsigned char *at = op_elf_at(elf, address, bytes);
    return at ? op_version_of_bytes(at, (size_t)bytes, '\0', found, 0) : 0;
}

void op_version_text(uint32_t hex, char *out)
{
    unsigned level = hex >> 4 & 0xf;
    const char *mark = level == 0xa ? "a" : level == 0xb ? "b" : level == 0xc ? "rc" : "";
    if (mark[0])
        snprintf(out, OP_VERSION_TEXT_BYTES, "%u.%u.%u%s%u", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff, mark,
                 hex & 0xf);
    else
        snprintf(out, OP_VERSION_TEXT_BYTES, "%u.%u.%u", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff);
}

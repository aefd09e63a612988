// SPDX-License-Identifier: MIT
// Which Python a file holds. Versions are PY_VERSION_HEX: 0x030d00f0 is 3.13.0 final; 0 is unknown.
#ifndef OP_CPYTHON_PYTHON_VERSION_H
#define OP_CPYTHON_PYTHON_VERSION_H

#include <stddef.h>
#include <stdint.h>
#include "process/elf_file.h"

enum { OP_VERSION_TEXT_BYTES = 24, OP_VERSION_MAX_FOUND = 8 };

static inline int op_version_major(uint32_t hex)
{
    return (int)(hex >> 24);
}
static inline int op_version_minor(uint32_t hex)
{
    return (int)(hex >> 16 & 0xff);
}
static inline int op_version_patch(uint32_t hex)
{
    return (int)(hex >> 8 & 0xff);
}

// From a path like ".../libpython3.9.so.1.0" or ".../python3.10": false where it names no version with a minor.
bool op_version_of_path(const char *path, int *major, int *minor);
// Whether the file's name is that of a Python or its library ("python", "python3", "libpython3.9.so").
bool op_path_is_python(const char *path);
// The symbol Py_Version (3.11+); 0: absent.
uint32_t op_version_of_symbol(const op_elf_file *elf);
// Texts like "3.9.18" that stand alone in .rodata, as versions without doubles. Returns how many.
size_t op_version_of_rodata(const op_elf_file *elf, uint32_t found[OP_VERSION_MAX_FOUND]);
// The same on any bytes; `end_byte` is what must follow the text: '\0', or ' ' for the text of Py_GetVersion.
size_t op_version_of_bytes(const unsigned char *bytes, size_t count, char end_byte,
                           uint32_t found[OP_VERSION_MAX_FOUND], size_t found_count);
// "3.13.0", "3.15.0b2". Writes at most OP_VERSION_TEXT_BYTES.
void op_version_text(uint32_t hex, char *out);

#endif

// SPDX-License-Identifier: MIT
// A 64-bit little-endian ELF file, mapped read-only. Every offset, count and string in it is checked against its
// size.
#ifndef OP_PROCESS_ELF_FILE_H
#define OP_PROCESS_ELF_FILE_H

#include "process/maps.h"

typedef struct {
    const unsigned char *data;   // owned mapping
    size_t size;
    uint64_t load_bias_base;   // lowest p_vaddr of the LOAD segments, page-aligned down
} op_elf_file;

// Opened by its name through /proc/PID/root, and by /proc/PID/map_files or exe where that is another file or none.
// Whoever may cut the file short while it is open here ends this process by SIGBUS, as he does the target: close it
// soon.
op_status op_elf_open(pid_t pid, const op_mapping *mapping, op_elf_file *elf, op_error *error) OP_MUST_CHECK;
op_status op_elf_open_path(const char *path, op_elf_file *elf, op_error *error) OP_MUST_CHECK;
void op_elf_close(op_elf_file *elf);
// Virtual address and size of a section; NO_FILE: absent.
op_status op_elf_section(const op_elf_file *elf, const char *name, uint64_t *address, uint64_t *bytes)
    OP_MUST_CHECK;
// A symbol of .dynsym, else .symtab; NO_FILE: absent.
op_status op_elf_symbol(const op_elf_file *elf, const char *name, uint64_t *address, uint64_t *bytes) OP_MUST_CHECK;
// The bytes of the file at a virtual address (e.g. of the symbol Py_Version); NULL: not in the file, or fewer than
// `bytes`.
const unsigned char *op_elf_at(const op_elf_file *elf, uint64_t address, uint64_t bytes);
// Where a virtual address of the file lies in the process, `maps` being its maps and `path` the mapping's path.
op_status op_elf_to_process(const op_elf_file *elf, const op_maps *maps, const char *path, uint64_t address,
                            op_addr *out) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// A hostile ELF file: open it, look up what we look up in real ones, place it into a memory map of its own
// choosing.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "process/elf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const op_elf_file *elf)
{
    static const char *const sections[] = {".PyRuntime", ".bss", ".rodata", ""};
    static const char *const symbols[] = {"_PyRuntime", "Py_Version", ""};
    op_mapping list[] = {
        {.start = {0x400000}, .end = {0x402000}, .path = "/a", .executable = true},
        {.start = {0x402000}, .end = {0x403000}, .path = "/a", .file_offset = 0x2000},
        {.start = {0x7f0000000000}, .end = {0x7f0000010000}, .path = "/a", .executable = true},
        {.start = {0x7f0000010000}, .end = {0xfffffffffffff000}, .path = "/a", .file_offset = 0x10000},
    };
    op_maps maps = {0};
    maps.list.items = list;
    maps.list.count = sizeof list / sizeof *list;
    for (size_t i = 0; i < sizeof sections / sizeof *sections + sizeof symbols / sizeof *symbols; i++) {
        uint64_t address = 0, bytes = 0;
        size_t section_names = sizeof sections / sizeof *sections;
        op_status status = i < section_names ? op_elf_section(elf, sections[i], &address, &bytes)
                                             : op_elf_symbol(elf, symbols[i - section_names], &address, &bytes);
        if (status != OP_OK)
            continue;
        const unsigned char *at = op_elf_at(elf, address, bytes);
        if (at && (at < elf->data || bytes > elf->size || (size_t)(at - elf->data) > elf->size - bytes))
            abort();
        volatile unsigned char sum = 0;
        for (uint64_t k = 0; at && k < bytes; k += 64)
            sum = (unsigned char)(sum + at[k]);
        op_addr place;
        (void)!op_elf_to_process(elf, &maps, "/a", address, &place);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    op_elf_file elf;
    op_error error;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    if (write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (op_elf_open_path(path, &elf, &error) == OP_OK) {
            look_up(&elf);
            op_elf_close(&elf);
        }
    }
    close(fd);
    return 0;
}

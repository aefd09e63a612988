// SPDX-License-Identifier: MIT
#include "tap.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "process/elf_file.h"

// A small hostile-or-not file in memory: a header, one or two LOAD segments, sections with names, a symbol table.
typedef struct {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Shdr sections[4];
    Elf64_Sym symbols[3];
    char section_names[32];
    char symbol_names[32];
    char payload[16];
} tiny_file;

static tiny_file make_tiny(void)
{
    tiny_file file = {0};
    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_phoff = offsetof(tiny_file, segments);
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 2;
    file.header.e_shoff = offsetof(tiny_file, sections);
    file.header.e_shentsize = sizeof(Elf64_Shdr);
    file.header.e_shnum = 4;
    file.header.e_shstrndx = 1;
    file.segments[0] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = 0x401010, .p_filesz = sizeof file, .p_memsz = 0x9000};
    file.segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                    .p_vaddr = 0x800000,
                                    .p_offset = offsetof(tiny_file, payload),
                                    .p_filesz = sizeof file.payload,
                                    .p_memsz = 0x1000};
    memcpy(file.section_names, "\0.names\0.table\0.strings", 24);
    memcpy(file.symbol_names, "\0first\0second", 14);
    file.sections[1] = (Elf64_Shdr){.sh_name = 1,
                                    .sh_type = SHT_STRTAB,
                                    .sh_offset = offsetof(tiny_file, section_names),
                                    .sh_size = sizeof file.section_names,
                                    .sh_addr = 0x111};
    file.sections[2] = (Elf64_Shdr){.sh_name = 8,
                                    .sh_type = SHT_DYNSYM,
                                    .sh_offset = offsetof(tiny_file, symbols),
                                    .sh_size = sizeof file.symbols,
                                    .sh_link = 3,
                                    .sh_addr = 0x222};
    file.sections[3] = (Elf64_Shdr){.sh_name = 15,
                                    .sh_type = SHT_STRTAB,
                                    .sh_offset = offsetof(tiny_file, symbol_names),
                                    .sh_size = sizeof file.symbol_names};
    file.symbols[1] = (Elf64_Sym){.st_name = 1, .st_shndx = 1, .st_value = 0x1000, .st_size = 8};
    file.symbols[2] = (Elf64_Sym){.st_name = 7, .st_shndx = 1, .st_value = 0x2000, .st_size = 16};
    memcpy(file.payload, "fifteen letters", 16);
    return file;
}

static op_status open_bytes(const void *bytes, size_t count, op_elf_file *elf, op_error *error)
{
    int fd = memfd_create("tiny", MFD_CLOEXEC);
    TAP_REQUIRE(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    op_status status = op_elf_open_path(path, elf, error);
    close(fd);
    return status;
}

TAP_TEST(a_well_formed_file)
{
    tiny_file file = make_tiny();
    op_elf_file elf;
    TAP_REQUIRE(open_bytes(&file, sizeof file, &elf, NULL) == OP_OK);
    TAP_EQ_UINT(elf.load_bias_base, 0x401000);
    uint64_t address = 0, bytes = 0;
    TAP_EQ_INT(op_elf_section(&elf, ".table", &address, &bytes), OP_OK);
    TAP_EQ_UINT(address, 0x222);
    TAP_EQ_UINT(bytes, sizeof file.symbols);
    TAP_EQ_INT(op_elf_section(&elf, ".tab", &address, &bytes), OP_NO_FILE);
    TAP_EQ_INT(op_elf_symbol(&elf, "second", &address, &bytes), OP_OK);
    TAP_EQ_UINT(address, 0x2000);
    TAP_EQ_UINT(bytes, 16);
    TAP_EQ_INT(op_elf_symbol(&elf, "secon", &address, &bytes), OP_NO_FILE);
    const unsigned char *at = op_elf_at(&elf, 0x800000, 16);
    TAP_REQUIRE(at != NULL);
    TAP_EQ_STR((const char *)at, "fifteen letters");
    TAP_OK(op_elf_at(&elf, 0x800008, 8) == at + 8);
    TAP_OK(op_elf_at(&elf, 0x800008, 9) == NULL);
    TAP_OK(op_elf_at(&elf, 0x800010, 0) == NULL);
    TAP_OK(op_elf_at(&elf, 0x7fffff, 1) == NULL);
    TAP_OK(op_elf_at(&elf, UINT64_MAX, UINT64_MAX) == NULL);
    TAP_OK(op_elf_at(&elf, 0x800001, UINT64_MAX) == NULL);
    op_elf_close(&elf);
}

TAP_TEST(what_is_no_such_file)
{
    tiny_file file = make_tiny();
    op_elf_file elf;
    op_error error = {0};
    file.header.e_ident[EI_CLASS] = ELFCLASS32;
    TAP_EQ_INT(open_bytes(&file, sizeof file, &elf, &error), OP_NOT_64_BIT);
    file.header.e_ident[0] = 'x';
    TAP_EQ_INT(open_bytes(&file, sizeof file, &elf, &error), OP_BAD_DATA);
    file = make_tiny();
    TAP_EQ_INT(open_bytes(&file, 63, &elf, &error), OP_BAD_DATA);
    TAP_EQ_INT(open_bytes(&file, 64, &elf, &error), OP_BAD_DATA);
    TAP_EQ_INT(open_bytes(&file, 0, &elf, &error), OP_BAD_DATA);
    file.header.e_phnum = 0;
    TAP_EQ_INT(open_bytes(&file, sizeof file, &elf, &error), OP_BAD_DATA);
    TAP_EQ_INT(op_elf_open_path("/no/such", &elf, &error), OP_NO_FILE);
    TAP_EQ_INT(op_elf_open_path("/tmp", &elf, &error), OP_BAD_DATA);
    TAP_EQ_INT(op_elf_open_path("/dev/zero", &elf, &error), OP_BAD_DATA);
    char path[64];
    snprintf(path, sizeof path, "/tmp/test_elf_fifo_%d", (int)getpid());
    TAP_REQUIRE(mkfifo(path, 0600) == 0);
    TAP_EQ_INT(op_elf_open_path(path, &elf, &error), OP_BAD_DATA);   // and it does not wait
    unlink(path);
}

TAP_TEST(lies_are_found_out)
{
    static const uint64_t values[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffffu, INT64_MAX, UINT64_MAX};
    tiny_file good = make_tiny(), file;
    size_t words = offsetof(tiny_file, section_names) / 2;
    for (size_t word = 0; word < words; word++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            for (size_t width = 2; width <= 8; width *= 2) {
                file = good;
                memcpy((char *)&file + word * 2, &values[v], width);
                op_elf_file elf;
                uint64_t address = 0, bytes = 0;
                if (open_bytes(&file, sizeof file, &elf, NULL) != OP_OK)
                    continue;
                (void)!op_elf_section(&elf, ".strings", &address, &bytes);
                (void)!op_elf_symbol(&elf, "second", &address, &bytes);
                const unsigned char *at = op_elf_at(&elf, 0x800000, 16);
                if (at && !TAP_OK(at >= elf.data && at + 16 <= elf.data + elf.size))
                    return;
                op_elf_close(&elf);
            }
        }
    }
}

uint64_t op_test_exported_word = 0x5eed;

TAP_TEST(this_process)
{
    op_maps maps;
    op_elf_file elf;
    op_error error = {0};
    TAP_REQUIRE(op_maps_read(getpid(), &maps, &error) == OP_OK);
    const op_mapping *mapping = op_maps_find(&maps, (op_addr){(uint64_t)(uintptr_t)&op_test_exported_word});
    TAP_REQUIRE(mapping != NULL);
    TAP_REQUIRE(op_elf_open(getpid(), mapping, &elf, &error) == OP_OK);
    uint64_t address = 0, bytes = 0;
    TAP_REQUIRE(op_elf_symbol(&elf, "op_test_exported_word", &address, &bytes) == OP_OK);
    TAP_EQ_UINT(bytes, 8);
    const unsigned char *in_file = op_elf_at(&elf, address, 8);
    TAP_REQUIRE(in_file != NULL);
    uint64_t word;
    memcpy(&word, in_file, sizeof word);
    TAP_EQ_UINT(word, 0x5eed);
    op_addr place = {0};
    TAP_EQ_INT(op_elf_to_process(&elf, &maps, mapping->path, address, &place), OP_OK);
    TAP_EQ_UINT(place.value, (uint64_t)(uintptr_t)&op_test_exported_word);
    TAP_EQ_INT(op_elf_to_process(&elf, &maps, "/no/such", address, &place), OP_NO_FILE);
    TAP_EQ_INT(op_elf_section(&elf, ".bss", &address, &bytes), OP_OK);
    TAP_EQ_INT(op_elf_section(&elf, ".text", &address, &bytes), OP_OK);
    op_elf_close(&elf);
    op_maps_fini(&maps);
}

// A library that is also mapped as plain data, below and above where it was loaded.
TAP_TEST(a_library_that_is_mapped_twice)
{
    Dl_info info;
    TAP_REQUIRE(dladdr((void *)(uintptr_t)&getpid, &info) != 0);
    char path[4096];
    TAP_REQUIRE(realpath(info.dli_fname, path) != NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0)
        TAP_SKIP("no shared libc");
    void *low = mmap((void *)0x10000000, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    TAP_REQUIRE(low != MAP_FAILED);
    op_maps maps;
    op_elf_file elf;
    TAP_REQUIRE(op_maps_read(getpid(), &maps, NULL) == OP_OK);
    const op_mapping *mapping = op_maps_find(&maps, (op_addr){(uint64_t)(uintptr_t)&getpid});
    TAP_REQUIRE(mapping != NULL);
    if (strcmp(mapping->path, path) != 0)
        TAP_SKIP("a static program");
    TAP_REQUIRE(op_elf_open(getpid(), mapping, &elf, NULL) == OP_OK);
    uint64_t address, bytes;
    op_addr place = {0};
    TAP_REQUIRE(op_elf_symbol(&elf, "getpid", &address, &bytes) == OP_OK);
    TAP_EQ_INT(op_elf_to_process(&elf, &maps, path, address, &place), OP_OK);
    TAP_EQ_UINT(place.value, (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "getpid"));
    op_elf_close(&elf);
    op_maps_fini(&maps);
}

TAP_TEST(a_deleted_executable)
{
    char path[] = "/tmp/test_elf_XXXXXX", command[128];
    int fd = mkstemp(path);
    TAP_REQUIRE(fd >= 0);
    close(fd);
    snprintf(command, sizeof command, "cp $(readlink -f $(command -v sleep)) %s && chmod 700 %s", path, path);
    TAP_REQUIRE(system(command) == 0);
    int ready[2];
    TAP_REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(path, "sleep", "60", (char *)NULL);
        _exit(1);
    }
    close(ready[1]);
    char byte;
    (void)!read(ready[0], &byte, 1);   // ends when exec has closed it
    unlink(path);
    strcpy(command, path);
    strcat(command, " (deleted)");
    op_maps maps;
    op_elf_file elf;
    op_error error = {0};
    TAP_REQUIRE(op_maps_read(pid, &maps, &error) == OP_OK);
    const op_mapping *found = NULL;
    for (size_t i = 0; i < maps.list.count && !found; i++) {
        if (strcmp(maps.list.items[i].path, command) == 0)
            found = &maps.list.items[i];
    }
    TAP_REQUIRE(found != NULL);
    TAP_EQ_INT(op_elf_open(pid, found, &elf, &error), OP_OK);
    uint64_t address, bytes;
    TAP_EQ_INT(op_elf_section(&elf, ".text", &address, &bytes), OP_OK);
    op_elf_close(&elf);
    op_maps_fini(&maps);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
// The file may be hostile: nothing in it is believed before it is checked against the file's size, structures are
// copied out (they may lie at odd offsets), and additions are written so that they cannot wrap.
#include "process/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "process/proc_file.h"

enum { MAX_SEGMENTS = 512, MAX_SECTIONS = 65536, MAX_SYMBOLS = 1 << 24, MAX_BIASES = 256 };
#define MAX_FILE_BYTES ((uint64_t)4 << 30)
#define SYSTEM_PAGE_BYTES 4096u
#define DELETED_SUFFIX " (deleted)"

static bool copy_out(const op_elf_file *elf, uint64_t offset, void *to, size_t bytes)
{
    if (offset > elf->size || elf->size - offset < bytes)
        return false;
    memcpy(to, elf->data + offset, bytes);
    return true;
}

static bool read_header(const op_elf_file *elf, Elf64_Ehdr *header)
{
    return copy_out(elf, 0, header, sizeof *header);
}

static bool read_segment(const op_elf_file *elf, const Elf64_Ehdr *header, size_t index, Elf64_Phdr *segment)
{
    uint64_t skip = (uint64_t)index * header->e_phentsize;
    return header->e_phoff <= elf->size && copy_out(elf, header->e_phoff + skip, segment, sizeof *segment);
}

static size_t segment_count(const Elf64_Ehdr *header)
{
    if (header->e_phentsize < sizeof(Elf64_Phdr))
        return 0;
    return header->e_phnum < MAX_SEGMENTS ? header->e_phnum : MAX_SEGMENTS;
}

static bool read_section(const op_elf_file *elf, const Elf64_Ehdr *header, size_t index, Elf64_Shdr *section)
{
    uint64_t skip = (uint64_t)index * header->e_shentsize;
    return header->e_shoff <= elf->size && copy_out(elf, header->e_shoff + skip, section, sizeof *section);
}

static size_t section_count(const op_elf_file *elf, const Elf64_Ehdr *header)
{
    Elf64_Shdr first;
    if (header->e_shoff == 0 || header->e_shentsize < sizeof first || !read_section(elf, header, 0, &first))
        return 0;
    // More than 65,279 sections: their number stands in the first one.
    uint64_t count = header->e_shnum ? header->e_shnum : first.sh_size;
    return count < MAX_SECTIONS ? (size_t)count : MAX_SECTIONS;
}

// The bytes of a section in the file; false: it has none, or they are not all there.
static bool section_bytes(const op_elf_file *elf, const Elf64_Shdr *section, const unsigned char **bytes,
                          size_t *count)
{
    if (section->sh_type == SHT_NOBITS || section->sh_offset > elf->size ||
        elf->size - section->sh_offset < section->sh_size)
        return false;
    *bytes = elf->data + section->sh_offset;
    *count = (size_t)section->sh_size;
    return true;
}

static bool name_is(const unsigned char *names, size_t names_bytes, uint64_t offset, const char *name,
                    size_t name_bytes)
{
    return offset < names_bytes && names_bytes - offset > name_bytes &&
           memcmp(names + offset, name, name_bytes + 1) == 0;
}

static op_status check_header(op_elf_file *elf, const char *path, op_error *error)
{
    Elf64_Ehdr header;
    if (!read_header(elf, &header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return op_error_set(error, OP_BAD_DATA, "'%s' is not an ELF file", path);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return op_error_set(error, OP_NOT_64_BIT, "'%s' is not a 64-bit little-endian program", path);
    uint64_t lowest = UINT64_MAX;
    size_t count = segment_count(&header);
    for (size_t i = 0; i < count; i++) {
        Elf64_Phdr segment;
        if (!read_segment(elf, &header, i, &segment))
            break;
        if (segment.p_type == PT_LOAD && segment.p_vaddr < lowest)
            lowest = segment.p_vaddr;
    }
    if (lowest == UINT64_MAX)
        return op_error_set(error, OP_BAD_DATA, "'%s' has nothing to load", path);
    elf->load_bias_base = lowest & ~(uint64_t)(SYSTEM_PAGE_BYTES - 1);
    return OP_OK;
}

// `inode`: the file must have it, or is taken for absent; 0: any.
static op_status open_checked(const char *path, uint64_t inode, op_elf_file *elf, op_error *error)
{
    // The path may name anything there: never wait for a FIFO, never take a terminal.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        op_status status = errno == EACCES || errno == EPERM ? OP_NO_PERMISSION : OP_NO_FILE;
        return op_error_set(error, status, "'%s' cannot be opened: %s", path, strerror(errno));
    }
    op_status status = OP_OK;
    op_elf_file fresh = {0};
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size < (off_t)sizeof(Elf64_Ehdr) ||
        (uint64_t)about.st_size > MAX_FILE_BYTES) {
        status = op_error_set(error, OP_BAD_DATA, "'%s' is not an ELF file", path);
        goto done;
    }
    if (inode && about.st_ino != inode) {
        status = op_error_set(error, OP_NO_FILE, "'%s' is another file now", path);
        goto done;
    }
    fresh.size = (size_t)about.st_size;
    void *data = mmap(NULL, fresh.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        status = op_error_set(error, errno == ENOMEM ? OP_NO_MEMORY : OP_SYSTEM, "'%s' cannot be mapped: %s", path,
                              strerror(errno));
        goto done;
    }
    fresh.data = data;
    status = check_header(&fresh, path, error);
    if (status == OP_OK)
        *elf = fresh;
    else
        op_elf_close(&fresh);
done:
    close(fd);
    return status;
}

op_status op_elf_open_path(const char *path, op_elf_file *elf, op_error *error)
{
    return open_checked(path, 0, elf, error);
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t text_bytes = strlen(text), suffix_bytes = strlen(suffix);
    return text_bytes >= suffix_bytes && strcmp(text + text_bytes - suffix_bytes, suffix) == 0;
}

static bool is_executable_of(const char *link, const char *path)
{
    char target[PATH_MAX];
    ssize_t got = readlink(link, target, sizeof target - 1);
    if (got <= 0)
        return false;
    target[got] = '\0';
    return strcmp(target, path) == 0;
}

op_status op_elf_open(pid_t pid, const op_mapping *mapping, op_elf_file *elf, op_error *error)
{
    char path[PATH_MAX + OP_PROC_PATH_BYTES], link[OP_PROC_PATH_BYTES];
    op_error ignored;
    if (mapping->path[0] != '/')
        return op_error_set(error, OP_NO_FILE, "no file is mapped there");
    int bytes = snprintf(path, sizeof path, "/proc/%d/root%s", (int)pid, mapping->path);
    if (bytes < 0 || (size_t)bytes >= sizeof path)
        return op_error_set(error, OP_NO_FILE, "a path of process %d is too long", (int)pid);
    // By name in the target's own file system; the name may by now be another file's.
    if (open_checked(path, mapping->inode, elf, &ignored) == OP_OK)
        return OP_OK;
    // The mapping itself; needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN.
    snprintf(link, sizeof link, "/proc/%d/map_files/%llx-%llx", (int)pid, (unsigned long long)mapping->start.value,
             (unsigned long long)mapping->end.value);
    if (open_checked(link, 0, elf, &ignored) == OP_OK)
        return OP_OK;
    // The executable, where that is what is mapped.
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    if (is_executable_of(link, mapping->path) && open_checked(link, 0, elf, &ignored) == OP_OK)
        return OP_OK;
    // By name in our file system: a process under chroot is listed with our names.
    if (open_checked(mapping->path, mapping->inode, elf, &ignored) == OP_OK)
        return OP_OK;
    if (has_suffix(mapping->path, DELETED_SUFFIX)) {
        op_error_set(error, OP_NO_FILE, "'%s' was replaced or removed while process %d ran", mapping->path,
                     (int)pid);
        op_error_hint(error, "run as root, or restart the process");
        return OP_NO_FILE;
    }
    // Some layered file systems list other inode numbers than they show.
    return open_checked(path, 0, elf, error);
}

void op_elf_close(op_elf_file *elf)
{
    if (elf->data)
        munmap((void *)(uintptr_t)elf->data, elf->size);
    *elf = (op_elf_file){0};
}

op_status op_elf_section(const op_elf_file *elf, const char *name, uint64_t *address, uint64_t *bytes)
{
    Elf64_Ehdr header;
    Elf64_Shdr section;
    const unsigned char *names;
    size_t names_bytes, name_bytes = strlen(name);
    if (!read_header(elf, &header))
        return OP_NO_FILE;
    size_t count = section_count(elf, &header), names_index = header.e_shstrndx;
    if (names_index == SHN_XINDEX && count > 0 && read_section(elf, &header, 0, &section))
        names_index = section.sh_link;
    if (names_index >= count || !read_section(elf, &header, names_index, &section) ||
        !section_bytes(elf, &section, &names, &names_bytes))
        return OP_NO_FILE;
    for (size_t i = 0; i < count && read_section(elf, &header, i, &section); i++) {
        if (name_is(names, names_bytes, section.sh_name, name, name_bytes)) {
            *address = section.sh_addr;
            *bytes = section.sh_size;
            return OP_OK;
        }
    }
    return OP_NO_FILE;
}

static op_status find_symbol(const op_elf_file *elf, const Elf64_Shdr *table, const Elf64_Shdr *strings,
                             const char *name, uint64_t *address, uint64_t *bytes)
{
    const unsigned char *symbols, *names;
    size_t symbols_bytes, names_bytes, name_bytes = strlen(name);
    if (!section_bytes(elf, table, &symbols, &symbols_bytes) || !section_bytes(elf, strings, &names, &names_bytes))
        return OP_NO_FILE;
    size_t count = symbols_bytes / sizeof(Elf64_Sym);
    if (count > MAX_SYMBOLS)
        count = MAX_SYMBOLS;
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
        unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if (symbol.st_shndx != SHN_UNDEF && type != STT_TLS && type != STT_FILE && type != STT_SECTION &&
            name_is(names, names_bytes, symbol.st_name, name, name_bytes)) {
            *address = symbol.st_value;
            *bytes = symbol.st_size;
            return OP_OK;
        }
    }
    return OP_NO_FILE;
}

op_status op_elf_symbol(const op_elf_file *elf, const char *name, uint64_t *address, uint64_t *bytes)
{
    static const Elf64_Word wanted[] = {SHT_DYNSYM, SHT_SYMTAB};
    Elf64_Ehdr header;
    if (!read_header(elf, &header))
        return OP_NO_FILE;
    size_t count = section_count(elf, &header);
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
        for (size_t i = 0; i < count; i++) {
            Elf64_Shdr table, strings;
            if (!read_section(elf, &header, i, &table))
                break;
            if (table.sh_type != wanted[k] || table.sh_link >= count ||
                !read_section(elf, &header, table.sh_link, &strings))
                continue;
            if (find_symbol(elf, &table, &strings, name, address, bytes) == OP_OK)
                return OP_OK;
            break;   // a file has one table of a kind: a hostile one with many would cost their product
        }
    }
    return OP_NO_FILE;
}

const unsigned char *op_elf_at(const op_elf_file *elf, uint64_t address, uint64_t bytes)
{
    Elf64_Ehdr header;
    if (!read_header(elf, &header))
        return NULL;
    size_t count = segment_count(&header);
    for (size_t i = 0; i < count; i++) {
        Elf64_Phdr segment;
        if (!read_segment(elf, &header, i, &segment))
            return NULL;
        if (segment.p_type != PT_LOAD || address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz)
            continue;
        uint64_t skip = address - segment.p_vaddr;
        if (segment.p_filesz - skip < bytes || segment.p_offset > elf->size ||
            elf->size - segment.p_offset < skip || elf->size - segment.p_offset - skip < bytes)
            return NULL;
        return elf->data + segment.p_offset + skip;
    }
    return NULL;
}

// How many LOAD segments of the file are found in `maps` under `path`, were it loaded with that bias.
static size_t count_matches(const op_elf_file *elf, const Elf64_Ehdr *header, const op_maps *maps, const char *path,
                            uint64_t bias)
{
    size_t matches = 0, count = segment_count(header);
    for (size_t i = 0; i < count; i++) {
        Elf64_Phdr segment;
        if (!read_segment(elf, header, i, &segment))
            break;
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0)
            continue;
        uint64_t place = bias + segment.p_vaddr;
        const op_mapping *mapping = op_maps_find(maps, (op_addr){place});
        if (mapping && strcmp(mapping->path, path) == 0 && (mapping->executable || !(segment.p_flags & PF_X)) &&
            place - mapping->start.value + mapping->file_offset == segment.p_offset)
            matches++;
    }
    return matches;
}

// A file may be mapped more than once (as data, or by a loader of its own), and a page may belong to two segments.
// So each mapping of the file proposes a bias for each segment, and the one that explains most segments wins.
op_status op_elf_to_process(const op_elf_file *elf, const op_maps *maps, const char *path, uint64_t address,
                            op_addr *out)
{
    Elf64_Ehdr header;
    uint64_t best = 0;
    size_t best_matches = 0, tried = 0;
    if (!read_header(elf, &header))
        return OP_NO_FILE;
    size_t count = segment_count(&header);
    for (size_t m = 0; m < maps->list.count && tried < MAX_BIASES; m++) {
        const op_mapping *mapping = &maps->list.items[m];
        if (mapping->path[0] == '\0' || strcmp(mapping->path, path) != 0)
            continue;
        uint64_t mapped_end = mapping->file_offset + (mapping->end.value - mapping->start.value);
        for (size_t i = 0; i < count && tried < MAX_BIASES; i++) {
            Elf64_Phdr segment;
            if (!read_segment(elf, &header, i, &segment))
                break;
            if (segment.p_type != PT_LOAD || segment.p_offset < mapping->file_offset ||
                segment.p_offset >= mapped_end)
                continue;
            tried++;
            uint64_t bias = mapping->start.value - mapping->file_offset + segment.p_offset - segment.p_vaddr;
            size_t matches = count_matches(elf, &header, maps, path, bias);
            if (matches > best_matches) {
                best = bias;
                best_matches = matches;
            }
        }
    }
    op_addr place = {best + address};
    if (best_matches == 0 || !op_maps_find(maps, place))
        return OP_NO_FILE;
    *out = place;
    return OP_OK;
}

// SPDX-License-Identifier: MIT
// Which module of a process holds the runtime, where in it, and of which version. From sure to guessed: the section
// .PyRuntime (3.11+), the symbol _PyRuntime, the cookie of the debug offsets (3.13+), pointers that look like the
// list of interpreters. Whatever is found is accepted only where the interpreter behind it holds together
// (op_runtime_at): embedding programs, deleted files and double mappings give false hits.
#include "cpython/runtime.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cpython/debug_offsets.h"
#include "cpython/python_version.h"
#include "cpython/runtime_scan.h"
#include "process/elf_file.h"
#include "process/process.h"

enum {
    MAX_MODULES = 512,   // files that are looked into
    MAX_PATH_BYTES = 4096,
    STARTING_SECONDS = 5,   // a Python without a runtime that is younger is believed to be starting
};

typedef enum { RANK_EXECUTABLE, RANK_PYTHON, RANK_OTHER, RANK_COUNT } module_rank;

typedef struct {
    const op_mapping *mapping;   // the first one of the file
    module_rank rank;
} python_module;

typedef struct {
    op_memory_reader *memory;
    op_maps maps;
    python_module modules[MAX_MODULES];
    size_t count;
    op_runtime *runtime;   // the result
    bool located;          // a place was found, but nothing runs there (yet)
    op_status refused;     // a Python that we do not support, told by `refusal`
    op_error refusal;
} runtime_finder;

static module_rank rank_of(const op_mapping *mapping, const char *executable)
{
    if (strcmp(mapping->path, executable) == 0)
        return RANK_EXECUTABLE;
    return op_path_is_python(mapping->path) ? RANK_PYTHON : RANK_OTHER;
}

// The files that are mapped, each once. Their mappings follow each other, mostly.
static void list_modules(runtime_finder *finder)
{
    char executable[MAX_PATH_BYTES] = "";
    if (op_process_executable(finder->memory->pid, executable, sizeof executable) != OP_OK)
        executable[0] = '\0';
    for (size_t i = 0; i < finder->maps.list.count; i++) {
        const op_mapping *mapping = &finder->maps.list.items[i];
        bool known = mapping->path[0] != '/';
        module_rank rank = known ? RANK_OTHER : rank_of(mapping, executable);
        for (size_t k = finder->count; k-- > 0 && !known;)
            known = strcmp(finder->modules[k].mapping->path, mapping->path) == 0;
        if (!known && finder->count < MAX_MODULES)
            finder->modules[finder->count++] = (python_module){mapping, rank};
    }
}

// The version of the Python in a file; 0: unknown. `minor` < 0: any.
static uint32_t module_version(runtime_finder *finder, const op_elf_file *elf, const char *path)
{
    uint32_t found[OP_VERSION_MAX_FOUND];
    int major = 3, minor = -1;
    uint32_t hex = op_version_of_symbol(elf);
    if (hex != 0)
        return hex;
    bool named = op_version_of_path(path, &major, &minor);
    // Py_GetVersion's text is sure, but made only while Python starts; the constant may have lookalikes.
    size_t count = op_scan_versions(finder->memory, &finder->maps, path, found);
    if (count == 0)
        count = op_version_of_rodata(elf, found);
    for (size_t i = 0; i < count; i++) {
        if (!named || op_version_minor(found[i]) == minor)
            return found[i];
    }
    // Without a patch level: level 0 marks that.
    return named ? (uint32_t)major << 24 | (uint32_t)minor << 16 : 0;
}

static void refuse(runtime_finder *finder, const op_error *error)
{
    if (finder->refused == OP_OK) {
        finder->refused = error->status;
        finder->refusal = *error;
    }
}

static op_status try_place(runtime_finder *finder, op_addr address, uint32_t hex)
{
    op_error error = {0};
    char text[OP_VERSION_TEXT_BYTES];
    op_debug_offsets offsets;
    if (op_debug_offsets_head(finder->memory, address, &offsets) == OP_OK)
        hex = offsets.hex_version;
    if (hex == 0) {
        finder->located = true;
        return OP_NOT_PYTHON;
    }
    bool patch_known = (hex & 0xff) != 0;
    int minor = op_version_minor(hex), patch = op_version_patch(hex);
    op_version_text(hex, text);
    op_status status = OP_UNKNOWN_VERSION;
    if (op_version_major(hex) == 3)
        status = op_runtime_at(finder->memory, address, minor, patch, finder->runtime, &error);
    if (status == OP_UNKNOWN_VERSION) {
        op_error_set(&error, status, "the process runs CPython %s, which is not known", text);
        op_error_hint(&error, "known are CPython %s", op_layout_known);
    } else if (status == OP_FREE_THREADED) {
        op_error_set(&error, status, "the process runs a free-threaded build of CPython %s", text);
    }
    if (status == OP_OK) {
        finder->runtime->hex_version = patch_known ? hex : 0;
        if (!patch_known)
            finder->runtime->layout_assumed = true;
    } else if (status == OP_UNKNOWN_VERSION || status == OP_FREE_THREADED) {
        refuse(finder, &error);
    } else {
        finder->located = true;
    }
    return status;
}

static op_status try_scans(runtime_finder *finder, const op_elf_file *elf, const python_module *module)
{
    const char *path = module->mapping->path;
    op_addr found[OP_SCAN_MAX_FOUND];
    op_status status = OP_NOT_PYTHON;
    size_t count = op_scan_cookies(finder->memory, &finder->maps, path, found);
    for (size_t i = 0; i < count && status != OP_OK && status != OP_PROCESS_GONE; i++)
        status = try_place(finder, found[i], 0);
    if (status == OP_OK || count > 0)
        return status;
    // Not worth it for a program that is none: its constants have no name of an environment variable of Python's.
    uint64_t address, bytes;
    const unsigned char *constants = NULL;
    if (op_elf_section(elf, ".rodata", &address, &bytes) == OP_OK)
        constants = op_elf_at(elf, address, bytes);
    if (constants && !memmem(constants, (size_t)bytes, "PYTHONHOME", 10))
        return OP_NOT_PYTHON;
    uint32_t hex = module_version(finder, elf, path);
    const op_layout *layout = hex ? op_layout_find(op_version_minor(hex), op_version_patch(hex), NULL) : NULL;
    if (!layout || layout->minor >= 13)
        return OP_NOT_PYTHON;
    count = op_scan_interpreters(finder->memory, &finder->maps, path, layout, found);
    for (size_t i = 0; i < count && status != OP_OK && status != OP_PROCESS_GONE; i++)
        status = try_place(finder, found[i], hex);
    return status;
}

static op_status try_module(runtime_finder *finder, const python_module *module)
{
    const char *path = module->mapping->path;
    op_elf_file elf;
    uint64_t address, bytes;
    op_addr place;
    op_status status = op_elf_open(finder->memory->pid, module->mapping, &elf, NULL);
    if (status != OP_OK)
        return OP_NOT_PYTHON;
    status = op_elf_section(&elf, ".PyRuntime", &address, &bytes);
    if (status != OP_OK && module->rank != RANK_OTHER)   // the symbols of every library would take long
        status = op_elf_symbol(&elf, "_PyRuntime", &address, &bytes);
    if (status == OP_OK)
        status = op_elf_to_process(&elf, &finder->maps, path, address, &place);
    if (status == OP_OK)
        status = try_place(finder, place, module_version(finder, &elf, path));
    else if (module->rank != RANK_OTHER)
        status = try_scans(finder, &elf, module);
    op_elf_close(&elf);
    return status;
}

static bool is_young(pid_t pid)
{
    struct timespec now;
    long ticks_per_second = sysconf(_SC_CLK_TCK);
    uint64_t started = op_process_start_ticks(pid);
    if (started == 0 || ticks_per_second <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return false;
    return (uint64_t)now.tv_sec < started / (uint64_t)ticks_per_second + STARTING_SECONDS;
}

// Nothing was found: is it a Python that has not got so far?
static bool may_be_starting(const runtime_finder *finder)
{
    if (finder->located)
        return true;
    for (size_t i = 0; i < finder->count; i++) {
        if (finder->modules[i].rank != RANK_OTHER && op_path_is_python(finder->modules[i].mapping->path))
            return is_young(finder->memory->pid);
    }
    return false;
}

static op_status report_failure(runtime_finder *finder, bool *starting, op_error *error)
{
    pid_t pid = finder->memory->pid;
    if (finder->refused != OP_OK) {
        if (error)
            *error = finder->refusal;
        return finder->refused;
    }
    for (size_t i = 0; i < finder->count; i++) {
        int major = 0, minor = 0;
        const char *path = finder->modules[i].mapping->path;
        if (finder->modules[i].rank == RANK_OTHER || !op_path_is_python(path) ||
            !op_version_of_path(path, &major, &minor) || (major == 3 && op_layout_find(minor, 0, NULL)))
            continue;
        op_error_set(error, OP_UNKNOWN_VERSION, "the process runs CPython %d.%d, which is not known", major, minor);
        op_error_hint(error, "known are CPython %s", op_layout_known);
        return OP_UNKNOWN_VERSION;
    }
    if (may_be_starting(finder)) {
        if (starting)
            *starting = true;
        return op_error_set(error, OP_NOT_PYTHON, "process %d has no running interpreter (yet)", (int)pid);
    }
    return op_error_set(error, OP_NOT_PYTHON, "process %d runs no CPython", (int)pid);
}

op_status op_runtime_find(op_memory_reader *memory, op_runtime *runtime, bool *starting, op_error *error)
{
    op_runtime result;
    runtime_finder finder = {.memory = memory, .runtime = &result};
    if (starting)
        *starting = false;
    op_status status = op_maps_read(memory->pid, &finder.maps, error);
    if (status != OP_OK)
        return status;
    list_modules(&finder);
    status = OP_NOT_PYTHON;
    for (int rank = 0; rank < RANK_COUNT; rank++) {
        for (size_t i = 0; i < finder.count && status != OP_OK && status != OP_PROCESS_GONE; i++) {
            if ((int)finder.modules[i].rank == rank)
                status = try_module(&finder, &finder.modules[i]);
        }
        // A runtime that is there but not running yet must not send us through every library.
        if (finder.located || finder.refused != OP_OK)
            break;
    }
    if (status == OP_OK)
        *runtime = result;
    else if (status == OP_PROCESS_GONE || status == OP_NO_PERMISSION)
        status = op_error_set(error, status, "process %d: %s", (int)memory->pid, op_status_text(status));
    else
        status = report_failure(&finder, starting, error);
    op_maps_fini(&finder.maps);
    return status;
}

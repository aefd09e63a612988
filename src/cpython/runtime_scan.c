// SPDX-License-Identifier: MIT
#include "cpython/runtime_scan.h"

#include <string.h>
#include "base/memory.h"
#include "cpython/debug_offsets.h"
#include "cpython/fields.h"

enum {
    PIECE_BYTES = 256 << 10,
    OVERLAP_BYTES = 64,       // so that nothing that is looked for is cut in two
    MAX_VALIDATIONS = 4096,   // pairs of pointers that are followed
};

// Calls `look` on the writable memory of the module at `path`, .bss included, piece by piece, until it
// returns false.
// `skip` bytes at the start of a piece were already there in the one before.
typedef struct {
    op_memory_reader *memory;
    const op_maps *maps;
    const op_layout *layout;
    op_addr *found;
    uint32_t *versions;
    size_t count, validations;
} memory_scan;
typedef bool (*scan_look)(memory_scan *scan, op_addr at, const unsigned char *bytes, size_t count);

static bool scan_range(memory_scan *scan, scan_look look, op_addr start, op_addr end, unsigned char *piece)
{
    op_addr at = start;
    while (at.value < end.value) {
        uint64_t left = end.value - at.value;
        size_t take = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        if (op_memory_read(scan->memory, at, piece, take) != OP_OK)
            return true;
        if (!look(scan, at, piece, take))
            return false;
        if (take == left)
            break;
        at = op_addr_add(at, take - OVERLAP_BYTES);
    }
    return true;
}

static void scan_module(memory_scan *scan, scan_look look, const char *path)
{
    const op_maps *maps = scan->maps;
    unsigned char *piece = op_alloc(PIECE_BYTES);
    uint64_t budget = OP_SCAN_MAX_BYTES;
    bool ours = false, more = true;
    op_addr end = {0};
    if (!piece)
        return;
    for (size_t i = 0; i < maps->list.count && more; i++) {
        const op_mapping *mapping = &maps->list.items[i];
        // The part of .bss beyond the file's last page is anonymous memory that follows at once.
        bool follows = ours && mapping->path[0] == '\0' && mapping->start.value == end.value;
        ours = strcmp(mapping->path, path) == 0 || follows;
        end = mapping->end;
        uint64_t bytes = mapping->end.value - mapping->start.value;
        if (!ours || !mapping->readable || !mapping->writable || bytes > budget)
            continue;
        budget -= bytes;
        more = scan_range(scan, look, mapping->start, mapping->end, piece);
    }
    op_free(piece);
}

static bool add_found(memory_scan *scan, op_addr address)
{
    for (size_t i = 0; i < scan->count; i++) {
        if (scan->found[i].value == address.value)
            return true;
    }
    scan->found[scan->count++] = address;
    return scan->count < OP_SCAN_MAX_FOUND;
}

static bool look_for_cookie(memory_scan *scan, op_addr at, const unsigned char *bytes, size_t count)
{
    const unsigned char *last = bytes + count, *hit = bytes;
    while ((hit = memmem(hit, (size_t)(last - hit), OP_DEBUG_COOKIE, OP_DEBUG_COOKIE_BYTES)) != NULL) {
        op_addr address = op_addr_add(at, (uint64_t)(hit - bytes));
        hit += OP_DEBUG_COOKIE_BYTES;
        if ((address.value & 7) == 0 && !add_found(scan, address))
            return false;
    }
    return true;
}

size_t op_scan_cookies(op_memory_reader *memory, const op_maps *maps, const char *path,
                       op_addr found[OP_SCAN_MAX_FOUND])
{
    memory_scan scan = {.memory = memory, .maps = maps, .found = found};
    scan_module(&scan, look_for_cookie, path);
    return scan.count;
}

static bool is_interpreter(memory_scan *scan, op_addr interpreter)
{
    op_addr thread, back;
    return op_field_read_addr(scan->memory, interpreter, scan->layout->interp_threads_head, &thread) == OP_OK &&
           op_addr_is_object(thread) &&
           op_field_read_addr(scan->memory, thread, scan->layout->thread_interp, &back) == OP_OK &&
           back.value == interpreter.value;
}

static bool look_for_interpreter(memory_scan *scan, op_addr at, const unsigned char *bytes, size_t count)
{
    const op_mapping *mapping = NULL;
    for (size_t i = 0; i + 16 <= count; i += 8) {
        op_addr head = op_field_addr(bytes, (int32_t)i), main = op_field_addr(bytes, (int32_t)i + 8);
        if (!op_addr_is_object(head) || !op_addr_is_object(main))
            continue;
        if (!mapping || main.value < mapping->start.value || main.value >= mapping->end.value)
            mapping = op_maps_find(scan->maps, main);
        if (!mapping || !mapping->writable)
            continue;
        if (++scan->validations > MAX_VALIDATIONS)
            return false;
        if (!is_interpreter(scan, main) || !is_interpreter(scan, head))
            continue;
        op_addr place = op_addr_add(at, i);
        if (!add_found(scan, (op_addr){place.value - (uint64_t)scan->layout->runtime_interpreters_head}))
            return false;
    }
    return true;
}

size_t op_scan_interpreters(op_memory_reader *memory, const op_maps *maps, const char *path,
                            const op_layout *layout, op_addr found[OP_SCAN_MAX_FOUND])
{
    memory_scan scan = {.memory = memory, .maps = maps, .layout = layout, .found = found};
    if (layout->runtime_interpreters_head < 0)
        return 0;
    scan_module(&scan, look_for_interpreter, path);
    return scan.count;
}

static bool look_for_version(memory_scan *scan, op_addr at, const unsigned char *bytes, size_t count)
{
    (void)at;
    scan->count = op_version_of_bytes(bytes, count, ' ', scan->versions, scan->count);
    return scan->count < OP_VERSION_MAX_FOUND;
}

size_t op_scan_versions(op_memory_reader *memory, const op_maps *maps, const char *path,
                        uint32_t found[OP_VERSION_MAX_FOUND])
{
    memory_scan scan = {.memory = memory, .maps = maps, .versions = found};
    scan_module(&scan, look_for_version, path);
    return scan.count;
}

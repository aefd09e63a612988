// SPDX-License-Identifier: MIT
#include "tap.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include "process/maps.h"

static const op_mapping *find(const op_maps *maps, const void *here, size_t skip)
{
    return op_maps_find(maps, (op_addr){(uint64_t)(uintptr_t)here + skip});
}

TAP_TEST(own_memory)
{
    op_maps maps;
    op_error error = {0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TAP_REQUIRE(pages != MAP_FAILED && munmap(pages + page, page) == 0);
    TAP_REQUIRE(op_maps_read(getpid(), &maps, &error) == OP_OK);
    TAP_OK(maps.list.count > 5);
    for (size_t i = 0; i < maps.list.count; i++) {
        TAP_OK(maps.list.items[i].start.value < maps.list.items[i].end.value);
        TAP_OK(i == 0 || maps.list.items[i - 1].end.value <= maps.list.items[i].start.value);
    }
    const op_mapping *code = op_maps_find(&maps, (op_addr){(uint64_t)(uintptr_t)&find});
    TAP_REQUIRE(code != NULL);
    TAP_OK(code->readable && code->executable && !code->writable);
    char own[4096];
    ssize_t bytes = readlink("/proc/self/exe", own, sizeof own - 1);
    TAP_REQUIRE(bytes > 0);
    own[bytes] = '\0';
    TAP_EQ_STR(code->path, own);
    const op_mapping *data = find(&maps, pages, 0);
    TAP_REQUIRE(data != NULL);
    TAP_OK(data->readable && data->writable && !data->executable);
    TAP_EQ_STR(data->path, "");
    TAP_OK(find(&maps, pages, page - 1) == data);
    TAP_OK(find(&maps, pages, page) == NULL);
    TAP_OK(find(&maps, pages, 2 * page) != NULL);
    TAP_OK(op_maps_find(&maps, (op_addr){0}) == NULL);
    TAP_OK(op_maps_find(&maps, (op_addr){UINT64_MAX}) == NULL);
    int local = 0;
    const op_mapping *stack = find(&maps, &local, 0);
    TAP_REQUIRE(stack != NULL);
    TAP_EQ_STR(stack->path, "[stack]");
    op_maps_fini(&maps);
}

TAP_TEST(odd_paths)
{
    char folder[] = "/tmp/test_maps_XXXXXX", path[128];
    TAP_REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/a b  \xc3\xa9 (x)", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    TAP_REQUIRE(fd >= 0 && ftruncate(fd, 65536 * 2) == 0);
    void *mapped = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 65536);
    TAP_REQUIRE(mapped != MAP_FAILED);
    op_maps maps;
    TAP_REQUIRE(op_maps_read(getpid(), &maps, NULL) == OP_OK);
    const op_mapping *mapping = find(&maps, mapped, 0);
    TAP_REQUIRE(mapping != NULL);
    TAP_EQ_STR(mapping->path, path);
    TAP_EQ_UINT(mapping->file_offset, 65536);
    op_maps_fini(&maps);
    unlink(path);
    rmdir(folder);
    TAP_REQUIRE(op_maps_read(getpid(), &maps, NULL) == OP_OK);
    mapping = find(&maps, mapped, 0);
    TAP_REQUIRE(mapping != NULL);
    strcat(path, " (deleted)");
    TAP_EQ_STR(mapping->path, path);
    op_maps_fini(&maps);
}

TAP_TEST(many_mappings)
{
    enum { COUNT = 4000 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages = mmap(NULL, COUNT * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TAP_REQUIRE(pages != MAP_FAILED);
    for (size_t i = 0; i < COUNT; i += 2)
        TAP_REQUIRE(mprotect(pages + i * page, page, PROT_NONE) == 0);
    op_maps maps;
    TAP_REQUIRE(op_maps_read(getpid(), &maps, NULL) == OP_OK);
    TAP_OK(maps.list.count > COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const op_mapping *mapping = find(&maps, pages, i * page);
        if (!TAP_OK(mapping && mapping->readable == (i % 2 == 1)))
            break;
    }
    op_maps_fini(&maps);
}

TAP_TEST(out_of_memory)
{
    for (int64_t after = 0; after < 3; after++) {
        op_maps maps;
        op_alloc_fail_after(after);
        op_status status = op_maps_read(getpid(), &maps, NULL);
        op_alloc_fail_after(-1);
        TAP_EQ_INT(status, OP_NO_MEMORY);
    }
}

TAP_TEST(ended_processes)
{
    op_maps maps;
    op_error error = {0};
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    TAP_EQ_INT(op_maps_read(pid, &maps, &error), OP_PROCESS_GONE);
    waitpid(pid, NULL, 0);
    TAP_EQ_INT(op_maps_read(pid, &maps, &error), OP_NO_PROCESS);
    TAP_OK(error.message[0] != '\0');
}

TAP_MAIN()

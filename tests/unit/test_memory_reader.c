// SPDX-License-Identifier: MIT
#include "tap.h"

#include <stdint.h>
#include <sys/mman.h>
#include "process/memory_reader.h"

static const uint64_t magic = 0x1122334455667788u;

static pid_t start_sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static op_addr address_of(const void *here)
{
    return (op_addr){(uint64_t)(uintptr_t)here};   // a fork has the same addresses
}

TAP_TEST(reads_words_and_addresses)
{
    pid_t pid = start_sleeper();
    op_memory_reader reader;
    op_memory_reader_live(&reader, pid);
    uint64_t word = 0;
    TAP_EQ_INT(op_memory_read(&reader, address_of(&magic), &word, sizeof word), OP_OK);
    TAP_EQ_UINT(word, magic);
    op_addr address = {0};
    TAP_EQ_INT(op_memory_read_addr(&reader, address_of(&magic), &address), OP_OK);
    TAP_EQ_UINT(address.value, magic);
    TAP_EQ_UINT(reader.calls, 2);
    TAP_EQ_UINT(reader.bytes, 16);
    TAP_EQ_INT(reader.pid, pid);
    stop(pid);
}

TAP_TEST(many_spans_take_one_call_up_to_the_maximum)
{
    enum { COUNT = OP_MEMORY_MAX_SPANS + 6 };
    static uint32_t numbers[COUNT], copies[COUNT];
    op_span spans[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i * 7 + 1;
        spans[i] = (op_span){address_of(&numbers[COUNT - 1 - i]), &copies[i], sizeof copies[i]};
    }
    pid_t pid = start_sleeper();
    op_memory_reader reader;
    op_memory_reader_live(&reader, pid);
    size_t done = 0;
    TAP_EQ_INT(reader.readv(&reader, spans, OP_MEMORY_MAX_SPANS, &done), OP_OK);
    TAP_EQ_UINT(done, OP_MEMORY_MAX_SPANS * sizeof *copies);
    TAP_EQ_UINT(reader.calls, 1);
    TAP_EQ_INT(reader.readv(&reader, spans, COUNT, &done), OP_OK);
    TAP_EQ_UINT(done, COUNT * sizeof *copies);
    TAP_EQ_UINT(reader.calls, 3);
    for (uint32_t i = 0; i < COUNT; i++)
        TAP_EQ_UINT(copies[i], (COUNT - 1 - i) * 7 + 1);
    TAP_EQ_INT(reader.readv(&reader, spans, 0, &done), OP_OK);
    TAP_EQ_UINT(done, 0);
    stop(pid);
}

TAP_TEST(a_hole_ends_the_read)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TAP_REQUIRE(pages != MAP_FAILED);
    memset(pages, 7, 3 * page);
    TAP_REQUIRE(munmap(pages + page, page) == 0);
    pid_t pid = start_sleeper();
    op_memory_reader reader;
    op_memory_reader_live(&reader, pid);
    unsigned char copy[64] = {0};
    op_span spans[] = {{address_of(pages), copy, 16},
                       {address_of(pages + page - 8), copy + 16, 16},
                       {address_of(pages), copy + 32, 16}};
    size_t done = 99;
    TAP_EQ_INT(reader.readv(&reader, spans, 3, &done), OP_UNREADABLE);
    TAP_OK(done >= 16 && done <= 24);
    TAP_EQ_INT(copy[15], 7);
    TAP_EQ_INT(copy[40], 0);
    TAP_EQ_INT(op_memory_read(&reader, address_of(pages + page - 8), copy, 16), OP_UNREADABLE);
    TAP_EQ_INT(op_memory_read(&reader, (op_addr){0}, copy, 1), OP_UNREADABLE);
    TAP_EQ_INT(op_memory_read(&reader, (op_addr){UINT64_MAX - 3}, copy, 16), OP_UNREADABLE);
    TAP_EQ_INT(op_memory_read(&reader, (op_addr){0xffffffff81000000u}, copy, 16), OP_UNREADABLE);
    TAP_EQ_INT(op_memory_read(&reader, address_of(pages), copy, SIZE_MAX), OP_UNREADABLE);
    op_addr kept = {5};
    TAP_EQ_INT(op_memory_read_addr(&reader, (op_addr){1}, &kept), OP_UNREADABLE);
    TAP_EQ_UINT(kept.value, 5);
    stop(pid);
}

TAP_TEST(the_ends_of_processes_are_told)
{
    pid_t pid = start_sleeper();
    op_memory_reader reader;
    op_memory_reader_live(&reader, pid);
    uint64_t word;
    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    TAP_EQ_INT(op_memory_read(&reader, address_of(&magic), &word, sizeof word), OP_PROCESS_GONE);   // a zombie
    waitpid(pid, NULL, 0);
    TAP_EQ_INT(op_memory_read(&reader, address_of(&magic), &word, sizeof word), OP_PROCESS_GONE);
}

TAP_TEST(no_permission_is_told)
{
    if (getuid() != 0)
        TAP_SKIP("needs root to become another user");
    pid_t pid = start_sleeper();
    TAP_REQUIRE(setuid(65534) == 0);
    op_memory_reader reader;
    op_memory_reader_live(&reader, pid);
    uint64_t word;
    TAP_EQ_INT(op_memory_read(&reader, address_of(&magic), &word, sizeof word), OP_NO_PERMISSION);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "process/memory_reader.h"

#include <errno.h>
#include <sys/uio.h>

static op_status errno_status(int error_number)
{
    switch (error_number) {
    case ESRCH: return OP_PROCESS_GONE;
    case EPERM:
    case EACCES: return OP_NO_PERMISSION;
    case ENOMEM: return OP_NO_MEMORY;
    case ENOSYS: return OP_SYSTEM;
    default:
        // EFAULT: nothing is mapped at the first address. EINVAL: a length that no address space could hold.
        return OP_UNREADABLE;
    }
}

// The hot path: one system call, nothing allocated, the arrays on the stack only written as far as they are used.
static op_status live_readv(op_memory_reader *reader, const op_span *spans, size_t count, size_t *done)
{
    struct iovec local[OP_MEMORY_MAX_SPANS], remote[OP_MEMORY_MAX_SPANS];
    size_t total = 0;
    *done = 0;
    while (count > 0) {
        size_t batch = count < OP_MEMORY_MAX_SPANS ? count : OP_MEMORY_MAX_SPANS;
        size_t asked = 0;
        for (size_t i = 0; i < batch; i++) {
            local[i].iov_base = spans[i].to;
            remote[i].iov_base = (void *)(uintptr_t)spans[i].from.value;   // never dereferenced here
            local[i].iov_len = remote[i].iov_len = spans[i].bytes;
            asked += spans[i].bytes;
        }
        reader->calls++;
        ssize_t got = process_vm_readv(reader->pid, local, batch, remote, batch, 0);
        if (__builtin_expect(got < 0, 0))
            return errno_status(errno);
        total += (size_t)got;
        reader->bytes += (size_t)got;
        *done = total;
        if (__builtin_expect((size_t)got != asked, 0))
            return OP_UNREADABLE;
        spans += batch;
        count -= batch;
    }
    return OP_OK;
}

op_status op_memory_read(op_memory_reader *reader, op_addr from, void *to, size_t bytes)
{
    op_span span = {.from = from, .to = to, .bytes = bytes};
    size_t done = 0;
    op_status status = reader->readv(reader, &span, 1, &done);
    return status == OP_OK && done != bytes ? OP_UNREADABLE : status;
}

op_status op_memory_read_addr(op_memory_reader *reader, op_addr from, op_addr *to)
{
    uint64_t value;
    op_status status = op_memory_read(reader, from, &value, sizeof value);
    if (status == OP_OK)
        to->value = value;
    return status;
}

void op_memory_reader_live(op_memory_reader *reader, pid_t pid)
{
    *reader = (op_memory_reader){.readv = live_readv, .pid = pid};
}

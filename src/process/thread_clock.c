// SPDX-License-Identifier: MIT
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "process/proc_file.h"

// A thread takes a descriptor or two, and 1,024 is a common soft limit: where it is reached, take what we may have.
static bool raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int open_task_file(pid_t pid, pid_t tid, const char *name)
{
    char path[OP_PROC_PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == EMFILE && raise_descriptor_limit())
        fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd;
}

op_status op_thread_clock_open(op_thread_clock *clock, pid_t pid, pid_t tid)
{
    int fd = open_task_file(pid, tid, "schedstat");
    if (fd < 0)
        return op_proc_status(errno);
    *clock = (op_thread_clock){.schedstat_fd = fd, .stat_fd = -1, .pid = pid, .tid = tid};
    return OP_OK;
}

void op_thread_clock_close(op_thread_clock *clock)
{
    if (clock->schedstat_fd >= 0)
        close(clock->schedstat_fd);
    if (clock->stat_fd >= 0)
        close(clock->stat_fd);
    clock->schedstat_fd = clock->stat_fd = -1;
}

static bool read_number(const char **at, uint64_t *value)
{
    while (**at == ' ')
        ++*at;
    const char *start = *at;
    uint64_t number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        number = number * 10 + (uint64_t)(**at - '0');
    *value = number;
    return *at != start;
}

op_status op_thread_clock_read(op_thread_clock *clock, uint64_t *run_ns, uint64_t *slices)
{
    char line[80];   // three numbers of at most 20 digits
    ssize_t got = pread(clock->schedstat_fd, line, sizeof line - 1, 0);
    if (got <= 0)
        return got < 0 ? op_proc_status(errno) : OP_PROCESS_GONE;
    line[got] = '\0';
    const char *at = line;
    uint64_t run, waited, count;
    if (!read_number(&at, &run) || !read_number(&at, &waited) || !read_number(&at, &count))
        return OP_BAD_DATA;
    *run_ns = run;
    *slices = count;
    return OP_OK;
}

// clock_getcpuclockid(3); the kernel adds up what schedstat shows (thread_group_cputime).
op_status op_process_clock_read(pid_t pid, uint64_t *run_ns)
{
    clockid_t id;
    struct timespec time;
    int error = clock_getcpuclockid(pid, &id);
    if (error != 0 || clock_gettime(id, &time) != 0)
        return op_proc_status(error != 0 ? error : errno);
    *run_ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    return OP_OK;
}

op_status op_thread_clock_state(op_thread_clock *clock, char *state)
{
    char line[OP_PROC_STAT_BYTES];
    if (clock->stat_fd < 0)
        clock->stat_fd = open_task_file(clock->pid, clock->tid, "stat");
    if (clock->stat_fd < 0)
        return op_proc_status(errno);
    ssize_t got = pread(clock->stat_fd, line, sizeof line - 1, 0);
    if (got <= 0)
        return got < 0 ? op_proc_status(errno) : OP_PROCESS_GONE;
    line[got] = '\0';
    const char *field = op_proc_stat_field(line, 3);
    if (!field)
        return OP_BAD_DATA;
    if (*field == 'Z' || *field == 'X' || *field == 'x')
        return OP_PROCESS_GONE;
    *state = *field;
    return OP_OK;
}

// SPDX-License-Identifier: MIT
#include "process/process.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "process/proc_file.h"

static op_status read_stat(pid_t pid, char *line, size_t size)
{
    char path[OP_PROC_PATH_BYTES];
    if (pid <= 0)
        return OP_PROCESS_GONE;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return op_proc_read(path, line, size, NULL);
}

bool op_process_is_alive(pid_t pid)
{
    char line[OP_PROC_STAT_BYTES];
    if (read_stat(pid, line, sizeof line) != OP_OK)
        return false;
    const char *state = op_proc_stat_field(line, 3);
    return state && *state != 'Z' && *state != 'X' && *state != 'x';
}

uint64_t op_process_start_ticks(pid_t pid)
{
    char line[OP_PROC_STAT_BYTES];
    const char *field = read_stat(pid, line, sizeof line) == OP_OK ? op_proc_stat_field(line, 22) : NULL;
    return field ? strtoull(field, NULL, 10) : 0;
}

pid_t op_process_parent(pid_t pid)
{
    char line[OP_PROC_STAT_BYTES];
    const char *field = read_stat(pid, line, sizeof line) == OP_OK ? op_proc_stat_field(line, 4) : NULL;
    return field ? (pid_t)strtol(field, NULL, 10) : 0;
}

op_status op_process_executable(pid_t pid, char *out, size_t size)
{
    char path[OP_PROC_PATH_BYTES], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t got = readlink(path, target, sizeof target);
    if (got < 0 && errno == ENOENT)
        return op_process_is_alive(pid) ? OP_NO_FILE : OP_PROCESS_GONE;   // alive: a kernel thread
    if (got < 0)
        return op_proc_status(errno);
    if ((size_t)got >= size || got == (ssize_t)sizeof target)
        return OP_BAD_DATA;
    memcpy(out, target, (size_t)got);
    out[got] = '\0';
    return OP_OK;
}

op_status op_process_thread_name(pid_t pid, pid_t tid, char *out, size_t size)
{
    char path[OP_PROC_PATH_BYTES], name[64];
    size_t count;
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, (int)tid);
    op_status status = op_proc_read(path, name, sizeof name, &count);
    if (status != OP_OK)
        return status;
    if (count > 0 && name[count - 1] == '\n')
        count--;
    if (size == 0)
        return OP_BAD_DATA;
    if (count >= size)
        count = size - 1;
    memcpy(out, name, count);
    out[count] = '\0';
    return OP_OK;
}

static int compare_ids(const void *left, const void *right)
{
    pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;
    return (a > b) - (a < b);
}

static void sort_ids(pid_t *ids, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (ids[i - 1] > ids[i]) {   // seldom: threads are listed by age
            qsort(ids, count, sizeof *ids, compare_ids);
            return;
        }
    }
}

op_status op_process_threads(pid_t pid, pid_t *tids, size_t max, size_t *count)
{
    char path[OP_PROC_PATH_BYTES];
    op_proc_folder folder;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    op_status status = op_proc_folder_open(&folder, path);
    if (status != OP_OK)
        return status;
    size_t found = 0;
    while (found < max && op_proc_folder_next(&folder, &tids[found]))
        found++;
    op_proc_folder_close(&folder);
    if (found == 0 && max > 0)
        return OP_PROCESS_GONE;
    sort_ids(tids, found);
    *count = found;
    return OP_OK;
}

op_status op_process_children_scan(pid_t pid, pid_t *pids, size_t max, size_t *count)
{
    op_proc_folder folder;
    op_status status = op_proc_folder_open(&folder, "/proc");
    if (status != OP_OK)
        return status;
    size_t found = 0;
    pid_t candidate;
    while (found < max && op_proc_folder_next(&folder, &candidate)) {
        if (op_process_parent(candidate) == pid)
            pids[found++] = candidate;
    }
    op_proc_folder_close(&folder);
    sort_ids(pids, found);
    *count = found;
    return OP_OK;
}

// Adds the ids of one thread's list of children. The text may be cut at `bytes`: a cut number is dropped.
static size_t add_children(char *text, size_t bytes, bool cut, pid_t *pids, size_t max, size_t found)
{
    const char *at = text;
    while (found < max && at < text + bytes) {
        char *end;
        long child = strtol(at, &end, 10);
        if (end == at || (cut && *end == '\0'))
            break;
        if (child > 0 && child <= INT_MAX)
            pids[found++] = (pid_t)child;
        at = end;
    }
    return found;
}

op_status op_process_children(pid_t pid, pid_t *pids, size_t max, size_t *count)
{
    char path[OP_PROC_PATH_BYTES], text[8192];
    op_proc_folder folder;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    op_status status = op_proc_folder_open(&folder, path);
    if (status != OP_OK)
        return status;
    size_t found = 0, threads = 0, lists = 0, bytes;
    pid_t tid;
    while (found < max && threads < OP_PROCESS_MAX_THREADS && op_proc_folder_next(&folder, &tid)) {
        threads++;
        snprintf(path, sizeof path, "%d/children", (int)tid);
        if (op_proc_read_at(folder.fd, path, text, sizeof text, &bytes) != OP_OK)
            continue;
        lists++;
        bool cut = bytes == sizeof text - 1;
        found = add_children(text, bytes, cut, pids, max, found);
        if (cut) {
            lists = 0;   // more than fits: leave it to the pass over /proc
            break;
        }
    }
    op_proc_folder_close(&folder);
    if (lists == 0) {
        if (!op_process_is_alive(pid))
            return OP_PROCESS_GONE;
        return op_process_children_scan(pid, pids, max, count);   // a kernel without CONFIG_PROC_CHILDREN
    }
    sort_ids(pids, found);
    *count = found;
    return OP_OK;
}

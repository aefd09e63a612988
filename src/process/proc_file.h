// SPDX-License-Identifier: MIT
// Small files of /proc, read whole into the caller's memory. For this room only.
#ifndef OP_PROCESS_PROC_FILE_H
#define OP_PROCESS_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/status.h"

enum { OP_PROC_PATH_BYTES = 96, OP_PROC_STAT_BYTES = 1024 };

// Reads at most size - 1 bytes and adds a NUL. *count (may be NULL): bytes without it. Fails with errno kept and
// the status of op_proc_status.
op_status op_proc_read(const char *path, char *out, size_t size, size_t *count) OP_MUST_CHECK;
// The same below an open folder.
op_status op_proc_read_at(int folder_fd, const char *path, char *out, size_t size, size_t *count) OP_MUST_CHECK;
// What an errno of /proc/PID/... means for the process: ENOENT, ESRCH -> PROCESS_GONE; EACCES, EPERM ->
// NO_PERMISSION; ENOMEM -> NO_MEMORY; else SYSTEM.
op_status op_proc_status(int error_number);

// Field `number` (3: state, 4: parent, 22: start time) of a stat line, counted as proc(5) does; behind the name,
// which may itself hold spaces and brackets. NULL: cut off.
const char *op_proc_stat_field(const char *line, int number);
// The number behind `label` ("Tgid:") at the start of a line of a status file, in the given base. False: absent.
bool op_proc_status_number(const char *text, const char *label, int base, uint64_t *value);

// The entries of a folder whose names are numbers, one after another, without the heap.
typedef struct {
    int fd;
    bool failed;   // ended by an error, *not* by the end of the folder
    size_t at, end;
    char names[4096] __attribute__((aligned(16)));
} op_proc_folder;
op_status op_proc_folder_open(op_proc_folder *folder, const char *path) OP_MUST_CHECK;
bool op_proc_folder_next(op_proc_folder *folder, pid_t *number);
void op_proc_folder_close(op_proc_folder *folder);

#endif

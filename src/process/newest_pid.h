// SPDX-License-Identifier: MIT
// The id that the kernel gave away last: as long as it stays the same, no process and no thread has been made that we
// could see. One small read tells that, where a look for children takes a read a thread.
// Source: proc(5), /proc/loadavg, the fifth field; counted in our own pid namespace, and in all above a new process.
#ifndef OP_PROCESS_NEWEST_PID_H
#define OP_PROCESS_NEWEST_PID_H

#include <sys/types.h>

typedef struct {
    int fd;   // -1: cannot be told
} op_newest_pid;

void op_newest_pid_open(op_newest_pid *newest);
void op_newest_pid_close(op_newest_pid *newest);
// 0: cannot be told here.
pid_t op_newest_pid_read(const op_newest_pid *newest);

#endif

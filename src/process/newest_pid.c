// SPDX-License-Identifier: MIT
#include "process/newest_pid.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void op_newest_pid_open(op_newest_pid *newest)
{
    newest->fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

void op_newest_pid_close(op_newest_pid *newest)
{
    if (newest->fd >= 0)
        close(newest->fd);
    newest->fd = -1;
}

pid_t op_newest_pid_read(const op_newest_pid *newest)
{
    char line[128];
    ssize_t got = newest->fd < 0 ? -1 : pread(newest->fd, line, sizeof line - 1, 0);
    if (got <= 0)
        return 0;
    line[got] = '\0';
    const char *last = strrchr(line, ' ');
    long pid = last == NULL ? 0 : strtol(last + 1, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

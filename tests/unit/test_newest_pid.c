// SPDX-License-Identifier: MIT
#include "process/newest_pid.h"

#include <sys/wait.h>
#include <unistd.h>
#include "tap.h"

TAP_TEST(a_fork_moves_it)
{
    op_newest_pid newest;
    op_newest_pid_open(&newest);
    if (op_newest_pid_read(&newest) == 0)
        TAP_SKIP("this kernel does not tell the newest process");
    pid_t before = op_newest_pid_read(&newest);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    TAP_REQUIRE(child > 0);
    TAP_OK(op_newest_pid_read(&newest) != before);
    TAP_EQ_INT(waitpid(child, NULL, 0), child);
    op_newest_pid_close(&newest);
    op_newest_pid_close(&newest);
    TAP_EQ_INT(op_newest_pid_read(&newest), 0);
}

TAP_MAIN()

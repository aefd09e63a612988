// SPDX-License-Identifier: MIT
// A process from outside: does it live, what is it, its threads, its children. Reads /proc only.
#ifndef OP_PROCESS_PROCESS_H
#define OP_PROCESS_PROCESS_H

#include "base/buffer.h"
#include "process/memory_reader.h"

enum { OP_PROCESS_MAX_THREADS = 8192, OP_PROCESS_MAX_CHILDREN = 4096 };

// Whether we may read it, and that it is a live 64-bit process: NO_PROCESS, NO_PERMISSION (the hint names the
// capability, the sysctl or the container flag that is in the way here), NOT_64_BIT, PROCESS_GONE (a zombie).
op_status op_process_check(pid_t pid, op_error *error) OP_MUST_CHECK;
bool op_process_is_alive(pid_t pid);   // false also for a zombie
// Time since boot in clock ticks at which it started: tells a process from a later one with its id. 0: gone.
uint64_t op_process_start_ticks(pid_t pid);
pid_t op_process_parent(pid_t pid);   // 0: unknown
// argv joined as a shell would read it, values behind names like password, token, secret, key, auth masked by ***
// ("--api-key=***", "--token ***", "PASSWORD=***"). Appends to out.
op_status op_process_command(pid_t pid, op_buffer *out) OP_MUST_CHECK;
void op_command_add_masked(op_buffer *out, char *const *argv, size_t count);
op_status op_process_executable(pid_t pid, char *out, size_t size) OP_MUST_CHECK;   // readlink of exe

// Kernel thread ids, ascending. *count: written, at most max.
op_status op_process_threads(pid_t pid, pid_t *tids, size_t max, size_t *count) OP_MUST_CHECK;
op_status op_process_thread_name(pid_t pid, pid_t tid, char *out, size_t size) OP_MUST_CHECK;   // comm
// Direct children (all threads of pid), through /proc/PID/task/TID/children, else by one pass over /proc.
op_status op_process_children(pid_t pid, pid_t *pids, size_t max, size_t *count) OP_MUST_CHECK;
op_status op_process_children_scan(pid_t pid, pid_t *pids, size_t max, size_t *count)
    OP_MUST_CHECK;   // by the pass only

// A thread's run time and state, by open files that are read again and again. Where descriptors run out, the soft
// limit of this process is raised to the hard one.
typedef struct {
    int schedstat_fd;   // -1: not open
    int stat_fd;        // opened by the first op_thread_clock_state
    pid_t pid, tid;
} op_thread_clock;
op_status op_thread_clock_open(op_thread_clock *clock, pid_t pid, pid_t tid) OP_MUST_CHECK;
void op_thread_clock_close(op_thread_clock *clock);
// Nanoseconds on a processor since the thread began (schedstat field 1: brought up to date at ticks and switches),
// and its time slices (field 3), which stands still while it neither runs nor is woken. PROCESS_GONE: the thread
// ended.
op_status op_thread_clock_read(op_thread_clock *clock, uint64_t *run_ns, uint64_t *slices) OP_MUST_CHECK;
// The same of all threads of a process together, ended ones too: brought up to date when theirs are.
op_status op_process_clock_read(pid_t pid, uint64_t *run_ns) OP_MUST_CHECK;
// 'R', 'S', 'D', ... PROCESS_GONE: the thread ended.
op_status op_thread_clock_state(op_thread_clock *clock, char *state) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// op_process_check: may we read that process, and if not, what on this machine is in the way. The rules are those
// of ptrace(2), "Ptrace access mode checking", and of the kernel's Documentation/admin-guide/LSM/Yama.rst.
#include "process/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "process/proc_file.h"

enum { CAPABILITY_SYS_PTRACE = 19, KERNEL_THREADS_PARENT = 2, STATUS_FILE_BYTES = 8192 };

typedef struct {
    bool capable;   // CAP_SYS_PTRACE is effective here
    bool in_container;
    bool same_user;     // our real user id is each of the target's
    int ptrace_scope;   // of Yama; -1: not there
    unsigned long target_uid;
} access_facts;

static bool looks_like_container(void)
{
    char groups[2048];
    if (access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0)
        return true;
    if (op_proc_read("/proc/1/cgroup", groups, sizeof groups, NULL) != OP_OK)
        return false;
    return strstr(groups, "/docker") || strstr(groups, "/kubepods") || strstr(groups, "/lxc") ||
           strstr(groups, "containerd") || strstr(groups, "libpod");
}

static bool read_users(const char *status_text, unsigned long users[3])
{
    const char *line = strstr(status_text, "\nUid:");
    return line && sscanf(line, "\nUid: %lu %lu %lu", &users[0], &users[1], &users[2]) == 3;
}

static access_facts gather_facts(const char *target_status)
{
    access_facts facts = {.same_user = true, .ptrace_scope = -1};
    char text[STATUS_FILE_BYTES];
    uint64_t capabilities;
    unsigned long users[3];
    if (op_proc_read("/proc/self/status", text, sizeof text, NULL) == OP_OK &&
        op_proc_status_number(text, "CapEff:", 16, &capabilities))
        facts.capable = capabilities >> CAPABILITY_SYS_PTRACE & 1;
    if (op_proc_read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof text, NULL) == OP_OK)
        facts.ptrace_scope = (int)strtol(text, NULL, 10);
    if (read_users(target_status, users)) {
        unsigned long own = getuid();
        facts.same_user = users[0] == own && users[1] == own && users[2] == own;
        facts.target_uid = users[1];
    }
    facts.in_container = looks_like_container();
    return facts;
}

static op_status refuse(pid_t pid, const access_facts *facts, op_error *error)
{
    const char *container =
        "start the container with --cap-add=SYS_PTRACE (Kubernetes: securityContext.capabilities.add: "
        "[SYS_PTRACE])";
    if (facts->same_user)
        op_error_set(error, OP_NO_PERMISSION, "not allowed to read process %d", (int)pid);
    else
        op_error_set(error, OP_NO_PERMISSION, "not allowed to read process %d of user id %lu", (int)pid,
                     facts->target_uid);
    if (facts->ptrace_scope >= 3)
        op_error_hint(error,
                      "kernel.yama.ptrace_scope is 3, which forbids it to everyone until the next boot: set it to "
                      "1 in /etc/sysctl.d and reboot");
    else if (facts->capable)
        op_error_hint(
            error,
            "CAP_SYS_PTRACE is there, so something else refuses: a seccomp filter, SELinux or AppArmor, or "
            "a process of another user namespace%s",
            facts->in_container ? " (container: try --security-opt seccomp=unconfined)" : "");
    else if (facts->in_container)
        op_error_hint(error, "%s%s", container, facts->same_user ? "" : ", and run as root or as that user");
    else if (!facts->same_user)
        op_error_hint(error, "run it with sudo, or as the owner of the process, or give outpace CAP_SYS_PTRACE");
    else if (facts->ptrace_scope == 2)
        op_error_hint(error, "kernel.yama.ptrace_scope is 2, so CAP_SYS_PTRACE is needed: run it with sudo");
    else if (facts->ptrace_scope == 1)
        op_error_hint(
            error, "kernel.yama.ptrace_scope is 1: run it with sudo, or start the program with 'outpace record -- "
                   "COMMAND', or 'sudo sysctl kernel.yama.ptrace_scope=0'");
    else
        op_error_hint(error,
                      "the process has more rights than its user (capabilities, set-user-id), or a security module "
                      "guards it: run it with sudo, which gives CAP_SYS_PTRACE");
    return OP_NO_PERMISSION;
}

// The kernel judges permission before it looks at the address, and nothing is ever mapped at 0: EFAULT means yes.
static int probe_access(pid_t pid)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {NULL, 1};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0 ? errno : 0;
}

// False only where the executable is known to be of another word size.
static bool executable_is_64_bit(pid_t pid)
{
    char path[OP_PROC_PATH_BYTES], head[EI_NIDENT + 1];
    size_t count;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    if (op_proc_read(path, head, sizeof head, &count) != OP_OK || count < EI_NIDENT ||
        memcmp(head, ELFMAG, SELFMAG) != 0)
        return true;
    return head[EI_CLASS] == ELFCLASS64;
}

op_status op_process_check(pid_t pid, op_error *error)
{
    char path[OP_PROC_PATH_BYTES], text[STATUS_FILE_BYTES];
    uint64_t leader;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (pid <= 0 || op_proc_read(path, text, sizeof text, NULL) != OP_OK)
        return op_error_set(error, OP_NO_PROCESS, "there is no process %d", (int)pid);
    if (op_proc_status_number(text, "Tgid:", 10, &leader) && leader != (uint64_t)pid) {
        op_error_set(error, OP_NO_PROCESS, "%d is a thread, not a process", (int)pid);
        op_error_hint(error, "give its process: %d", (int)leader);
        return OP_NO_PROCESS;
    }
    if (!op_process_is_alive(pid))
        return op_error_set(error, OP_PROCESS_GONE, "process %d has ended", (int)pid);
    if (!strstr(text, "\nVmSize:")) {   // no memory of its own
        uint64_t parent = 0;
        bool of_kernel = pid == KERNEL_THREADS_PARENT ||
                         (op_proc_status_number(text, "PPid:", 10, &parent) && parent == KERNEL_THREADS_PARENT);
        return of_kernel ? op_error_set(error, OP_NOT_PYTHON, "process %d is a thread of the kernel", (int)pid)
                         : op_error_set(error, OP_PROCESS_GONE, "process %d has ended", (int)pid);
    }
    switch (probe_access(pid)) {
    case EPERM:
    case EACCES: {
        access_facts facts = gather_facts(text);
        return refuse(pid, &facts, error);
    }
    case ESRCH: return op_error_set(error, OP_PROCESS_GONE, "process %d has ended", (int)pid);
    case ENOSYS:
        op_error_set(error, OP_SYSTEM, "this kernel has no process_vm_readv");
        op_error_hint(error, "use a kernel with CONFIG_CROSS_MEMORY_ATTACH");
        return OP_SYSTEM;
    default: break;
    }
    if (!executable_is_64_bit(pid))
        return op_error_set(error, OP_NOT_64_BIT, "process %d is not a 64-bit one", (int)pid);
    return OP_OK;
}

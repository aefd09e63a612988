// SPDX-License-Identifier: MIT
// Finds the runtimes of the Pythons of this machine while they run; and says what is none.
#include "cpython/runtime.h"

#include <fcntl.h>
#include <glob.h>
#include "base/clock.h"
#include "frames.h"
#include "process/child.h"
#include "process/process.h"
#include "tap.h"

enum { MAX_PYTHONS = 32, PATH_BYTES = 512, MAX_THREADS = 64, MAX_FRAMES = 64, WAIT_MS = 20000 };

static const char *const PATTERNS[] = {"/usr/bin/python3.[0-9]*", "/usr/local/bin/python3.[0-9]*", NULL};

typedef struct {
    char root[PATH_BYTES];   // "": ours
    char path[PATH_BYTES];   // in that root
} found_python;

typedef struct {
    found_python list[MAX_PYTHONS];
    size_t count;
} pythons;

static void add_pythons(pythons *found, const char *root, const char *pattern)
{
    char whole[PATH_BYTES * 2];
    glob_t matches;
    snprintf(whole, sizeof whole, "%s%s", root, pattern);
    if (glob(whole, 0, NULL, &matches) != 0)
        return;
    for (size_t i = 0; i < matches.gl_pathc && found->count < MAX_PYTHONS; i++) {
        const char *path = matches.gl_pathv[i], *name = strrchr(path, '.');
        if (!name || strspn(name + 1, "0123456789") != strlen(name + 1) || access(path, X_OK) != 0)
            continue;
        found_python *python = &found->list[found->count++];
        snprintf(python->root, PATH_BYTES, "%s", root);
        snprintf(python->path, PATH_BYTES, "%s", path + strlen(root));
    }
    globfree(&matches);
}

// Debian unstable, where tools/unstable.sh has unpacked it; only root can start programs there.
static void add_unstable(pythons *found)
{
    char root[PATH_BYTES];
    const char *cache = getenv("OUTPACE_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    if (geteuid() != 0)
        return;
    if (cache)
        snprintf(root, sizeof root, "%s/unstable", cache);
    else if (xdg)
        snprintf(root, sizeof root, "%s/outpace-test/unstable", xdg);
    else
        snprintf(root, sizeof root, "/var/cache/outpace-test/unstable");
    add_pythons(found, root, PATTERNS[0]);
}

static void find_pythons(pythons *found)
{
    char pattern[PATH_BYTES];
    const char *home = getenv("HOME");
    for (size_t i = 0; PATTERNS[i]; i++)
        add_pythons(found, "", PATTERNS[i]);
    if (home) {
        snprintf(pattern, sizeof pattern, "%s/.pyenv/versions/*/bin/python3.[0-9]*", home);
        add_pythons(found, "", pattern);
    }
    add_unstable(found);
    if (found->count == 0)
        TAP_SKIP("no Python on this machine");
}

static const char PROGRAM[] = "import platform, sys, threading\n"
                              "def inner():\n"
                              "    print(platform.python_version(), flush=True)\n"
                              "    threading.Event().wait()\n"
                              "def outer():\n"
                              "    inner()\n"
                              "t = threading.Thread(target=outer, name='w\\u00f6rker', daemon=True)\n"
                              "t.start()\n"
                              "t.join()\n";

// Starts it with PROGRAM and reads its version from what it prints.
static pid_t start_python(const found_python *python, char *version, size_t size)
{
    int ends[2];
    TAP_REQUIRE(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (python->root[0] && (chroot(python->root) != 0 || chdir("/") != 0))
            _exit(126);
        dup2(ends[1], STDOUT_FILENO);
        execl(python->path, python->path, "-I", "-c", PROGRAM, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    TAP_REQUIRE(pid > 0 && output);
    version[0] = '\0';
    if (fgets(version, (int)size, output))
        version[strcspn(version, "\n")] = '\0';
    fclose(output);
    return pid;
}

static void end_python(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void note_version(const char *version)
{
    const char *path = getenv("OUTPACE_TEST_VERSIONS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "live %s\n", version);
    fclose(file);
}

// The worker's stack, leaf first, must hold inner:4, outer:6.
static void check_worker(op_runtime *runtime, const op_python_thread *thread)
{
    test_frame frames[MAX_FRAMES];
    bool complete;
    unsigned inner_line = 0, outer_line = 0;
    size_t count = frames_follow(runtime, thread->state, frames, MAX_FRAMES, &complete);
    TAP_OK(complete);
    for (size_t i = 0; i < count; i++) {
        op_code code;
        if (frames[i].is_shim)
            continue;
        TAP_REQUIRE(op_code_read(runtime, frames[i].code, &code) == OP_OK);
        if (strcmp(code.name, "inner") == 0)
            inner_line = op_code_line(&code, frames[i].lasti);
        if (strcmp(code.name, "outer") == 0)
            outer_line = op_code_line(&code, frames[i].lasti);
        op_code_fini(&code);
    }
    TAP_EQ_UINT(inner_line, 4);
    TAP_EQ_UINT(outer_line, 6);
}

// Both threads come to rest a moment after the version was printed.
static bool rests(pid_t pid)
{
    pid_t tids[MAX_THREADS];
    size_t count;
    if (op_process_threads(pid, tids, MAX_THREADS, &count) != OP_OK || count < 2)
        return false;
    for (size_t i = 0; i < count; i++) {
        op_thread_clock clock;
        char state = '?';
        if (op_thread_clock_open(&clock, pid, tids[i]) != OP_OK)
            return false;
        op_status status = op_thread_clock_state(&clock, &state);
        op_thread_clock_close(&clock);
        if (status != OP_OK || state != 'S')
            return false;
    }
    return true;
}

static void check_python(const found_python *python)
{
    char version[64], text[64], name[64];
    op_memory_reader memory;
    op_runtime runtime;
    op_error error = {0};
    op_python_thread threads[MAX_THREADS];
    size_t count = 0;
    bool starting;
    pid_t pid = start_python(python, version, sizeof version);
    int major = 0, minor = 0, patch = 0;
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) < 2) {
        TAP_NOTE("%s%s: does not run", python->root, python->path);
        end_python(pid);
        return;
    }
    for (int i = 0; i < WAIT_MS && !rests(pid); i++)
        usleep(1000);
    op_memory_reader_live(&memory, pid);
    op_status status = op_runtime_find(&memory, &runtime, &starting, &error);
    TAP_NOTE("%s%s: %s: %s", python->root, python->path, version, status == OP_OK ? "found" : error.message);
    if (!op_layout_find(minor, 0, NULL)) {
        TAP_EQ_INT(status, OP_UNKNOWN_VERSION);
        TAP_OK(strstr(error.hint, op_layout_known) != NULL);
        status = OP_UNKNOWN_VERSION;
    } else {
        TAP_EQ_INT(status, OP_OK);
    }
    if (status != OP_OK) {
        end_python(pid);
        return;
    }
    snprintf(text, sizeof text, "%d.%d.%d", runtime.major, runtime.minor, runtime.patch);
    TAP_OK(strncmp(version, text, strlen(text)) == 0);
    TAP_EQ_UINT(runtime.hex_version >> 8, 0x30000u | (unsigned)minor << 8 | (unsigned)patch);
    TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_OK);
    TAP_EQ_UINT(count, 2);
    for (size_t i = 0; i < count; i++) {
        TAP_EQ_INT(op_runtime_thread_name(&runtime, &threads[i], name, sizeof name), OP_OK);
        TAP_EQ_STR(name, threads[i].is_main ? "MainThread" : "w\xc3\xb6rker");
        TAP_EQ_INT(threads[i].tid == pid, threads[i].is_main);
        TAP_OK(threads[i].tid > 0);
        if (!threads[i].is_main)
            check_worker(&runtime, &threads[i]);
    }
    end_python(pid);
    note_version(version);
}

TAP_TEST(every_python)
{
    pythons found = {0};
    find_pythons(&found);
    for (size_t i = 0; i < found.count; i++)
        check_python(&found.list[i]);
}

// From the first instruction to the end of the program: NOT_PYTHON with `starting`, then found; nothing else.
TAP_TEST(a_python_that_starts)
{
    pythons found = {0};
    find_pythons(&found);
    op_memory_reader memory;
    op_runtime runtime;
    op_error error = {0};
    bool starting = false;
    op_status status = OP_NOT_PYTHON;
    char *argv[] = {found.list[0].path, (char[]){"-c"}, (char[]){"import time; time.sleep(60)"}, NULL};
    pid_t pid;
    TAP_REQUIRE(op_child_start(argv, &pid, &error) == OP_OK);
    op_memory_reader_live(&memory, pid);
    int64_t end = op_clock_monotonic_ns() + (int64_t)WAIT_MS * 1000000;
    while (status == OP_NOT_PYTHON && op_clock_monotonic_ns() < end) {
        status = op_runtime_find(&memory, &runtime, &starting, &error);
        if (status == OP_NOT_PYTHON && !TAP_OK(starting))
            TAP_NOTE("%s", error.message);
    }
    TAP_EQ_INT(status, OP_OK);
    end_python(pid);
}

TAP_TEST(no_python)
{
    op_memory_reader memory;
    op_runtime runtime;
    op_error error = {0};
    bool starting = true;
    char *argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    pid_t pid;
    TAP_REQUIRE(op_child_start(argv, &pid, &error) == OP_OK);
    op_memory_reader_live(&memory, pid);
    TAP_EQ_INT(op_runtime_find(&memory, &runtime, &starting, &error), OP_NOT_PYTHON);
    TAP_OK(!starting);
    TAP_OK(strstr(error.message, "no CPython") != NULL);
    end_python(pid);
    TAP_OK(op_runtime_find(&memory, &runtime, &starting, &error) != OP_OK);
    TAP_OK(!starting);
}

TAP_MAIN()

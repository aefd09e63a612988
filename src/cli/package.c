// SPDX-License-Identifier: MIT
#include "cli/package.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

static const char variable[] = "OUTPACE_PACKAGE";

static bool is_there(const char *path, bool folder)
{
    struct stat info;
    return stat(path, &info) == 0 && (folder ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode));
}

// A folder that holds a colon cannot be told in the environment.
static void add_agents(op_package *package, const char *folder)
{
    if (is_there(folder, true) && strchr(folder, ':') == NULL) {
        op_buffer_add_format(&package->agents, "%s%s", package->agents.size > 0 ? ":" : "", folder);
    }
}

static void add_below(op_package *package, const char *folder, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length > 0 && (size_t)length < sizeof path) {
        add_agents(package, path);
    }
}

// Takes `folder` if the package is there. The first has the hook, all may have agents: each Python that Outpace was
// installed into has its own.
static void try_folder(op_package *package, const char *folder)
{
    char path[PATH_MAX], real[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/_start/sitecustomize.py", folder);
    if (length < 0 || (size_t)length >= sizeof path || !is_there(path, false) || realpath(folder, real) == NULL ||
        strchr(real, ':') != NULL || strlen(real) + sizeof "/_start" > sizeof package->start) {
        return;
    }
    if (package->start[0] == '\0') {
        memcpy(package->start, real, strlen(real));
        memcpy(package->start + strlen(real), "/_start", sizeof "/_start");
    }
    add_agents(package, real);
    length = snprintf(path, sizeof path, "%s/../../meson.build", real);
    if (length > 0 && (size_t)length < sizeof path && is_there(path, false)) {
        add_below(package, real, "../../build/agents");
    }
}

static void try_pattern(op_package *package, const char *folder, const char *pattern)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, pattern);
    if (length < 0 || (size_t)length >= sizeof path || strpbrk(folder, "*?[\\") != NULL) {
        return;
    }
    glob_t found;
    if (glob(path, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            try_folder(package, found.gl_pathv[i]);
        }
        globfree(&found);
    }
}

op_status op_package_find(op_package *package, op_error *error)
{
    // Of an installation, of `pip install --target`, of a checkout and of an editable one.
    static const char *const patterns[] = {
        "../lib/python3*/site-packages/outpace",
        "../lib/python3*/dist-packages/outpace",
        "../lib64/python3*/site-packages/outpace",
        "../outpace",
        "../python/outpace",
        "../../python/outpace",
    };
    package->start[0] = '\0';
    op_buffer_init(&package->agents);
    const char *told = getenv(variable);
    bool is_told = told != NULL && told[0] == '/';
    char folder[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length > 0 ? length : 0] = '\0';
    const char *started_as = (const char *)getauxval(AT_EXECFN);   // where there is no /proc
    if (length <= 0 && (started_as == NULL || realpath(started_as, folder) == NULL)) {
        folder[0] = '\0';
    }
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        add_below(package, folder, "ext");   // of a build: for its own Python, and what `make agents` made for all
        add_below(package, folder, "agents");
    }
    if (is_told) {
        try_folder(package, told);
    }
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns && slash != NULL; i++) {
        try_pattern(package, folder, patterns[i]);
    }
    if (package->start[0] == '\0') {
        op_error_set(error, OP_NO_FILE, "the Python package that belongs to '%.300s/outpace' was not found",
                     folder);
        op_error_hint(error,
                      "install both with 'pip install outpace', start it as 'python -m outpace', or give the "
                      "package's folder in OUTPACE_PACKAGE");
        return OP_NO_FILE;
    }
    if (op_buffer_text(&package->agents) == NULL) {
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    }
    return OP_OK;
}

void op_package_fini(op_package *package)
{
    op_buffer_fini(&package->agents);
}

// SPDX-License-Identifier: MIT
#include "cli/launch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

typedef enum { ABSENT, PRESENT, FOLDER, EXECUTABLE } file_kind;

static file_kind look(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return ABSENT;
    }
    if (S_ISDIR(info.st_mode)) {
        return FOLDER;
    }
    return access(path, X_OK) == 0 ? EXECUTABLE : PRESENT;
}

// What `name` is, as execvp would find it; its path goes to `out`. A name with a slash is a path already.
static file_kind search(const char *name, char *out, size_t size)
{
    file_kind best = ABSENT;
    if (strchr(name, '/') != NULL) {
        snprintf(out, size, "%s", name);
        return strlen(name) < size ? look(name) : ABSENT;
    }
    const char *at = getenv("PATH");
    at = at != NULL ? at : default_path;
    for (;;) {
        size_t length = strcspn(at, ":");
        char place[PATH_MAX];
        int written = length == 0 ? snprintf(place, sizeof place, "./%s", name)
                                  : snprintf(place, sizeof place, "%.*s/%s",
                                             (int)(length > PATH_MAX ? PATH_MAX : length), at, name);
        if (written > 0 && (size_t)written < sizeof place && (size_t)written < size) {
            file_kind kind = look(place);
            if (kind == EXECUTABLE || (kind == PRESENT && best == ABSENT)) {
                memcpy(out, place, (size_t)written + 1);
                best = kind;
            }
            if (kind == EXECUTABLE) {
                return kind;
            }
        }
        if (at[length] == '\0') {
            return best;
        }
        at += length + 1;
    }
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length > tail && memcmp(text + length - tail, ending, tail) == 0;
}

static bool is_script(const char *word)
{
    return ends_with(word, ".py") || ends_with(word, ".pyw") || ends_with(word, ".pyz");
}

static op_status keep(op_arena *arena, const char *text, const char **out, op_error *error)
{
    const char *copy = op_arena_copy(arena, text, strlen(text));
    if (copy == NULL) {
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    }
    *out = copy;
    return OP_OK;
}

op_status op_launch_find_python(op_arena *arena, const char *wanted, const char **path, op_error *error)
{
    char found[PATH_MAX];
    if (wanted != NULL) {
        if (search(wanted, found, sizeof found) != EXECUTABLE) {
            op_error_set(error, OP_NO_COMMAND, "the Python '%.200s' does not exist or cannot be executed", wanted);
            op_error_hint(error, "give a path or a name on PATH, for example --python python3.12");
            return OP_NO_COMMAND;
        }
        return keep(arena, found, path, error);
    }
    const char *ours = getenv("OUTPACE_PYTHON");
    if (ours != NULL && ours[0] == '/' && look(ours) == EXECUTABLE) {
        return keep(arena, ours, path, error);
    }
    const char *environment = getenv("VIRTUAL_ENV");
    if (environment != NULL && environment[0] != '\0' &&
        snprintf(found, sizeof found, "%s/bin/python", environment) < (int)sizeof found &&
        look(found) == EXECUTABLE) {
        return keep(arena, found, path, error);
    }
    if (search("python", found, sizeof found) == EXECUTABLE ||
        search("python3", found, sizeof found) == EXECUTABLE) {
        return keep(arena, found, path, error);
    }
    op_error_set(error, OP_NO_COMMAND, "no Python was found");
    op_error_hint(error, "put python or python3 on PATH, or give one with --python EXE");
    return OP_NO_COMMAND;
}

static op_status check_script(const char *script, op_error *error)
{
    switch (look(script)) {
    case ABSENT:
        op_error_set(error, OP_NO_FILE, "the script '%.300s' does not exist", script);
        op_error_hint(error, "check its name and the current folder");
        return OP_NO_FILE;
    case FOLDER:
        op_error_set(error, OP_NO_FILE, "the script '%.300s' is a folder", script);
        op_error_hint(error, "give the file to run");
        return OP_NO_FILE;
    case PRESENT:
    case EXECUTABLE: break;
    }
    if (access(script, R_OK) != 0) {
        op_error_set(error, OP_NO_PERMISSION, "the script '%.300s' cannot be read", script);
        op_error_hint(error, "check its permissions with 'ls -l'");
        return OP_NO_PERMISSION;
    }
    return OP_OK;
}

static op_status check_command(const char *command, op_error *error)
{
    char found[PATH_MAX];
    switch (search(command, found, sizeof found)) {
    case EXECUTABLE: return OP_OK;
    case FOLDER:
        op_error_set(error, OP_NO_PERMISSION, "the command '%.300s' is a folder", command);
        op_error_hint(error, "give a program or a script");
        return OP_NO_PERMISSION;
    case PRESENT:
        op_error_set(error, OP_NO_PERMISSION, "the command '%.300s' cannot be executed", found);
        op_error_hint(error, "make it executable with 'chmod +x', or run it by its interpreter");
        return OP_NO_PERMISSION;
    case ABSENT: break;
    }
    op_error_set(error, OP_NO_COMMAND, "the command '%.300s' does not exist", command);
    char script[PATH_MAX];
    snprintf(script, sizeof script, "%.*s.py", PATH_MAX - 8, command);
    if (command[0] != '\0' && command[strspn(command, "0123456789")] == '\0') {
        op_error_hint(error, "to attach to process %.20s: -p %.20s", command, command);
    } else if (look(command) == EXECUTABLE) {
        op_error_hint(error, "it is in this folder, not on PATH: write ./%.300s", command);
    } else if (look(script) != ABSENT) {
        op_error_hint(error, "did you mean %.300s?", script);
    }
    return OP_NO_COMMAND;
}

op_status op_launch_make(const op_flags *flags, op_launch *launch, op_error *error)
{
    op_arena_init(&launch->arena);
    launch->argv = NULL;
    launch->count = 0;
    bool needs_python = flags->module != NULL || is_script(flags->rest[0]);
    const char *python = NULL;
    op_status status = OP_OK;
    if (needs_python) {
        if (flags->module == NULL) {
            status = check_script(flags->rest[0], error);
        }
        if (status == OP_OK) {
            status = op_launch_find_python(&launch->arena, flags->python, &python, error);
        }
    } else if (flags->python != NULL) {
        op_error_set(error, OP_USAGE, "--python goes with SCRIPT.py or -m MODULE, not with a command");
        op_error_hint(error, "leave --python out, or give a script instead of '%.200s'", flags->rest[0]);
        status = OP_USAGE;
    } else {
        status = check_command(flags->rest[0], error);
    }
    if (status != OP_OK) {
        return status;
    }
    size_t room = flags->rest_count + 4;
    char **argv = op_arena_take(&launch->arena, room * sizeof *argv);
    if (argv == NULL) {
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    }
    size_t count = 0;
    if (needs_python) {
        argv[count++] = op_arena_copy(&launch->arena, python, strlen(python));
        if (flags->module != NULL) {
            argv[count++] = op_arena_copy(&launch->arena, "-m", 2);
            argv[count++] = op_arena_copy(&launch->arena, flags->module, strlen(flags->module));
        }
        for (size_t i = 0; i < count; i++) {
            if (argv[i] == NULL) {
                return op_error_set(error, OP_NO_MEMORY, "out of memory");
            }
        }
    }
    for (size_t i = 0; i < flags->rest_count; i++) {
        argv[count++] = flags->rest[i];
    }
    argv[count] = NULL;
    launch->argv = argv;
    launch->count = count;
    return OP_OK;
}

void op_launch_fini(op_launch *launch)
{
    op_arena_fini(&launch->arena);
    launch->argv = NULL;
    launch->count = 0;
}

void op_launch_clean_environment(void)
{
    unsetenv("OUTPACE_PYTHON");
    unsetenv("OUTPACE_PACKAGE");
}

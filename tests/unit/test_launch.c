// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include "cli/launch.h"
#include "tap.h"

enum { MAX_WORDS = 8 };

static char folder[PATH_MAX];
static op_error error;

static void make_file(const char *name, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    TAP_REQUIRE(fd >= 0 && fchmod(fd, mode) == 0);
    close(fd);
}

// An empty folder to stand in, with bin/ as the only place on PATH.
static void enter_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/outpace-launch-XXXXXX");
    TAP_REQUIRE(mkdtemp(folder) != NULL && chdir(folder) == 0 && mkdir("bin", 0700) == 0);
    char bin[PATH_MAX + 8];
    snprintf(bin, sizeof bin, "%s/bin", folder);
    setenv("PATH", bin, 1);
    unsetenv("VIRTUAL_ENV");
    unsetenv("OUTPACE_PYTHON");
}

static void leave_folder(void)
{
    char command[PATH_MAX + 32];
    setenv("PATH", "/usr/bin:/bin", 1);
    TAP_REQUIRE(strncmp(folder, "/tmp/outpace-launch-", 20) == 0);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    TAP_EQ_INT(system(command), 0);
}

// `line` are the words, parted by '|'; NULL: none.
static op_status make(op_flags flags, const char *line, op_launch *launch)
{
    static char copy[PATH_MAX * 3];
    static char *words[MAX_WORDS];
    flags.rest = words;
    if (line != NULL) {
        snprintf(copy, sizeof copy, "%s", line);
        for (char *at = copy; at != NULL && flags.rest_count < MAX_WORDS;) {
            words[flags.rest_count++] = strsep(&at, "|");
        }
    }
    memset(&error, 0, sizeof error);
    return op_launch_make(&flags, launch, &error);
}

static bool ends(const char *text, const char *ending)
{
    return strlen(text) >= strlen(ending) && strcmp(text + strlen(text) - strlen(ending), ending) == 0;
}

TAP_TEST(a_command_stays_as_it_is)
{
    enter_folder();
    make_file("bin/tool", 0755);
    op_launch launch;
    TAP_EQ_INT(make((op_flags){0}, "tool|-x|a.py", &launch), OP_OK);
    TAP_EQ_UINT(launch.count, 3);
    TAP_EQ_STR(launch.argv[0], "tool");
    TAP_EQ_STR(launch.argv[2], "a.py");
    TAP_OK(launch.argv[3] == NULL);
    op_launch_fini(&launch);
    leave_folder();
}

TAP_TEST(a_script_gets_a_python)
{
    enter_folder();
    make_file("bin/python3", 0755);
    make_file("app.py", 0644);
    op_launch launch;
    TAP_EQ_INT(make((op_flags){0}, "app.py|-v", &launch), OP_OK);
    TAP_EQ_UINT(launch.count, 3);
    TAP_OK(ends(launch.argv[0], "/bin/python3"));
    TAP_EQ_STR(launch.argv[1], "app.py");
    TAP_EQ_STR(launch.argv[2], "-v");
    op_launch_fini(&launch);
    leave_folder();
}

TAP_TEST(a_module_gets_a_python)
{
    enter_folder();
    make_file("bin/python", 0755);
    op_launch launch;
    TAP_EQ_INT(make((op_flags){.module = "http.server"}, "8000", &launch), OP_OK);
    TAP_EQ_UINT(launch.count, 4);
    TAP_EQ_STR(launch.argv[1], "-m");
    TAP_EQ_STR(launch.argv[2], "http.server");
    TAP_EQ_STR(launch.argv[3], "8000");
    op_launch_fini(&launch);
    TAP_EQ_INT(make((op_flags){.module = "this"}, NULL, &launch), OP_OK);
    TAP_EQ_UINT(launch.count, 3);
    op_launch_fini(&launch);
    leave_folder();
}

TAP_TEST(which_python)
{
    enter_folder();
    TAP_OK(mkdir("venv", 0700) == 0 && mkdir("venv/bin", 0700) == 0);
    op_arena arena;
    op_arena_init(&arena);
    const char *path = NULL;
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_NO_COMMAND);
    TAP_OK(strstr(error.hint, "--python") != NULL);
    make_file("bin/python3", 0755);
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_OK);
    TAP_OK(ends(path, "/bin/python3"));
    make_file("bin/python", 0644);   // cannot be executed: passed over
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_OK);
    TAP_OK(ends(path, "/bin/python3"));
    make_file("bin/python", 0755);
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_OK);
    TAP_OK(ends(path, "/bin/python"));
    setenv("VIRTUAL_ENV", "venv", 1);   // has no python yet
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_OK);
    TAP_OK(strstr(path, "venv") == NULL);
    make_file("venv/bin/python", 0755);
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_OK);
    TAP_EQ_STR(path, "venv/bin/python");
    char own[PATH_MAX + 16];
    snprintf(own, sizeof own, "%s/own", folder);
    make_file("own", 0755);
    setenv("OUTPACE_PYTHON", own, 1);
    TAP_EQ_INT(op_launch_find_python(&arena, NULL, &path, &error), OP_OK);
    TAP_EQ_STR(path, own);
    TAP_EQ_INT(op_launch_find_python(&arena, "python3", &path, &error), OP_OK);
    TAP_OK(ends(path, "/bin/python3"));
    TAP_EQ_INT(op_launch_find_python(&arena, "nosuch", &path, &error), OP_NO_COMMAND);
    op_arena_fini(&arena);
    leave_folder();
}

static bool refuses(const char *word, op_status status, const char *message, const char *hint)
{
    op_launch launch;
    op_status got = make((op_flags){0}, word, &launch);
    op_launch_fini(&launch);
    bool good = got == status && strstr(error.message, message) != NULL && strstr(error.hint, hint) != NULL;
    if (!good) {
        TAP_NOTE("'%s' gave '%s' / '%s'", word, error.message, error.hint);
    }
    return good;
}

TAP_TEST(what_is_refused)
{
    enter_folder();
    make_file("bin/python", 0755);
    make_file("bin/plain", 0644);
    make_file("here", 0755);
    make_file("near.py", 0644);
    mkdir("room", 0700);
    mkdir("room.py", 0700);
    TAP_OK(refuses("gone.py", OP_NO_FILE, "the script 'gone.py' does not exist", "current folder"));
    TAP_OK(refuses("room.py", OP_NO_FILE, "is a folder", "file to run"));
    TAP_OK(refuses("nosuch", OP_NO_COMMAND, "the command 'nosuch' does not exist", "PATH"));
    TAP_OK(refuses("", OP_NO_COMMAND, "does not exist", "PATH"));
    TAP_OK(refuses("here", OP_NO_COMMAND, "does not exist", "./here"));
    TAP_OK(refuses("near", OP_NO_COMMAND, "does not exist", "near.py"));
    TAP_OK(refuses("1234", OP_NO_COMMAND, "does not exist", "-p 1234"));
    TAP_OK(refuses("plain", OP_NO_PERMISSION, "cannot be executed", "chmod +x"));
    TAP_OK(refuses("./near.py/x", OP_NO_COMMAND, "does not exist", "PATH"));
    TAP_OK(refuses("./room", OP_NO_PERMISSION, "is a folder", "program"));
    static char huge[PATH_MAX * 2];
    memset(huge, 'a', sizeof huge - 1);
    TAP_OK(refuses(huge, OP_NO_COMMAND, "does not exist", ""));
    huge[0] = '/';
    TAP_OK(refuses(huge, OP_NO_COMMAND, "does not exist", ""));
    leave_folder();
}

TAP_TEST(python_with_a_command_is_refused)
{
    enter_folder();
    make_file("bin/tool", 0755);
    op_launch launch;
    TAP_EQ_INT(make((op_flags){.python = "python3"}, "tool", &launch), OP_USAGE);
    op_launch_fini(&launch);
    leave_folder();
}

TAP_MAIN()

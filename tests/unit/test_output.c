// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include "cli/output.h"
#include "tap.h"

static char folder[64];
static op_error error;

static void enter_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/outpace-output-XXXXXX");
    TAP_REQUIRE(mkdtemp(folder) != NULL && chdir(folder) == 0);
}

static void leave_folder(void)
{
    char command[128];
    TAP_REQUIRE(strncmp(folder, "/tmp/outpace-output-", 20) == 0);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    TAP_EQ_INT(system(command), 0);
}

static int entries(void)
{
    int count = -2;   // . and ..
    DIR *here = opendir(".");
    TAP_REQUIRE(here != NULL);
    while (readdir(here) != NULL) {
        count++;
    }
    closedir(here);
    return count;
}

static bool holds(const char *path, const char *text)
{
    char got[64] = "";
    int fd = open(path, O_RDONLY);
    ssize_t count = fd >= 0 ? read(fd, got, sizeof got - 1) : -1;
    close(fd);
    return count >= 0 && strcmp(got, text) == 0;
}

TAP_TEST(a_file_is_private_and_whole)
{
    enter_folder();
    umask(0);
    TAP_EQ_INT(op_output_check("new", false, &error), OP_OK);
    TAP_EQ_INT(entries(), 0);
    TAP_EQ_INT(op_output_write("new", "text", 4, &error), OP_OK);
    struct stat info;
    TAP_REQUIRE(stat("new", &info) == 0);
    TAP_EQ_INT(info.st_mode & 07777, 0600);
    TAP_OK(holds("new", "text"));
    TAP_EQ_INT(op_output_check("new", false, &error), OP_OK);
    TAP_OK(holds("new", "text"));
    TAP_EQ_INT(op_output_write("./new", "more", 4, &error), OP_OK);
    TAP_OK(holds("new", "more"));
    TAP_EQ_INT(entries(), 1);
    TAP_EQ_INT(op_output_write("empty", NULL, 0, &error), OP_OK);
    TAP_OK(holds("empty", ""));
    leave_folder();
}

TAP_TEST(links_are_not_followed)
{
    enter_folder();
    TAP_EQ_INT(op_output_write("precious", "text", 4, &error), OP_OK);
    TAP_REQUIRE(symlink("precious", "link") == 0 && symlink("nowhere", "dangling") == 0);
    TAP_EQ_INT(op_output_check("link", true, &error), OP_NO_OUTPUT);
    TAP_OK(strstr(error.hint, "symbolic link") != NULL);
    TAP_EQ_INT(op_output_write("link", "evil", 4, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(op_output_check("dangling", true, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(op_output_write("dangling", "evil", 4, &error), OP_NO_OUTPUT);
    TAP_OK(holds("precious", "text"));
    TAP_EQ_INT(entries(), 3);
    leave_folder();
}

TAP_TEST(what_cannot_be_written)
{
    enter_folder();
    TAP_REQUIRE(mkdir("room", 0700) == 0);
    static const char *const bad[] = {"", "room", "room/", "absent/file", "/proc/nothing"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error = (op_error){.status = OP_OK};
        TAP_EQ_INT(op_output_check(bad[i], true, &error), OP_NO_OUTPUT);
        TAP_OK(error.message[0] != '\0' && error.hint[0] != '\0');
        TAP_EQ_INT(op_output_write(bad[i], "x", 1, &error), OP_NO_OUTPUT);
    }
    static char huge[PATH_MAX + 10];
    memset(huge, 'a', sizeof huge - 1);
    TAP_EQ_INT(op_output_check(huge, true, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(op_output_write(huge, "x", 1, NULL), OP_NO_OUTPUT);
    TAP_EQ_INT(entries(), 1);
    leave_folder();
}

TAP_TEST(devices_are_written_as_they_are)
{
    TAP_EQ_INT(op_output_check("/dev/null", true, &error), OP_OK);
    TAP_EQ_INT(op_output_check("/dev/null", false, &error), OP_NO_OUTPUT);
    TAP_EQ_INT(op_output_write("/dev/null", "x", 1, &error), OP_OK);
    TAP_EQ_INT(op_output_write("/dev/full", "x", 1, &error), OP_NO_OUTPUT);
    TAP_OK(strstr(error.hint, "space") != NULL);
    TAP_OK(op_output_is_device("/dev/null") && !op_output_is_device("/tmp") && !op_output_is_device("/nowhere"));
}

TAP_MAIN()

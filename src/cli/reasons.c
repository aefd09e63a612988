// SPDX-License-Identifier: MIT
#include "cli/reasons.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/say.h"

enum { MAX_FILES = 4096 };

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);
    return length > tail && strcmp(name + length - tail, ending) == 0;
}

// The beginning of a file of ours, never through a link. False: there is none.
static bool read_small(int folder, const char *name, char *out, size_t size)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat info;
    ssize_t got = -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid()) {
        do {
            got = read(fd, out, size - 1);
        } while (got < 0 && errno == EINTR);
    }
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static void keep(op_reasons *reasons, const char *text, const char *hint)
{
    for (size_t i = 0; i < reasons->count; i++) {
        if (strcmp(reasons->items[i].text, text) == 0) {
            reasons->items[i].processes++;
            return;
        }
    }
    if (reasons->count >= OP_REASONS_MAX) {
        reasons->others++;
        return;
    }
    op_reason *reason = &reasons->items[reasons->count++];
    snprintf(reason->text, sizeof reason->text, "%s", text);
    snprintf(reason->hint, sizeof reason->hint, "%s", hint);
    reason->processes = 1;
}

static void take(op_reasons *reasons, int folder, const char *name)
{
    bool no_agent = ends_with(name, ".noagent");
    char text[OP_REASON_BYTES - 40], line[OP_REASON_BYTES];
    if (!no_agent && !ends_with(name, ".error")) {
        return;
    }
    if (read_small(folder, name, text, sizeof text)) {
        size_t first = strcspn(text, "\n");
        const char *second = text[first] != '\0' ? text + first + 1 : "";
        if (no_agent) {
            snprintf(line, sizeof line, "no tracer is built for %.*s (%.*s)", (int)first, text,
                     (int)strcspn(second, "\n"), second);
            keep(reasons, line,
                 "sample it instead: outpace run, or outpace record; or install Outpace for that Python");
        } else {
            text[first] = '\0';
            keep(reasons, text, "run it without what stands in the way, or sample it instead: outpace run");
        }
    }
    unlinkat(folder, name, 0);
}

void op_reasons_read(op_reasons *reasons, const char *folder)
{
    *reasons = (op_reasons){.count = 0};
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return;
    }
    const struct dirent *entry;
    for (size_t seen = 0; seen < MAX_FILES && (entry = readdir(listing)) != NULL; seen++) {
        take(reasons, dirfd(listing), entry->d_name);
    }
    closedir(listing);
}

op_status op_reasons_error(const op_reasons *reasons, op_error *error)
{
    op_error_set(error, OP_NOT_TRACED, "%s", reasons->items[0].text);
    op_error_hint(error, "%s", reasons->items[0].hint);
    return OP_NOT_TRACED;
}

void op_reasons_say(const op_reasons *reasons)
{
    for (size_t i = 0; i < reasons->count; i++) {
        const op_reason *reason = &reasons->items[i];
        op_say_note("processes that were not traced: %zu (%s)", reason->processes, reason->text);
    }
    if (reasons->others > 0) {
        op_say_note("processes that were not traced for yet other reasons: %zu", reasons->others);
    }
}

// SPDX-License-Identifier: MIT
#include "cli/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/text.h"
#include "cli/output.h"

enum { MAX_LINE = 2048, DEFAULT_COLUMNS = 100, MIN_COLUMNS = 40, MAX_COLUMNS = 400 };

static void add_marked(op_buffer *out, const char *mark, const char *colour, const char *text, bool in_colour)
{
    if (in_colour) {
        op_buffer_add_format(out, "\033[1;%sm%s\033[0m ", colour, mark);
    } else {
        op_buffer_add_format(out, "%s ", mark);
    }
    op_text_add_terminal(out, text, strlen(text));
    op_buffer_add_byte(out, '\n');
}

static void print(op_buffer *line)
{
    // stderr may be gone; then there is nobody to tell.
    if (!line->failed && op_output_write_all(STDERR_FILENO, line->data, line->size) != OP_OK) {
        errno = 0;
    }
    op_buffer_fini(line);
}

int op_say_error(const op_error *error)
{
    bool in_colour = op_say_in_colour(STDERR_FILENO);
    const char *hint = error->hint;
    if (hint[0] == '\0') {
        hint = error->status == OP_PROCESS_GONE
                   ? "it ended before or while it was looked at; try again while it runs"
                   : "try again; see 'outpace --help' for what is possible";
    }
    op_buffer line;
    op_buffer_init(&line);
    add_marked(&line, "error:", "31", error->message[0] != '\0' ? error->message : op_status_text(error->status),
               in_colour);
    add_marked(&line, "hint:", "36", hint, in_colour);
    print(&line);
    return op_status_exit_code(error->status);
}

void op_say_note(const char *format, ...)
{
    char text[MAX_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    op_buffer line;
    op_buffer_init(&line);
    op_buffer_add_text(&line, "outpace: ");
    op_text_add_terminal(&line, text, strlen(text));
    op_buffer_add_byte(&line, '\n');
    print(&line);
}

int op_say_data(op_buffer *text)
{
    op_error error = {.status = OP_OK};
    if (text->failed) {
        op_error_set(&error, OP_NO_MEMORY, "out of memory");
        return op_say_error(&error);
    }
    if (op_output_write_all(STDOUT_FILENO, text->data, text->size) == OP_OK || errno == EPIPE) {
        return 0;
    }
    op_error_set(&error, OP_NO_OUTPUT, "the standard output cannot be written: %s", strerror(errno));
    op_error_hint(&error, "check where it leads, and whether there is room");
    return op_say_error(&error);
}

bool op_say_in_colour(int fd)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return (no_colour == NULL || no_colour[0] == '\0') && isatty(fd) &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

unsigned op_say_columns(int fd)
{
    struct winsize size;
    const char *told = getenv("COLUMNS");   // asked for, as by those who pipe the table on
    long columns = told != NULL ? strtol(told, NULL, 10) : 0;
    if (columns <= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0) {
        columns = size.ws_col;
    }
    if (columns <= 0) {
        return DEFAULT_COLUMNS;
    }
    return columns < MIN_COLUMNS ? MIN_COLUMNS : columns > MAX_COLUMNS ? MAX_COLUMNS : (unsigned)columns;
}

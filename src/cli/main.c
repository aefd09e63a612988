// SPDX-License-Identifier: MIT
// Starts in about a millisecond: no locale, no allocation and no file before the verb is known.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/flags.h"
#include "cli/say.h"
#include "cli/verbs.h"

// A descriptor 0, 1 or 2 that is closed would be given to the next file that is opened, and then printed into. The
// stand-in is not inherited: the program gets what we got.
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR | O_CLOEXEC) != fd) {
            _exit(3);
        }
    }
}

static int print_text(void (*add)(op_verb, op_buffer *), op_verb verb)
{
    op_buffer out;
    op_buffer_init(&out);
    add(verb, &out);
    int code = op_say_data(&out);
    op_buffer_fini(&out);
    return code;
}

static void add_version(op_verb verb, op_buffer *out)
{
    (void)verb;
    op_buffer_add_text(out, "outpace " OP_VERSION "\n");
}

static void add_man(op_verb verb, op_buffer *out)
{
    (void)verb;
    op_flags_man(out);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    op_flags flags;
    op_error error = {.status = OP_OK};
    if (op_flags_parse(argc, argv, &flags, &error) != OP_OK) {
        return op_say_error(&error);
    }
    if (flags.version) {
        return print_text(add_version, flags.verb);
    }
    if (flags.help) {
        return print_text(op_flags_help, flags.verb);
    }
    switch (flags.verb) {
    case OP_VERB_RECORD: return op_verb_record(&flags);
    case OP_VERB_REPORT: return op_verb_report(&flags);
    case OP_VERB_DUMP: return op_verb_dump(&flags);
    case OP_VERB_RUN: return op_verb_run(&flags);
    case OP_VERB_TRACE: return op_verb_trace(&flags);
    case OP_VERB_LINES: return op_verb_lines(&flags);
    case OP_VERB_HELP:
        return print_text(op_flags_help, flags.rest_count > 0 ? op_verb_find(flags.rest[0]) : OP_VERB_NONE);
    case OP_VERB_MAN: return print_text(add_man, OP_VERB_NONE);
    case OP_VERB_NONE:
    case OP_VERB_COUNT: break;
    }
    return 2;
}

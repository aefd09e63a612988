// SPDX-License-Identifier: MIT
// cli: the command line. One file a verb; all that a person types or reads passes here. It uses the public headers
// of the other rooms only.
//
// Flags: one table of verbs and one of flags make the parser, the help texts and the man page. Parsing has no side
// effects: it looks at argv only, never at files or processes.
#ifndef OP_CLI_FLAGS_H
#define OP_CLI_FLAGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buffer.h"
#include "base/status.h"
#include "profile/profile.h"

#ifndef OP_VERSION
#define OP_VERSION "0"
#endif

enum { OP_FLAGS_MAX_TOP = 100000, OP_FLAGS_MAX_PID = 1 << 22, OP_FLAGS_MAX_LIST = 64 };

// X(NAME): the verbs, in the order of the help.
#define OP_VERB_MAP(X) X(RECORD) X(REPORT) X(DUMP) X(RUN) X(TRACE) X(LINES) X(HELP) X(MAN)

typedef enum {
    OP_VERB_NONE,
#define X(name) OP_VERB_##name,
    OP_VERB_MAP(X)
#undef X
        OP_VERB_COUNT
} op_verb;

typedef enum { OP_SORT_OWN, OP_SORT_TOTAL } op_sort;

// What an option that may be given again was given.
typedef struct {
    const char *items[OP_FLAGS_MAX_LIST];
    size_t count;
} op_flag_list;

// What was typed. All text is borrowed from argv.
typedef struct {
    op_verb verb;   // NONE: only --help or --version
    bool help, version;
    const char *output;   // NULL: not given
    const char *format;   // NULL: by the ending of `output`
    double rate_hz;
    int64_t duration_ns;   // 0: no end
    pid_t pid;             // 0: none
    op_mode mode;
    bool idle, no_children, by_thread, by_function, no_lines, json;
    const char *python;                    // NULL: find one
    const char *module;                    // -m; NULL: none. `rest` holds its arguments
    const char *thread;                    // report --thread; NULL: all
    const char *report_path, *json_path;   // run; NULL: none
    op_sort sort;
    const char *sort_key;   // trace; NULL: not given
    // Of trace and lines. line_by_line: what kernprof is told where we need not be.
    bool view, counts, no_builtins, trace, skip_zero, hot, line_by_line;
    double unit_seconds;   // 0: not given
    op_flag_list modules, functions;
    int64_t top;         // 0: as many as fit
    char *const *rest;   // the command and its arguments, the file, or the verb that help is asked for
    size_t rest_count;
} op_flags;

// argv[0] is skipped. USAGE: the message and the hint name what was wrong.
op_status op_flags_parse(int argc, char *const *argv, op_flags *flags, op_error *error) OP_MUST_CHECK;

// The verb of that name; NONE: no such.
op_verb op_verb_find(const char *name);
const char *op_verb_name(op_verb verb);   // "record"; "" for NONE
// The help of a verb, or of all for NONE. Plain text, at most 100 columns.
void op_flags_help(op_verb verb, op_buffer *out);
// The man page, outpace(1), as roff.
void op_flags_man(op_buffer *out);

#endif

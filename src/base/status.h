// SPDX-License-Identifier: MIT
// base: what every room stands on. Needs libc only.
//
// Errors. A function that can fail returns `op_status` and, where a person may read about it, fills an optional
// `op_error`. One table gives each status its name, text, hint and exit code. In a hot loop statuses are counted,
// never formatted. Results go out through last parameters, which a failure leaves untouched.
#ifndef OP_BASE_STATUS_H
#define OP_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

// X(NAME, text, hint, exit code). The text stands where no better message was given.
#define OP_STATUS_MAP(X)                                                                                           \
    X(OK, "no error", "", 0)                                                                                       \
    X(NO_MEMORY, "out of memory", "free some memory, or record with a lower rate", 3)                              \
    X(USAGE, "wrong usage", "see 'outpace --help'", 2)                                                             \
    X(NO_PROCESS, "no such process", "check the process id with 'ps'", 2)                                          \
    X(NO_PERMISSION, "not allowed to read that process",                                                           \
      "run as its owner or as root, or give the capability CAP_SYS_PTRACE", 2)                                     \
    X(NOT_PYTHON, "that process runs no CPython", "give the id of the Python process itself", 2)                   \
    X(NOT_64_BIT, "that process is not a 64-bit one", "use a 64-bit Python", 2)                                    \
    X(UNKNOWN_VERSION, "that Python version is not known", "known are CPython 3.8 to 3.15", 2)                     \
    X(FREE_THREADED, "free-threaded builds of Python are not supported", "use the default build", 2)               \
    X(PROCESS_GONE, "the process ended", "", 3)                                                                    \
    X(UNREADABLE, "memory of the process could not be read", "", 3)                                                \
    X(BAD_DATA, "the data there makes no sense", "", 3)                                                            \
    X(NO_COMMAND, "the command does not exist", "check its name and PATH", 2)                                      \
    X(NO_FILE, "the file does not exist", "check the path", 2)                                                     \
    X(NO_OUTPUT, "the output cannot be written", "give another file with -o", 2)                                   \
    X(UNKNOWN_FORMAT, "the format is not known",                                                                   \
      "give one with -f: outpace, svg, collapsed, speedscope, pstats, lprof, json", 2)                             \
    X(NOT_PROFILE, "the file is not an Outpace profile",                                                           \
      "give a file that 'outpace record' or 'outpace trace' made", 2)                                              \
    X(TORN_PROFILE, "the profile file is damaged", "record again", 2)                                              \
    X(NEWER_PROFILE, "the profile file is from a newer Outpace", "upgrade Outpace to read it", 2)                  \
    X(NOT_SEGMENT, "the file is not the trace of a process", "remove it from the folder of traces", 2)             \
    X(TORN_SEGMENT, "the trace of a process is damaged", "trace the program again", 2)                             \
    X(OTHER_SEGMENT, "the trace of a process is from another Outpace",                                             \
      "install the same Outpace for the program as for the command line", 2)                                       \
    X(FOREIGN_FILE, "the file or folder is not ours alone", "take one that you own and that others cannot write",  \
      2)                                                                                                           \
    X(NOTHING_MEASURED, "nothing was measured", "give the program more time, or a higher rate with -r", 3)         \
    X(NOT_TRACED, "the program could not be traced", "sample it instead: outpace run", 3)                          \
    X(SYSTEM, "a system call failed", "", 3)

typedef enum {
#define X(name, text, hint, code) OP_##name,
    OP_STATUS_MAP(X)
#undef X
        OP_STATUS_COUNT
} op_status_code;

#define OP_MUST_CHECK __attribute__((warn_unused_result))
typedef op_status_code op_status;

enum { OP_ERROR_TEXT_BYTES = 512 };

// What a person reads: filled by the function that failed, printed by the command line.
typedef struct {
    op_status status;
    char message[OP_ERROR_TEXT_BYTES];
    char hint[OP_ERROR_TEXT_BYTES];
} op_error;

// Fills `error` (which may be NULL) with a formatted message and the hint of the table, and returns `status`.
op_status op_error_set(op_error *error, op_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Replaces the hint of `error` (which may be NULL). Returns the error's status, or OP_OK for NULL.
op_status op_error_hint(op_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *op_status_name(op_status status);   // "NO_PROCESS"; static storage
const char *op_status_text(op_status status);   // static storage
const char *op_status_hint(op_status status);   // static storage, may be ""
int op_status_exit_code(op_status status);

#endif

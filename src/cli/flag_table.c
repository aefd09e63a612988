// SPDX-License-Identifier: MIT
#include "cli/flag_table.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(op_flags, field)

enum {
    NONE = 1 << OP_VERB_NONE,
    RECORD = 1 << OP_VERB_RECORD,
    REPORT = 1 << OP_VERB_REPORT,
    DUMP = 1 << OP_VERB_DUMP,
    RUN = 1 << OP_VERB_RUN,
    TRACE = 1 << OP_VERB_TRACE,
    LINES = 1 << OP_VERB_LINES,
    HELP = 1 << OP_VERB_HELP,
    MAN = 1 << OP_VERB_MAN,
    ALL = NONE | RECORD | REPORT | DUMP | RUN | TRACE | LINES | HELP | MAN
};

const op_flag op_flag_table[] = {
    {"output", 'o', "FILE", OP_FLAG_TEXT, RECORD | REPORT | RUN, AT(output),
     "where to write; its ending chooses the format. Default: outpace-PID-TIME.outpace (report: the terminal)"},
    {"output", 'o', "FILE", OP_FLAG_TEXT, TRACE, AT(output),
     "write to FILE instead of printing the table; its ending chooses the format, pstats where it names none"},
    {"output", 'o', "FILE", OP_FLAG_TEXT, LINES, AT(output),
     "where to write; its ending chooses the format, lprof where it names none. Default: SCRIPT.lprof"},
    {"format", 'f', "FORMAT", OP_FLAG_TEXT, TRACE | LINES, AT(format),
     "the format of FILE, whatever it is called: outpace, pstats, lprof, json, ..."},
    {"view", 'v', NULL, OP_FLAG_SWITCH, LINES, AT(view), "print the table too"},
    {"view", 'v', NULL, OP_FLAG_SWITCH, TRACE, AT(view), "print the table where FILE is written, too"},
    {"counts", '\0', NULL, OP_FLAG_SWITCH, TRACE, AT(counts),
     "count calls exactly and take their times and callers from samples: cheaper"},
    {"no-builtins", '\0', NULL, OP_FLAG_SWITCH, TRACE, AT(no_builtins),
     "leave out functions that are not written in Python"},
    {"prof-mod", 'p', "MODULE", OP_FLAG_LIST, LINES, AT(modules),
     "all functions of this module, package or file; may be given again, or several parted by commas"},
    {"function", '\0', "MODULE:NAME", OP_FLAG_LIST, LINES, AT(functions),
     "this function or class of that module, by its qualified name; may be given again"},
    {"hot", '\0', NULL, OP_FLAG_SWITCH, LINES, AT(hot),
     "the functions that own most of the time, found by sampling the program's first second"},
    {"duration", 'd', "SECONDS", OP_FLAG_SECONDS, LINES, AT(duration_ns),
     "how long to sample for --hot. Default: 1"},
    {"skip-zero", 'z', NULL, OP_FLAG_SWITCH, LINES, AT(skip_zero), "leave out functions that never ran"},
    {"unit", 'u', "SECONDS", OP_FLAG_UNIT, LINES, AT(unit_seconds),
     "unit of the times in the table, for example 1e-3. Default: 1e-6"},
    {"line-by-line", 'l', NULL, OP_FLAG_SWITCH, LINES, AT(line_by_line), "changes nothing: kernprof needs it"},
    {"format", 'f', "FORMAT", OP_FLAG_TEXT, RECORD | REPORT | RUN, AT(format),
     "outpace, svg, collapsed, speedscope, pstats or json, whatever the file is called"},
    {"rate", 'r', "HZ", OP_FLAG_RATE, RECORD | RUN | TRACE, AT(rate_hz),
     "samples a second, on average. Default: 1000"},
    {"duration", 'd', "SECONDS", OP_FLAG_SECONDS, RECORD | RUN, AT(duration_ns),
     "stop recording after that time (0.5 is fine); a program that was started goes on to its end"},
    {"pid", 'p', "PID", OP_FLAG_PID, RECORD | DUMP, AT(pid), "look at this running process"},
    {"mode", '\0', "wall|cpu", OP_FLAG_MODE, RECORD | RUN, AT(mode),
     "wall: time that passes (default); cpu: time that threads spend on a processor"},
    {"idle", '\0', NULL, OP_FLAG_SWITCH, RECORD | RUN, AT(idle),
     "keep idle threads too. Without it they are left out, and one that wakes may be noticed up to 20 ms late"},
    {"no-children", '\0', NULL, OP_FLAG_SWITCH, RECORD | RUN | TRACE | LINES, AT(no_children),
     "leave out the processes that the program starts"},
    {"threads", 't', NULL, OP_FLAG_SWITCH, RECORD | REPORT | RUN, AT(by_thread),
     "process and thread as the roots of the stacks"},
    {"function", 'F', NULL, OP_FLAG_SWITCH, RECORD | REPORT | RUN, AT(by_function),
     "one frame a function: its first line instead of the line being executed"},
    {"nolineno", '\0', NULL, OP_FLAG_SWITCH, RECORD | REPORT | RUN, AT(no_lines), "frames without line numbers"},
    {"python", '\0', "EXE", OP_FLAG_TEXT, RECORD | RUN | TRACE | LINES, AT(python),
     "the Python that runs SCRIPT.py or -m MODULE. Default: $VIRTUAL_ENV/bin/python, python, python3 on PATH"},
    {"module", 'm', "MODULE", OP_FLAG_MODULE, RECORD | RUN | TRACE | LINES, AT(module),
     "run a module as python -m does; all that follows are its arguments"},
    {"trace", '\0', NULL, OP_FLAG_SWITCH, RUN, AT(trace),
     "count and time every call exactly too, as 'outpace trace'"},
    {"report", '\0', "FILE", OP_FLAG_TEXT, RUN, AT(report_path), "write the table to FILE too"},
    {"json", '\0', "FILE", OP_FLAG_TEXT, RUN, AT(json_path), "write the summary as JSON to FILE too"},
    {"sort", '\0', "own|total", OP_FLAG_SORT, REPORT, AT(sort),
     "order of the table. own (default): time in the function itself; total: with all that it calls"},
    {"sort", 's', "KEY", OP_FLAG_TEXT, TRACE, AT(sort_key),
     "order of the table: own (default), total, or a key of cProfile (tottime, cumtime, ncalls, name, ...)"},
    {"top", '\0', "N", OP_FLAG_COUNT, REPORT | TRACE, AT(top), "at most N functions and lines"},
    {"thread", '\0', "NAME", OP_FLAG_TEXT, REPORT, AT(thread), "only the threads of that name"},
    {"json", '\0', NULL, OP_FLAG_SWITCH, REPORT | DUMP, AT(json), "print JSON"},
    {"json", '\0', NULL, OP_FLAG_SWITCH, TRACE | LINES, AT(json), "print JSON instead of the table"},
    {"help", 'h', NULL, OP_FLAG_SWITCH, ALL, AT(help), "print this help"},
    {"version", 'V', NULL, OP_FLAG_SWITCH, NONE, AT(version), "print the version"},
    {NULL, '\0', NULL, OP_FLAG_SWITCH, 0, 0, NULL},
};

const op_verb_entry op_verb_table[OP_VERB_COUNT] = {
    [OP_VERB_NONE] = {"", "VERB [options] [--] [COMMAND...]", "", "", false},
    [OP_VERB_RECORD] =
        {"record", "[options] (-p PID | [--] COMMAND... | SCRIPT.py ARGS... | -m MODULE ARGS...)",
         "sample a program and write a profile",
         "Watches a program from outside, without stopping it or writing into it, and writes what it saw. "
         "The program's input, output and exit code are untouched; Outpace itself prints on stderr only.\n"
         "Options stand before the command; all that follows the command belongs to it.\n"
         "A profile file (.outpace) is written in place and is readable at any moment. Other formats are "
         "written at the end, from FILE.outpace.part, which a kill leaves behind and 'outpace report' reads.\n"
         "Ctrl-C ends the recording, not an attached program. A program that was started gets it as usual; "
         "a second Ctrl-C ends its recording.\n"
         "On a terminal a live line shows how it goes, unless a program that was started prints there too.",
         false},
    [OP_VERB_REPORT] =
        {"report", "[options] FILE", "show a profile, or turn it into another format",
         "Without -f and -o it prints a table: functions by own and total time, the hottest lines, and "
         "the call tree. FILE may also be the folder that a killed 'outpace trace' left.",
         true},
    [OP_VERB_DUMP] = {"dump", "[--json] -p PID", "print what every thread of a process does now",
                      "Prints each thread with its state and its stack, the innermost frame first.", true},
    [OP_VERB_RUN] =
        {"run", "[options] ([--] COMMAND... | SCRIPT.py ARGS... | -m MODULE ARGS...)",
         "run a program and say where its time went",
         "Records the program as 'outpace record' does and, when it has ended, prints the table and the name "
         "of the profile file on stderr.",
         false},
    [OP_VERB_TRACE] =
        {"trace", "[options] ([--] COMMAND... | SCRIPT.py ARGS... | -m MODULE ARGS...)",
         "run a program and count and time every call",
         "The table of functions follows the program's last byte on stdout. Counts are exact: each thread has its "
         "own, coroutines and generators are timed while they run, child processes are counted too, and nothing "
         "is lost where the program is killed.\n"
         "With -o the file is written and no table printed, as cProfile does.\n"
         "It works from within the program, and slows down calls: 'outpace run' does not.",
         false},
    [OP_VERB_LINES] =
        {"lines", "[options] ([--] COMMAND... | SCRIPT.py ARGS... | -m MODULE ARGS...)",
         "run a program and count and time lines",
         "The lines of functions that are marked with @profile, which need not be imported, or that are chosen "
         "with -p, --function or --hot. Other code runs at its own speed.\n"
         "Writes SCRIPT.lprof, which line_profiler reads; -v prints the table after the program's last byte.",
         false},
    [OP_VERB_HELP] = {"help", "[VERB]", "print the help of a verb", "", true},
    [OP_VERB_MAN] = {"man", "", NULL, "", true},
};

op_verb op_verb_find(const char *name)
{
    for (op_verb verb = OP_VERB_NONE + 1; verb < OP_VERB_COUNT; verb++) {
        if (strcmp(op_verb_table[verb].name, name) == 0) {
            return verb;
        }
    }
    return OP_VERB_NONE;
}

const char *op_verb_name(op_verb verb)
{
    return verb < OP_VERB_COUNT ? op_verb_table[verb].name : "";
}

// SPDX-License-Identifier: MIT
// The table of verbs and flags, from which the parser, the help and the man page are made. To add a flag: a field
// in op_flags and a row here.
#ifndef OP_CLI_FLAG_TABLE_H
#define OP_CLI_FLAG_TABLE_H

#include "cli/flags.h"

typedef enum {
    OP_FLAG_SWITCH,    // bool
    OP_FLAG_TEXT,      // const char *
    OP_FLAG_MODULE,    // const char *; ends the options
    OP_FLAG_RATE,      // double, Hz
    OP_FLAG_SECONDS,   // int64_t, nanoseconds
    OP_FLAG_PID,       // pid_t
    OP_FLAG_COUNT,     // int64_t
    OP_FLAG_MODE,      // op_mode
    OP_FLAG_SORT,      // op_sort
    OP_FLAG_LIST,      // op_flag_list; may be given again
    OP_FLAG_UNIT       // double, seconds
} op_flag_kind;

typedef struct {
    const char *name;    // long name without dashes; NULL ends the table
    char letter;         // '\0': none
    const char *value;   // "HZ"; NULL for a switch
    op_flag_kind kind;
    unsigned verbs;   // bits 1 << op_verb
    size_t offset;    // in op_flags
    const char *help;
} op_flag;

typedef struct {
    const char *name;
    const char *usage;     // behind "outpace VERB"
    const char *summary;   // one line; NULL: hidden
    const char *details;   // paragraphs for its help and the man page
    bool options_after_operand;
} op_verb_entry;

extern const op_flag op_flag_table[];
extern const op_verb_entry op_verb_table[OP_VERB_COUNT];

#endif

// SPDX-License-Identifier: MIT
// The help texts and the man page, made from the table.
#include <string.h>
#include "cli/flag_table.h"

enum { HELP_COLUMNS = 100, HELP_INDENT = 26 };

typedef struct {
    const char *heading, *code;
} example;

static const example examples[] = {
    {"where does a script spend its time?", "outpace run app.py"},
    {"every call, counted exactly", "outpace trace app.py"},
    {"lines of functions with @profile", "outpace lines -v app.py"},
    {"a flame graph", "outpace record -o profile.svg -- python app.py"},
    {"a running service, ten seconds", "outpace record -o out.speedscope.json --pid 1234 -d 10"},
    {"what is it doing now?", "outpace dump -p 1234"},
    {"a table from a profile", "outpace report profile.outpace"},
};

static const struct {
    const char *code, *text;
} exit_codes[] = {
    {"program's own", "where Outpace ran a program; its death by a signal is repeated"},
    {"0", "done"},
    {"2", "wrong usage, or an output that could not be written"},
    {"3", "nothing was measured, or the program could not be traced"},
};

static const struct {
    const char *name, *text;
} variables[] = {
    {"OUTPACE_PACKAGE", "the folder of the Python package, where it is not beside the executable"},
    {"VIRTUAL_ENV", "its bin/python runs SCRIPT.py and -m MODULE"},
    {"NO_COLOR", "where it is set and not empty, nothing is coloured"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool belongs(const op_flag *flag, op_verb verb)
{
    return (flag->verbs >> verb & 1U) != 0;
}

static void add_spaces(op_buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        op_buffer_add_byte(out, ' ');
    }
}

// Adds words, broken at `columns`; the first line begins at column `at`, the others at `indent`.
static void add_wrapped(op_buffer *out, const char *text, size_t at, size_t indent)
{
    size_t column = at;
    bool first = true;
    while (*text != '\0') {
        size_t length = strcspn(text, " \n");
        if (length > 0) {
            if (!first && column + 1 + length > HELP_COLUMNS) {
                op_buffer_add_byte(out, '\n');
                add_spaces(out, indent);
                column = indent;
            } else if (!first) {
                op_buffer_add_byte(out, ' ');
                column++;
            }
            op_buffer_add(out, text, length);
            column += length;
            first = false;
        }
        text += length;
        if (*text == '\n') {
            op_buffer_add_byte(out, '\n');
            add_spaces(out, indent);
            column = indent;
            first = true;
        }
        text += *text != '\0';
    }
    op_buffer_add_byte(out, '\n');
}

static void add_flag(op_buffer *out, const op_flag *flag)
{
    size_t before = out->size;
    if (flag->letter != '\0') {
        op_buffer_add_format(out, "  -%c, --%s", flag->letter, flag->name);
    } else {
        op_buffer_add_format(out, "      --%s", flag->name);
    }
    if (flag->value != NULL) {
        op_buffer_add_format(out, " %s", flag->value);
    }
    size_t column = out->size - before;
    if (column + 2 > HELP_INDENT) {
        op_buffer_add_byte(out, '\n');
        column = 0;
    }
    add_spaces(out, HELP_INDENT - column);
    add_wrapped(out, flag->help, HELP_INDENT, HELP_INDENT);
}

void op_flags_help(op_verb verb, op_buffer *out)
{
    const op_verb_entry *entry = &op_verb_table[verb < OP_VERB_COUNT ? verb : OP_VERB_NONE];
    if (verb == OP_VERB_NONE) {
        op_buffer_add_text(out, "Outpace " OP_VERSION ": finds out where the time of a Python program goes.\n\n");
    }
    op_buffer_add_format(out, "usage: outpace %s%s%s\n\n", entry->name, *entry->name == '\0' ? "" : " ",
                         entry->usage);
    if (entry->details != NULL && *entry->details != '\0') {
        add_wrapped(out, entry->details, 0, 0);
        op_buffer_add_byte(out, '\n');
    }
    if (verb == OP_VERB_NONE) {
        op_buffer_add_text(out, "verbs:\n");
        for (op_verb each = OP_VERB_NONE + 1; each < OP_VERB_COUNT; each++) {
            if (op_verb_table[each].summary != NULL) {
                op_buffer_add_format(out, "  %-8s %s\n", op_verb_table[each].name, op_verb_table[each].summary);
            }
        }
        op_buffer_add_byte(out, '\n');
    }
    op_buffer_add_text(out, "options:\n");
    for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
        if (belongs(flag, verb)) {
            add_flag(out, flag);
        }
    }
    if (verb == OP_VERB_NONE) {
        op_buffer_add_text(out, "\nexamples:\n");
        for (size_t i = 0; i < COUNT(examples); i++) {
            op_buffer_add_format(out, "  %-56s %s\n", examples[i].code, examples[i].heading);
        }
        op_buffer_add_text(out, "\nOptions of a verb: outpace help VERB. The manual: man outpace.\n");
    }
}

// --- roff --------------------------------------------------------------------------------------------------

// Roff text: backslashes and dashes escaped, no line begins with a control character.
static void add_roff(op_buffer *out, const char *text)
{
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\'')) {
            op_buffer_add_text(out, "\\&");
        }
        line_start = *text == '\n';
        if (*text == '\\') {
            op_buffer_add_text(out, "\\e");
        } else if (*text == '-') {
            op_buffer_add_text(out, "\\-");
        } else if (*text == '\n') {
            op_buffer_add_text(out, "\n.PP\n");
        } else {
            op_buffer_add_byte(out, (unsigned char)*text);
        }
    }
}

static void add_roff_line(op_buffer *out, const char *text)
{
    add_roff(out, text);
    op_buffer_add_byte(out, '\n');
}

static void add_roff_flag(op_buffer *out, const op_flag *flag)
{
    op_buffer_add_text(out, ".TP\n");
    if (flag->letter != '\0') {
        op_buffer_add_format(out, "\\fB\\-%c\\fR, ", flag->letter);
    }
    op_buffer_add_text(out, "\\fB\\-\\-");
    add_roff(out, flag->name);
    op_buffer_add_text(out, "\\fR");
    if (flag->value != NULL) {
        op_buffer_add_format(out, " \\fI%s\\fR", flag->value);
    }
    op_buffer_add_byte(out, '\n');
    add_roff_line(out, flag->help);
}

void op_flags_man(op_buffer *out)
{
    op_buffer_add_text(out,
                       ".TH OUTPACE 1 \"\" \"Outpace " OP_VERSION "\" \"User Commands\"\n"
                       ".SH NAME\noutpace \\- find out where the time of a Python program goes\n.SH SYNOPSIS\n");
    for (op_verb verb = OP_VERB_NONE + 1; verb < OP_VERB_COUNT; verb++) {
        if (op_verb_table[verb].summary != NULL) {
            op_buffer_add_format(out, ".B outpace %s\n", op_verb_table[verb].name);
            add_roff_line(out, op_verb_table[verb].usage);
            op_buffer_add_text(out, ".br\n");
        }
    }
    op_buffer_add_text(out, ".SH DESCRIPTION\n");
    add_roff_line(
        out,
        "Outpace samples CPython 3.8 to 3.15 on 64-bit Linux from outside: it reads the memory of the "
        "process and never stops it nor writes into it. 'outpace trace' and 'outpace lines' work from within, for "
        "CPython 3.10 to 3.15: programs that they start load a tracer.");
    for (op_verb verb = OP_VERB_NONE + 1; verb < OP_VERB_COUNT; verb++) {
        const op_verb_entry *entry = &op_verb_table[verb];
        if (entry->summary == NULL) {
            continue;
        }
        op_buffer_add_format(out, ".SH OUTPACE %s\n", entry->name);
        op_buffer_add_text(out, "To ");
        add_roff(out, entry->summary);
        op_buffer_add_text(out, ".\n");
        if (*entry->details != '\0') {
            op_buffer_add_text(out, ".PP\n");
            add_roff_line(out, entry->details);
        }
        for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
            if (belongs(flag, verb) && !belongs(flag, OP_VERB_NONE)) {
                add_roff_flag(out, flag);
            }
        }
    }
    op_buffer_add_text(out, ".SH GENERAL OPTIONS\n");
    for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
        if (belongs(flag, OP_VERB_NONE)) {
            add_roff_flag(out, flag);
        }
    }
    op_buffer_add_text(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < COUNT(exit_codes); i++) {
        op_buffer_add_format(out, ".TP\n.B %s\n", exit_codes[i].code);
        add_roff_line(out, exit_codes[i].text);
    }
    op_buffer_add_text(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < COUNT(variables); i++) {
        op_buffer_add_format(out, ".TP\n.B %s\n", variables[i].name);
        add_roff_line(out, variables[i].text);
    }
    op_buffer_add_text(out, ".SH EXAMPLES\n");
    for (size_t i = 0; i < COUNT(examples); i++) {
        op_buffer_add_text(out, ".TP\n.B ");
        add_roff_line(out, examples[i].code);
        add_roff_line(out, examples[i].heading);
    }
}

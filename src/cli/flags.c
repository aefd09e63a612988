// SPDX-License-Identifier: MIT
#include "cli/flags.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "cli/flag_table.h"
#include "cli/suggest.h"
#include "sample/record.h"

enum { MAX_NUMBER_CHARS = 40 };

static const double max_seconds = 1e9;   // 31 years: far from the end of 64-bit nanoseconds
static const double min_unit = 0.999e-9, max_unit = 3600;

// --- values ------------------------------------------------------------------------------------------------

// Plain decimal numbers only: no hexadecimal, infinity or locale.
static bool read_decimal(const char *text, double *out)
{
    size_t length = strnlen(text, MAX_NUMBER_CHARS + 1);
    bool digits = false, dot = false, exponent = false;
    if (length > MAX_NUMBER_CHARS) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool sign = (c == '-' || c == '+') && (i == 0 || text[i - 1] == 'e' || text[i - 1] == 'E');
        if (c >= '0' && c <= '9') {
            digits = true;
        } else if (c == '.' && !dot && !exponent) {
            dot = true;
        } else if ((c == 'e' || c == 'E') && digits && !exponent) {
            exponent = true;
        } else if (!sign) {
            return false;
        }
    }
    if (!digits) {
        return false;
    }
    char *end = NULL;
    *out = strtod(text, &end);
    return end != NULL && *end == '\0';
}

static bool read_whole(const char *text, int64_t max, int64_t *out)
{
    int64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        value = value * 10 + (*at - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return true;
}

static op_status bad_value(const op_flag *flag, const char *text, const char *must, const char *hint,
                           op_error *error)
{
    op_error_set(error, OP_USAGE, "--%s must be %s, not '%.100s'", flag->name, must, text);
    op_error_hint(error, "%s", hint);
    return OP_USAGE;
}

static op_status is_empty(const op_flag *flag, op_error *error)
{
    op_error_set(error, OP_USAGE, "the value of --%s is empty", flag->name);
    op_error_hint(error, "give it a value: --%s %s", flag->name, flag->value);
    return OP_USAGE;
}

static op_status add_to_list(const op_flag *flag, const char *text, op_flag_list *list, op_error *error)
{
    if (*text == '\0') {
        return is_empty(flag, error);
    }
    if (list->count >= OP_FLAGS_MAX_LIST) {
        op_error_set(error, OP_USAGE, "--%s was given more than %d times", flag->name, OP_FLAGS_MAX_LIST);
        op_error_hint(error, "give a package, which stands for all its modules");
        return OP_USAGE;
    }
    list->items[list->count++] = text;
    return OP_OK;
}

// Puts `text` (NULL for a switch) where the table says.
static op_status set_value(const op_flag *flag, const char *text, op_flags *flags, op_error *error)
{
    char *place = (char *)flags + flag->offset;
    double number = 0;
    int64_t whole = 0;
    switch (flag->kind) {
    case OP_FLAG_SWITCH: {
        bool on = true;
        memcpy(place, &on, sizeof on);
        return OP_OK;
    }
    case OP_FLAG_TEXT:
    case OP_FLAG_MODULE:
        if (*text == '\0') {
            return is_empty(flag, error);
        }
        memcpy(place, &text, sizeof text);
        return OP_OK;
    case OP_FLAG_RATE:
        if (!read_decimal(text, &number) || !(number > 0) || number > OP_RECORD_MAX_RATE_HZ) {
            return bad_value(flag, text, "a number above 0, at most 1000000",
                             "give samples a second, for example -r 1000", error);
        }
        memcpy(place, &number, sizeof number);
        return OP_OK;
    case OP_FLAG_SECONDS:
        if (!read_decimal(text, &number) || !(number > 0) || number > max_seconds) {
            return bad_value(flag, text, "a number of seconds above 0", "give seconds, for example -d 10 or -d 0.5",
                             error);
        }
        whole = (int64_t)(number * 1e9);
        whole = whole < 1 ? 1 : whole;   // 0 would mean no end
        memcpy(place, &whole, sizeof whole);
        return OP_OK;
    case OP_FLAG_PID: {
        if (!read_whole(text, OP_FLAGS_MAX_PID, &whole) || whole == 0) {
            return bad_value(flag, text, "a process id", "give the number that 'ps' or 'pgrep python' shows",
                             error);
        }
        pid_t pid = (pid_t)whole;
        memcpy(place, &pid, sizeof pid);
        return OP_OK;
    }
    case OP_FLAG_LIST: return add_to_list(flag, text, (op_flag_list *)(void *)place, error);
    case OP_FLAG_UNIT:
        if (!read_decimal(text, &number) || !(number >= min_unit) || number > max_unit) {
            return bad_value(flag, text, "a number of seconds from 1e-9 to 3600", "for example -u 1e-3", error);
        }
        memcpy(place, &number, sizeof number);
        return OP_OK;
    case OP_FLAG_COUNT:
        if (!read_whole(text, OP_FLAGS_MAX_TOP, &whole) || whole == 0) {
            return bad_value(flag, text, "a whole number from 1 to 100000", "for example --top 20", error);
        }
        memcpy(place, &whole, sizeof whole);
        return OP_OK;
    case OP_FLAG_MODE:
    case OP_FLAG_SORT: {
        bool is_mode = flag->kind == OP_FLAG_MODE;
        bool first = strcmp(text, is_mode ? "wall" : "own") == 0;
        if (!first && strcmp(text, is_mode ? "cpu" : "total") != 0) {
            return bad_value(flag, text, is_mode ? "wall or cpu" : "own or total",
                             is_mode ? "wall: time that passes; cpu: time on a processor"
                                     : "own: time in the function itself; total: with all that it calls",
                             error);
        }
        if (is_mode) {
            op_mode mode = first ? OP_MODE_WALL : OP_MODE_CPU;
            memcpy(place, &mode, sizeof mode);
        } else {
            op_sort sort = first ? OP_SORT_OWN : OP_SORT_TOTAL;
            memcpy(place, &sort, sizeof sort);
        }
        return OP_OK;
    }
    }
    return OP_USAGE;
}

// --- names -------------------------------------------------------------------------------------------------

static unsigned verb_bit(op_verb verb)
{
    return 1U << verb;
}

static const op_flag *find_long(op_verb verb, const char *name, size_t length)
{
    for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
        if ((flag->verbs & verb_bit(verb)) != 0 && strncmp(flag->name, name, length) == 0 &&
            flag->name[length] == '\0') {
            return flag;
        }
    }
    return NULL;
}

static const op_flag *find_short(op_verb verb, char name)
{
    for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
        if ((flag->verbs & verb_bit(verb)) != 0 && flag->letter == name && name != '\0') {
            return flag;
        }
    }
    return NULL;
}

static op_status unknown_option(op_verb verb, const char *name, size_t length, op_error *error)
{
    const char *verb_name = op_verb_name(verb), *space = verb == OP_VERB_NONE ? "" : " ";
    op_suggestion near = op_suggestion_start(name, length);
    op_error_set(error, OP_USAGE, "unknown option '%.*s'%s%s", (int)(length > 80 ? 80 : length), name,
                 verb == OP_VERB_NONE ? "" : " of ", verb_name);
    for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
        char dashed[64] = {'-', '-'};
        strncat(dashed, flag->name, sizeof dashed - 3);
        if ((flag->verbs & verb_bit(verb)) != 0) {
            op_suggestion_try(&near, dashed, flag->name);
        } else if (strlen(dashed) == length && memcmp(dashed, name, length) == 0) {
            for (op_verb other = OP_VERB_NONE; other < OP_VERB_COUNT; other++) {
                if ((flag->verbs & verb_bit(other)) != 0) {
                    op_error_hint(error, "that option belongs to 'outpace%s%s'", other == OP_VERB_NONE ? "" : " ",
                                  op_verb_name(other));
                    return OP_USAGE;
                }
            }
        }
    }
    if (near.best != NULL) {
        op_error_hint(error, "did you mean --%s? All options: outpace%s%s --help", near.best, space, verb_name);
    } else {
        op_error_hint(error, "all options: outpace%s%s --help", space, verb_name);
    }
    return OP_USAGE;
}

static op_status missing_value(const op_flag *flag, op_error *error)
{
    op_error_set(error, OP_USAGE, "--%s needs a value", flag->name);
    op_error_hint(error, "give it one: --%s %s", flag->name, flag->value);
    return OP_USAGE;
}

static op_status unknown_verb(const char *name, op_error *error)
{
    op_suggestion near = op_suggestion_start(name, strlen(name));
    for (op_verb verb = OP_VERB_NONE + 1; verb < OP_VERB_COUNT; verb++) {
        if (op_verb_table[verb].summary != NULL) {
            op_suggestion_try(&near, op_verb_name(verb), op_verb_name(verb));
        }
    }
    op_error_set(error, OP_USAGE, "unknown verb '%.80s'", name);
    size_t length = strlen(name);
    if (near.best != NULL) {
        op_error_hint(error, "did you mean 'outpace %s'?", near.best);
    } else if (strchr(name, '/') != NULL || (length > 3 && strcmp(name + length - 3, ".py") == 0)) {
        op_error_hint(error, "to run a program: outpace run %.200s", name);
    } else {
        op_error_hint(error, "%s",
                      "the verbs are record, report, dump, run, trace and lines; see 'outpace --help'");
    }
    return OP_USAGE;
}

// --- parser ------------------------------------------------------------------------------------------------

typedef struct {
    op_flags *flags;
    char *const *argv;
    int argc, at;
    bool ended;   // options are over
    op_error *error;
} parser;

static op_status take_long(parser *p, const char *word)
{
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const op_flag *flag = find_long(p->flags->verb, name, length);
    if (flag == NULL) {
        return unknown_option(p->flags->verb, word, length + 2, p->error);
    }
    if (flag->kind == OP_FLAG_SWITCH) {
        if (equals != NULL) {
            op_error_set(p->error, OP_USAGE, "--%s takes no value", flag->name);
            op_error_hint(p->error, "write --%s alone", flag->name);
            return OP_USAGE;
        }
        return set_value(flag, NULL, p->flags, p->error);
    }
    p->ended = flag->kind == OP_FLAG_MODULE;   // what follows are the module's own arguments
    if (equals != NULL) {
        return set_value(flag, equals + 1, p->flags, p->error);
    }
    if (p->at + 1 >= p->argc) {
        return missing_value(flag, p->error);
    }
    return set_value(flag, p->argv[++p->at], p->flags, p->error);
}

// One word of letters: switches may stand together, and a value behind its letter: -tF, -r100, -r=100.
static op_status take_short(parser *p, const char *word)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const op_flag *flag = find_short(p->flags->verb, *at);
        if (flag == NULL) {
            char name[3] = {'-', *at, '\0'};
            return unknown_option(p->flags->verb, name, 2, p->error);
        }
        if (flag->kind == OP_FLAG_SWITCH) {
            op_status status = set_value(flag, NULL, p->flags, p->error);
            if (status != OP_OK) {
                return status;
            }
            continue;
        }
        const char *value = at[1] == '=' ? at + 2 : at + 1;
        if (at[1] == '\0') {
            if (p->at + 1 >= p->argc) {
                return missing_value(flag, p->error);
            }
            value = p->argv[++p->at];
        }
        p->ended = flag->kind == OP_FLAG_MODULE;
        return set_value(flag, value, p->flags, p->error);
    }
    return OP_OK;
}

static op_status check_functions(const op_flags *flags, op_error *error)
{
    for (size_t i = 0; i < flags->functions.count; i++) {
        const char *text = flags->functions.items[i], *colon = strchr(text, ':');
        if (colon == NULL || colon == text || colon[1] == '\0') {
            op_error_set(error, OP_USAGE, "--function must be MODULE:NAME, not '%.100s'", text);
            op_error_hint(error, "for example --function app.views:Page.render, or __main__:main");
            return OP_USAGE;
        }
    }
    return OP_OK;
}

// Whether what was typed makes sense as a whole.
static op_status check_whole(const op_flags *flags, op_error *error)
{
    bool launches = flags->rest_count > 0 || flags->module != NULL;
    switch (flags->verb) {
    case OP_VERB_RECORD:
        if (flags->pid != 0 && launches) {
            op_error_set(error, OP_USAGE, "both a process id and a command were given");
            op_error_hint(error, "give either -p PID or a command");
            return OP_USAGE;
        }
        if (flags->pid == 0 && !launches) {
            op_error_set(error, OP_USAGE, "nothing to record");
            op_error_hint(error, "give a command (outpace record -- python app.py) or a process (-p PID)");
            return OP_USAGE;
        }
        return OP_OK;
    case OP_VERB_RUN:
        if (!launches) {
            op_error_set(error, OP_USAGE, "nothing to run");
            op_error_hint(error, "give a script or a command: outpace run app.py");
            return OP_USAGE;
        }
        return OP_OK;
    case OP_VERB_TRACE:
    case OP_VERB_LINES:
        if (!launches) {
            op_error_set(error, OP_USAGE, "nothing to trace");
            op_error_hint(error, "give a script or a command: outpace %s app.py", op_verb_name(flags->verb));
            return OP_USAGE;
        }
        return check_functions(flags, error);
    case OP_VERB_REPORT:
        if (flags->rest_count != 1) {
            op_error_set(error, OP_USAGE,
                         flags->rest_count == 0 ? "no profile file was given"
                                                : "more than one profile file was given");
            op_error_hint(error, "give one: outpace report profile.outpace");
            return OP_USAGE;
        }
        if (flags->json && flags->format != NULL && strcmp(flags->format, "json") != 0) {
            op_error_set(error, OP_USAGE, "--json and -f %.40s contradict each other", flags->format);
            op_error_hint(error, "give one of them; --json is -f json");
            return OP_USAGE;
        }
        return OP_OK;
    case OP_VERB_DUMP:
        if (flags->rest_count > 0) {
            int64_t pid = 0;
            op_error_set(error, OP_USAGE, "unexpected argument '%.80s'", flags->rest[0]);
            if (read_whole(flags->rest[0], OP_FLAGS_MAX_PID, &pid)) {
                op_error_hint(error, "to look at process %lld: outpace dump -p %lld", (long long)pid,
                              (long long)pid);
            } else {
                op_error_hint(error, "give a process: outpace dump -p PID");
            }
            return OP_USAGE;
        }
        if (flags->pid == 0) {
            op_error_set(error, OP_USAGE, "no process id was given");
            op_error_hint(error, "give a process: outpace dump -p PID");
            return OP_USAGE;
        }
        return OP_OK;
    case OP_VERB_HELP:
        if (flags->rest_count > 0 && op_verb_find(flags->rest[0]) == OP_VERB_NONE) {
            return unknown_verb(flags->rest[0], error);
        }
        return OP_OK;
    case OP_VERB_NONE:
    case OP_VERB_MAN:
    case OP_VERB_COUNT: break;
    }
    return OP_OK;
}

op_status op_flags_parse(int argc, char *const *argv, op_flags *flags, op_error *error)
{
    op_flags found = {.rate_hz = 1000};
    parser p = {.flags = &found, .argv = argv, .argc = argc, .at = 1, .error = error};
    op_status status = OP_OK;
    for (; p.at < argc && !p.ended; p.at++) {
        const char *word = argv[p.at];
        if (word[0] == '-' && word[1] == '-' && word[2] == '\0') {
            p.at++;
            break;
        }
        if (word[0] == '-' && word[1] != '\0') {
            status = word[1] == '-' ? take_long(&p, word) : take_short(&p, word);
            if (status != OP_OK) {
                return status;
            }
        } else if (found.verb == OP_VERB_NONE) {
            found.verb = op_verb_find(word);
            if (found.verb == OP_VERB_NONE) {
                return unknown_verb(word, error);
            }
        } else if (!op_verb_table[found.verb].options_after_operand) {
            break;
        } else {
            // A single operand stays in place; options may follow it.
            if (found.rest_count > 0) {
                break;
            }
            found.rest = argv + p.at;
            found.rest_count = 1;
        }
    }
    if (p.at < argc) {
        if (found.rest_count > 0) {
            found.rest_count += (size_t)(argc - p.at);   // too many: check_whole says so
        } else {
            found.rest = argv + p.at;
            found.rest_count = (size_t)(argc - p.at);
        }
    }
    if (found.help || found.version) {
        *flags = found;
        return OP_OK;
    }
    if (found.verb == OP_VERB_NONE) {
        if (found.rest_count > 0) {
            return unknown_verb(found.rest[0], error);
        }
        op_error_set(error, OP_USAGE, "no verb was given");
        op_error_hint(error, "%s", "try 'outpace run app.py', or see 'outpace --help'");
        return OP_USAGE;
    }
    status = check_whole(&found, error);
    if (status == OP_OK) {
        *flags = found;
    }
    return status;
}

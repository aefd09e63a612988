// SPDX-License-Identifier: MIT
// A tokeniser of Python that knows just what tells lines apart: strings, brackets, comments, indentation.
#include "export/code_block.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_INDENTS = 100, MAX_NESTED = 150, TAB_COLUMNS = 8 };

typedef enum { TOKEN_OTHER, TOKEN_NEWLINE, TOKEN_COMMENT, TOKEN_INDENT, TOKEN_DEDENT } token_kind;

typedef struct {
    const char *at, *end;
    uint32_t row;   // of `at`, from 1 at the block's start
    bool broken;    // a string or a field without an end: what follows has no meaning
    // The block.
    uint32_t last;   // its last row so far
    bool started, is_lambda, in_decorator, pass_line, ended;
    int32_t depth;        // indents below the definition
    size_t body_column;   // of its first indent, in letters; SIZE_MAX: none yet
    // The tokeniser.
    size_t brackets;
    uint32_t token_row;                    // where the last token starts
    size_t indents[MAX_INDENTS], levels;   // columns; the last is the line's
} scanner;

static bool is_name(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || (unsigned char)letter >= 0x80;
}

static bool is_end_of_line(char letter)
{
    return letter == '\n' || letter == '\r';
}

// Over one letter; a line's end, of whatever form, is one.
static void step(scanner *scan)
{
    if (is_end_of_line(*scan->at)) {
        scan->at += *scan->at == '\r' && scan->end - scan->at > 1 && scan->at[1] == '\n';
        scan->row++;
    }
    scan->at++;
}

static bool starts(const scanner *scan, const char *text)
{
    size_t bytes = strlen(text);
    return (size_t)(scan->end - scan->at) >= bytes && memcmp(scan->at, text, bytes) == 0;
}

// ---- strings ----

static void skip_string(scanner *scan, bool formatted, bool raw, unsigned nested);

// The prefix of a string that a name before a quote is; false: none is.
static bool is_prefix(const char *name, size_t bytes, bool *formatted, bool *raw)
{
    *formatted = *raw = false;
    if (bytes > 2) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        char letter = (char)(name[i] | 0x20);
        *formatted |= letter == 'f' || letter == 't';
        *raw |= letter == 'r';
        if (strchr("rbuft", letter) == NULL) {
            return false;
        }
    }
    return true;
}

// From behind a '{' to behind its '}': an expression, which may hold strings with any quotes (3.12), and a format.
static void skip_field(scanner *scan, unsigned nested)
{
    size_t brackets = 0;
    bool in_format = false;
    while (scan->at < scan->end && !scan->broken) {
        char letter = *scan->at;
        if (letter == '{' && in_format) {
            step(scan);
            if (nested >= MAX_NESTED) {
                scan->broken = true;
                return;
            }
            skip_field(scan, nested + 1);
            continue;
        }
        if (letter == '}' && (in_format || brackets == 0)) {
            step(scan);
            return;
        }
        if (in_format) {
            step(scan);
        } else if (letter == '"' || letter == '\'') {
            const char *name = scan->at;
            bool formatted = false, raw = false;
            while (is_name(name[-1])) {   // a '{' stands before it at the latest
                name--;
            }
            (void)is_prefix(name, (size_t)(scan->at - name), &formatted, &raw);
            skip_string(scan, formatted, raw, nested + 1);
        } else if (letter == '#') {
            while (scan->at < scan->end && !is_end_of_line(*scan->at)) {
                step(scan);
            }
        } else {
            brackets += strchr("([{", letter) != NULL && letter != '\0';
            brackets -= brackets > 0 && strchr(")]}", letter) != NULL && letter != '\0';
            in_format = letter == ':' && brackets == 0;
            step(scan);
        }
    }
    scan->broken = true;
}

// At the opening quote.
static void skip_string(scanner *scan, bool formatted, bool raw, unsigned nested)
{
    char quote = *scan->at;
    const char triple[] = {quote, quote, quote, '\0'};
    bool is_triple = starts(scan, triple);
    if (nested >= MAX_NESTED) {
        scan->broken = true;
        return;
    }
    scan->at += is_triple ? 3 : 1;
    while (scan->at < scan->end && !scan->broken) {
        char letter = *scan->at;
        if (letter == quote && (!is_triple || starts(scan, triple))) {
            scan->at += is_triple ? 3 : 1;
            return;
        }
        if (is_end_of_line(letter) && !is_triple) {
            break;
        }
        if (letter == '\\' && scan->end - scan->at > 1 &&
            !(raw && formatted && (scan->at[1] == '{' || scan->at[1] == '}'))) {
            step(scan);
            bool named = !raw && formatted && starts(scan, "N{");   // \N{BULLET} is no field
            step(scan);
            while (named && scan->at < scan->end && *scan->at != '}' && !is_end_of_line(*scan->at)) {
                step(scan);
            }
        } else if (formatted && letter == '{') {
            step(scan);
            if (scan->at < scan->end && *scan->at == '{') {
                step(scan);
            } else {
                skip_field(scan, nested + 1);
            }
        } else {
            step(scan);
        }
    }
    scan->broken = true;
}

// ---- the block ----

static bool is(op_string token, const char *word)
{
    return token.bytes == strlen(word) && memcmp(token.text, word, token.bytes) == 0;
}

// What inspect.BlockFinder does with each token. `column`: of a comment's start, of an indent's end.
static void take(scanner *scan, token_kind kind, op_string token, uint32_t row, size_t column)
{
    if (!scan->started && !scan->in_decorator) {
        scan->in_decorator = is(token, "@");
        scan->is_lambda = is(token, "lambda");
        scan->started = scan->is_lambda || is(token, "def") || is(token, "class");
        scan->pass_line = true;
    } else if (kind == TOKEN_NEWLINE) {
        scan->pass_line = scan->in_decorator = false;
        scan->last = row;
        scan->ended = scan->is_lambda;
    } else if (scan->pass_line) {
        return;
    } else if (kind == TOKEN_INDENT) {
        if (scan->body_column == SIZE_MAX && scan->started) {
            scan->body_column = column;
        }
        scan->depth++;
        scan->pass_line = true;
    } else if (kind == TOKEN_DEDENT) {
        scan->depth--;
        scan->ended = scan->depth <= 0;
    } else if (kind == TOKEN_COMMENT) {
        if (scan->body_column != SIZE_MAX && column >= scan->body_column) {
            scan->last = row;
        }
    } else {
        scan->ended = scan->depth == 0;
    }
}

static void take_mark(scanner *scan, token_kind kind, size_t column)
{
    take(scan, kind, (op_string){"", 0}, scan->row, column);
}

// ---- lines and tokens ----

static void skip_comment(scanner *scan)
{
    while (scan->at < scan->end && !is_end_of_line(*scan->at)) {
        scan->at++;
    }
}

// At the start of a line that continues none: its indentation.
static void read_indentation(scanner *scan)
{
    size_t column = 0, letters = 0;
    for (; scan->at < scan->end && strchr(" \t\f", *scan->at) != NULL && *scan->at != '\0'; scan->at++) {
        letters++;
        column = *scan->at == '\t' ? (column / TAB_COLUMNS + 1) * TAB_COLUMNS : *scan->at == '\f' ? 0 : column + 1;
    }
    if (scan->at >= scan->end || is_end_of_line(*scan->at)) {
        return;   // an empty line is of no block
    }
    if (*scan->at == '#') {
        take_mark(scan, TOKEN_COMMENT, letters);
        skip_comment(scan);
        return;
    }
    if (column > scan->indents[scan->levels]) {
        if (scan->levels + 1 >= MAX_INDENTS) {
            scan->broken = true;
            return;
        }
        scan->indents[++scan->levels] = column;
        take_mark(scan, TOKEN_INDENT, letters);
    }
    while (column < scan->indents[scan->levels] && !scan->ended) {
        scan->levels--;
        take_mark(scan, TOKEN_DEDENT, 0);
    }
    scan->broken |= column != scan->indents[scan->levels];
}

static void read_name(scanner *scan)
{
    const char *start = scan->at;
    bool formatted = false, raw = false;
    while (scan->at < scan->end && is_name(*scan->at)) {
        scan->at++;
    }
    op_string name = {start, (size_t)(scan->at - start)};
    if (scan->at < scan->end && (*scan->at == '"' || *scan->at == '\'') &&
        is_prefix(name.text, name.bytes, &formatted, &raw)) {
        take_mark(scan, TOKEN_OTHER, 0);
        skip_string(scan, formatted, raw, 0);
    } else {
        take(scan, TOKEN_OTHER, name, scan->row, 0);
    }
}

static void read_operator(scanner *scan)
{
    char letter = *scan->at;
    if (letter == '(' || letter == '[' || letter == '{') {
        scan->brackets++;
    } else if (letter == ')' || letter == ']' || letter == '}') {
        if (scan->brackets == 0) {   // the definition stands within brackets, which end here
            take(scan, TOKEN_NEWLINE, (op_string){"", 0}, scan->token_row, 0);
            scan->broken = true;
            return;
        }
        scan->brackets--;
    }
    take(scan, TOKEN_OTHER, (op_string){scan->at, 1}, scan->row, 0);
    scan->at++;
}

static void read_token(scanner *scan)
{
    char letter = *scan->at;
    uint32_t row = scan->row;
    if (letter == '\\' && scan->end - scan->at > 1 && is_end_of_line(scan->at[1])) {
        scan->at++;
        step(scan);
    } else if (letter == ' ' || letter == '\t' || letter == '\f') {
        scan->at++;
    } else if (letter == '#') {
        take_mark(scan, TOKEN_COMMENT, SIZE_MAX);
        skip_comment(scan);
    } else if (letter == '"' || letter == '\'') {
        take_mark(scan, TOKEN_OTHER, 0);
        skip_string(scan, false, false, 0);
        scan->token_row = row;
    } else if (is_name(letter)) {
        read_name(scan);
        scan->token_row = row;
    } else {
        read_operator(scan);
        scan->token_row = row;
    }
}

uint32_t op_code_block_lines(const op_source_file *file, uint32_t first)
{
    if (first == 0 || first > file->starts.count) {
        return 0;
    }
    const char *text = file->text.data;
    scanner scan = {.at = text + file->starts.items[first - 1],
                    .end = text + file->text.size,
                    .row = 1,
                    .last = 1,
                    .body_column = SIZE_MAX,
                    .token_row = 1};
    bool at_start = true, in_statement = false;
    while (scan.at < scan.end && !scan.ended && !scan.broken) {
        if (at_start) {
            at_start = false;
            read_indentation(&scan);
            in_statement = scan.at < scan.end && !is_end_of_line(*scan.at);
        } else if (is_end_of_line(*scan.at)) {
            if (scan.brackets == 0) {
                if (in_statement) {
                    take_mark(&scan, TOKEN_NEWLINE, 0);
                }
                at_start = true;
            }
            step(&scan);
        } else {
            read_token(&scan);
        }
    }
    if (scan.at >= scan.end && !scan.ended && !scan.broken && in_statement && !at_start && scan.brackets == 0) {
        take_mark(&scan, TOKEN_NEWLINE, 0);
    }
    size_t there = file->starts.count - first + 1;
    return scan.last < there ? scan.last : (uint32_t)there;
}

// SPDX-License-Identifier: MIT
#include "base/status.h"
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name, *text, *hint;
    int exit_code;
} status_row;

static const status_row rows[OP_STATUS_COUNT] = {
#define X(name, text, hint, code) [OP_##name] = {#name, text, hint, code},
    OP_STATUS_MAP(X)
#undef X
};

static const status_row unknown_row = {"UNKNOWN", "unknown error", "", 3};

static const status_row *row_of(op_status status)
{
    unsigned index = (unsigned)status;
    return index < OP_STATUS_COUNT ? &rows[index] : &unknown_row;
}

// A text cut in the middle of a UTF-8 sequence would reach the reader as garbage: cut before the sequence.
static void drop_torn_tail(char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (length - start < wanted)
        text[start - 1] = '\0';
}

// Formats aside first, because an argument may be the very text that is replaced ("%s: ..." around a message).
static void __attribute__((format(printf, 2, 0))) fill(char *text, const char *format, va_list arguments)
{
    char made[OP_ERROR_TEXT_BYTES];
    int length = vsnprintf(made, sizeof made, format, arguments);
    if (length < 0)
        made[0] = '\0';
    else if ((size_t)length >= sizeof made)
        drop_torn_tail(made, sizeof made - 1);
    memcpy(text, made, strlen(made) + 1);
}

op_status op_error_set(op_error *error, op_status status, const char *format, ...)
{
    if (!error)
        return status;
    va_list arguments;
    va_start(arguments, format);
    fill(error->message, format, arguments);
    va_end(arguments);
    error->status = status;
    snprintf(error->hint, sizeof error->hint, "%s", op_status_hint(status));
    return status;
}

op_status op_error_hint(op_error *error, const char *format, ...)
{
    if (!error)
        return OP_OK;
    va_list arguments;
    va_start(arguments, format);
    fill(error->hint, format, arguments);
    va_end(arguments);
    return error->status;
}

const char *op_status_name(op_status status)
{
    return row_of(status)->name;
}

const char *op_status_text(op_status status)
{
    return row_of(status)->text;
}

const char *op_status_hint(op_status status)
{
    return row_of(status)->hint;
}

int op_status_exit_code(op_status status)
{
    return row_of(status)->exit_code;
}

// SPDX-License-Identifier: MIT
#include "base/status.h"
#include "tap.h"

TAP_TEST(status_table_is_complete)
{
    for (int i = 0; i < OP_STATUS_COUNT; i++) {
        op_status status = (op_status)i;
        TAP_OK(op_status_name(status)[0] != '\0');
        TAP_OK(op_status_text(status)[0] != '\0');
        TAP_OK(op_status_hint(status) != NULL);
        int code = op_status_exit_code(status);
        TAP_OK(i == OP_OK ? code == 0 : code == 2 || code == 3);
        for (int j = 0; j < i; j++)
            TAP_OK(strcmp(op_status_name(status), op_status_name((op_status)j)) != 0);
    }
    TAP_EQ_STR(op_status_name(OP_NO_PROCESS), "NO_PROCESS");
    TAP_EQ_STR(op_status_text(OP_NO_MEMORY), "out of memory");
}

TAP_TEST(status_out_of_range_is_unknown)
{
    TAP_EQ_STR(op_status_name(OP_STATUS_COUNT), "UNKNOWN");
    TAP_OK(op_status_text(OP_STATUS_COUNT)[0] != '\0');
    TAP_EQ_STR(op_status_hint(OP_STATUS_COUNT), "");
    TAP_EQ_INT(op_status_exit_code(OP_STATUS_COUNT), 3);
}

TAP_TEST(error_set_fills_message_and_hint)
{
    op_error error;
    TAP_EQ_INT(op_error_set(&error, OP_NO_FILE, "no file '%s' (%d)", "a.b", 7), OP_NO_FILE);
    TAP_EQ_INT(error.status, OP_NO_FILE);
    TAP_EQ_STR(error.message, "no file 'a.b' (7)");
    TAP_EQ_STR(error.hint, op_status_hint(OP_NO_FILE));
}

TAP_TEST(error_may_be_null)
{
    TAP_EQ_INT(op_error_set(NULL, OP_SYSTEM, "x"), OP_SYSTEM);
    TAP_EQ_INT(op_error_hint(NULL, "x"), OP_OK);
}

TAP_TEST(error_hint_replaces_and_returns_status)
{
    op_error error;
    op_error_set(&error, OP_NO_PERMISSION, "no");
    TAP_EQ_INT(op_error_hint(&error, "try %s", "sudo"), OP_NO_PERMISSION);
    TAP_EQ_STR(error.hint, "try sudo");
    TAP_EQ_STR(error.message, "no");
}

TAP_TEST(error_message_may_wrap_itself)
{
    op_error error;
    op_error_set(&error, OP_BAD_DATA, "inner");
    op_error_set(&error, error.status, "outer: %s", error.message);
    TAP_EQ_STR(error.message, "outer: inner");
    op_error_hint(&error, "%s; %s", error.message, "again");
    TAP_EQ_STR(error.hint, "outer: inner; again");
}

// A long message is cut, and never inside of a character.
TAP_TEST(error_message_is_cut_between_characters)
{
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x8D"};
    for (size_t c = 0; c < sizeof characters / sizeof *characters; c++) {
        size_t width = strlen(characters[c]);
        for (size_t shift = 0; shift < 4; shift++) {
            char text[1024] = "";
            memset(text, 'a', shift);
            for (size_t at = shift; at + width < sizeof text; at += width)
                memcpy(text + at, characters[c], width + 1);
            op_error error;
            op_error_set(&error, OP_SYSTEM, "%s", text);
            size_t length = strlen(error.message), room = OP_ERROR_TEXT_BYTES - 1;
            TAP_EQ_UINT(length, shift + (room - shift) / width * width);
            TAP_EQ_BYTES(error.message, length, text, length);
        }
    }
    // Stray continuation bytes are no sequence to drop.
    char stray[1024];
    memset(stray, 0x80, sizeof stray - 1);
    stray[sizeof stray - 1] = '\0';
    op_error error;
    op_error_set(&error, OP_SYSTEM, "%s", stray);
    TAP_EQ_UINT(strlen(error.message), OP_ERROR_TEXT_BYTES - 1);
}

TAP_MAIN()

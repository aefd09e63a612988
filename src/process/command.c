// SPDX-License-Identifier: MIT
// A command line as a shell would read it, without its secrets. Rather too much is masked than too little: this
// text goes into files that people share.
#include "process/process.h"

#include <stdio.h>
#include <string.h>
#include "base/memory.h"
#include "process/proc_file.h"

enum { MAX_COMMAND_BYTES = 131072, MAX_ARGUMENTS = 8192, MAX_NAME_BYTES = 256, TOKEN_USER_BYTES = 20 };
#define MASK "***"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}
static bool is_name_byte(char c)
{
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
}
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool same_word(const char *word, size_t bytes, const char *lower)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = is_upper(word[i]) ? (char)(word[i] + ('a' - 'A')) : word[i];
        if (lower[i] == '\0' || c != lower[i])
            return false;
    }
    return lower[bytes] == '\0';
}

static bool word_is_secret(const char *word, size_t bytes)
{
    static const char *const whole[] = {"pwd",    "token",       "key",     "apikey",        "auth",   "credential",
                                        "bearer", "credentials", "secrets", "authorization", "cookie", "pass"};
    // PGPASSWORD, clientsecret
    static const char *const endings[] = {"password", "passwd",      "passphrase", "secret",
                                          "apikey",   "accesstoken", "authtoken"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (same_word(word, bytes, whole[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (bytes >= ending && same_word(word + bytes - ending, ending, endings[i]))
            return true;
    }
    return false;
}

// The words of a name are parted by '-', '_', '.' and by an upper letter behind a lower one (apiKey).
static bool name_is_secret(const char *name, size_t bytes)
{
    size_t start = 0;
    for (size_t i = 0; i <= bytes; i++) {
        bool edge = i == bytes || name[i] == '-' || name[i] == '_' || name[i] == '.';
        bool hump = !edge && i > start && is_upper(name[i]) && !is_upper(name[i - 1]);
        if (!edge && !hump)
            continue;
        if (i > start) {
            // --no-auth is a switch: what follows is not its value.
            if (start <= 2 &&
                (same_word(name + start, i - start, "no") || same_word(name + start, i - start, "without")))
                return false;
            if (word_is_secret(name + start, i - start))
                return true;
        }
        start = edge ? i + 1 : i;
    }
    // fooApiKEY and other odd spellings: once more without the humps.
    start = 0;
    for (size_t i = 0; i <= bytes; i++) {
        if (i < bytes && name[i] != '-' && name[i] != '_' && name[i] != '.')
            continue;
        if (word_is_secret(name + start, i - start))
            return true;
        start = i + 1;
    }
    return false;
}

static size_t word_bytes(const char *text)
{
    size_t bytes = 0;
    while (text[bytes] && !is_space(text[bytes]) && text[bytes] != '"' && text[bytes] != '\'')
        bytes++;
    return bytes;
}

// user:password@ behind "://". Returns how many bytes of `text` it has dealt with; 0: nothing to hide there.
static size_t add_masked_user(op_buffer *out, const char *text)
{
    size_t bytes = word_bytes(text), authority = strcspn(text, "/?#"), at = SIZE_MAX, far = SIZE_MAX,
           colon = SIZE_MAX;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == ':' && colon == SIZE_MAX)
            colon = i;
        if (text[i] == '@') {
            far = i;
            if (i < authority)
                at = i;
        }
    }
    // An '@' only behind the first '/': a password with a bare '/' in it, unless a port stands behind the colon.
    if (at == SIZE_MAX && colon < authority && !is_digit(text[colon + 1]))
        at = far;
    if (at == SIZE_MAX)
        return 0;
    if (colon < at) {
        op_buffer_add(out, text, colon + 1);
        op_buffer_add_text(out, MASK);
        return at;
    }
    if (at < TOKEN_USER_BYTES)
        return 0;
    op_buffer_add_text(out, MASK);   // too long for a user's name: a token
    return at;
}

// A value: masked up to its end. Returns the bytes that it took.
static size_t add_masked_value(op_buffer *out, const char *text, bool to_the_end)
{
    size_t bytes;
    if (to_the_end) {
        bytes = strlen(text);
        op_buffer_add_text(out, bytes ? MASK : "");
        return bytes;
    }
    if (*text == '"' || *text == '\'') {
        const char *close = strchr(text + 1, *text);
        bytes = close ? (size_t)(close - text) + 1 : strlen(text);
        op_buffer_add(out, text, 1);
        op_buffer_add_text(out, MASK);
        if (close)
            op_buffer_add(out, text, 1);
        return bytes;
    }
    bytes = strcspn(text, " \t\r\n\v\f\"'&;");
    op_buffer_add_text(out, bytes ? MASK : "");
    return bytes;
}

// Copies one argument with its secrets masked. *next: in: this argument is (or begins with) the value of the option
// before; out: the same for the argument behind.
static void add_masked_argument(op_buffer *out, const char *text, bool *next)
{
    const char *at = text;
    bool value_follows = *next;
    *next = false;
    if (value_follows && !(text[0] == '-' && text[1] == '-' && is_letter(text[2]))) {
        add_masked_value(out, text, true);
        return;
    }
    value_follows = false;
    while (*at) {
        if (is_space(*at)) {
            op_buffer_add(out, at++, 1);
            continue;
        }
        if (value_follows && !(at[0] == '-' && at[1] == '-' && is_letter(at[2]))) {
            size_t taken = add_masked_value(out, at, false);
            value_follows = false;
            if (taken > 0) {
                at += taken;
                continue;
            }
        }
        value_follows = false;
        if (strncmp(at, "://", 3) == 0) {
            op_buffer_add(out, at, 3);
            at += 3;
            at += add_masked_user(out, at);
            continue;
        }
        if (!is_name_byte(*at)) {
            op_buffer_add(out, at++, 1);
            continue;
        }
        size_t bytes = 0;
        while (is_name_byte(at[bytes]))
            bytes++;
        const char *name = at, *behind = at + bytes;
        bool secret = bytes <= MAX_NAME_BYTES && name_is_secret(name, bytes);
        op_buffer_add(out, name, bytes);
        at = behind;
        if (!secret)
            continue;
        if (*at == '=') {
            op_buffer_add(out, at++, 1);
            at += add_masked_value(out, at, name == text);
        } else if (at[0] == ':' && at[1] != '/' && at[1] != '\0') {
            op_buffer_add(out, at++, 1);   // a header: "Authorization: Bearer x"
            while (is_space(*at))
                op_buffer_add(out, at++, 1);
            at += add_masked_value(out, at, true);
        } else if ((*at == '"' || *at == '\'') && at[1] == ':') {
            op_buffer_add(out, at, 2);   // JSON
            at += 2;
            at += add_masked_value(out, at, true);
        } else if (*at == '\0' && name == text && name[0] == '-') {
            *next = true;
        } else if (is_space(*at) || *at == '\0') {
            value_follows = name[0] == '-' || same_word(name, bytes, "bearer");
        }
    }
    if (value_follows)
        *next = true;
}

static bool needs_quotes(const char *text, size_t bytes)
{
    static const char plain[] = "@%+=:,./-_";
    if (bytes == 0)
        return true;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        bool is_mask = c == '*' && bytes - i >= 3 && memcmp(text + i, MASK, 3) == 0;
        if (is_mask)
            i += 2;
        else if (!is_letter(c) && !is_digit(c) && !(c & 0x80) && (c == '\0' || !strchr(plain, c)))
            return true;
    }
    return false;
}

static void add_quoted(op_buffer *out, const char *text, size_t bytes)
{
    if (!needs_quotes(text, bytes)) {
        op_buffer_add(out, text, bytes);
        return;
    }
    op_buffer_add_byte(out, '\'');
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\'')
            op_buffer_add_text(out, "'\\''");
        else
            op_buffer_add(out, text + i, 1);
    }
    op_buffer_add_byte(out, '\'');
}

static void add_argument(op_buffer *out, op_buffer *scratch, const char *text, bool first, bool *next)
{
    op_buffer_reset(scratch);
    add_masked_argument(scratch, text, next);
    if (!first)
        op_buffer_add_byte(out, ' ');
    if (scratch->failed)
        out->failed = true;
    else
        add_quoted(out, scratch->data ? scratch->data : "", scratch->size);
}

void op_command_add_masked(op_buffer *out, char *const *argv, size_t count)
{
    op_buffer scratch;
    bool next = false;
    op_buffer_init(&scratch);
    for (size_t i = 0; i < count && i < MAX_ARGUMENTS && argv[i]; i++)
        add_argument(out, &scratch, argv[i], i == 0, &next);
    op_buffer_fini(&scratch);
}

op_status op_process_command(pid_t pid, op_buffer *out)
{
    char path[OP_PROC_PATH_BYTES];
    char *text = op_alloc(MAX_COMMAND_BYTES);
    size_t bytes;
    if (!text)
        return OP_NO_MEMORY;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    op_status status = op_proc_read(path, text, MAX_COMMAND_BYTES, &bytes);
    if (status != OP_OK)
        goto done;
    op_buffer scratch;
    bool next = false;
    size_t arguments = 0;
    op_buffer_init(&scratch);
    // A program that sets its title leaves NULs behind it.
    while (bytes > 0 && text[bytes - 1] == '\0' && (bytes < 2 || text[bytes - 2] == '\0'))
        bytes--;
    for (size_t at = 0; at < bytes && arguments < MAX_ARGUMENTS; at += strlen(text + at) + 1)
        add_argument(out, &scratch, text + at, arguments++ == 0, &next);
    op_buffer_fini(&scratch);
    if (out->failed)
        status = OP_NO_MEMORY;
done:
    op_free(text);
    return status;
}

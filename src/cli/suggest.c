// SPDX-License-Identifier: MIT
#include "cli/suggest.h"

#include <string.h>

enum { MAX_NAME = 40 };   // longer names are never suggested nor corrected

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Edit distance where two swapped neighbours count as one (optimal string alignment).
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][MAX_NAME + 1];
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before_last = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], before_last[j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

op_suggestion op_suggestion_start(const char *typed, size_t length)
{
    return (op_suggestion){.typed = typed, .length = length};
}

void op_suggestion_try(op_suggestion *suggestion, const char *name, const char *answer)
{
    size_t length = strnlen(name, MAX_NAME + 1);
    if (length > MAX_NAME || suggestion->length > MAX_NAME) {
        return;
    }
    // A name that was cut short or half typed is near too.
    size_t far = distance(suggestion->typed, suggestion->length, name, length);
    if (suggestion->length >= 4 && suggestion->length < length &&
        memcmp(name, suggestion->typed, suggestion->length) == 0) {
        far = 1;
    }
    size_t allowed = suggestion->length <= 5 ? 2 : 3;
    if (suggestion->length <= 2) {
        allowed = 0;
    }
    if (far <= allowed && (suggestion->best == NULL || far < suggestion->best_distance)) {
        suggestion->best = answer;
        suggestion->best_distance = far;
    }
}

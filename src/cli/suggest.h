// SPDX-License-Identifier: MIT
// "Did you mean": the nearest of some names to a mistyped one.
#ifndef OP_CLI_SUGGEST_H
#define OP_CLI_SUGGEST_H

#include <stddef.h>

typedef struct {
    const char *typed;   // borrowed
    size_t length;
    const char *best;   // NULL: none is near enough
    size_t best_distance;
} op_suggestion;

op_suggestion op_suggestion_start(const char *typed, size_t length);
// Looks whether `name` is nearer than what was tried before; `answer` then becomes the best. Both borrowed.
void op_suggestion_try(op_suggestion *suggestion, const char *name, const char *answer);

#endif

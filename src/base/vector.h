// SPDX-License-Identifier: MIT
// A growing array of one type: OP_VECTOR(int) numbers = {0}; int *slot = OP_VECTOR_PUSH(&numbers);
#ifndef OP_BASE_VECTOR_H
#define OP_BASE_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include "base/memory.h"

#define OP_VECTOR(type)                                                                                            \
    struct {                                                                                                       \
        type *items;                                                                                               \
        size_t count;                                                                                              \
        size_t capacity;                                                                                           \
    }

// Makes room for one more and returns true; false: out of memory, nothing changed. Doubles from 16.
bool op_vector_grow(void **items, size_t *capacity, size_t count, size_t item_size);

#define OP_VECTOR_RESERVE_ONE(vector)                                                                              \
    ((vector)->count < (vector)->capacity ||                                                                       \
     op_vector_grow((void **)(void *)&(vector)->items, &(vector)->capacity, (vector)->count,                       \
                    sizeof *(vector)->items))
// A pointer to a new last item (not zeroed), or NULL: out of memory.
#define OP_VECTOR_PUSH(vector) (OP_VECTOR_RESERVE_ONE(vector) ? &(vector)->items[(vector)->count++] : NULL)
#define OP_VECTOR_FINI(vector)                                                                                     \
    do {                                                                                                           \
        op_free((vector)->items);                                                                                  \
        (vector)->items = NULL;                                                                                    \
        (vector)->count = (vector)->capacity = 0;                                                                  \
    } while (0)

#endif

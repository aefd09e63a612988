// SPDX-License-Identifier: MIT
#include "base/vector.h"
#include <stdint.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

bool op_vector_grow(void **items, size_t *capacity, size_t count, size_t item_size)
{
    if (count < *capacity)
        return true;
    if (*capacity > SIZE_MAX / 2)
        return false;
    size_t wanted = *capacity ? *capacity * 2 : FIRST_CAPACITY;
    // `items` really points to a pointer of another type: copied as bytes, it may not be read as a void *.
    void *old;
    memcpy(&old, items, sizeof old);
    void *grown = op_resize(old, wanted, item_size);
    if (!grown)
        return false;
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

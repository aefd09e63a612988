// SPDX-License-Identifier: MIT
// Property: whatever the table, every offset has an answer, and none reads outside it.
#include <string.h>
#include "base/memory.h"
#include "cpython/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 8, OFFSETS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t first_line, stride;
    if (size < HEAD_BYTES)
        return 0;
    memcpy(&first_line, data, sizeof first_line);
    memcpy(&stride, data + 4, sizeof stride);
    size_t bytes = size - HEAD_BYTES;
    // A copy of its own, so that a read past its end is seen.
    unsigned char *table = op_alloc(bytes ? bytes : 1);
    if (!table)
        return 0;
    memcpy(table, data + HEAD_BYTES, bytes);
    for (int minor = 8; minor <= 15; minor++) {
        for (int64_t i = -1; i < OFFSETS; i++)
            (void)op_line_table_find(minor, table, bytes, first_line, i * (stride % 4096 + 1));
    }
    op_free(table);
    return 0;
}

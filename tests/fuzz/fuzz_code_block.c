// SPDX-License-Identifier: MIT
// Property: whatever stands in a source file, a definition has at least a line and ends within the file.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "export/code_block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STARTS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    op_source_file file;
    if (op_source_file_init_text(&file, (const char *)data, size)) {
        // A copy of its own size, so that a read past its end is seen.
        char *text = op_alloc(file.text.size > 0 ? file.text.size : 1);
        if (text != NULL) {
            memcpy(text, file.text.data == NULL ? "" : file.text.data, file.text.size);
            char *grown = file.text.data;
            file.text.data = text;
            for (uint32_t first = 1; first <= STARTS; first++) {
                uint32_t lines = op_code_block_lines(&file, first);
                if ((lines == 0) != (first > file.starts.count) ||
                    (lines > 0 && first + lines - 1 > file.starts.count)) {
                    abort();
                }
                (void)op_source_file_line(&file, first + lines);
            }
            file.text.data = grown;
        }
        op_free(text);
    }
    op_source_file_fini(&file);
    return 0;
}

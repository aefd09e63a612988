// SPDX-License-Identifier: MIT
// Where the source of a function ends.
#ifndef OP_EXPORT_CODE_BLOCK_H
#define OP_EXPORT_CODE_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#include "export/source_file.h"

// The lines of the definition that begins at line `first` (its first decorator, or the line of its `def` or
// `lambda`), as Python's inspect.getblock counts them: to the last line of its body, with comments that are
// indented as the body is. At least 1, where that line is there, else 0. Text that is no Python ends the block,
// never the reader.
uint32_t op_code_block_lines(const op_source_file *file, uint32_t first);

#endif

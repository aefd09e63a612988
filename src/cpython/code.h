// SPDX-License-Identifier: MIT
// A code object of the target: its identity, its names, its lines. Read off the hot path.
#ifndef OP_CPYTHON_CODE_H
#define OP_CPYTHON_CODE_H

#include "base/buffer.h"
#include "cpython/runtime.h"

enum {
    OP_CODE_MAX_NAME_BYTES = 4096,
    OP_CODE_MAX_TABLE_BYTES = 16 << 20,   // line table
    OP_CODE_MAX_BYTECODE_BYTES = 64 << 20,
    OP_CODE_CHECK_MAX = 32,
};

// What tells one code object from a later one at the same address. Equal at two moments: the same in between.
typedef struct {
    op_addr type, name, qualname, filename, linetable, consts, names;
    int64_t bytecode_bytes;
    uint32_t first_line, version, framesize_words, flags, argcount, local_words;
} op_code_identity;

typedef struct {
    op_addr address;
    op_code_identity identity;
    char *name;   // owned, UTF-8: the qualified name on 3.11+
    char *file;   // owned, UTF-8
    size_t name_bytes, file_bytes;
    unsigned char *lines;   // owned: raw line table
    size_t line_bytes;
    int minor;
} op_code;

// The fixed part of a code object: one read. BAD_DATA where no code object can lie there.
op_status op_code_identity_read(op_runtime *runtime, op_addr address, op_code_identity *identity) OP_MUST_CHECK;
bool op_code_identity_equal(const op_code_identity *a, const op_code_identity *b);
// Reads the identities of at most OP_CODE_CHECK_MAX code objects by one call: equal[i] tells whether that of
// addresses[i] is still *known[i].
void op_code_identities_check(op_runtime *runtime, const op_addr *addresses, const op_code_identity *const *known,
                              size_t count, bool *equal);
// Names and line table; the identity is read again behind them and must be equal (else BAD_DATA). op_code_fini
// frees.
op_status op_code_read(op_runtime *runtime, op_addr address, op_code *code) OP_MUST_CHECK;
void op_code_fini(op_code *code);
// The line of the instruction at byte offset `lasti` from the first instruction; 0: none. Never reads outside
// the table.
uint32_t op_code_line(const op_code *code, int64_t lasti);
// The same on a raw table (lnotab for 3.8/3.9, linetable of 3.10, location table of 3.11+).
uint32_t op_line_table_find(int minor, const unsigned char *table, size_t bytes, uint32_t first_line,
                            int64_t lasti);

#endif

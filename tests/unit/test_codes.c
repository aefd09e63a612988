// SPDX-License-Identifier: MIT
// What a code object's instructions say about a call: how many arguments it passes by position, and which of its own
// arguments the code may bind anew.
#include "cpython/codes.h"

#include <string.h>

#include "tap.h"

enum { FIRST_MINOR = 11, LAST_MINOR = 15, MAX_BYTES = 256 };

static unsigned char bytecode[MAX_BYTES];
static size_t bytecode_bytes;

static op_status fake_readv(op_memory_reader *reader, const op_span *spans, size_t count, size_t *done)
{
    (void)reader;
    *done = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].from.value + spans[i].bytes > bytecode_bytes)
            return OP_UNREADABLE;
        memcpy(spans[i].to, bytecode + spans[i].from.value, spans[i].bytes);
        *done += spans[i].bytes;
    }
    return OP_OK;
}

static int find_opcode(int minor, const char *name)
{
    const op_opcodes *table = op_opcodes_find(minor);
    for (int i = 0; i < 256; i++)
        if (table->names[i] != NULL && strcmp(table->names[i], name) == 0)
            return i;
    return -1;
}

static void add(int minor, const char *name, unsigned char argument)
{
    int opcode = find_opcode(minor, name);
    TAP_REQUIRE(opcode >= 0);
    bytecode[bytecode_bytes++] = (unsigned char)opcode;
    bytecode[bytecode_bytes++] = argument;
    size_t caches = op_opcodes_find(minor)->caches[opcode];
    memset(bytecode + bytecode_bytes, 0, 2 * caches);
    bytecode_bytes += 2 * caches;
}

typedef struct {
    op_memory_reader memory;
    op_runtime runtime;
    op_codes codes;
} fixture;

// One code object, of id 1, whose instructions are those added.
static void set_up(fixture *f, int minor)
{
    memset(f, 0, sizeof *f);
    f->memory.readv = fake_readv;
    f->runtime.memory = &f->memory;
    f->runtime.minor = minor;
    f->runtime.opcodes = op_opcodes_find(minor);
    op_codes_init(&f->codes, &f->runtime);
    op_code_entry *entry = OP_VECTOR_PUSH(&f->codes.entries);
    TAP_REQUIRE(entry != NULL);
    memset(entry, 0, sizeof *entry);
    entry->identity.bytecode_bytes = (int64_t)bytecode_bytes;
}

static unsigned rebound(int minor)
{
    fixture f;
    set_up(&f, minor);
    unsigned bound = op_codes_rebound(&f.codes, 1);
    TAP_EQ_INT(op_codes_rebound(&f.codes, 1), bound);
    op_codes_fini(&f.codes);
    bytecode_bytes = 0;
    return bound;
}

static unsigned passes(int minor, int32_t offset)
{
    fixture f;
    set_up(&f, minor);
    const op_site *site = op_codes_site(&f.codes, 1, offset, 1, OP_SITE_STALE_NS);
    TAP_REQUIRE(site != NULL);
    unsigned count = site->passes;
    TAP_OK(!site->leaves_function);
    op_codes_learn_function(&f.codes, 1, offset);
    TAP_OK(op_codes_site(&f.codes, 1, offset, 1, OP_SITE_STALE_NS)->leaves_function);
    op_codes_fini(&f.codes);
    bytecode_bytes = 0;
    return count;
}

TAP_TEST(codes_that_only_read_their_arguments)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        add(minor, "RESUME", 0);
        add(minor, "LOAD_FAST", 0);
        add(minor, "LOAD_FAST", 1);
        add(minor, "STORE_FAST", 7);
        add(minor, "CALL", 2);
        TAP_EQ_INT(rebound(minor), 0);
    }
}

TAP_TEST(codes_that_bind_arguments_anew)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        add(minor, "STORE_FAST", 1);
        TAP_EQ_INT(rebound(minor), 1 << 1);
        add(minor, "LOAD_FAST", 0);
        add(minor, "DELETE_FAST", 2);
        add(minor, "MAKE_CELL", 3);
        TAP_EQ_INT(rebound(minor), 1 << 2 | 1 << 3);
        if (minor >= 12) {
            add(minor, "LOAD_FAST_AND_CLEAR", 0);
            TAP_EQ_INT(rebound(minor), 1);
        }
        if (minor >= 13) {
            add(minor, "STORE_FAST_LOAD_FAST", 0x21);   // stores 2, loads 1
            TAP_EQ_INT(rebound(minor), 1 << 2);
            add(minor, "STORE_FAST_STORE_FAST", 0x30);
            TAP_EQ_INT(rebound(minor), 1 << 3 | 1);
        }
    }
}

TAP_TEST(codes_whose_instructions_are_hidden)
{
    for (int minor = 12; minor <= LAST_MINOR; minor++) {
        add(minor, "LOAD_FAST", 0);
        add(minor, "INSTRUMENTED_LINE", 0);
        TAP_EQ_INT(rebound(minor), (1 << OP_CODE_ARGUMENTS) - 1);
    }
}

TAP_TEST(codes_that_are_gone_bind_everything)
{
    fixture f;
    bytecode_bytes = 2;
    set_up(&f, 13);
    f.codes.entries.items[0].identity.bytecode_bytes = MAX_BYTES;
    TAP_EQ_INT(op_codes_rebound(&f.codes, 1), UINT8_MAX);
    TAP_EQ_INT(op_codes_rebound(&f.codes, 2), UINT8_MAX);
    op_codes_fini(&f.codes);
    bytecode_bytes = 0;
}

static void add_call(int minor, unsigned char arguments)
{
    if (minor == 11)
        add(minor, "PRECALL", arguments);
    add(minor, "CALL", arguments);
}

static int last_argument(int minor, int32_t offset)
{
    fixture f;
    set_up(&f, minor);
    int last = op_codes_last_argument(&f.codes, 1, offset);
    TAP_EQ_INT(op_codes_last_argument(&f.codes, 1, (int32_t)bytecode_bytes), OP_ARGUMENT_UNKNOWN);
    TAP_EQ_INT(op_codes_last_argument(&f.codes, 2, offset), OP_ARGUMENT_UNKNOWN);
    op_codes_fini(&f.codes);
    bytecode_bytes = 0;
    return last;
}

TAP_TEST(last_arguments)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        // sum(x for x in y): the call that makes the generator, then the one that takes it.
        add(minor, "LOAD_FAST", 0);
        add(minor, "GET_ITER", 0);
        add_call(minor, 0);
        int32_t site = (int32_t)bytecode_bytes;
        add_call(minor, 1);
        add(minor, "RETURN_VALUE", 0);
        TAP_EQ_INT(last_argument(minor, site), OP_ARGUMENT_RESULT);
        // next(g)
        add(minor, "LOAD_FAST", 3);
        site = (int32_t)bytecode_bytes;
        add_call(minor, 1);
        TAP_EQ_INT(last_argument(minor, site), 3);
        add(minor, "EXTENDED_ARG", 1);
        add(minor, "LOAD_FAST", 3);
        site = (int32_t)bytecode_bytes;
        add_call(minor, 1);
        TAP_EQ_INT(last_argument(minor, site), OP_ARGUMENT_UNKNOWN);
        // A call with arguments before it; a call without any; no call.
        add(minor, "LOAD_FAST", 3);
        add_call(minor, 1);
        site = (int32_t)bytecode_bytes;
        add_call(minor, 1);
        TAP_EQ_INT(last_argument(minor, site), OP_ARGUMENT_UNKNOWN);
        add(minor, "LOAD_FAST", 3);
        site = (int32_t)bytecode_bytes;
        add_call(minor, 0);
        TAP_EQ_INT(last_argument(minor, site), OP_ARGUMENT_UNKNOWN);
        add_call(minor, 0);
        site = (int32_t)bytecode_bytes;
        add(minor, "LOAD_FAST", 0);
        TAP_EQ_INT(last_argument(minor, site), OP_ARGUMENT_UNKNOWN);
    }
}

TAP_TEST(calls_by_position)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        add(minor, "LOAD_FAST", 0);
        add(minor, "CALL", 3);
        TAP_EQ_INT(passes(minor, 2), 3);
        add(minor, "LOAD_FAST", 0);
        add(minor, "CALL_PY_EXACT_ARGS", 2);
        TAP_EQ_INT(passes(minor, 2), 2);
    }
}

TAP_TEST(calls_by_name_and_other_instructions)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        add(minor, "LOAD_FAST", 0);
        TAP_EQ_INT(passes(minor, 0), OP_PASSES_UNKNOWN);
        add(minor, "CALL_FUNCTION_EX", 0);
        TAP_EQ_INT(passes(minor, 0), OP_PASSES_UNKNOWN);
        add(minor, minor <= 12 ? "KW_NAMES" : "LOAD_FAST", 0);
        if (minor == 11)
            add(minor, "PRECALL", 2);
        int32_t offset = (int32_t)bytecode_bytes;
        add(minor, minor <= 12 ? "CALL" : "CALL_KW", 2);
        TAP_EQ_INT(passes(minor, offset), OP_PASSES_UNKNOWN);
    }
}

TAP_MAIN()

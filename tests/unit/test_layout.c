// SPDX-License-Identifier: MIT
// The tables of offsets and opcodes: what must hold in every version, and numbers that are known from elsewhere.
#include "cpython/layout.h"
#include "tap.h"

enum { FIRST_MINOR = 8, LAST_MINOR = 15, FIRST_OPCODES = 11, POINTER = 8, FIELD_COUNT_MAX = 128 };

static const op_layout *table(int minor)
{
    const op_layout *layout = op_layout_find(minor, 0, NULL);
    TAP_REQUIRE(layout != NULL);
    return layout;
}

static const op_opcodes *opcodes(int minor)
{
    const op_opcodes *found = op_opcodes_find(minor);
    TAP_REQUIRE(found != NULL);
    return found;
}

static int opcode_named(const op_opcodes *found, const char *name)
{
    for (int i = 0; i < 256; i++)
        if (found->names[i] && strcmp(found->names[i], name) == 0)
            return i;
    return -1;
}

static unsigned flags_of(int minor, const char *name)
{
    int opcode = opcode_named(opcodes(minor), name);
    TAP_REQUIRE(opcode >= 0);
    return opcodes(minor)->flags[opcode];
}

TAP_TEST(finds_the_minor_and_tells_whether_the_patch_is_covered)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        bool exact = false;
        const op_layout *layout = table(minor);
        TAP_EQ_INT(layout->minor, minor);
        TAP_OK(layout->first_patch <= layout->last_patch);
        TAP_OK(strstr(layout->source, "CPython 3.") != NULL);
        TAP_OK(op_layout_find(minor, layout->first_patch, &exact) == layout && exact);
        TAP_OK(op_layout_find(minor, layout->last_patch, &exact) == layout && exact);
        TAP_OK(op_layout_find(minor, layout->last_patch + 1, &exact) != NULL && !exact);
        TAP_OK((op_opcodes_find(minor) != NULL) == (minor >= FIRST_OPCODES));
    }
}

TAP_TEST(knows_no_other_version)
{
    TAP_OK(op_layout_find(FIRST_MINOR - 1, 0, NULL) == NULL);
    TAP_OK(op_layout_find(LAST_MINOR + 1, 0, NULL) == NULL);
    TAP_OK(op_layout_find(-1, 0, NULL) == NULL);
    TAP_OK(op_opcodes_find(FIRST_OPCODES - 1) == NULL);
    TAP_OK(op_opcodes_find(LAST_MINOR + 1) == NULL);
    TAP_EQ_STR(op_layout_known, "3.8 to 3.15");
}

typedef struct {
    const char *prefix, *size_name;
} group;

static void check_group(const op_layout *layout, group checked)
{
    int32_t seen[FIELD_COUNT_MAX], size = OP_LAYOUT_NONE;
    size_t count = 0, prefix_bytes = strlen(checked.prefix);
#define X(field)                                                                                                   \
    if (strcmp(#field, checked.size_name) == 0)                                                                    \
        size = layout->field;                                                                                      \
    else if (strncmp(#field, checked.prefix, prefix_bytes) == 0 && layout->field != OP_LAYOUT_NONE &&              \
             count < FIELD_COUNT_MAX)                                                                              \
        seen[count++] = layout->field;
    OP_LAYOUT_MAP(X)
#undef X
    if (count > 0 && size == OP_LAYOUT_NONE)
        TAP_OK(false);
    for (size_t i = 0; i < count; i++) {
        TAP_OK(seen[i] >= 0 && seen[i] < size);
        for (size_t j = 0; j < i; j++)
            TAP_OK(seen[i] != seen[j]);
    }
}

TAP_TEST(fields_of_a_struct_lie_inside_it_and_apart)
{
    static const group GROUPS[] = {
        {"runtime_", "runtime_size"}, {"interp_", "interp_size"},   {"thread_", "thread_size"},
        {"iframe_", "iframe_size"},   {"pyframe_", "pyframe_size"}, {"code_", "code_size"},
        {"object_", "object_size"},
    };
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++)
        for (size_t i = 0; i < sizeof GROUPS / sizeof GROUPS[0]; i++)
            check_group(table(minor), GROUPS[i]);
}

TAP_TEST(fields_exist_in_the_versions_that_have_them)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        const op_layout *layout = table(minor);
        TAP_EQ_INT(layout->thread_frame != OP_LAYOUT_NONE, minor <= 10);
        TAP_EQ_INT(layout->thread_cframe != OP_LAYOUT_NONE, minor == 11 || minor == 12);
        TAP_EQ_INT(layout->thread_current_frame != OP_LAYOUT_NONE, minor >= 13);
        TAP_EQ_INT(layout->thread_native_thread_id != OP_LAYOUT_NONE, minor >= 11);
        TAP_EQ_INT(layout->runtime_tstate_current != OP_LAYOUT_NONE, minor <= 11);
        TAP_EQ_INT(layout->interp_gil != OP_LAYOUT_NONE, minor >= 12);
        TAP_EQ_INT(layout->iframe_is_entry != OP_LAYOUT_NONE, minor == 11);
        TAP_EQ_INT(layout->pyframe_state != OP_LAYOUT_NONE, minor == 10);
        TAP_EQ_INT(layout->pyframe_executing != OP_LAYOUT_NONE, minor <= 9);
        TAP_EQ_INT(layout->code_qualname != OP_LAYOUT_NONE, minor >= 11);
        TAP_EQ_INT(layout->code_framesize != OP_LAYOUT_NONE, minor >= 12);
        TAP_EQ_INT(layout->keys_size != OP_LAYOUT_NONE, minor <= 10);
        TAP_EQ_INT(layout->keys_log2_size != OP_LAYOUT_NONE, minor >= 11);
        TAP_OK(layout->keys_indices > layout->keys_nentries);
    }
}

// Readers outside CPython lean on these.
TAP_TEST(known_numbers)
{
    for (int minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        const op_layout *layout = table(minor);
        TAP_EQ_INT(layout->object_refcnt, 0);
        TAP_EQ_INT(layout->object_type, POINTER);
        TAP_EQ_INT(layout->object_size, 2 * POINTER);
        TAP_EQ_INT(layout->var_size, 2 * POINTER);
        TAP_EQ_INT(layout->type_name, 3 * POINTER);
        TAP_EQ_INT(layout->bytes_data, 4 * POINTER);
        TAP_EQ_INT(layout->unicode_ascii_size, minor <= 11 ? 48 : 40);
        TAP_EQ_INT(layout->unicode_compact_size, minor <= 11 ? 72 : 56);
        if (minor >= 11) {
            TAP_EQ_INT(layout->thread_datastack_top, layout->thread_datastack_chunk + POINTER);
            TAP_EQ_INT(layout->chunk_data, 3 * POINTER);
            TAP_EQ_INT(layout->iframe_localsplus % POINTER, 0);
            TAP_EQ_INT(layout->managed_dict, -3 * POINTER);
        }
    }
    TAP_EQ_INT(table(11)->managed_values, -4 * POINTER);
}

// _Py_DebugOffsets leads _PyRuntimeState: what follows it starts behind its 73, 95 and 111 words, and the next
// fields are a few ints and locks.
TAP_TEST(debug_offsets_come_before_the_rest_of_the_runtime)
{
    static const int32_t BYTES[] = {584, 760, 888};
    for (int minor = 13; minor <= LAST_MINOR; minor++) {
        int32_t finalizing = table(minor)->runtime_finalizing;
        TAP_OK(finalizing >= BYTES[minor - 13] && finalizing < BYTES[minor - 13] + 64);
    }
}

TAP_TEST(opcodes_are_consistent)
{
    for (int minor = FIRST_OPCODES; minor <= LAST_MINOR; minor++) {
        const op_opcodes *found = opcodes(minor);
        TAP_EQ_INT(found->minor, minor);
        TAP_EQ_STR(found->names[0], "CACHE");
        for (int i = 0; i < 256; i++) {
            if (!found->names[i]) {
                TAP_OK(found->flags[i] == 0 && found->caches[i] == 0 && found->deopt[i] == 0);
                continue;
            }
            int generic = found->deopt[i];
            TAP_OK(found->names[generic] != NULL);
            TAP_EQ_INT(found->deopt[generic], generic);
            if (strcmp(found->names[i], "ENTER_EXECUTOR") != 0)
                TAP_EQ_INT(found->caches[i], found->caches[generic]);
            if (found->flags[i] & OP_OPCODE_VERSIONED)
                TAP_OK(found->version_cache[i] + 2 <= found->caches[i] && found->flags[i] & OP_OPCODE_PUSHES);
            if (strstr(found->names[i], "BUILTIN") && strstr(found->names[i], "CALL"))
                TAP_EQ_INT(found->flags[i] & (OP_OPCODE_PUSHES | OP_OPCODE_ENTERS), OP_OPCODE_ENTERS);
        }
    }
}

TAP_TEST(opcodes_do_what_they_do)
{
    const unsigned all = OP_OPCODE_PUSHES | OP_OPCODE_ENTERS | OP_OPCODE_RESUMES;
    for (int minor = FIRST_OPCODES; minor <= LAST_MINOR; minor++) {
        TAP_EQ_INT(flags_of(minor, "CALL"), OP_OPCODE_PUSHES | OP_OPCODE_ENTERS);
        TAP_EQ_INT(flags_of(minor, "CALL_PY_EXACT_ARGS"),
                   OP_OPCODE_PUSHES | OP_OPCODE_VERSIONED | OP_OPCODE_INTERRUPTIBLE);
        TAP_EQ_INT(opcodes(minor)->version_cache[opcode_named(opcodes(minor), "CALL_PY_EXACT_ARGS")], 1);
        TAP_EQ_INT(flags_of(minor, "EXTENDED_ARG"), OP_OPCODE_EXTENDED);
        TAP_EQ_INT(flags_of(minor, "LOAD_FAST"), 0);
        TAP_EQ_INT(flags_of(minor, "STORE_FAST") & all, 0);
        TAP_EQ_INT(flags_of(minor, "RETURN_VALUE") & all, 0);
        TAP_EQ_INT(flags_of(minor, "IMPORT_NAME"), OP_OPCODE_ENTERS);
        TAP_EQ_INT(flags_of(minor, "CALL_FUNCTION_EX") & OP_OPCODE_PUSHES, minor >= 12 ? OP_OPCODE_PUSHES : 0);
        TAP_EQ_INT(flags_of(minor, "SEND") & all,
                   minor >= 12 ? OP_OPCODE_RESUMES | OP_OPCODE_ENTERS : OP_OPCODE_ENTERS);
        if (minor >= 12)
            TAP_EQ_INT(flags_of(minor, "INSTRUMENTED_LINE"), all);
        if (minor >= 13)
            TAP_OK(flags_of(minor, "EXIT_INIT_CHECK") & OP_OPCODE_PUSHES);
    }
    TAP_OK(flags_of(12, "BINARY_SUBSCR") & OP_OPCODE_SIBLING);
    TAP_OK(flags_of(14, "BINARY_OP") & OP_OPCODE_SIBLING);
    TAP_EQ_INT(opcode_named(opcodes(11), "PRECALL"), 166);
    TAP_EQ_INT(opcodes(11)->caches[opcode_named(opcodes(11), "CALL")], 4);
    TAP_EQ_INT(opcodes(13)->caches[opcode_named(opcodes(13), "CALL")], 3);
    TAP_EQ_INT(opcode_named(opcodes(15), "CALL"), 50);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
// Trust boundary. The struct comes out of another process: a wrong number here would send every later read astray.
// So each one is checked once, here, against the size of its own struct, a maximum for that struct, and its
// alignment, and only if all pass is any of them used. The hot path then needs no checks.
//
// Maintenance: the struct has no self-description and gets new fields in its middle with every minor version. Each
// minor has its own list, in the order of that version's header (pycore_debug_offsets.h; pycore_runtime.h in 3.13);
// the static_assert on its size is the tripwire.
#include "cpython/debug_offsets.h"

#include <assert.h>
#include <string.h>

// What a word of the struct is. The size of a group leads it and bounds what follows.
enum { WORD_SIZE, WORD_POINTER, WORD_INT, WORD_BYTE, WORD_ANY };

// Upper bounds for sizes of groups, well above those of 3.13 to 3.15.
enum { MAX_BIG_STRUCT = 16 << 20, MAX_THREAD_STRUCT = 64 << 10, MAX_SMALL_STRUCT = 8 << 10 };

// X(group, field, kind). SKIP: not checked and not used (zero on default builds, or needed by nobody here).
// clang-format off
#define HEAD_3_13(X) X(runtime, size, SIZE) X(runtime, finalizing, POINTER) X(runtime, interpreters_head, POINTER)

#define INTERP_3_13(X)                                                                                             \
    X(interp, size, SIZE) X(interp, id, POINTER) X(interp, next, POINTER) X(interp, threads_head, POINTER)

#define INTERP_TAIL_3_13(X)                                                                                        \
    X(interp, gc, POINTER)                                                                                         \
    X(interp, modules, POINTER)                                                                                    \
    X(interp, sysdict, ANY)                                                                                        \
    X(interp, builtins, ANY) X(interp, ceval_gil, POINTER) X(interp, gil_state, POINTER)                           \
        X(interp, gil_enabled, ANY) X(interp, gil_locked, INT) X(interp, gil_holder, POINTER)

#define INTERP_TAIL_3_14(X) INTERP_TAIL_3_13(X) X(interp, code_object_generation, POINTER) X(interp, tlbc, ANY)

#define THREAD_HEAD(X)                                                                                             \
    X(thread, size, SIZE)                                                                                          \
    X(thread, prev, POINTER) X(thread, next, POINTER) X(thread, interp, POINTER) X(thread, current_frame, POINTER)

#define THREAD_TAIL(X)                                                                                             \
    X(thread, thread_id, POINTER)                                                                                  \
    X(thread, native_thread_id, POINTER) X(thread, datastack_chunk, POINTER) X(thread, status, INT)

#define FRAME_3_13(X)                                                                                              \
    X(frame, size, SIZE)                                                                                           \
    X(frame, previous, POINTER)                                                                                    \
    X(frame, executable, POINTER) X(frame, instr_ptr, POINTER) X(frame, localsplus, POINTER) X(frame, owner, BYTE)

#define FRAME_3_14(X) FRAME_3_13(X) X(frame, stackpointer, POINTER) X(frame, tlbc_index, ANY)

#define CODE_3_13(X)                                                                                               \
    X(code, size, SIZE)                                                                                            \
    X(code, filename, POINTER)                                                                                     \
    X(code, name, POINTER)                                                                                         \
    X(code, qualname, POINTER) X(code, linetable, POINTER) X(code, firstlineno, INT) X(code, argcount, INT)        \
        X(code, localsplusnames, POINTER) X(code, localspluskinds, POINTER) X(code, co_code_adaptive, INT)

#define CODE_3_14(X) CODE_3_13(X) X(code, co_tlbc, ANY)

#define TYPES_3_13(X)                                                                                              \
    X(object, size, SIZE)                                                                                          \
    X(object, type, POINTER)                                                                                       \
    X(type, size, SIZE) X(type, name, POINTER) X(type, repr, POINTER) X(type, flags, POINTER)

#define TYPES_3_15(X)                                                                                              \
    TYPES_3_13(X)                                                                                                  \
    X(type, basicsize, POINTER)                                                                                    \
    X(type, dictoffset, POINTER) X(heap_type, size, SIZE) X(heap_type, cached_keys, POINTER)

#define SEQUENCES_3_13(X)                                                                                          \
    X(tuple, size, SIZE)                                                                                           \
    X(tuple, item, ANY) X(tuple, count, ANY) X(list, size, SIZE) X(list, item, ANY) X(list, count, ANY)

#define SET_3_14(X) X(set, size, SIZE) X(set, used, ANY) X(set, table, ANY) X(set, mask, ANY)

#define SCALARS_3_13(X)                                                                                            \
    X(dict, size, SIZE)                                                                                            \
    X(dict, keys, POINTER)                                                                                         \
    X(dict, values, POINTER)                                                                                       \
    X(float, size, SIZE) X(float, value, ANY) X(long, size, SIZE) X(long, tag, POINTER) X(long, digits, INT)       \
        X(bytes, size, SIZE) X(bytes, count, POINTER) X(bytes, data, BYTE) X(unicode, size, SIZE)                  \
            X(unicode, state, INT) X(unicode, length, POINTER) X(unicode, ascii_size, POINTER)

#define GC_3_13(X) X(gc, size, SIZE) X(gc, collecting, INT)

#define GENERATOR_3_14(X) X(gen, size, SIZE) X(gen, name, POINTER) X(gen, iframe, POINTER) X(gen, frame_state, BYTE)

#define REST_3_14(X)                                                                                               \
    X(llist, next, ANY)                                                                                            \
    X(llist, prev, ANY)                                                                                            \
    X(debugger, breaker, ANY)                                                                                      \
    X(debugger, support, ANY) X(debugger, enabled, ANY) X(debugger, pending, ANY) X(debugger, path, ANY)           \
        X(debugger, path_size, ANY)

#define LIST_3_13(X)                                                                                               \
    HEAD_3_13(X)                                                                                                   \
    INTERP_3_13(X)                                                                                                 \
    INTERP_TAIL_3_13(X)                                                                                            \
    THREAD_HEAD(X) THREAD_TAIL(X) FRAME_3_13(X) CODE_3_13(X) TYPES_3_13(X) SEQUENCES_3_13(X) SCALARS_3_13(X)       \
        GC_3_13(X)

#define LIST_3_14(X)                                                                                               \
    HEAD_3_13(X)                                                                                                   \
    INTERP_3_13(X)                                                                                                 \
    X(interp, threads_main, POINTER)                                                                               \
    INTERP_TAIL_3_14(X) THREAD_HEAD(X) THREAD_TAIL(X) FRAME_3_14(X) CODE_3_14(X) TYPES_3_13(X) SEQUENCES_3_13(X)   \
        SET_3_14(X) SCALARS_3_13(X) GC_3_13(X) GENERATOR_3_14(X) REST_3_14(X)

#define LIST_3_15(X)                                                                                               \
    HEAD_3_13(X)                                                                                                   \
    INTERP_3_13(X)                                                                                                 \
    X(interp, threads_main, POINTER)                                                                               \
    INTERP_TAIL_3_14(X) THREAD_HEAD(X) X(thread, base_frame, POINTER) X(thread, last_profiled, ANY)                \
        X(thread, last_profiled_seq, ANY) THREAD_TAIL(X) X(thread, holds_gil, INT) X(thread, gil_requested, INT)   \
            X(thread, exception, ANY) X(thread, exc_state, ANY) X(stack_item, value, ANY) FRAME_3_14(X)            \
                CODE_3_14(X) TYPES_3_15(X) SEQUENCES_3_13(X) SET_3_14(X) SCALARS_3_13(X)                           \
                    X(unicode, compact_size, POINTER) GC_3_13(X) X(gc, frame, POINTER) X(gc, stats_size, ANY)      \
                        X(gc, stats, ANY) GENERATOR_3_14(X) REST_3_14(X)
// clang-format on

#define WORD_OF(group, field, kind) uint64_t group##_##field;
typedef struct {
    LIST_3_13(WORD_OF)
} words_3_13;
typedef struct {
    LIST_3_14(WORD_OF)
} words_3_14;
typedef struct {
    LIST_3_15(WORD_OF)
} words_3_15;
#undef WORD_OF

enum { HEAD_BYTES = 24 };   // cookie, version, free_threaded
static_assert(HEAD_BYTES + sizeof(words_3_13) == 584, "3.13's struct has 73 words");
static_assert(HEAD_BYTES + sizeof(words_3_14) == 760, "3.14's struct has 95 words");
static_assert(HEAD_BYTES + sizeof(words_3_15) == 888, "3.15's struct has 111 words");

enum { GROUP_runtime, GROUP_interp, GROUP_thread, GROUP_small };
#define GROUP_frame GROUP_small
#define GROUP_code GROUP_small
#define GROUP_object GROUP_small
#define GROUP_type GROUP_small
#define GROUP_heap_type GROUP_small
#define GROUP_tuple GROUP_small
#define GROUP_list GROUP_small
#define GROUP_set GROUP_small
#define GROUP_dict GROUP_small
#define GROUP_float GROUP_small
#define GROUP_long GROUP_small
#define GROUP_bytes GROUP_small
#define GROUP_unicode GROUP_small
#define GROUP_gc GROUP_small
#define GROUP_gen GROUP_small
#define GROUP_llist GROUP_small
#define GROUP_stack_item GROUP_small
#define GROUP_debugger GROUP_small

typedef struct {
    uint8_t kind, group;
} word_rule;
#define RULE_OF(group, field, kind) {WORD_##kind, GROUP_##group},
static const word_rule rules_3_13[] = {LIST_3_13(RULE_OF)};
static const word_rule rules_3_14[] = {LIST_3_14(RULE_OF)};
static const word_rule rules_3_15[] = {LIST_3_15(RULE_OF)};
#undef RULE_OF

static bool words_are_plausible(const uint64_t *words, const word_rule *rules, size_t count)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t word = words[i];
        switch (rules[i].kind) {
        case WORD_SIZE: {
            uint64_t most = rules[i].group == GROUP_small    ? (uint64_t)MAX_SMALL_STRUCT
                            : rules[i].group == GROUP_thread ? (uint64_t)MAX_THREAD_STRUCT
                                                             : (uint64_t)MAX_BIG_STRUCT;
            if (word < 8 || word > most)
                return false;
            size = word;
            break;
        }
        case WORD_POINTER:   // may end where the struct ends: sizes of inner structs are among them
            if (word % 8 != 0 || word > size)
                return false;
            break;
        case WORD_INT:
            if (word % 4 != 0 || word > size)
                return false;
            break;
        case WORD_BYTE:
            if (word > size)
                return false;
            break;
        default: break;
        }
    }
    return true;
}

// Lays one offset over a field of the layout.
static void lay(int32_t *field, uint64_t value, bool *differs)
{
    if (*field != (int32_t)value)
        *differs = true;
    *field = (int32_t)value;
}

// The offsets that all three versions have. `words` is one of the three structs: the names are the same in each.
#define LAY_COMMON(layout, words, differs)                                                                         \
    do {                                                                                                           \
        lay(&(layout)->runtime_interpreters_head, (words)->runtime_interpreters_head, differs);                    \
        lay(&(layout)->runtime_finalizing, (words)->runtime_finalizing, differs);                                  \
        lay(&(layout)->interp_id, (words)->interp_id, differs);                                                    \
        lay(&(layout)->interp_next, (words)->interp_next, differs);                                                \
        lay(&(layout)->interp_threads_head, (words)->interp_threads_head, differs);                                \
        lay(&(layout)->interp_modules, (words)->interp_modules, differs);                                          \
        lay(&(layout)->interp_gc_collecting, (words)->interp_gc + (words)->gc_collecting, differs);                \
        lay(&(layout)->interp_gil, (words)->interp_ceval_gil, differs);                                            \
        lay(&(layout)->gil_locked, (words)->interp_gil_locked - (words)->interp_gil_state, differs);               \
        lay(&(layout)->gil_last_holder, (words)->interp_gil_holder - (words)->interp_gil_state, differs);          \
        lay(&(layout)->thread_prev, (words)->thread_prev, differs);                                                \
        lay(&(layout)->thread_next, (words)->thread_next, differs);                                                \
        lay(&(layout)->thread_interp, (words)->thread_interp, differs);                                            \
        lay(&(layout)->thread_current_frame, (words)->thread_current_frame, differs);                              \
        lay(&(layout)->thread_thread_id, (words)->thread_thread_id, differs);                                      \
        lay(&(layout)->thread_native_thread_id, (words)->thread_native_thread_id, differs);                        \
        lay(&(layout)->thread_datastack_chunk, (words)->thread_datastack_chunk, differs);                          \
        /* not in the struct: it follows datastack_chunk in every version */                                       \
        lay(&(layout)->thread_datastack_top, (words)->thread_datastack_chunk + 8, differs);                        \
        lay(&(layout)->thread_status, (words)->thread_status, differs);                                            \
        lay(&(layout)->iframe_previous, (words)->frame_previous, differs);                                         \
        lay(&(layout)->iframe_executable, (words)->frame_executable, differs);                                     \
        lay(&(layout)->iframe_instruction, (words)->frame_instr_ptr, differs);                                     \
        lay(&(layout)->iframe_localsplus, (words)->frame_localsplus, differs);                                     \
        lay(&(layout)->iframe_owner, (words)->frame_owner, differs);                                               \
        lay(&(layout)->code_filename, (words)->code_filename, differs);                                            \
        lay(&(layout)->code_name, (words)->code_name, differs);                                                    \
        lay(&(layout)->code_qualname, (words)->code_qualname, differs);                                            \
        lay(&(layout)->code_linetable, (words)->code_linetable, differs);                                          \
        lay(&(layout)->code_firstlineno, (words)->code_firstlineno, differs);                                      \
        lay(&(layout)->code_argcount, (words)->code_argcount, differs);                                            \
        lay(&(layout)->code_bytecode, (words)->code_co_code_adaptive, differs);                                    \
        lay(&(layout)->object_type, (words)->object_type, differs);                                                \
        lay(&(layout)->type_name, (words)->type_name, differs);                                                    \
        lay(&(layout)->type_flags, (words)->type_flags, differs);                                                  \
        lay(&(layout)->dict_keys, (words)->dict_keys, differs);                                                    \
        lay(&(layout)->dict_values, (words)->dict_values, differs);                                                \
        lay(&(layout)->long_digits, (words)->long_digits, differs);                                                \
        lay(&(layout)->bytes_data, (words)->bytes_data, differs);                                                  \
        lay(&(layout)->unicode_state, (words)->unicode_state, differs);                                            \
        lay(&(layout)->unicode_length, (words)->unicode_length, differs);                                          \
        lay(&(layout)->unicode_ascii_size, (words)->unicode_ascii_size, differs);                                  \
    } while (0)

#define LAY_SINCE_3_14(layout, words, differs)                                                                     \
    do {                                                                                                           \
        lay(&(layout)->interp_threads_main, (words)->interp_threads_main, differs);                                \
        lay(&(layout)->interp_code_object_generation, (words)->interp_code_object_generation, differs);            \
        lay(&(layout)->iframe_stack, (words)->frame_stackpointer, differs);                                        \
        lay(&(layout)->gen_iframe, (words)->gen_iframe, differs);                                                  \
        lay(&(layout)->gen_frame_state, (words)->gen_frame_state, differs);                                        \
    } while (0)

// Relations between words that the generic rule does not see.
static bool gil_is_plausible(uint64_t state, uint64_t locked, uint64_t holder)
{
    return locked >= state && locked - state < MAX_SMALL_STRUCT && holder >= state &&
           holder - state < MAX_SMALL_STRUCT;
}

static op_status apply_3_13(op_memory_reader *memory, op_addr from, op_layout *layout, op_debug_offsets *offsets)
{
    words_3_13 words;
    op_status status = op_memory_read(memory, from, &words, sizeof words);
    if (status != OP_OK)
        return status;
    if (!words_are_plausible((const uint64_t *)&words, rules_3_13, sizeof words / 8) ||
        !gil_is_plausible(words.interp_gil_state, words.interp_gil_locked, words.interp_gil_holder))
        return OP_OK;
    LAY_COMMON(layout, &words, &offsets->differs);
    offsets->valid = true;
    return OP_OK;
}

static op_status apply_3_14(op_memory_reader *memory, op_addr from, op_layout *layout, op_debug_offsets *offsets)
{
    words_3_14 words;
    op_status status = op_memory_read(memory, from, &words, sizeof words);
    if (status != OP_OK)
        return status;
    if (!words_are_plausible((const uint64_t *)&words, rules_3_14, sizeof words / 8) ||
        !gil_is_plausible(words.interp_gil_state, words.interp_gil_locked, words.interp_gil_holder))
        return OP_OK;
    LAY_COMMON(layout, &words, &offsets->differs);
    LAY_SINCE_3_14(layout, &words, &offsets->differs);
    offsets->valid = true;
    return OP_OK;
}

static op_status apply_3_15(op_memory_reader *memory, op_addr from, op_layout *layout, op_debug_offsets *offsets)
{
    words_3_15 words;
    op_status status = op_memory_read(memory, from, &words, sizeof words);
    if (status != OP_OK)
        return status;
    if (!words_are_plausible((const uint64_t *)&words, rules_3_15, sizeof words / 8) ||
        !gil_is_plausible(words.interp_gil_state, words.interp_gil_locked, words.interp_gil_holder))
        return OP_OK;
    LAY_COMMON(layout, &words, &offsets->differs);
    LAY_SINCE_3_14(layout, &words, &offsets->differs);
    lay(&layout->thread_base_frame, words.thread_base_frame, &offsets->differs);
    lay(&layout->thread_holds_gil, words.thread_holds_gil, &offsets->differs);
    lay(&layout->thread_gil_requested, words.thread_gil_requested, &offsets->differs);
    lay(&layout->type_basicsize, words.type_basicsize, &offsets->differs);
    lay(&layout->type_dictoffset, words.type_dictoffset, &offsets->differs);
    lay(&layout->heap_type_cached_keys, words.heap_type_cached_keys, &offsets->differs);
    lay(&layout->unicode_compact_size, words.unicode_compact_size, &offsets->differs);
    lay(&layout->interp_gc_frame, words.interp_gc + words.gc_frame, &offsets->differs);
    offsets->valid = true;
    return OP_OK;
}

op_status op_debug_offsets_head(op_memory_reader *memory, op_addr runtime, op_debug_offsets *offsets)
{
    struct {
        char cookie[OP_DEBUG_COOKIE_BYTES];
        uint64_t version, free_threaded;
    } head;
    static_assert(sizeof head == HEAD_BYTES, "no padding");
    op_status status = op_memory_read(memory, runtime, &head, sizeof head);
    if (status != OP_OK)
        return status;
    if (memcmp(head.cookie, OP_DEBUG_COOKIE, OP_DEBUG_COOKIE_BYTES) != 0 || head.version >> 24 != 3)
        return OP_BAD_DATA;
    *offsets = (op_debug_offsets){.hex_version = (uint32_t)head.version, .free_threaded = head.free_threaded != 0};
    return OP_OK;
}

op_status op_debug_offsets_apply(op_memory_reader *memory, op_addr runtime, op_layout *layout,
                                 op_debug_offsets *offsets)
{
    op_debug_offsets result;
    op_status status = op_debug_offsets_head(memory, runtime, &result);
    if (status != OP_OK)
        return status;
    op_addr from = op_addr_add(runtime, HEAD_BYTES);
    if ((result.hex_version >> 16 & 0xff) != (uint32_t)layout->minor)
        status = OP_BAD_DATA;
    else if (layout->minor == 13)
        status = apply_3_13(memory, from, layout, &result);
    else if (layout->minor == 14)
        status = apply_3_14(memory, from, layout, &result);
    else if (layout->minor == 15)
        status = apply_3_15(memory, from, layout, &result);
    if (status == OP_OK)
        *offsets = result;
    return status;
}

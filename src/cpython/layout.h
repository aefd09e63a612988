// SPDX-License-Identifier: MIT
// cpython: what the memory of a CPython process means. A layout says where the fields lie: one table a minor version,
// made by tools/layouts.py from that version's headers, and for 3.13+ the target's own _Py_DebugOffsets laid over it.
// The walker is written once, over this table.
#ifndef OP_CPYTHON_LAYOUT_H
#define OP_CPYTHON_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

// X(field): offsets in bytes unless the name says size. OP_LAYOUT_NONE where the version has no such field.
// clang-format off
#define OP_LAYOUT_MAP(X)                                                                                       \
    /* _PyRuntimeState */                                                                                      \
    X(runtime_interpreters_head) X(runtime_finalizing) X(runtime_size)                                         \
    X(runtime_gil_locked)        /* 3.8-3.11: int/atomic, in ceval.gil */                                      \
    X(runtime_gil_last_holder)   /* 3.8-3.11 */                                                                \
    X(runtime_tstate_current)    /* 3.8-3.11: gilstate.tstate_current */                                       \
    X(runtime_gc_collecting)     /* 3.8 */                                                                     \
    /* PyInterpreterState */                                                                                   \
    X(interp_id) X(interp_next) X(interp_threads_head) X(interp_threads_main) X(interp_modules)                \
    X(interp_gc_collecting)      /* 3.9+ */                                                                    \
    X(interp_gc_frame)           /* 3.15 */                                                                    \
    X(interp_gil)                /* 3.12+: pointer to struct _gil_runtime_state */                             \
    X(interp_code_object_generation) /* 3.14+ */                                                               \
    X(interp_size)                                                                                             \
    X(gil_locked) X(gil_last_holder) /* within struct _gil_runtime_state, 3.12+ */                             \
    /* PyThreadState */                                                                                        \
    X(thread_prev) X(thread_next) X(thread_interp)                                                             \
    X(thread_frame)              /* 3.8-3.10: PyFrameObject * */                                               \
    X(thread_cframe)             /* 3.11, 3.12 */                                                              \
    X(thread_current_frame)      /* 3.13+ */                                                                   \
    X(thread_base_frame)         /* 3.15 */                                                                    \
    X(thread_thread_id) X(thread_native_thread_id) X(thread_datastack_chunk) X(thread_datastack_top)           \
    X(thread_status) X(thread_holds_gil) X(thread_gil_requested) X(thread_size)                                \
    X(cframe_current_frame)                                                                                    \
    /* _PyStackChunk */                                                                                        \
    X(chunk_previous) X(chunk_size) X(chunk_top) X(chunk_data)                                                 \
    /* _PyInterpreterFrame, 3.11+ */                                                                           \
    X(iframe_executable) X(iframe_previous) X(iframe_instruction) X(iframe_function) X(iframe_stack)           \
    /* iframe_stack: int stacktop (3.11-3.13), stackpointer (3.14+) */                                         \
    X(iframe_owner) X(iframe_is_entry) X(iframe_localsplus) X(iframe_size)                                     \
    /* PyFrameObject, 3.8-3.10 */                                                                              \
    X(pyframe_back) X(pyframe_code) X(pyframe_lasti) X(pyframe_lineno) X(pyframe_state) X(pyframe_executing)   \
    X(pyframe_gen) X(pyframe_size)                                                                             \
    /* PyCodeObject */                                                                                         \
    X(code_filename) X(code_name) X(code_qualname) X(code_linetable) X(code_firstlineno) X(code_framesize)     \
    X(code_version)              /* 3.12+: co_version */                                                       \
    X(code_bytecode)             /* 3.11+: co_code_adaptive, inline; before: co_code, a bytes object */        \
    X(code_nlocalsplus) X(code_stacksize) X(code_flags) X(code_argcount) X(code_consts) X(code_names)          \
    X(code_size)                                                                                               \
    /* PyFunctionObject */                                                                                     \
    X(function_code) X(function_version)                                                                       \
    /* generators */                                                                                           \
    X(gen_iframe) X(gen_frame) X(gen_frame_state)                                                              \
    /* objects */                                                                                              \
    X(object_refcnt) X(object_type) X(object_size) X(var_size) X(type_name) X(type_flags) X(type_basicsize)    \
    X(type_dictoffset)                                                                                         \
    X(unicode_length) X(unicode_state) X(unicode_ascii_size) X(unicode_compact_size) X(bytes_data) X(long_digits)\
    /* dictionaries, for thread names */                                                                       \
    X(dict_keys) X(dict_values) X(dict_used)                                                                   \
    X(keys_log2_size) X(keys_log2_index_bytes) X(keys_kind) X(keys_size) X(keys_nentries) X(keys_indices)      \
    X(module_dict)               /* PyModuleObject.md_dict */                                                  \
    X(heap_type_cached_keys)     /* 3.11+: ht_cached_keys */                                                   \
    X(managed_dict)              /* 3.11+: offset from the object of its managed dict pointer (negative: as int32) */ \
    X(managed_values)            /* 3.11: offset from the object of its pointer to values (negative). 3.12 keeps    \
                                    that pointer, less 1, in managed_dict */                                       \
    X(inline_values)             /* 3.13: offset from the object; 3.14+: to be added to its type's basicsize */     \
    X(values_first)              /* 3.11+: offset of values[0] in PyDictValues */

// clang-format on

enum { OP_LAYOUT_NONE = INT32_MIN };

typedef struct {
#define X(field) int32_t field;
    OP_LAYOUT_MAP(X)
#undef X
    int minor;                     // 8..15
    int first_patch, last_patch;   // the patch range that the table was made from
    const char *source;            // "headers of CPython 3.11.7"
} op_layout;

// What an instruction of 3.11+ can do to the frame chain. By real (specialised) opcode.
enum {
    OP_OPCODE_PUSHES =
        1,   // can push a Python frame without leaving the eval loop (inlined call), specialised for it or generic
    OP_OPCODE_ENTERS = 2,      // can run C code that starts a new eval loop (a frame beyond a shim / with is_entry)
    OP_OPCODE_RESUMES = 4,     // can resume a generator inline (SEND, FOR_ITER and their GEN forms)
    OP_OPCODE_VERSIONED = 8,   // guards a function version in its inline cache: see version_cache
    OP_OPCODE_EXTENDED = 16,   // EXTENDED_ARG
    // Enters only through a dropped object (__del__, weakref callback, closed generator), a signal handler, a pending
    // call or a collection: rare, but any code can follow.
    OP_OPCODE_INTERRUPTIBLE = 32,
    // Generic form that PUSHES or RESUMES not by itself but in a specialised form: a frame can wait in that one while a
    // deeper call writes the generic one over it.
    OP_OPCODE_SIBLING = 64,
};
typedef struct {
    int minor;
    uint8_t flags[256];   // OP_OPCODE_*
    uint8_t
        caches[256];   // inline cache entries (2 bytes each) behind the instruction, for specialised opcodes too
                       // (0 for INSTRUMENTED_LINE and _INSTRUCTION: what they hide is kept elsewhere)
    uint8_t version_cache
        [256];   // where VERSIONED: index in 2-byte units behind the opcode word of the low half of the u32
                 // function version
    uint8_t deopt[256];         // the generic opcode
    const char *const *names;   // 256 names, NULL where unused
} op_opcodes;

// NULL: that version is not known. `exact` (may be NULL) tells whether the patch lies in the table's range.
const op_layout *op_layout_find(int minor, int patch, bool *exact);
const op_opcodes *op_opcodes_find(int minor);   // NULL before 3.11
extern const char op_layout_known[];            // "3.8 to 3.15", for messages

#endif

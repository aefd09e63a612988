// SPDX-License-Identifier: MIT
// The walker inside: walker.c (3.11 and later, with walker_copy.c and walker_proof.c) and walker_objects.c (3.8 to 3.10).
#ifndef OP_CPYTHON_WALKER_PRIVATE_H
#define OP_CPYTHON_WALKER_PRIVATE_H

#include "cpython/walker.h"

enum { OP_WALK_READ_CLASSES = 64, OP_WALK_FUNCTIONS = 256 };

typedef struct {
    uint64_t function, code_address;
} op_walk_function;

struct op_walker {
    op_runtime *runtime;   // borrowed
    op_codes *codes;       // borrowed
    op_walk_stats stats;
    OP_VECTOR(op_raw_frame) frames;   // the result
    OP_VECTOR(op_frame_view) views;   // leaf first
    OP_VECTOR(op_span) spans;
    unsigned char *copy;   // owned
    size_t copy_bytes;
    unsigned char *second;   // owned: a second copy of some frames
    size_t second_bytes;
    unsigned char head[2048];
    uint64_t gate_ticks[OP_WALK_READ_CLASSES];   // running median of the time of a read, by its size
    uint64_t slack_ticks;
    const op_walk_thread *thread;                    // borrowed: of this walk
    size_t next_extra;                               // where the one behind the last one found lies
    unsigned disagreements;                          // copies of this walk whose frames were not of one moment (W4)
    op_walk_function functions[OP_WALK_FUNCTIONS];   // by address: those whose code was read lately
    op_map edges;   // (caller, offset, callee, version) -> how often proven or confirmed
};

static inline uint64_t op_peek_u64(const unsigned char *at)
{
    uint64_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}
static inline int32_t op_peek_i32(const unsigned char *at)
{
    int32_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

// ---- walker_read.c: the timed read, the result ----

bool op_walk_push(op_walker *walker, op_raw_kind kind, uint32_t code, int32_t offset);
bool op_walk_add_span(op_walker *walker, uint64_t from, void *to, size_t bytes);
// Makes *block hold at least `bytes`. False: more than OP_WALK_MAX_COPY_BYTES, or no memory.
bool op_walk_reserve(unsigned char **block, size_t *have, size_t bytes);
// All spans, OP_MEMORY_MAX_SPANS a call. *ticks: how long the calls took.
op_status op_walk_read(op_walker *walker, uint64_t *ticks);
// Whether a read of `bytes` in `spans` spans that took `ticks` was interrupted; learns from it.
bool op_walk_was_interrupted(op_walker *walker, size_t bytes, size_t spans, uint64_t ticks);

// ---- walker_objects.c: 3.8 to 3.10 ----

op_status op_walk_objects(op_walker *walker, op_walk_thread *thread, int64_t now_ns);

// ---- walker_copy.c: one attempt ----

enum {
    OP_CHUNK_BYTES = 16384,      // _PyStackChunk: DATA_STACK_CHUNK_SIZE; larger ones hold one large frame
    OP_OWNED_BY_GENERATOR = 1,   // enum _frameowner
    OP_OWNED_BY_C = 3,           // and above: shims
    OP_STACK_RUNS = -1,          // in place of the depth of a frame's evaluation stack
    OP_STACK_UNKNOWN = -2,       // same, from 3.14 on
    OP_DISAGREE_TRIES = 8,       // copies of two moments in one walk; the next is taken as unproven
};

typedef enum {
    OP_ATTEMPT_DONE,
    OP_ATTEMPT_EMPTY,         // the thread runs no Python code
    OP_ATTEMPT_AGAIN,         // the prediction was wrong, and is mended
    OP_ATTEMPT_INTERRUPTED,   // the read took too long
    OP_ATTEMPT_TORN,          // the chain leads nowhere
    OP_ATTEMPT_LOST           // this is no longer the thread
} op_attempt;

// One attempt's copy: where each part lies in walker->copy. Its first words: the top frame as each of the
// (3.11, 3.12), and the top frame behind the second copy.
typedef struct {
    size_t head_bytes;
    const unsigned char *cframes;
    const unsigned char *chunks;   // newest first, the newest with used_bytes, the others OP_CHUNK_BYTES each
    const unsigned char *extras;   // op_walk_extra_stride() bytes each
    size_t chunk_count, extra_count, used_bytes;
    uint64_t top;   // end of the used data stack when the head was read
    bool fits;      // the chunks are those of the head
    bool used;      // the data stack holds a frame
    bool patched;   // frames were read apart
    bool truncated;
} op_walk_copy;

static inline size_t op_walk_frame_bytes(const op_walker *walker)
{
    return (size_t)walker->runtime->layout.iframe_localsplus;
}

// Where the target keeps the address of the thread's top frame.
static inline uint64_t op_walk_top_field(const op_walker *walker, const op_walk_thread *thread)
{
    const op_layout *layout = &walker->runtime->layout;
    return layout->thread_cframe != OP_LAYOUT_NONE
               ? thread->cframe + (uint64_t)layout->cframe_current_frame
               : thread->thread.state.value + (uint64_t)layout->thread_current_frame;
}

static inline bool op_walk_is_shim(const op_walker *walker, const op_frame_view *view)
{
    return walker->runtime->minor >= 12 && view->owner >= OP_OWNED_BY_C;
}

// The frame below an inlined __init__ (3.13 and later), which is no code of the program.
static inline bool op_walk_is_init_shim(const op_walker *walker, const op_frame_view *view)
{
    const op_code_entry *entry = op_codes_entry(walker->codes, view->code);
    return entry != NULL && entry->is_shim;
}

// The object at that word behind the head of a frame: its locals first, then its evaluation stack. 0: the copy does not hold it.
static inline uint64_t op_walk_object(const op_walker *walker, const op_frame_view *view, size_t word)
{
    size_t at = op_walk_frame_bytes(walker) + word * 8;
    return at + 8 <= view->copied_bytes ? op_peek_u64(walker->copy + view->copied_at + at) & ~(uint64_t)3 : 0;
}

// Whether shims of the thread lie there: on its C stack.
static inline bool op_walk_is_shim_address(const op_walk_thread *thread, uint64_t address)
{
    return address != 0 && address >= thread->shims_low && address <= thread->shims_high;
}

// Takes a copy as predicted and follows the chain through it into walker->views, leaf first.
op_attempt op_walk_attempt(op_walker *walker, op_walk_thread *thread, op_walk_copy *view);
// Lists the spans of the predicted copy, and where each will lie. False: too large, or no memory.
bool op_walk_lay_out(op_walker *walker, op_walk_thread *thread, op_walk_copy *view);
// The frame at `address` as the copy holds it. *cursor: the chunk that held the last one. False: the copy does not hold it.
bool op_walk_find(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *view, uint64_t address,
                  size_t *cursor, op_frame_view *frame);
// For a frame right above the caller on the data stack, whose offset is known: whether its `previous` is the caller, or a shim
// on the C stack, which sets its `enters`. That it was called through C is proven by where it lies, and by its being alive.
bool op_walk_leads_to(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *view,
                      op_frame_view *frame, const op_frame_view *caller);
// The extra of that number in the copy.
void op_walk_view_extra(const op_walker *walker, const op_walk_thread *thread, const op_walk_copy *view,
                        size_t number, op_frame_view *frame);
void op_walk_view(const op_walker *walker, const unsigned char *at, uint64_t address, op_frame_view *out);

// ---- walker_proof.c: which frames were alive ----

// TORN: each frame may have been alive, but not both at once.
typedef enum { OP_EDGE_POSSIBLE, OP_EDGE_IMPOSSIBLE, OP_EDGE_UNSURE, OP_EDGE_TORN } op_edge_verdict;

// Whether the frame's instruction lies inside its own code; sets its code (before: a guess, or 0) and offset.
bool op_walk_stands(op_walker *walker, op_frame_view *frame, int64_t now_ns, bool caller);
// W1. Whether `caller`, where it stands, can have called `callee`.
op_edge_verdict op_walk_judge_edge(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                   int64_t now_ns);
// Whether the site is specialised on this very callee: what stands above a top frame may be left from an earlier call.
bool op_walk_names_callee(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                          int64_t now_ns);
// Whether the call where the caller stands passes the callee: a generator expression that is made in the call, as in
// sum(x for x in y), or a local variable, as in next(g).
bool op_walk_passes_generator(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee);
// Whether the copy shows the frame running or calling, and not as what is left of one.
bool op_walk_is_alive(op_walker *walker, const op_frame_view *frame, int64_t now_ns);
// W2. Whether a second copy shows views[first..last] as they are, still alive; `edge`: only their edges count, so that
// the first may have moved on.
bool op_walk_confirm(op_walker *walker, const op_walk_thread *thread, size_t first, size_t last, bool edge);
// Cuts the views at the last live call: afterwards views[*leaf] is the frame that ran. False: not even a root, or torn.
bool op_walk_cut(op_walker *walker, op_walk_thread *thread, int64_t now_ns, size_t *leaf);

// ---- walker_call.c: what a call leaves in its caller ----

// Whether the function that the caller called last, by what its evaluation stack shows, is the callee's.
bool op_walk_called_last(const op_walker *walker, const op_frame_view *caller, const op_frame_view *callee);
// W4. Whether caller and callee, neighbours in one copy, are so at one moment. UNSURE: the call leaves nothing to tell by.
// TORN: their edge is one of the program, but the arguments of the call are not those of the callee. `known`: the last walk
// had this edge.
op_edge_verdict op_walk_judge_call(op_walker *walker, const op_frame_view *caller, const op_frame_view *callee,
                                   int64_t now_ns, bool known);

// An inlined __init__ (3.12+): its shim's frame, and its own, above a caller that creates an object.
op_edge_verdict op_walk_judge_init(op_walker *walker, const op_frame_view *caller, const op_frame_view *shim,
                                   const op_frame_view *init, int64_t now_ns);

// ---- walker_extend.c: what was entered since the head was copied ----

// Adds what the copy shows alive above views[*leaf]; that is the frame that ran then. False: no memory.
bool op_walk_extend(op_walker *walker, const op_walk_thread *thread, const op_walk_copy *copy, int64_t now_ns,
                    size_t *leaf);

#endif

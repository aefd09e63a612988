// SPDX-License-Identifier: MIT
// agent: the tracer that runs inside a Python program. Exact calls and lines, kept in a segment (segment/segment.h).
//
// The pieces: a *tracer* owns a segment and the functions that were met; each thread that runs under it has an
// op_thread: the edges, the shadow stack and the open lines of that thread alone. An event (sys.monitoring from 3.12
// on, the profile and trace hooks before) becomes op_enter, op_leave or op_line on the op_thread of the running
// thread. These touch nothing that another thread writes, allocate nothing and call nothing of Python: what is met
// for the first time goes through functions of the slow path.
//
// Locks: the hot path has none. The slow path holds the GIL, and on free-threaded builds the tracer's mutex.
// Errors: an event never fails, as its callback's exception would reach the program. What cannot be counted is
// counted as lost in the segment's header.
#ifndef OP_AGENT_AGENT_H
#define OP_AGENT_AGENT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "segment/writer.h"

#define OP_HAS_MONITORING (PY_VERSION_HEX >= 0x030C0000)
#define OP_LIKELY(x) __builtin_expect(!!(x), 1)
#define OP_UNLIKELY(x) __builtin_expect(!!(x), 0)

typedef struct op_tracer op_tracer;

// An exception that is on its way while an event is handled, set aside and put back.
#if PY_VERSION_HEX >= 0x030C0000
typedef PyObject *op_saved_error;
#define op_error_save() PyErr_GetRaisedException()
#define op_error_restore(saved) PyErr_SetRaisedException(saved)
#else
typedef struct {
    PyObject *type, *value, *traceback;
} op_saved_error;
static inline op_saved_error op_error_save(void)
{
    op_saved_error saved;
    PyErr_Fetch(&saved.type, &saved.value, &saved.traceback);
    return saved;
}
#define op_error_restore(saved) PyErr_Restore((saved).type, (saved).value, (saved).traceback)
#endif

// At most `most` of `bytes`, and no part of a character.
static inline size_t op_utf8_cut(const char *text, size_t bytes, size_t most)
{
    if (bytes <= most) {
        return bytes;
    }
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

// --- functions ----------------------------------------------------------------------------------------------------

// The key of a function is the address of its code object, or of its PyMethodDef; both are even. What it belongs to
// is held, so the address means the same as long as the tracer lives.
typedef struct {
    uintptr_t key;
    PyObject *object;   // owned: the code object, or the name (str) of a C function
    PyObject *held;     // owned: what the PyMethodDef belongs to; NULL: nothing
} op_function_entry;

typedef struct {
    op_function_entry *items;   // [0] is unused: ids count from 1
    size_t count, capacity;     // with [0]
    uint32_t *slots;            // open addressing by key; 0 is free
    size_t slot_count;          // a power of two
    op_segment_chunk *chunk;    // that grows; NULL: none yet
} op_functions;

// The id of a code object, or of a C function by what is called (PyCFunction or method descriptor). 0: lost.
uint32_t op_functions_code(op_tracer *tracer, PyCodeObject *code);
uint32_t op_functions_builtin(op_tracer *tracer, PyObject *callable, uintptr_t key);
bool op_functions_knows(const op_functions *functions, uintptr_t key);
void op_functions_fini(op_functions *functions);
// Writes all of them into the tracer's (new) segment. False: no space.
bool op_functions_write_again(op_tracer *tracer);

// The PyMethodDef that a call of this object runs, as the key of its function; 0: it is no C function.
static inline uintptr_t op_builtin_key(PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (type == &PyCFunction_Type || type == &PyCMethod_Type) {
        return (uintptr_t)((PyCFunctionObject *)callable)->m_ml;
    }
    if (type == &PyMethodDescr_Type) {
        return (uintptr_t)((PyMethodDescrObject *)callable)->d_method;
    }
    return 0;
}

// --- threads ------------------------------------------------------------------------------------------------------

typedef struct {
    uintptr_t key;
    op_segment_edge *edge;   // NULL: free
    uint32_t caller;
} op_edge_slot;

typedef struct {
    const void *frame;   // of a suspended generator
    uint64_t since;      // ticks; 0: it runs
} op_suspension;

typedef struct {
    const void *frame;
    uint32_t line;   // index of the open line
} op_activation;

// The lines of one function in one thread.
typedef struct {
    uintptr_t code;
    op_segment_line *lines;
    uint32_t first_line, line_count;
    uint32_t *line_at;   // owned; by code unit (2 bytes): the index of its line
    uint32_t unit_count;
    bool needs_start;       // op_line_code_needs_start
    const void *frame;      // of the innermost activation that has an open line; NULL: none
    uint32_t open;          // its line
    uint64_t stamp;         // since when
    op_activation *outer;   // owned: activations below that one, the oldest first
    uint32_t outer_count, outer_capacity;
} op_line_table;

typedef struct op_thread {
    op_tracer *tracer;
    op_segment_frame *top;     // the innermost live frame; the root where nothing is open
    op_segment_frame *limit;   // one behind the last
    op_edge_slot *slots;       // owned
    size_t slot_mask, edge_count;
    uint32_t *open;   // owned; by function id: entries on the shadow stack
    op_segment_thread *record;
    op_segment_frame *root;    // frame 0
    op_segment_chunk *edges;   // that grows
    size_t open_capacity;
    op_suspension *suspensions;   // owned; NULL until something yields
    size_t suspension_mask, suspension_count;
    op_line_table **tables;   // owned, each too; open addressing by code
    size_t table_mask, table_count;
    op_line_table *last_table;
    uint32_t index;   // of the thread in the segment
    bool ended;       // its thread of the operating system is gone: it may be taken for another
    struct op_thread *next;
} op_thread;

typedef struct {
    uintptr_t key;
    uint32_t caller, callee;
} op_forked_frame;

// --- tracer -------------------------------------------------------------------------------------------------------

struct op_tracer {
    op_segment_writer segment;
    op_functions functions;
    op_thread *threads;   // newest first
    uint32_t thread_count;
    uint32_t modes;   // OP_SEGMENT_*
    bool subcalls;    // false: callers are not told apart
    bool enabled;
    bool disabled_events;   // of sys.monitoring, by the answer of a handler
    bool waits;             // for the program to begin: nothing is counted before
    int in_timer;           // so many threads run its timer: what that calls is not traced
    bool forked;            // in a child, with the parent's segment
    // During a fork and in the child until `forked` is seen to: what was open in the thread that forked. A copy, as
    // the stack itself lies in the segment, where the parent goes on.
    op_forked_frame *forked_frames;   // owned, the oldest first
    size_t forked_depth;
    int slot;               // of op_current while enabled
    uint64_t generation;    // of the slot while enabled
    PyObject *timer;        // owned; NULL: ticks
    double timer_unit;      // seconds of an integer of it; 0: it gives seconds
    uint64_t first_ticks;   // with first_ns: where the clock was calibrated first
    int64_t first_ns;
    char *folder;             // owned; of the segment file; NULL: memory only
    op_segment_edge nobody;   // the edge of root frames: callee 0
    pthread_mutex_t mutex;    // free-threaded builds: the slow path
    struct op_tracer *next;   // all that live
};

// What is recorded for the running thread, by slot of the tracer that is enabled there.
enum { OP_SLOTS = 3 };
typedef struct {
    op_thread *thread;
    uint64_t generation;   // of the tracer; a stale one is told by it
} op_current_thread;
extern __thread op_current_thread op_current[OP_SLOTS] __attribute__((tls_model("initial-exec")));

// The op_thread of the running thread for `tracer`, made where it is new. NULL: lost.
op_thread *op_thread_find(op_tracer *tracer);
// Asks threading for the name of the running thread, where it is not known yet. Runs no code of the program.
void op_thread_name(op_thread *thread);

// For a tracer that waits. prepare: once, before. began: whether what runs now is the program's own; no error of
// Python's may be set.
void op_program_prepare(void);
bool op_program_began(void);
bool op_program_runs(void);   // a frame of __main__ is on the stack: tracing begins in the midst of a program

static inline op_thread *op_thread_current(op_tracer *tracer, int slot, uint64_t generation)
{
    op_current_thread *current = &op_current[slot];
    return OP_LIKELY(current->generation == generation) ? current->thread : op_thread_find(tracer);
}

int op_tracer_init(op_tracer *tracer, const char *folder, uint32_t modes);   // 0; -1 with a Python exception
void op_tracer_fini(op_tracer *tracer);
// Closes what is open in all threads, as of now.
void op_tracer_close_open(op_tracer *tracer);
// Forgets all that was counted. What is open stays open. -1 with a Python exception.
int op_tracer_clear(op_tracer *tracer);
double op_tracer_seconds_per_tick(op_tracer *tracer);
void op_tracer_lock(op_tracer *tracer);
void op_tracer_unlock(op_tracer *tracer);
int op_tracer_begin_segment(op_tracer *tracer);   // 0; -1 with a Python exception
void op_threads_begin(op_tracer *tracer);         // its threads are watched from now on
void op_threads_forget(op_tracer *tracer);        // frees its threads
void op_threads_end(op_tracer *tracer);
int op_threads_watch(void);   // once a process: fork and the end of threads. 0; -1 with a Python exception

// Hooks into the interpreter: monitoring.c (3.12 on), profile_hook.c (before). 0; -1 with a Python exception.
int op_calls_enable(op_tracer *tracer, PyObject *owner);
void op_calls_disable(op_tracer *tracer);

// --- clock --------------------------------------------------------------------------------------------------------

int64_t op_clock_now_ns(void);
bool op_clock_is_invariant(void);   // the processor's counter runs at one rate, also asleep
extern bool op_ticks_are_ns;        // ticks are CLOCK_MONOTONIC, as that counter is not invariant

static inline uint64_t op_ticks(void)
{
#if defined(__x86_64__)
    if (OP_LIKELY(!op_ticks_are_ns)) {
        uint32_t low, high;
        __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
        return ((uint64_t)high << 32) | low;
    }
#elif defined(__aarch64__)
    if (OP_LIKELY(!op_ticks_are_ns)) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    return (uint64_t)op_clock_now_ns();
}

uint64_t op_timer_ticks(op_tracer *tracer);         // of tracer->timer
bool op_timer_runs_here(const op_tracer *tracer);   // this thread is in it
// The same for an event. A timer may be Python code, during which other threads run: false where one of them has
// switched the tracer off, which leaves nothing of what is open.
bool op_timer_read(op_tracer *tracer, uint64_t *ticks);
uint64_t op_now_outside(
    op_tracer *tracer);   // the time when no event is handled: what the timer calls is not traced

static inline uint64_t op_now(op_tracer *tracer, const bool timed)
{
    return timed ? op_timer_ticks(tracer) : op_ticks();
}

// --- calls --------------------------------------------------------------------------------------------------------

// The edge from `caller` to what `key` is the function of, made where it is new. NULL: lost.
op_segment_edge *op_edge_make(op_thread *thread, uint32_t caller, uintptr_t key, PyObject *object, bool builtin);
bool op_shadow_grow(op_thread *thread);
// A return of `key` that is not on top: of a function that was open before the tracer, or of another greenlet.
void op_leave_below(op_thread *thread, uintptr_t key, uint64_t now, bool exception);
void op_note_suspended(op_thread *thread, const void *frame, uint64_t now);
void op_note_resumed(op_thread *thread, op_segment_edge *edge, const void *frame, uint64_t now);

static inline size_t op_edge_hash(uintptr_t key, uint32_t caller)
{
    uint64_t mixed = ((uint64_t)key ^ ((uint64_t)caller << 40)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32);
}

static inline uint32_t op_top_function(const op_thread *thread)
{
    return ((const op_segment_edge *)thread->top->edge)->callee;
}

static inline op_segment_edge *op_edge_find(op_thread *thread, uint32_t caller, uintptr_t key, PyObject *object,
                                            const bool builtin)
{
    for (size_t at = op_edge_hash(key, caller);; at++) {
        op_edge_slot *slot = &thread->slots[at & thread->slot_mask];
        if (OP_LIKELY(slot->key == key && slot->caller == caller)) {
            return slot->edge;
        }
        if (slot->edge == NULL) {
            return op_edge_make(thread, caller, key, object, builtin);
        }
    }
}

// The running thread enters the function of `key`. Returns its edge; NULL: it could not be counted.
static inline op_segment_edge *op_enter(op_tracer *tracer, op_thread *thread, uintptr_t key, PyObject *object,
                                        const bool builtin, const bool timed)
{
    uint64_t start = 0;
    if (timed && !op_timer_read(tracer, &start)) {
        return NULL;
    }
    uint32_t caller = tracer->subcalls ? op_top_function(thread) : 0;
    op_segment_edge *edge = op_edge_find(thread, caller, key, object, builtin);
    if (OP_UNLIKELY(edge == NULL || (thread->top + 1 == thread->limit && !op_shadow_grow(thread)))) {
        tracer->segment.header->lost_calls++;
        return NULL;
    }
    op_segment_frame *frame = thread->top + 1;
    frame->key = key;
    frame->edge = (uintptr_t)edge;
    frame->child = 0;
    edge->open++;
    thread->open[edge->callee]++;
    frame->start = timed ? start : op_ticks();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);   // order 4 of segment.h
    thread->top = frame;
    __atomic_store_n(&thread->record->depth, thread->record->depth + 1, __ATOMIC_RELEASE);
    return edge;
}

// Takes the top frame off and counts it.
static inline void op_leave_top(op_thread *thread, uint64_t now, const bool exception)
{
    op_segment_frame *frame = thread->top;
    op_segment_edge *edge = (op_segment_edge *)frame->edge;
    thread->top = frame - 1;
    __atomic_store_n(&thread->record->depth, thread->record->depth - 1, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint64_t elapsed = now - frame->start;
    if (OP_UNLIKELY((int64_t)elapsed < 0)) {   // the clock went back: the machine was moved
        elapsed = 0;
    }
    frame[-1].child += elapsed;
    edge->own += elapsed - frame->child;
    edge->calls++;
    if (--edge->open == 0) {
        edge->total += elapsed;
    } else {
        edge->recursive++;
    }
    if (--thread->open[edge->callee] == 0) {
        edge->outer_total += elapsed;
    } else {
        edge->nested++;
    }
    if (exception) {
        edge->exceptions++;
    }
    thread->record->last_ticks = now;
}

// The running thread leaves the function of `key`.
static inline void op_leave(op_tracer *tracer, op_thread *thread, uintptr_t key, const bool exception,
                            const bool timed)
{
    uint64_t now = 0;
    if (timed && !op_timer_read(tracer, &now)) {
        return;
    }
    now = timed ? now : op_ticks();
    if (OP_LIKELY(thread->top->key == key)) {
        op_leave_top(thread, now, exception);
    } else {
        op_leave_below(thread, key, now, exception);
    }
}

// The running thread enters the function of `key`, which is only counted.
static inline void op_count(op_tracer *tracer, op_thread *thread, uintptr_t key, PyObject *object,
                            const bool builtin, const bool resumed)
{
    op_segment_edge *edge = op_edge_find(thread, 0, key, object, builtin);
    if (OP_UNLIKELY(edge == NULL)) {
        tracer->segment.header->lost_calls++;
        return;
    }
    edge->calls++;
    edge->resumes += resumed;
}

// The frame that runs, as an identity; NULL where the version has none.
static inline const void *op_frame_running(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked()->current_frame;
#elif PY_VERSION_HEX >= 0x030C0000
    return _PyThreadState_UncheckedGet()->cframe->current_frame;
#else
    return NULL;
#endif
}

// --- lines --------------------------------------------------------------------------------------------------------

void op_line_tables_free(op_thread *thread);
op_line_table *op_line_table_known(const op_thread *thread, uintptr_t code);   // NULL: it has none yet
op_line_table *op_line_table_find(op_thread *thread, PyCodeObject *code);      // NULL: lost
// Lays an activation over the one that has its line open, or takes the innermost off.
void op_line_push(op_line_table *table, const void *frame, uint64_t now);
void op_line_pop(op_line_table *table, const void *frame, uint64_t now);
void op_lines_close_open(op_tracer *tracer);   // in all threads, as of now

#endif

// SPDX-License-Identifier: MIT
// profile: the one noun. What was learnt of a program: who ran, where its time went. Knows nothing of processes:
// a profile from another machine is as good as one made here.
//
// Units: times are integer nanoseconds, `*_unix_ns` since 1970, `*_ns` since the run's start; sizes are bytes.
// Ids: small integers from 1, index + 1 into the table of that noun; 0 is none. Strings live once, in `strings`.
// Ownership: the profile owns everything; pointers into a table are valid until the next add to that table.
// Invariant: every id in a row names a row that is there, and a stack's parent is older than the stack. An add that
// would break it does nothing and returns 0, and the reader refuses such a file: consumers need not check again.
// May be 0: strings, a stack's parent, a task, a call's caller. Never 0: a thread's process, a frame's function, a
// stack's frame, a sample's thread and stack, a call's thread and function, a line's thread and function.
#ifndef OP_PROFILE_PROFILE_H
#define OP_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buffer.h"
#include "base/map.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/vector.h"

typedef uint32_t op_id;

// X(NAME, label). A label stands where a name would; PYTHON and BUILTIN have none.
#define OP_FRAME_KIND_MAP(X)                                                                                       \
    X(PYTHON, "")                                                                                                  \
    X(NATIVE, "<native>")                                                                                          \
    X(GC, "<GC>")                                                                                                  \
    X(TRUNCATED, "<truncated>")                                                                                    \
    X(UNREADABLE, "<unreadable>")                                                                                  \
    X(UNPROVEN, "<unproven>")                                                                                      \
    X(GONE, "<gone>")                                                                                              \
    X(IDLE, "<idle>")                                                                                              \
    X(BUILTIN, "")

typedef enum {
#define X(name, label) OP_FRAME_##name,
    OP_FRAME_KIND_MAP(X)
#undef X
        OP_FRAME_KIND_COUNT
} op_frame_kind;
const char *op_frame_kind_label(op_frame_kind kind);   // "<GC>"; "" for PYTHON

// The numbers stand in files: never renumber.
typedef enum { OP_STATE_RUNNING = 0, OP_STATE_WAITING = 1, OP_STATE_WANTS_GIL = 2, OP_STATE_COUNT } op_thread_state;
typedef enum { OP_MODE_WALL = 0, OP_MODE_CPU = 1 } op_mode;

enum {
    // Frames; producers cut and put <truncated> at the root. One more for that label is let in, no deeper stack.
    OP_PROFILE_MAX_STACK_DEPTH = 20000,
    OP_PROFILE_MAX_STRING_BYTES = 1 << 16,   // longer text is cut
    OP_PROFILE_VERSION = 2,                  // of the file format, PRAGMA user_version
};
// Times lie in [-MAX, MAX], so that a difference of two never overflows.
#define OP_PROFILE_MAX_TIME_NS (INT64_C(1) << 61)
#define OP_PROFILE_MAX_COUNT INT64_MAX   // of calls and hits

typedef struct {
    op_id command;        // string: argv joined as a shell would read it, secrets masked
    op_id host;           // string
    op_id tool_version;   // string
    int64_t started_unix_ns;
    int64_t duration_ns;
    double asked_rate_hz;
    op_mode mode;
    bool include_idle;
    bool complete;   // false: the recording was cut off (killed)
} op_run;

typedef struct {
    int64_t pid, parent_pid;        // parent_pid 0: unknown
    op_id command;                  // string, masked
    op_id executable;               // string: path
    op_id python;                   // string: "3.13.0"
    int64_t started_ns, ended_ns;   // seen first and last
} op_process_row;

typedef struct {
    op_id process;
    int64_t tid;   // of the operating system
    op_id name;    // string
    bool is_main;
    int64_t started_ns, ended_ns;   // seen first and last
} op_thread_row;

typedef struct {
    op_frame_kind kind;
    op_id name;            // string: qualified name where the version has it (3.11+), else the name
    op_id file;            // string
    uint32_t first_line;   // 0: unknown
} op_function;

typedef struct {
    op_id function;
    uint32_t line;   // being executed; in a caller: the call. 0: unknown
} op_frame;

typedef struct {
    op_id parent;   // the caller's stack; 0: this is the root
    op_id frame;
} op_stack;

typedef struct {
    op_id thread;
    op_id task;   // string: name of the asyncio task; 0: none or not asked
    op_id stack;
    op_thread_state state;
    uint64_t count;       // samples
    uint64_t weight_ns;   // time that they stand for (wall: between samples; cpu: run time of the thread)
} op_sample;

// A piece of one thread's life: `runs` are runs of equal samples, one after the other, as varints
// (gap_ns to the end of the last run, length_ns, samples, stack id * 4 + state), starting at start_ns.
// Made and read by profile/timeline.h.
typedef struct {
    op_id thread;
    int64_t start_ns, end_ns;
    uint64_t samples;
    op_buffer runs;   // owned
    // Of timeline.c: the last run, which may still grow.
    size_t last_offset;   // where it begins in `runs`
    int64_t last_gap_ns, last_start_ns;
    uint64_t last_samples, last_key;
    // Of store.c.
    int64_t row;    // in the file; 0: not written yet
    bool written;   // the file holds all of `runs`
} op_timeline;

// Calls of one function by another in one thread: exact counts and times of the tracer. An entry is a start or a
// resumption of a generator or coroutine, and is counted once it was left. Totals count each moment once, however
// often a function is on the stack: `total_ns` while (caller, function) was open, `outer_ns` while the function was,
// whoever called it. So the figures of a function are sums over its callers: calls, own_ns, outer_ns, and primitive
// calls as calls - nested_calls.
typedef struct {
    op_id thread;
    op_id caller;   // function; 0: nobody that was seen
    op_id function;
    uint64_t calls;             // entries
    uint64_t recursive_calls;   // of them: while (caller, function) was open already
    uint64_t nested_calls;      // of them: while the function was open already; not below recursive_calls
    uint64_t resumes;           // of them: resumptions
    uint64_t exceptions;        // of them: left by an exception
    uint64_t own_ns, total_ns, outer_ns;
    uint64_t suspended_ns;   // between a yield or await and the resumption
} op_call;

// Executions of a line: time until the next line, with what was called from it. Each moment counts for one line of a
// function, also where it recurs.
typedef struct {
    op_id thread, function;
    uint32_t line;
    uint64_t hits;
    uint64_t ns;
} op_line;

typedef struct {
    op_id name;   // string: "samples", "late", "retried", ...
    int64_t value;
} op_counter;

typedef struct op_profile {
    op_strings strings;
    op_run run;
    OP_VECTOR(op_process_row) processes;
    OP_VECTOR(op_thread_row) threads;
    OP_VECTOR(op_function) functions;
    OP_VECTOR(op_frame) frames;
    OP_VECTOR(op_stack) stacks;
    OP_VECTOR(uint32_t) stack_depths;   // by stack: its frames
    OP_VECTOR(op_sample) samples;
    OP_VECTOR(op_timeline) timelines;
    OP_VECTOR(op_call) calls;
    OP_VECTOR(op_line) lines;
    OP_VECTOR(op_counter) counters;
    // Finders of the rows above by content.
    op_map function_ids, frame_ids, stack_ids, sample_ids, call_ids, line_ids, counter_ids;
    op_map open_timelines;   // by thread: the index + 1 of the block that grows
} op_profile;

op_status op_profile_new(op_profile **profile) OP_MUST_CHECK;   // the caller frees
void op_profile_free(op_profile *profile);                      // NULL is fine

// Add a row where it is new and return its id; 0: out of memory, or it refers to a row that is not there, or the
// stack is too deep. Text is copied, and cut behind OP_PROFILE_MAX_STRING_BYTES; NULL is "".
op_id op_profile_string(op_profile *profile, const char *text);
op_id op_profile_string_bytes(op_profile *profile, const char *bytes, size_t count);
op_id op_profile_add_process(op_profile *profile, const op_process_row *row);   // always new
op_id op_profile_add_thread(op_profile *profile, const op_thread_row *row);     // always new
op_id op_profile_add_function(op_profile *profile, const op_function *function);
op_id op_profile_add_frame(op_profile *profile, op_frame frame);
op_id op_profile_add_stack(op_profile *profile, op_stack stack);
// Adds count and weight to the row of (thread, task, stack, state), made where new.
op_id op_profile_add_sample(op_profile *profile, const op_sample *sample);
// Adds the counts and times to the row of (thread, caller, function), and of (thread, function, line). Sums end at
// OP_PROFILE_MAX_COUNT and OP_PROFILE_MAX_TIME_NS; what is "of them" never exceeds what it is of, in the row.
op_id op_profile_add_call(op_profile *profile, const op_call *call);
op_id op_profile_add_line(op_profile *profile, const op_line *line);
op_status op_profile_set_counter(op_profile *profile, const char *name, int64_t value) OP_MUST_CHECK;
int64_t op_profile_counter(const op_profile *profile, const char *name);   // 0: absent

// Rows by id; NULL for 0 and ids out of range.
const op_process_row *op_profile_process(const op_profile *profile, op_id id);
const op_thread_row *op_profile_thread(const op_profile *profile, op_id id);
const op_function *op_profile_function(const op_profile *profile, op_id id);
const op_frame *op_profile_frame(const op_profile *profile, op_id id);
const op_stack *op_profile_stack(const op_profile *profile, op_id id);
op_string op_profile_text(const op_profile *profile, op_id string);   // {"", 0} for 0

// The frames of a stack, root first, into out[0..max). Returns the whole depth (which may exceed max: then the
// frames nearest the root are left out, and out holds the max frames nearest the leaf). Bounded and safe on any
// data.
size_t op_profile_stack_frames(const op_profile *profile, op_id stack, op_id *out, size_t max);
uint64_t op_profile_total_samples(const op_profile *profile);
uint64_t op_profile_total_weight_ns(const op_profile *profile);

// Which threads to keep, with their calls and lines, and which of their samples; a zeroed filter keeps all.
typedef struct {
    const char *thread_name;   // exact; NULL: all
    int64_t pid;               // 0: all
    bool drop_waiting;         // leave out samples in state waiting; calls and lines hold no such state
} op_profile_filter;
// A new profile with what `filter` keeps, and what they refer to. The caller frees *out.
op_status op_profile_filter_copy(const op_profile *profile, const op_profile_filter *filter, op_profile **out,
                                 op_error *error) OP_MUST_CHECK;
// Adds all of `from` to `into`: processes and threads stay apart, equal functions, frames and stacks are one,
// counters are summed, the run spans both. On failure `into` may hold a part.
op_status op_profile_merge(op_profile *into, const op_profile *from, op_error *error) OP_MUST_CHECK;

#endif

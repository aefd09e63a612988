// SPDX-License-Identifier: MIT
#include "collect/fold.h"

#include <stdlib.h>
#include <string.h>
#include "cpython/python_version.h"
#include "process/process.h"

enum { MAX_ARGUMENTS = 1024 };

__extension__ typedef __int128 wide;

typedef struct {
    op_segment_reader *reader;
    op_profile *profile;
    op_fold_clock clock;
    int64_t run_start_ns;
    op_id process;
    OP_VECTOR(op_id) threads;   // by thread of the segment; 0: not readable
    op_map functions;           // op_id by the segment's id
    uint64_t unfinished, torn;
} folding;

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t sub_clamped(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

// ---- time ------------------------------------------------------------------------------------------------------

static bool clock_runs(const op_fold_clock *clock)
{
    return clock->ticks_b > clock->ticks_a && clock->ns_b > clock->ns_a;
}

// For both signs of ticks; within 2^63 * 2^63.
static wide scale(const op_fold_clock *clock, int64_t ticks)
{
    wide per = (wide)(clock->ticks_b - clock->ticks_a), product = (wide)ticks * (clock->ns_b - clock->ns_a);
    return (product + (product < 0 ? -(per / 2) : per / 2)) / per;
}

static int64_t clamp_time(wide ns)
{
    return ns < 0 ? 0 : ns > OP_PROFILE_MAX_TIME_NS ? OP_PROFILE_MAX_TIME_NS : (int64_t)ns;
}

uint64_t op_fold_ticks_ns(const op_fold_clock *clock, uint64_t ticks)
{
    return (int64_t)ticks < 0 ? 0 : (uint64_t)clamp_time(scale(clock, (int64_t)ticks));
}

static uint64_t duration_ns(const folding *fold, uint64_t ticks)
{
    return op_fold_ticks_ns(&fold->clock, ticks);
}

// A moment, counted from the start of the run. Both clocks were read when the process began: no error of the rate
// adds up before that.
static int64_t moment_ns(const folding *fold, uint64_t ticks)
{
    const op_segment_header *header = &fold->reader->header;
    wide since_ns = scale(&fold->clock, (int64_t)(ticks - header->started_ticks));
    return clamp_time(since_ns + header->started_monotonic_ns - fold->run_start_ns);
}

// ---- rows ------------------------------------------------------------------------------------------------------

// The arguments, parted by NULs and ended by two, as a shell would read them.
static op_id command_text(op_profile *profile, op_segment_header *header)
{
    char *arguments[MAX_ARGUMENTS];
    size_t count = 0;
    // The reader ended it by two NULs.
    for (char *at = header->command; *at && count < MAX_ARGUMENTS; at += strlen(at) + 1)
        arguments[count++] = at;
    op_buffer text;
    op_buffer_init(&text);
    op_command_add_masked(&text, arguments, count);
    op_id id = text.failed ? 0 : op_profile_string_bytes(profile, text.data, text.size);
    op_buffer_fini(&text);
    return id;
}

static bool add_process(folding *fold)
{
    op_segment_header *header = &fold->reader->header;
    char version[OP_VERSION_TEXT_BYTES];
    op_version_text(header->python, version);
    int64_t started_ns = clamp_time((wide)header->started_monotonic_ns - fold->run_start_ns);
    op_process_row row = {
        .pid = header->pid,
        .parent_pid = header->parent_pid,
        .command = command_text(fold->profile, header),
        .executable = op_profile_string(fold->profile, header->executable),
        .python = op_profile_string(fold->profile, header->python ? version : ""),
        .started_ns = started_ns,
        .ended_ns = started_ns,
    };
    if (row.command == 0 || row.executable == 0 || row.python == 0)
        return false;
    fold->process = op_profile_add_process(fold->profile, &row);
    return fold->process != 0;
}

static bool add_threads(folding *fold)
{
    for (size_t i = 0; i < fold->reader->threads.count; i++) {
        op_segment_thread thread;
        op_id *slot = OP_VECTOR_PUSH(&fold->threads);
        if (!slot)
            return false;
        *slot = 0;
        if (!op_segment_thread_at(fold->reader, i, &thread))
            continue;
        op_thread_row row = {
            .process = fold->process,
            .tid = (int64_t)(thread.tid & INT64_MAX),
            .name = op_profile_string(fold->profile, thread.name),
            .is_main = thread.is_main != 0,
            .started_ns = moment_ns(fold, thread.started_ticks),
        };
        row.ended_ns = thread.last_ticks ? moment_ns(fold, thread.last_ticks) : row.started_ns;
        if (row.ended_ns < row.started_ns)
            row.ended_ns = row.started_ns;
        op_process_row *process = &fold->profile->processes.items[fold->process - 1];
        if (process->ended_ns < row.ended_ns)
            process->ended_ns = row.ended_ns;
        if (row.name == 0 || (*slot = op_profile_add_thread(fold->profile, &row)) == 0)
            return false;
    }
    return true;
}

static bool add_functions(folding *fold)
{
    op_segment_named named;
    op_segment_begin(fold->reader, OP_SEGMENT_FUNCTION);
    while (op_segment_next_function(fold->reader, &named)) {
        bool added;
        uint32_t *id = op_map_add(&fold->functions, (op_map_key){.low = named.facts.id}, &added);
        if (!id)
            return false;
        if (!added) {   // an id is given once
            fold->torn++;
            continue;
        }
        op_function function = {
            .kind = named.facts.kind == OP_SEGMENT_BUILTIN ? OP_FRAME_BUILTIN : OP_FRAME_PYTHON,
            .name = op_profile_string_bytes(fold->profile, named.name, named.facts.name_bytes),
            .file = op_profile_string_bytes(fold->profile, named.file, named.facts.file_bytes),
            .first_line = named.facts.first_line,
        };
        *id = function.name && function.file ? op_profile_add_function(fold->profile, &function) : 0;
        if (*id == 0)
            return false;
    }
    return true;
}

// False: no such function.
static bool find_function(const folding *fold, uint32_t id, op_id *found)
{
    const uint32_t *value = op_map_find(&fold->functions, (op_map_key){.low = id});
    if (value)
        *found = *value;
    return value != NULL;
}

// The row that an edge adds to. False: it names what is not there.
static bool begin_call(const folding *fold, uint32_t thread, const op_segment_edge *edge, op_call *call)
{
    *call = (op_call){.thread = fold->threads.items[thread]};
    return call->thread != 0 && find_function(fold, edge->callee, &call->function) &&
           (edge->caller == 0 || find_function(fold, edge->caller, &call->caller));
}

static bool add_edges(folding *fold)
{
    op_segment_edge edge;
    uint32_t thread;
    op_segment_begin(fold->reader, OP_SEGMENT_EDGE);
    while (op_segment_next_edge(fold->reader, &edge, &thread)) {
        op_call call;
        if (!begin_call(fold, thread, &edge, &call)) {
            fold->torn++;
            continue;
        }
        if (edge.calls == 0 && edge.own == 0 && edge.total == 0)
            continue;   // was never left
        call.calls = edge.calls;
        call.recursive_calls = edge.recursive;
        call.nested_calls = edge.nested;
        call.resumes = edge.resumes;
        call.exceptions = edge.exceptions;
        call.own_ns = duration_ns(fold, edge.own);
        call.total_ns = duration_ns(fold, edge.total);
        call.outer_ns = duration_ns(fold, edge.outer_total);
        call.suspended_ns = duration_ns(fold, edge.suspended);
        if (op_profile_add_call(fold->profile, &call) == 0)
            return false;
    }
    return true;
}

static bool add_lines(folding *fold)
{
    op_segment_line found;
    uint32_t thread, function, number;
    op_segment_begin(fold->reader, OP_SEGMENT_LINE);
    while (op_segment_next_line(fold->reader, &found, &thread, &function, &number)) {
        op_line line = {.thread = fold->threads.items[thread],
                        .line = number,
                        .hits = found.hits,
                        .ns = duration_ns(fold, found.ticks)};
        if (line.thread == 0 || !find_function(fold, function, &line.function)) {
            fold->torn++;
            continue;
        }
        if (op_profile_add_line(fold->profile, &line) == 0)
            return false;
    }
    return true;
}

// ---- calls that were open --------------------------------------------------------------------------------------

// An edge that is on the shadow stack, and what its frames add to it. Times in ticks.
typedef struct {
    op_call call;
    uint32_t callee;   // of the segment
    uint64_t open;     // frames that are not closed yet
    uint64_t own, total, outer;
} open_edge;

typedef struct {
    op_segment_frame *frames;   // outermost first
    size_t count;
    uint32_t *edges;   // by frame: index + 1 into `found`; 0: the frame is left out
    OP_VECTOR(open_edge) found;
    op_map by_address;    // index + 1 into `found`; 0: no edge is there
    op_map by_function;   // frames of a function that are not closed yet
} open_stack;

// Finds the edge of a frame: *index + 1 into `found`, or 0. False: out of memory.
static bool find_edge(folding *fold, open_stack *stack, size_t thread, uint64_t address, uint32_t *index)
{
    bool added;
    uint32_t *slot = op_map_add(&stack->by_address, (op_map_key){.low = address}, &added);
    if (!slot)
        return false;
    if (added) {
        op_segment_edge edge;
        op_call call;
        if (op_segment_edge_at(fold->reader, thread, address - fold->reader->header.base, &edge) &&
            begin_call(fold, (uint32_t)thread, &edge, &call)) {
            open_edge *made = OP_VECTOR_PUSH(&stack->found);
            if (!made)
                return false;
            *made = (open_edge){.call = call, .callee = edge.callee};
            *slot = (uint32_t)stack->found.count;
        }
    }
    *index = *slot;
    return true;
}

// Whether a thread went on since `then`: what its frames named was another moment's, and is no damage.
static bool has_gone_on(folding *fold, size_t index, const op_segment_thread *then)
{
    op_segment_thread now;
    return op_segment_has_grown(fold->reader) || (op_segment_thread_at(fold->reader, index, &now) &&
                                                  (now.last_ticks != then->last_ticks || now.depth != then->depth));
}

static bool find_edges(folding *fold, open_stack *stack, size_t index, const op_segment_thread *thread)
{
    uint64_t left_out = 0;
    for (size_t i = 0; i < stack->count; i++) {
        if (!find_edge(fold, stack, index, stack->frames[i].edge, &stack->edges[i]))
            return false;
        if (stack->edges[i] == 0) {
            left_out++;
            continue;
        }
        open_edge *edge = &stack->found.items[stack->edges[i] - 1];
        uint32_t *open = op_map_add(&stack->by_function, (op_map_key){.low = edge->callee}, NULL);
        if (!open)
            return false;
        ++*open;
        edge->open++;
    }
    if (left_out > 0 && !has_gone_on(fold, index, thread))
        fold->torn = add_capped(fold->torn, left_out);
    return true;
}

// As if all frames returned at `last_ticks`, the innermost first.
static void close_frames(folding *fold, open_stack *stack, uint64_t last_ticks)
{
    uint64_t callee_elapsed = 0;   // of the frame that was closed before
    for (size_t i = stack->count; i-- > 0;) {
        const op_segment_frame *frame = &stack->frames[i];
        if (stack->edges[i] == 0)
            continue;
        open_edge *edge = &stack->found.items[stack->edges[i] - 1];
        uint64_t elapsed = sub_clamped(last_ticks, frame->start);
        uint64_t child = add_capped(frame->child, callee_elapsed);
        bool is_call = !(frame->key & OP_SEGMENT_INHERITED);
        bool edge_is_open = --edge->open > 0;
        bool function_is_open = --*op_map_find(&stack->by_function, (op_map_key){.low = edge->callee}) > 0;
        edge->own = add_capped(edge->own, sub_clamped(elapsed, child));
        if (!edge_is_open)
            edge->total = add_capped(edge->total, elapsed);
        if (!function_is_open)
            edge->outer = add_capped(edge->outer, elapsed);
        edge->call.calls += is_call;
        edge->call.recursive_calls += is_call && edge_is_open;
        edge->call.nested_calls += is_call && function_is_open;
        fold->unfinished += is_call;
        callee_elapsed = elapsed;
    }
}

static bool add_open_edges(const folding *fold, open_stack *stack)
{
    for (size_t i = 0; i < stack->found.count; i++) {
        open_edge *edge = &stack->found.items[i];
        edge->call.own_ns = duration_ns(fold, edge->own);
        edge->call.total_ns = duration_ns(fold, edge->total);
        edge->call.outer_ns = duration_ns(fold, edge->outer);
        if (op_profile_add_call(fold->profile, &edge->call) == 0)
            return false;
    }
    return true;
}

static bool add_unfinished_of(folding *fold, size_t index)
{
    op_segment_thread thread;
    open_stack stack = {0};
    bool done = false;
    op_map_init(&stack.by_address);
    op_map_init(&stack.by_function);
    // Read again, behind the edges: of a process that lives, a call is rather left out than counted twice.
    if (fold->threads.items[index] == 0 || !op_segment_thread_at(fold->reader, index, &thread))
        return true;
    if (op_segment_frames(fold->reader, index, thread.depth, &stack.frames, &stack.count) != OP_OK)
        return false;
    if (stack.count == 0)
        return true;
    stack.edges = op_alloc_zero(stack.count, sizeof *stack.edges);
    if (!stack.edges || !find_edges(fold, &stack, index, &thread))
        goto done;
    close_frames(fold, &stack, thread.last_ticks);
    done = add_open_edges(fold, &stack);
done:
    op_free(stack.frames);
    op_free(stack.edges);
    OP_VECTOR_FINI(&stack.found);
    op_map_fini(&stack.by_address);
    op_map_fini(&stack.by_function);
    return done;
}

static bool add_unfinished(folding *fold)
{
    for (size_t i = 0; i < fold->threads.count; i++) {
        if (!add_unfinished_of(fold, i))
            return false;
    }
    return true;
}

// ---- counters --------------------------------------------------------------------------------------------------

static bool add_counter(op_profile *profile, const char *name, uint64_t value)
{
    if (value == 0)
        return true;
    int64_t old = op_profile_counter(profile, name);
    uint64_t sum = add_capped(old > 0 ? (uint64_t)old : 0, value);
    return op_profile_set_counter(profile, name, sum < INT64_MAX ? (int64_t)sum : INT64_MAX) == OP_OK;
}

static bool add_counters(folding *fold)
{
    const op_segment_header *header = &fold->reader->header;
    return add_counter(fold->profile, "unfinished_calls", fold->unfinished) &&
           add_counter(fold->profile, "torn_records", add_capped(fold->torn, fold->reader->torn)) &&
           add_counter(fold->profile, "lost_calls", header->lost_calls) &&
           add_counter(fold->profile, "lost_functions", header->lost_functions) &&
           add_counter(fold->profile, "lost_lines", header->lost_lines) &&
           add_counter(fold->profile, "lost_processes", header->lost_processes) &&
           add_counter(fold->profile, "lost_hooks", header->lost_hooks);
}

op_status op_fold_segment(op_segment_reader *reader, const op_fold_clock *clock, int64_t run_start_ns,
                          op_profile *profile, op_fold_result *result, op_error *error)
{
    static const op_fold_clock nanoseconds = {.ticks_b = 1, .ns_b = 1};
    folding fold = {
        .reader = reader,
        .profile = profile,
        .clock = reader->header.ticks_are_ns ? nanoseconds : *clock,
        .run_start_ns = run_start_ns,
    };
    if (!clock_runs(&fold.clock))
        return op_error_set(error, OP_BAD_DATA, "the processor's counter cannot be told from the clock");
    op_map_init(&fold.functions);
    bool done = add_process(&fold) && add_threads(&fold) && add_functions(&fold) && add_edges(&fold) &&
                add_lines(&fold) && add_unfinished(&fold) && add_counters(&fold);
    if (done && result)
        *result = (op_fold_result){
            .process = fold.process, .unfinished = fold.unfinished, .torn = add_capped(fold.torn, reader->torn)};
    OP_VECTOR_FINI(&fold.threads);
    op_map_fini(&fold.functions);
    if (!done)
        return op_error_set(error, OP_NO_MEMORY, "out of memory while reading the trace of process %u",
                            reader->header.pid);
    return OP_OK;
}

// SPDX-License-Identifier: MIT
// A process writes a segment by the order of stores that the format asks for, and is killed at any moment, or read
// while it writes: every call that had returned is there, none is there twice, and nothing is torn.
#include <stdatomic.h>
#include <time.h>
#include "base/random.h"
#include "collect/fold.h"
#include "profile_fixture.h"
#include "segment/writer.h"
#include "segment_fixture.h"

enum { FUNCTIONS = 200, MAX_DEPTH = 12, ROUNDS = 120 };

// In memory that outlives the writer.
typedef struct {
    _Atomic uint64_t returned;   // counted before this grows
    _Atomic uint64_t ready;
} shared;

typedef struct {
    op_segment_writer out;
    op_segment_thread *thread;
    op_segment_frame *shadow;
    op_segment_chunk *functions, *edges;
    op_segment_edge *first_edge[FUNCTIONS];
    uint64_t ticks;
} writer;

#define PUBLISH(place, value) __atomic_store_n((place), (value), __ATOMIC_RELEASE)

static op_segment_chunk *take(writer *w, op_segment_kind kind, size_t bytes)
{
    op_segment_chunk *chunk = op_segment_writer_take(&w->out, kind, 0, 0, 0, bytes);
    if (!chunk)
        _exit(3);
    return chunk;
}

static void begin(writer *w, const char *path)
{
    if (op_segment_writer_open(&w->out, path) != 0)
        _exit(2);
    w->out.header->pid = (uint32_t)getpid();
    w->out.header->ticks_are_ns = 1;
    op_segment_writer_seal(&w->out);
    op_segment_chunk *chunk = take(w, OP_SEGMENT_THREAD, sizeof *w->thread);
    w->thread = op_segment_chunk_records(chunk);
    w->thread->tid = (uint64_t)getpid();
    chunk->count = 1;
    op_segment_writer_publish(&w->out);
    chunk = take(w, OP_SEGMENT_SHADOW, (MAX_DEPTH + 1) * sizeof *w->shadow);
    w->shadow = op_segment_chunk_records(chunk);
    op_segment_writer_publish(&w->out);
}

static void add_function(writer *w, uint32_t id)
{
    const char text[] = {
        'f', (char)('0' + id / 100), (char)('0' + id / 10 % 10), (char)('0' + id % 10), 'f', '.', 'p', 'y'};
    op_segment_function facts = {.id = id, .first_line = id, .name_bytes = 4, .file_bytes = 4};
    facts.bytes = (uint32_t)(sizeof facts + facts.name_bytes + facts.file_bytes + 7) / 8 * 8;
    uint64_t seed = op_segment_check(0, text, facts.name_bytes + facts.file_bytes);
    facts.check = op_segment_check(seed, &facts, offsetof(op_segment_function, check));
    if (!w->functions || op_segment_chunk_room(w->functions) - w->functions->count < facts.bytes) {
        w->functions = take(w, OP_SEGMENT_FUNCTION, facts.bytes);
        op_segment_writer_publish(&w->out);
    }
    unsigned char *record = (unsigned char *)op_segment_chunk_records(w->functions) + w->functions->count;
    memcpy(record, &facts, sizeof facts);
    memcpy(record + sizeof facts, text, facts.name_bytes + facts.file_bytes);
    PUBLISH(&w->functions->count, w->functions->count + facts.bytes);
}

static op_segment_edge *add_edge(writer *w, uint32_t callee)
{
    op_segment_edge made = {.caller = callee - 1, .callee = callee};
    made.check = (uint32_t)op_segment_check(0, &made, offsetof(op_segment_edge, check));
    if (!w->edges || op_segment_chunk_room(w->edges) / sizeof made == w->edges->count) {
        w->edges = take(w, OP_SEGMENT_EDGE, sizeof made);
        op_segment_writer_publish(&w->out);
    }
    op_segment_edge *edge = (op_segment_edge *)op_segment_chunk_records(w->edges) + w->edges->count;
    *edge = made;
    PUBLISH(&w->edges->count, w->edges->count + 1);
    return edge;
}

// Calls of random functions, for ever.
static void write_until_killed(const char *path, shared *told, uint64_t seed)
{
    writer w = {.ticks = 1};
    op_random random;
    uint64_t depth = 0;
    uint32_t known = 0;
    op_random_init(&random, seed);
    begin(&w, path);
    atomic_store(&told->ready, 1);
    while (true) {
        uint64_t now = w.ticks++;
        PUBLISH(&w.thread->last_ticks, now);
        if (depth == 0 || (depth < MAX_DEPTH && op_random_below(&random, 2) == 0)) {
            uint32_t index = (uint32_t)op_random_below(&random, known < FUNCTIONS ? known + 1 : known);
            if (index == known) {
                add_function(&w, ++known);
                w.first_edge[index] = add_edge(&w, known);
            }
            w.shadow[depth + 1] = (op_segment_frame){.edge = (uintptr_t)w.first_edge[index], .start = now};
            PUBLISH(&w.thread->depth, ++depth);
        } else {
            op_segment_edge *edge = (op_segment_edge *)w.shadow[depth].edge;
            uint64_t own = now - w.shadow[depth].start - w.shadow[depth].child;
            w.shadow[depth - 1].child += now - w.shadow[depth].start;
            PUBLISH(&w.thread->depth, --depth);
            PUBLISH(&edge->calls, edge->calls + 1);
            PUBLISH(&edge->own, edge->own + own);
            atomic_fetch_add(&told->returned, 1);
        }
    }
}

// Calls that had returned, and all.
static uint64_t fold_calls(const char *path, uint64_t *unfinished)
{
    static const op_fold_clock none;
    op_segment_reader reader;
    op_profile *profile = NULL;
    op_fold_result result;
    uint64_t calls = 0;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
    TAP_REQUIRE(op_segment_open(&reader, AT_FDCWD, path, NULL) == OP_OK && op_segment_scan(&reader) == OP_OK);
    TAP_REQUIRE(op_fold_segment(&reader, &none, 0, profile, &result, NULL) == OP_OK);
    TAP_EQ_UINT(result.torn, 0);
    for (size_t i = 0; i < profile->calls.count; i++)
        calls += profile->calls.items[i].calls;
    TAP_OK(result.unfinished <= MAX_DEPTH);
    *unfinished = result.unfinished;
    op_segment_close(&reader);
    op_profile_free(profile);
    return calls - result.unfinished;
}

TAP_TEST(a_kill_at_any_moment_loses_no_call_that_returned)
{
    op_random random;
    op_random_init(&random, 7);
    shared *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TAP_REQUIRE(told != MAP_FAILED);
    const char *path = fixture_path("1-1.segment");
    uint64_t most = 0, open = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        *told = (shared){0};
        unlink(path);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(path, told, round);
        while (!atomic_load(&told->ready))
            ;
        // From within the first functions to long behind the last.
        struct timespec wait = {.tv_nsec = (long)op_random_below(&random, round % 2 ? 30000 : 2000000)};
        nanosleep(&wait, NULL);
        TAP_EQ_INT(kill(child, SIGKILL), 0);
        TAP_EQ_INT(waitpid(child, NULL, 0), child);
        uint64_t returned = atomic_load(&told->returned), unfinished;
        uint64_t calls = fold_calls(path, &unfinished);
        TAP_OK(calls == returned || calls == returned + 1);   // killed before it said so
        most = calls > most ? calls : most;
        open += unfinished;
    }
    TAP_OK(most > 1000 && open > ROUNDS);
    TAP_NOTE("up to %llu calls", (unsigned long long)most);
    fixture_clean();
}

TAP_TEST(a_segment_is_read_while_it_is_written)
{
    shared *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TAP_REQUIRE(told != MAP_FAILED);
    const char *path = fixture_path("1-1.segment");
    uint64_t last = 0, unfinished;
    for (uint64_t round = 0; round < 10; round++) {
        *told = (shared){0};
        unlink(path);
        last = 0;
        pid_t child = fork();
        if (child == 0)
            write_until_killed(path, told, round);
        while (!atomic_load(&told->ready))
            ;
        for (int look = 0; look < 20; look++) {
            uint64_t calls = fold_calls(path, &unfinished);
            TAP_OK(calls >= last && calls <= atomic_load(&told->returned) + 1);
            last = calls;
        }
        kill(child, SIGKILL);
        TAP_EQ_INT(waitpid(child, NULL, 0), child);
    }
    TAP_OK(last > 0);
    fixture_clean();
}

TAP_MAIN()

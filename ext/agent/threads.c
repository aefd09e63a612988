// SPDX-License-Identifier: MIT
// The threads of a tracer: made when first seen, told apart by their id of the operating system, taken again for
// other threads once there are many that ended. What a fork leaves.
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent/agent.h"

enum {
    FIRST_FRAMES = 126,   // with its head a page
    FIRST_EDGES = 63,     // with its head two pages
    MOST_EDGES = 4096,    // of one chunk
    FIRST_SLOTS = 256,
    THREADS_KEPT_APART = 64,   // beyond that an ended thread is taken for a new one
};

__thread op_current_thread op_current[OP_SLOTS];

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;   // guards `tracers`, their lists of threads, `ended`
static op_tracer *tracers;                                     // all that live
static pthread_key_t end_of_thread;

static uint64_t own_tid(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

// --- the end of threads, and forks ---------------------------------------------------------------------------------

static void thread_ended(void *unused)
{
    (void)unused;
    uint64_t tid = own_tid();
    pthread_mutex_lock(&registry);
    for (op_tracer *tracer = tracers; tracer != NULL; tracer = tracer->next) {
        for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
            if (thread->record->tid == tid && !thread->ended) {
                thread->ended = true;
                thread->record->ended = 1;
            }
        }
    }
    pthread_mutex_unlock(&registry);
    memset(op_current, 0, sizeof op_current);
}

static void forget_forked(op_tracer *tracer)
{
    PyMem_RawFree(tracer->forked_frames);
    tracer->forked_frames = NULL;
    tracer->forked_depth = 0;
}

// What op_current holds of the running thread for `tracer`; NULL: nothing, or what it held is gone with its tracer.
static op_thread *known_thread(const op_tracer *tracer)
{
    bool known = tracer->enabled && op_current[tracer->slot].generation == tracer->generation;
    return known ? op_current[tracer->slot].thread : NULL;
}

static void before_fork(void)
{
    pthread_mutex_lock(&registry);
    for (op_tracer *tracer = tracers; tracer != NULL; tracer = tracer->next) {
        const op_thread *thread = tracer->folder != NULL ? known_thread(tracer) : NULL;
        if (thread == NULL) {
            continue;
        }
        size_t depth = (size_t)(thread->top - thread->root);
        forget_forked(tracer);
        tracer->forked_frames = PyMem_RawCalloc(depth + 1, sizeof *tracer->forked_frames);
        for (size_t i = 0; tracer->forked_frames != NULL && i < depth; i++) {
            const op_segment_edge *edge = (const op_segment_edge *)thread->root[i + 1].edge;
            tracer->forked_frames[i] = (op_forked_frame){thread->root[i + 1].key, edge->caller, edge->callee};
            tracer->forked_depth = i + 1;
        }
    }
}

static void after_fork_in_parent(void)
{
    for (op_tracer *tracer = tracers; tracer != NULL; tracer = tracer->next) {
        if (!tracer->forked) {
            forget_forked(tracer);
        }
    }
    pthread_mutex_unlock(&registry);
}

// Only stores, as it may run in the child of a program that execs at once: the next event does the rest. The parent's
// file must not be touched, so a tracer that has one is only marked.
static void after_fork_in_child(void)
{
    pthread_mutex_unlock(&registry);
    for (op_tracer *tracer = tracers; tracer != NULL; tracer = tracer->next) {
        op_thread *thread = known_thread(tracer);
        pthread_mutex_init(&tracer->mutex, NULL);
        if (tracer->folder != NULL) {
            tracer->forked = true;
        }
        if (thread != NULL && tracer->folder != NULL) {
            op_current[tracer->slot].generation = 0;
        } else if (thread != NULL) {
            thread->record->tid = own_tid();
        }
    }
}

int op_threads_watch(void)
{
    static bool watched;
    if (watched) {
        return 0;
    }
    if (pthread_key_create(&end_of_thread, thread_ended) != 0 ||
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        PyErr_SetString(PyExc_OSError, "the ends of threads cannot be watched");
        return -1;
    }
    watched = true;
    return 0;
}

void op_threads_begin(op_tracer *tracer)
{
    pthread_mutex_lock(&registry);
    tracer->next = tracers;
    tracers = tracer;
    pthread_mutex_unlock(&registry);
}

static void free_thread(op_thread *thread);

void op_threads_forget(op_tracer *tracer)
{
    pthread_mutex_lock(&registry);
    op_thread *threads = tracer->threads;
    tracer->threads = NULL;
    tracer->thread_count = 0;
    pthread_mutex_unlock(&registry);
    while (threads != NULL) {
        op_thread *next = threads->next;
        free_thread(threads);
        threads = next;
    }
}

void op_threads_end(op_tracer *tracer)
{
    op_threads_forget(tracer);
    pthread_mutex_lock(&registry);
    for (op_tracer **at = &tracers; *at != NULL; at = &(*at)->next) {
        if (*at == tracer) {
            *at = tracer->next;
            break;
        }
    }
    pthread_mutex_unlock(&registry);
}

void op_tracer_lock(op_tracer *tracer)
{
#ifdef Py_GIL_DISABLED
    pthread_mutex_lock(&tracer->mutex);
#else
    (void)tracer;
#endif
}

void op_tracer_unlock(op_tracer *tracer)
{
#ifdef Py_GIL_DISABLED
    pthread_mutex_unlock(&tracer->mutex);
#else
    (void)tracer;
#endif
}

// --- threads -------------------------------------------------------------------------------------------------------

static void free_thread(op_thread *thread)
{
    PyMem_RawFree(thread->slots);
    PyMem_RawFree(thread->open);
    PyMem_RawFree(thread->suspensions);
    op_line_tables_free(thread);
    PyMem_RawFree(thread);
}

void op_thread_name(op_thread *thread_of_tracer)
{
    op_segment_thread *record = thread_of_tracer->record;
    if (record->name[0] != '\0') {
        return;
    }
    op_saved_error saved = op_error_save();
    PyObject *modules = PyImport_GetModuleDict();   // borrowed, as all here
    PyObject *threading = modules != NULL ? PyDict_GetItemString(modules, "threading") : NULL;
    PyObject *scope = threading != NULL && PyModule_Check(threading) ? PyModule_GetDict(threading) : NULL;
    PyObject *active = scope != NULL ? PyDict_GetItemString(scope, "_active") : NULL;
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *thread = active != NULL && PyDict_Check(active) && ident != NULL ? PyDict_GetItem(active, ident)
                                                                               : NULL;
    PyObject *attribute = PyUnicode_FromString("_name");   // what the property `name` of Thread gives
    PyObject *name = thread != NULL && attribute != NULL ? PyObject_GenericGetAttr(thread, attribute) : NULL;
    const char *text = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (text != NULL) {
        memcpy(record->name, text, op_utf8_cut(text, strlen(text), sizeof record->name - 1));
    }
    Py_XDECREF(name);
    Py_XDECREF(attribute);
    Py_XDECREF(ident);
    PyErr_Clear();
    op_error_restore(saved);
}

static bool make_shadow(op_thread *thread, size_t frames)
{
    op_segment_writer *segment = &thread->tracer->segment;
    op_segment_chunk *chunk = op_segment_writer_take(segment, OP_SEGMENT_SHADOW, thread->index, 0, 0,
                                                     (frames + 1) * sizeof(op_segment_frame));
    if (chunk == NULL) {
        return false;
    }
    op_segment_frame *root = op_segment_chunk_records(chunk);
    size_t room = op_segment_chunk_room(chunk) / sizeof *root;
    size_t depth = thread->root != NULL ? (size_t)(thread->top - thread->root) : 0;
    if (thread->root != NULL) {
        memcpy(root, thread->root, (depth + 1) * sizeof *root);
    } else {
        root->edge = (uintptr_t)&thread->tracer->nobody;
    }
    chunk->count = room;
    op_segment_writer_publish(segment);
    thread->root = root;
    thread->top = root + depth;
    thread->limit = root + room;
    return true;
}

bool op_shadow_grow(op_thread *thread)
{
    size_t frames = (size_t)(thread->limit - thread->root) * 2;
    if (frames > OP_SEGMENT_MAX_DEPTH) {
        return false;
    }
    op_tracer_lock(thread->tracer);
    bool grown = make_shadow(thread, frames);
    op_tracer_unlock(thread->tracer);
    return grown;
}

static op_thread *make_thread(op_tracer *tracer)
{
    op_thread *thread = PyMem_RawCalloc(1, sizeof *thread);
    if (thread == NULL) {
        return NULL;
    }
    thread->tracer = tracer;
    thread->index = tracer->thread_count;
    thread->slots = PyMem_RawCalloc(FIRST_SLOTS, sizeof *thread->slots);
    thread->slot_mask = FIRST_SLOTS - 1;
    op_segment_chunk *chunk = thread->slots == NULL
                                  ? NULL
                                  : op_segment_writer_take(&tracer->segment, OP_SEGMENT_THREAD, thread->index, 0, 0,
                                                           sizeof *thread->record);
    if (chunk == NULL) {
        free_thread(thread);
        return NULL;
    }
    thread->record = op_segment_chunk_records(chunk);
    thread->record->tid = own_tid();
    thread->record->is_main = thread->record->tid == (uint64_t)getpid();
    thread->record->started_ticks = op_ticks();
    thread->record->threads = 1;
    chunk->count = 1;
    op_segment_writer_publish(&tracer->segment);
    if (!make_shadow(thread, FIRST_FRAMES)) {
        free_thread(thread);   // its record stays, empty
        tracer->thread_count++;
        return NULL;
    }
    tracer->thread_count++;
    pthread_mutex_lock(&registry);
    thread->next = tracer->threads;
    tracer->threads = thread;
    pthread_mutex_unlock(&registry);
    return thread;
}

// One that ended, for a new one: its counters go on, as of several threads.
static op_thread *take_over(op_tracer *tracer)
{
    for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        if (thread->ended) {
            while (thread->top != thread->root) {   // of greenlets that nobody went on with: as at the end of all
                op_leave_top(thread, thread->record->last_ticks, false);
            }
            thread->ended = false;
            thread->record->tid = own_tid();
            thread->record->threads++;
            thread->record->ended = 0;
            return thread;
        }
    }
    return NULL;
}

// In a child: a segment of its own, in which what is open goes on, with the time that passes here.
static bool begin_child(op_tracer *tracer)
{
    op_segment_header *parent = tracer->segment.header;
    op_segment_writer old = tracer->segment;
    op_thread *threads = tracer->threads;
    tracer->threads = NULL;
    tracer->thread_count = 0;
    tracer->segment = (op_segment_writer){.fd = -1};
    tracer->functions.chunk = NULL;
    bool begun = op_tracer_begin_segment(tracer) == 0 && op_functions_write_again(tracer);
    if (!begun) {
        PyErr_Clear();
        __atomic_fetch_add(&parent->lost_processes, 1, __ATOMIC_RELAXED);
        if (tracer->segment.base == NULL) {
            op_segment_writer_open(&tracer->segment, NULL);   // nowhere, so that events find something
        }
    }
    op_segment_writer_abandon(&old);
    while (threads != NULL) {
        op_thread *next = threads->next;
        free_thread(threads);
        threads = next;
    }
    op_thread *thread = tracer->segment.base != NULL ? make_thread(tracer) : NULL;
    for (size_t i = 0; thread != NULL && i < tracer->forked_depth; i++) {
        const op_forked_frame *frame = &tracer->forked_frames[i];
        uintptr_t key = tracer->functions.items[frame->callee].key;
        PyObject *object = tracer->functions.items[frame->callee].object;
        op_segment_edge *edge = op_edge_make(thread, frame->caller, key, object, !PyCode_Check(object));
        if (edge == NULL ||
            (thread->top + 1 == thread->limit && !make_shadow(thread, 2 * (tracer->forked_depth + 1)))) {
            break;
        }
        thread->top++;
        *thread->top = (op_segment_frame){.key = frame->key | 1, .edge = (uintptr_t)edge, .start = op_ticks()};
        edge->open++;
        thread->open[edge->callee]++;
        thread->record->depth++;
    }
    forget_forked(tracer);
    return thread != NULL;
}

op_thread *op_thread_find(op_tracer *tracer)
{
    if (!tracer->enabled) {
        return NULL;
    }
    op_saved_error saved = op_error_save();
    if (tracer->waits && !op_program_began()) {
        op_error_restore(saved);
        return NULL;   // and asked again at the next event
    }
    tracer->waits = false;
    op_tracer_lock(tracer);
    if (tracer->forked) {
        tracer->forked = false;
        begin_child(tracer);
    }
    uint64_t tid = own_tid();
    op_thread *thread = tracer->threads;
    while (thread != NULL && (thread->ended || thread->record->tid != tid)) {
        thread = thread->next;
    }
    if (thread == NULL && tracer->thread_count >= THREADS_KEPT_APART) {
        thread = take_over(tracer);
    }
    if (thread == NULL && tracer->segment.base != NULL) {
        thread = make_thread(tracer);
    }
    op_tracer_unlock(tracer);
    if (thread != NULL) {
        op_current[tracer->slot] = (op_current_thread){thread, tracer->generation};
        pthread_setspecific(end_of_thread, tracer);   // any value: so that thread_ended runs
    }
    op_error_restore(saved);
    return thread;
}

// --- edges ---------------------------------------------------------------------------------------------------------

static bool grow_slots(op_thread *thread)
{
    size_t count = (thread->slot_mask + 1) * 2;
    op_edge_slot *slots = PyMem_RawCalloc(count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i <= thread->slot_mask; i++) {
        if (thread->slots[i].edge != NULL) {
            size_t at = op_edge_hash(thread->slots[i].key, thread->slots[i].caller);
            while (slots[at & (count - 1)].edge != NULL) {
                at++;
            }
            slots[at & (count - 1)] = thread->slots[i];
        }
    }
    PyMem_RawFree(thread->slots);
    thread->slots = slots;
    thread->slot_mask = count - 1;
    return true;
}

static bool grow_open(op_thread *thread, uint32_t id)
{
    if (id < thread->open_capacity) {
        return true;
    }
    size_t capacity = ((size_t)id + 256) * 2;
    uint32_t *open = PyMem_RawRealloc(thread->open, capacity * sizeof *open);
    if (open == NULL) {
        return false;
    }
    memset(open + thread->open_capacity, 0, (capacity - thread->open_capacity) * sizeof *open);
    thread->open = open;
    thread->open_capacity = capacity;
    return true;
}

static op_segment_edge *take_edge(op_thread *thread)
{
    op_segment_chunk *chunk = thread->edges;
    if (chunk == NULL || (chunk->count + 1) * sizeof(op_segment_edge) > op_segment_chunk_room(chunk)) {
        size_t edges = thread->edge_count < FIRST_EDGES ? FIRST_EDGES : thread->edge_count;
        edges = edges > MOST_EDGES ? MOST_EDGES : edges;
        chunk = op_segment_writer_take(&thread->tracer->segment, OP_SEGMENT_EDGE, thread->index, 0, 0,
                                       edges * sizeof(op_segment_edge));
        if (chunk == NULL) {
            return NULL;
        }
        op_segment_writer_publish(&thread->tracer->segment);
        thread->edges = chunk;
    }
    return (op_segment_edge *)op_segment_chunk_records(chunk) + chunk->count;
}

op_segment_edge *op_edge_make(op_thread *thread, uint32_t caller, uintptr_t key, PyObject *object, bool builtin)
{
    op_tracer *tracer = thread->tracer;
    op_saved_error saved = op_error_save();
    op_segment_edge *edge = NULL;
    op_tracer_lock(tracer);
    uint32_t callee = builtin ? op_functions_builtin(tracer, object, key)
                              : op_functions_code(tracer, (PyCodeObject *)object);
    if (callee != 0 && grow_open(thread, callee) &&
        (thread->edge_count * 2 < thread->slot_mask || grow_slots(thread))) {
        edge = take_edge(thread);
    }
    if (edge != NULL) {
        edge->caller = caller;
        edge->callee = callee;
        edge->check = (uint32_t)op_segment_check(0, edge, offsetof(op_segment_edge, check));
        __atomic_store_n(&thread->edges->count, thread->edges->count + 1, __ATOMIC_RELEASE);
        thread->edge_count++;
        size_t at = op_edge_hash(key, caller);
        while (thread->slots[at & thread->slot_mask].edge != NULL) {
            at++;
        }
        thread->slots[at & thread->slot_mask] = (op_edge_slot){key, edge, caller};
        op_thread_name(thread);
    }
    op_tracer_unlock(tracer);
    op_error_restore(saved);
    return edge;
}

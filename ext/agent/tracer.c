// SPDX-License-Identifier: MIT
// A tracer's life: its segment, its clock, what is open when it stops.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "agent/agent.h"

// Field 22 of /proc/self/stat; 0: unknown.
static uint64_t process_start(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t bytes = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    text[bytes] = '\0';
    const char *at = strrchr(text, ')');   // the name before may hold anything
    unsigned long long start = 0;
    if (at != NULL) {
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
    }
    return start;
}

static void copy_text(char *to, size_t room, PyObject *text)
{
    const char *utf8 = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
    if (utf8 == NULL) {
        PyErr_Clear();
        utf8 = "";
    }
    snprintf(to, room, "%.*s", (int)op_utf8_cut(utf8, strlen(utf8), room - 1), utf8);
}

static void describe_process(op_segment_header *header)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    header->pid = (uint32_t)getpid();
    header->parent_pid = (uint32_t)getppid();
    header->python = (uint32_t)PY_VERSION_HEX;
    header->started_unix_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    header->process_start = process_start();
    copy_text(header->executable, sizeof header->executable, PySys_GetObject("executable"));
    PyObject *words = PySys_GetObject("orig_argv");   // borrowed
    size_t used = 0;
    for (Py_ssize_t i = 0; words != NULL && PyList_Check(words) && i < PyList_GET_SIZE(words); i++) {
        if (used + 2 < sizeof header->command) {
            copy_text(header->command + used, sizeof header->command - used - 1, PyList_GET_ITEM(words, i));
            used += strlen(header->command + used) + 1;
        }
    }
}

int op_tracer_begin_segment(op_tracer *tracer)
{
    char path[4096];
    const char *name = NULL;
    int opened = -1;
    for (int attempt = 0; attempt < 1000 && opened != 0; attempt++) {
        if (tracer->folder != NULL) {
            snprintf(path, sizeof path, "%s/%d-%d.segment", tracer->folder, (int)getpid(), attempt);
            name = path;
        }
        opened = op_segment_writer_open(&tracer->segment, name);
        if (opened != 0 && (name == NULL || errno != EEXIST)) {
            PyErr_SetFromErrnoWithFilename(PyExc_OSError, name);
            return -1;
        }
    }
    if (opened != 0) {
        PyErr_Format(PyExc_OSError, "no free name for a segment in %s", tracer->folder);
        return -1;
    }
    op_segment_header *header = tracer->segment.header;
    header->modes = tracer->modes;
    header->ticks_are_ns = op_ticks_are_ns;
    if (tracer->folder != NULL) {
        describe_process(header);
    }
    header->started_monotonic_ns = op_clock_now_ns();
    header->started_ticks = op_ticks();
    op_segment_writer_seal(&tracer->segment);
    tracer->first_ticks = header->started_ticks;
    tracer->first_ns = header->started_monotonic_ns;
    return 0;
}

int op_tracer_init(op_tracer *tracer, const char *folder, uint32_t modes)
{
    *tracer = (op_tracer){.modes = modes, .subcalls = true, .slot = -1, .segment = {.fd = -1}};
    pthread_mutex_init(&tracer->mutex, NULL);
    op_ticks_are_ns = !op_clock_is_invariant();
    if (op_threads_watch() != 0) {
        return -1;
    }
    if (folder != NULL) {
        size_t bytes = strlen(folder) + 1;
        tracer->folder = PyMem_RawMalloc(bytes);
        if (tracer->folder == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(tracer->folder, folder, bytes);
    }
    if (op_tracer_begin_segment(tracer) != 0) {
        PyMem_RawFree(tracer->folder);
        tracer->folder = NULL;
        return -1;
    }
    op_threads_begin(tracer);
    return 0;
}

void op_tracer_fini(op_tracer *tracer)
{
    if (tracer->segment.base == NULL) {
        return;
    }
    op_threads_end(tracer);
    op_functions_fini(&tracer->functions);
    op_segment_writer_close(&tracer->segment);
    PyMem_RawFree(tracer->folder);
    PyMem_RawFree(tracer->forked_frames);
    tracer->folder = NULL;
    Py_CLEAR(tracer->timer);
    pthread_mutex_destroy(&tracer->mutex);
}

void op_tracer_close_open(op_tracer *tracer)
{
    bool open = false;
    for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        open = open || thread->top != thread->root;
        thread->suspension_count = 0;
        if (thread->suspensions != NULL) {
            memset(thread->suspensions, 0, (thread->suspension_mask + 1) * sizeof *thread->suspensions);
        }
    }
    if (!open) {
        return;
    }
    for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        while (thread->top != thread->root) {
            // Once for each, as cProfile asks a timer. Meanwhile other threads may have closed it.
            uint64_t now = op_now(tracer, tracer->timer != NULL);
            if (thread->top != thread->root) {
                op_leave_top(thread, now, false);
            }
        }
    }
}

int op_tracer_clear(op_tracer *tracer)
{
    // What is open goes on, and counts when it is left: from now on, as what it called so far is forgotten.
    bool open = false;
    for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        open = open || thread->top != thread->root;
    }
    uint64_t now = open ? op_now_outside(tracer) : 0;
    for (op_thread *thread = tracer->threads; thread != NULL; thread = thread->next) {
        for (size_t i = 0; i <= thread->slot_mask; i++) {
            op_segment_edge *edge = thread->slots[i].edge;
            if (edge != NULL) {
                *edge = (op_segment_edge){
                    .caller = edge->caller, .callee = edge->callee, .check = edge->check, .open = edge->open};
            }
        }
        for (op_segment_frame *frame = thread->root; frame <= thread->top; frame++) {
            frame->start = now;
            frame->child = 0;
        }
    }
    return 0;
}

double op_tracer_seconds_per_tick(op_tracer *tracer)
{
    if (op_ticks_are_ns) {
        return 1e-9;
    }
    // 1 ms is long enough to be right to about a hundredth of a percent.
    int64_t ns = op_clock_now_ns();
    while (ns - tracer->first_ns < 1000000) {
        ns = op_clock_now_ns();
    }
    uint64_t ticks = op_ticks();
    return (double)(ns - tracer->first_ns) / (double)(ticks - tracer->first_ticks) * 1e-9;
}

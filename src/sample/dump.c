// SPDX-License-Identifier: MIT
#include "sample/dump.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cpython/walker.h"
#include "process/process.h"

enum {
    DUMP_NAME_BYTES = 256,
    DUMP_PATH_BYTES = 4096,
    DUMP_LIST_TRIES = 20,
};
#define DUMP_STARTING_NS INT64_C(300000000)   // how long a starting interpreter is waited for

typedef struct {
    op_dump *dump;
    op_memory_reader memory;
    op_runtime runtime;
    op_codes codes;
    op_walker *walker;
} dumper;

static const char *keep(op_dump *dump, const char *text, size_t bytes)
{
    const char *copy = op_arena_copy(&dump->arena, text, bytes);
    return copy != NULL ? copy : "";
}

static bool add_frames(dumper *self, op_dump_thread *thread, const op_raw_frame *frames, size_t count)
{
    thread->frames = op_arena_take(&self->dump->arena, (count + 1) * sizeof *thread->frames);
    if (thread->frames == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        op_dump_frame *frame = &thread->frames[thread->frame_count++];
        const op_code_entry *entry = op_codes_entry(&self->codes, frames[i].code);
        op_frame_kind kind = frames[i].kind == OP_RAW_TRUNCATED  ? OP_FRAME_TRUNCATED
                             : frames[i].kind == OP_RAW_UNPROVEN ? OP_FRAME_UNPROVEN
                             : entry == NULL                     ? OP_FRAME_UNREADABLE
                             : entry->dead                       ? OP_FRAME_GONE
                                                                 : OP_FRAME_PYTHON;
        *frame = (op_dump_frame){.kind = kind, .name = op_frame_kind_label(kind), .file = ""};
        if (kind != OP_FRAME_PYTHON)
            continue;
        op_string name = op_strings_get(&self->codes.strings, entry->name);
        op_string file = op_strings_get(&self->codes.strings, entry->file);
        frame->name = keep(self->dump, name.text, name.bytes);
        frame->file = keep(self->dump, file.text, file.bytes);
        frame->line = op_codes_line(&self->codes, frames[i].code, frames[i].offset);
    }
    return true;
}

static op_thread_state state_of(dumper *self, const op_python_thread *python, bool gil_known, op_addr holder)
{
    op_thread_clock clock;
    char state = 'S';
    if (python->holds_gil || (gil_known && holder.value == python->state.value))
        return OP_STATE_RUNNING;
    if (python->tid != 0 && op_thread_clock_open(&clock, (pid_t)self->dump->pid, (pid_t)python->tid) == OP_OK) {
        if (op_thread_clock_state(&clock, &state) != OP_OK)
            state = 'S';
        op_thread_clock_close(&clock);
    }
    if (state == 'R')
        return OP_STATE_RUNNING;
    const op_layout *layout = &self->runtime.layout;
    int32_t requested = 0;
    if (layout->thread_gil_requested != OP_LAYOUT_NONE &&
        op_memory_read(&self->memory, op_addr_add(python->state, (uint64_t)layout->thread_gil_requested),
                       &requested, sizeof requested) == OP_OK &&
        requested == 1)
        return OP_STATE_WANTS_GIL;
    return OP_STATE_WAITING;
}

static op_status add_thread(dumper *self, const op_python_thread *python)
{
    op_dump *dump = self->dump;
    op_dump_thread *thread = &dump->threads[dump->thread_count];
    memset(thread, 0, sizeof *thread);
    op_addr holder = {0};
    thread->gil_known = op_runtime_gil_holder(&self->runtime, python->interpreter, &holder) == OP_OK;
    thread->holds_gil = thread->gil_known && holder.value == python->state.value;
    thread->tid = python->tid;
    thread->is_main = python->is_main;
    char name[DUMP_NAME_BYTES];
    if (op_runtime_thread_name(&self->runtime, python, name, sizeof name) != OP_OK) {
        // A program that never imported threading gives its only thread no name.
        if (python->is_main)
            snprintf(name, sizeof name, "MainThread");
        else if (op_process_thread_name((pid_t)dump->pid, (pid_t)python->tid, name, sizeof name) != OP_OK)
            name[0] = '\0';
    }
    thread->name = keep(dump, name, strlen(name));
    thread->state = state_of(self, python, thread->gil_known, holder);
    op_walk_thread walk;
    op_walk_thread_init(&walk, python);
    const op_raw_frame *frames = NULL;
    size_t count = 0;
    op_raw_frame unreadable = {.kind = OP_RAW_UNREADABLE};
    op_status status = op_walk(self->walker, &walk, op_clock_monotonic_ns(), &frames, &count);
    if (status == OP_UNREADABLE) {
        frames = &unreadable;
        count = 1;
        status = OP_OK;
    }
    if (status == OP_OK) {
        uint32_t changed = 0;
        op_codes_check(&self->codes, op_clock_monotonic_ns(), &changed);
        status = add_frames(self, thread, frames, count) ? OP_OK : OP_NO_MEMORY;
    }
    op_walk_thread_fini(&walk);
    if (status == OP_OK)
        dump->thread_count++;
    return status == OP_BAD_DATA ? OP_OK : status;   // the thread ended meanwhile
}

static op_status find_runtime(dumper *self, op_error *error)
{
    int64_t give_up_ns = op_clock_monotonic_ns() + DUMP_STARTING_NS;
    for (;;) {
        bool starting = false;
        op_status status = op_runtime_find(&self->memory, &self->runtime, &starting, error);
        int64_t now_ns = op_clock_monotonic_ns();
        if (status != OP_NOT_PYTHON || !starting || now_ns > give_up_ns)
            return status;
        op_clock_sleep_until_ns(now_ns + 1000000);
    }
}

static op_status add_threads(dumper *self, op_error *error)
{
    op_dump *dump = self->dump;
    op_python_thread *threads = op_alloc_zero(OP_RUNTIME_MAX_THREADS, sizeof *threads);
    size_t count = 0;
    if (threads == NULL)
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    op_status status = OP_BAD_DATA;
    for (int i = 0; i < DUMP_LIST_TRIES && status == OP_BAD_DATA; i++)
        status = op_runtime_threads(&self->runtime, threads, OP_RUNTIME_MAX_THREADS, &count);
    if (status == OP_OK) {
        dump->threads = op_arena_take(&dump->arena, (count + 1) * sizeof *dump->threads);
        if (dump->threads == NULL)
            status = OP_NO_MEMORY;
    }
    for (size_t i = 0; i < count && status == OP_OK; i++)
        status = add_thread(self, &threads[i]);
    op_free(threads);
    if (status != OP_OK)
        (void)op_error_set(error, status, "the threads of process %lld cannot be read: %s", (long long)dump->pid,
                           op_status_text(status));
    return status;
}

op_status op_dump_take(pid_t pid, op_dump **out, op_error *error)
{
    op_status status = op_process_check(pid, error);
    if (status != OP_OK)
        return status;
    dumper self = {.dump = op_alloc_zero(1, sizeof(op_dump))};
    if (self.dump == NULL)
        return op_error_set(error, OP_NO_MEMORY, "out of memory");
    op_dump *dump = self.dump;
    bool ready = false;
    op_arena_init(&dump->arena);
    dump->pid = pid;
    op_memory_reader_live(&self.memory, pid);
    status = find_runtime(&self, error);
    if (status != OP_OK)
        goto done;
    op_codes_init(&self.codes, &self.runtime);
    ready = true;
    status = op_walker_new(&self.runtime, &self.codes, &self.walker);
    if (status != OP_OK)
        goto done;
    char text[DUMP_PATH_BYTES];
    snprintf(text, sizeof text, "%d.%d.%d", self.runtime.major, self.runtime.minor, self.runtime.patch);
    dump->python = keep(dump, text, strlen(text));
    dump->layout_assumed = self.runtime.layout_assumed;
    dump->executable = dump->command = "";
    if (op_process_executable(pid, text, sizeof text) == OP_OK)
        dump->executable = keep(dump, text, strlen(text));
    op_buffer command;
    op_buffer_init(&command);
    if (op_process_command(pid, &command) == OP_OK && op_buffer_text(&command) != NULL)
        dump->command = keep(dump, command.data, command.size);
    op_buffer_fini(&command);
    status = add_threads(&self, error);
done:
    op_walker_free(self.walker);
    if (ready)
        op_codes_fini(&self.codes);
    if (status != OP_OK) {
        op_dump_free(dump);
        return status;
    }
    *out = dump;
    return OP_OK;
}

void op_dump_free(op_dump *dump)
{
    if (dump == NULL)
        return;
    op_arena_fini(&dump->arena);
    op_free(dump);
}

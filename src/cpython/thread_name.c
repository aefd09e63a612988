// SPDX-License-Identifier: MIT
// The names that Python's threading module gives: sys.modules['threading']._active, {ident: Thread}, Thread._name.
#include "cpython/runtime.h"

#include <string.h>
#include "cpython/dict.h"
#include "cpython/fields.h"
#include "cpython/object.h"

static op_status find_active(op_runtime *runtime, op_addr interpreter, op_addr *active)
{
    op_addr modules, threading, dict;
    op_status status = op_field_read_addr(runtime->memory, interpreter, runtime->layout.interp_modules, &modules);
    if (status == OP_OK)
        status = op_dict_find(runtime, modules, "threading", &threading);
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, threading, runtime->layout.module_dict, &dict);
    if (status == OP_OK)
        status = op_dict_find(runtime, dict, "_active", active);
    return status;
}

static op_status find_from(op_runtime *runtime, op_addr active, uint64_t ident, uint64_t first, uint64_t most,
                           op_addr *thread)
{
    op_dict_walk walk;
    op_status status = op_dict_walk_start(runtime, active, &walk);
    if (status != OP_OK)
        return status;
    if (walk.count > OP_RUNTIME_MAX_THREADS * 2)
        return OP_BAD_DATA;
    walk.next = first;
    while (most-- > 0) {
        op_addr key, value;
        uint64_t found;
        bool end;
        status = op_dict_walk_next(&walk, &key, &value, &end);
        if (status != OP_OK)
            return status;
        if (end)
            return OP_NO_FILE;
        status = op_int_read(runtime, key, &found);
        if (status != OP_OK && status != OP_BAD_DATA)
            return status;
        if (status == OP_OK && found == ident) {
            *thread = value;
            runtime->name_hint = walk.next >= 2 ? walk.next - 2 : 0;
            return OP_OK;
        }
    }
    return OP_NO_FILE;
}

// The interpreter's list is newest first, the dict oldest first: who names all threads in turn finds each just before
// the last.
static op_status find_thread(op_runtime *runtime, op_addr active, uint64_t ident, op_addr *thread)
{
    if (runtime->name_hint > 0 && find_from(runtime, active, ident, runtime->name_hint, 3, thread) == OP_OK)
        return OP_OK;
    return find_from(runtime, active, ident, 0, UINT64_MAX, thread);
}

// threading never replaces the dict, so its place is kept; where it is of no use, it is looked for again.
static op_status find_thread_object(op_runtime *runtime, const op_python_thread *thread, op_addr *object)
{
    op_addr active;
    if (runtime->named_interpreter.value == thread->interpreter.value &&
        find_thread(runtime, runtime->active_threads, thread->thread_id, object) == OP_OK)
        return OP_OK;
    op_status status = find_active(runtime, thread->interpreter, &active);
    if (status != OP_OK)
        return status;
    runtime->named_interpreter = thread->interpreter;
    runtime->active_threads = active;
    return find_thread(runtime, active, thread->thread_id, object);
}

op_status op_runtime_thread_name(op_runtime *runtime, const op_python_thread *thread, char *out, size_t size)
{
    op_addr object, name;
    op_buffer text;
    if (size == 0)
        return OP_BAD_DATA;
    op_buffer_init(&text);
    op_status status = find_thread_object(runtime, thread, &object);
    if (status == OP_OK)
        status = op_instance_find(runtime, object, "_name", &name);
    if (status == OP_OK)
        status = op_unicode_read(runtime, name, size - 1, &text);
    if (status == OP_OK) {
        if (text.size > 0)
            memcpy(out, text.data, text.size);
        out[text.size] = '\0';
    }
    op_buffer_fini(&text);
    return status;
}

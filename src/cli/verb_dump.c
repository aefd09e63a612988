// SPDX-License-Identifier: MIT
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "cli/say.h"
#include "cli/verbs.h"
#include "sample/dump.h"

static void add_safe(op_buffer *out, const char *text)
{
    text = text != NULL ? text : "";
    op_text_add_terminal(out, text, strlen(text));
}

static void add_json_text(op_buffer *out, const char *text)
{
    text = text != NULL ? text : "";
    op_text_add_json(out, text, strlen(text));
}

static const char *state_text(op_thread_state state)
{
    return state == OP_STATE_RUNNING ? "running" : state == OP_STATE_WAITING ? "waiting" : "wants the GIL";
}

static const char *frame_name(const op_dump_frame *frame)
{
    return frame->kind == OP_FRAME_PYTHON ? frame->name : op_frame_kind_label(frame->kind);
}

static void add_thread(op_buffer *out, const op_dump_thread *thread, bool in_colour)
{
    op_buffer_add_format(out, "\n%sThread %lld (%s%s)%s", in_colour ? "\033[1m" : "", (long long)thread->tid,
                         state_text(thread->state), thread->gil_known && thread->holds_gil ? ", holds the GIL" : "",
                         in_colour ? "\033[0m" : "");
    if (thread->name != NULL && thread->name[0] != '\0') {
        op_buffer_add_text(out, ": \"");
        add_safe(out, thread->name);
        op_buffer_add_byte(out, '"');
    }
    op_buffer_add_byte(out, '\n');
    for (size_t i = 0; i < thread->frame_count; i++) {
        const op_dump_frame *frame = &thread->frames[i];
        op_buffer_add_text(out, in_colour ? "    \033[36m" : "    ");
        add_safe(out, frame_name(frame));
        op_buffer_add_text(out, in_colour ? "\033[0m" : "");
        if (frame->file != NULL && frame->file[0] != '\0') {
            op_buffer_add_text(out, " (");
            add_safe(out, frame->file);
            if (frame->line > 0) {
                op_buffer_add_format(out, ":%u", frame->line);
            }
            op_buffer_add_byte(out, ')');
        }
        op_buffer_add_byte(out, '\n');
    }
    if (thread->frame_count == 0) {
        op_buffer_add_text(out, "    (no Python frames)\n");
    }
}

static void add_table(op_buffer *out, const op_dump *dump, bool in_colour)
{
    op_buffer_add_format(out, "Process %lld: ", (long long)dump->pid);
    add_safe(out, dump->command);
    op_buffer_add_text(out, "\nPython ");
    add_safe(out, dump->python);
    op_buffer_add_text(out, " (");
    add_safe(out, dump->executable);
    op_buffer_add_text(out, dump->layout_assumed ? "), layout assumed\n" : ")\n");
    for (size_t i = 0; i < dump->thread_count; i++) {
        add_thread(out, &dump->threads[i], in_colour);
    }
}

static void add_json_thread(op_buffer *out, const op_dump_thread *thread)
{
    op_buffer_add_format(out, "    {\"tid\": %lld, \"name\": ", (long long)thread->tid);
    add_json_text(out, thread->name);
    static const char *const states[] = {"running", "waiting", "wants_gil"};
    const char *state = (unsigned)thread->state < OP_STATE_COUNT ? states[thread->state] : "running";
    const char *holds = !thread->gil_known ? "null" : thread->holds_gil ? "true" : "false";
    op_buffer_add_format(out, ", \"is_main\": %s, \"state\": \"%s\", \"holds_gil\": %s, \"frames\": [",
                         thread->is_main ? "true" : "false", state, holds);
    for (size_t i = 0; i < thread->frame_count; i++) {
        const op_dump_frame *frame = &thread->frames[i];
        op_buffer_add_text(out, i > 0 ? ",\n      {\"function\": " : "\n      {\"function\": ");
        add_json_text(out, frame_name(frame));
        op_buffer_add_text(out, ", \"file\": ");
        add_json_text(out, frame->file);
        op_buffer_add_format(out, ", \"line\": %u}", frame->line);
    }
    op_buffer_add_text(out, thread->frame_count > 0 ? "\n    ]}" : "]}");
}

static void add_json(op_buffer *out, const op_dump *dump)
{
    op_buffer_add_format(out, "{\n  \"pid\": %lld,\n  \"python\": ", (long long)dump->pid);
    add_json_text(out, dump->python);
    op_buffer_add_text(out, ",\n  \"layout\": ");
    op_buffer_add_text(out, dump->layout_assumed ? "\"layout assumed\"" : "\"known\"");
    op_buffer_add_text(out, ",\n  \"executable\": ");
    add_json_text(out, dump->executable);
    op_buffer_add_text(out, ",\n  \"command\": ");
    add_json_text(out, dump->command);
    op_buffer_add_text(out, ",\n  \"threads\": [");
    for (size_t i = 0; i < dump->thread_count; i++) {
        op_buffer_add_text(out, i > 0 ? ",\n" : "\n");
        add_json_thread(out, &dump->threads[i]);
    }
    op_buffer_add_text(out, "\n  ]\n}\n");
}

int op_verb_dump(const op_flags *flags)
{
    op_error error = {.status = OP_OK};
    op_dump *dump = NULL;
    if (op_dump_take(flags->pid, &dump, &error) != OP_OK) {
        return op_say_error(&error);
    }
    op_buffer out;
    op_buffer_init(&out);
    if (flags->json) {
        add_json(&out, dump);
    } else {
        add_table(&out, dump, op_say_in_colour(STDOUT_FILENO));
    }
    int code = op_say_data(&out);
    op_buffer_fini(&out);
    op_dump_free(dump);
    return code;
}

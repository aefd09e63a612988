// SPDX-License-Identifier: MIT
#include "export/call_sums.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    op_call_sums *sums;
    const op_profile *profile;
    op_call_key key;
    op_strings keys;    // text of a key -> row + 1
    uint32_t *row_of;   // function -> row + 1, 0: not met yet
    op_map edge_ids;    // (function row, caller row) -> edge + 1
    op_buffer text;
} builder;

static op_string last_part(op_string text, char separator)
{
    const char *at = text.bytes == 0 ? NULL : memrchr(text.text, separator, text.bytes);
    if (at == NULL || at + 1 == text.text + text.bytes) {
        return text;
    }
    return (op_string){at + 1, (size_t)(text.text + text.bytes - (at + 1))};
}

op_call_row op_call_row_of(const op_profile *profile, op_id function, op_call_key key)
{
    const op_function *found = op_profile_function(profile, function);
    op_call_row row = {.function = function, .kind = OP_FRAME_UNREADABLE, .file = {"", 0}};
    if (found != NULL && (unsigned)found->kind < OP_FRAME_KIND_COUNT) {
        row.kind = found->kind;
    }
    const char *label = op_frame_kind_label(row.kind);
    row.name = (op_string){label, strlen(label)};
    if (row.kind == OP_FRAME_PYTHON || row.kind == OP_FRAME_BUILTIN) {
        row.name = op_profile_text(profile, found->name);
        if (row.name.bytes == 0) {
            row.name = (op_string){"<unnamed>", strlen("<unnamed>")};
        }
    }
    if (row.kind == OP_FRAME_PYTHON) {
        row.file = op_profile_text(profile, found->file);
        row.line = found->first_line;
        row.name = key == OP_CALL_BY_FUNCTION ? row.name : last_part(row.name, '.');
        row.file = key == OP_CALL_BY_BASENAME ? last_part(row.file, '/') : row.file;
    }
    return row;
}

void op_call_figures_add(op_call_figures *to, const op_call *call, bool of_edge)
{
    uint64_t inner = of_edge ? call->recursive_calls : call->nested_calls;
    to->calls += call->calls;
    to->primitive += call->calls > inner ? call->calls - inner : 0;
    to->resumes += call->resumes;
    to->exceptions += call->exceptions;
    to->own_ns += call->own_ns;
    to->total_ns += of_edge ? call->total_ns : call->outer_ns;
    to->suspended_ns += call->suspended_ns;
}

void op_call_figures_join(op_call_figures *to, const op_call_figures *from)
{
    to->calls += from->calls;
    to->primitive += from->primitive;
    to->resumes += from->resumes;
    to->exceptions += from->exceptions;
    to->own_ns += from->own_ns;
    to->total_ns += from->total_ns;
    to->suspended_ns += from->suspended_ns;
}

uint64_t op_call_starts(const op_call_figures *figures)
{
    return figures->calls > figures->resumes ? figures->calls - figures->resumes : 0;
}

// The index of a function's row + 1; 0: out of memory.
static uint32_t row_of(builder *build, op_id function)
{
    uint32_t *known = &build->row_of[function <= build->profile->functions.count ? function : 0];
    if (*known != 0) {
        return *known;
    }
    op_call_row row = op_call_row_of(build->profile, function, build->key);
    uint32_t id = (uint32_t)build->sums->rows.count + 1;
    if (build->key != OP_CALL_BY_FUNCTION) {
        op_buffer_reset(&build->text);
        op_buffer_add(&build->text, row.file.text, row.file.bytes);
        op_buffer_add_byte(&build->text, 0);
        op_buffer_add_format(&build->text, "%" PRIu32, row.line);
        op_buffer_add_byte(&build->text, 0);
        op_buffer_add(&build->text, row.name.text, row.name.bytes);
        id = build->text.failed ? 0 : op_strings_add(&build->keys, build->text.data, build->text.size);
    }
    if (id > build->sums->rows.count) {
        op_call_row *slot = OP_VECTOR_PUSH(&build->sums->rows);
        if (slot == NULL) {
            return 0;
        }
        *slot = row;
    }
    *known = id;
    return id;
}

static bool add_edge(builder *build, uint32_t caller, uint32_t function, const op_call *call)
{
    uint32_t *id = op_map_add(&build->edge_ids, (op_map_key){function, caller}, NULL);
    if (id == NULL) {
        return false;
    }
    if (*id == 0) {
        op_call_edge *slot = OP_VECTOR_PUSH(&build->sums->edges);
        if (slot == NULL) {
            return false;
        }
        *slot = (op_call_edge){.caller = caller, .function = function};
        *id = (uint32_t)build->sums->edges.count;
    }
    op_call_figures_add(&build->sums->edges.items[*id - 1].figures, call, true);
    return true;
}

static bool add_calls(builder *build, const op_call_sums_options *options)
{
    const op_profile *profile = build->profile;
    for (size_t i = 0; i < profile->calls.count; i++) {
        const op_call *call = &profile->calls.items[i];
        if ((options->thread != 0 && call->thread != options->thread) ||
            !op_thread_has_name(profile, call->thread, options->thread_name)) {
            continue;
        }
        // The caller first: so rows stand as the program met them.
        uint32_t caller = call->caller == 0 ? 0 : row_of(build, call->caller);
        uint32_t function = row_of(build, call->function);
        if (function == 0 || (call->caller != 0 && caller == 0) ||
            (caller != 0 && !add_edge(build, caller - 1, function - 1, call))) {
            return false;
        }
        op_call_figures_add(&build->sums->rows.items[function - 1].figures, call, false);
        op_call_figures_add(&build->sums->all, call, false);
    }
    return true;
}

int op_call_edge_compare(const void *left, const void *right)
{
    const op_call_edge *a = left, *b = right;
    if (a->function != b->function) {
        return a->function < b->function ? -1 : 1;
    }
    return (a->caller > b->caller) - (a->caller < b->caller);
}

op_status op_call_sums_init(op_call_sums *sums, const op_profile *profile, const op_call_sums_options *options,
                            op_error *error)
{
    *sums = (op_call_sums){0};
    builder build = {.sums = sums, .profile = profile, .key = options->key};
    op_strings_init(&build.keys);
    op_map_init(&build.edge_ids);
    op_buffer_init(&build.text);
    op_status status = OP_OK;
    build.row_of = op_alloc_zero(profile->functions.count + 1, sizeof *build.row_of);
    if (build.row_of == NULL || !add_calls(&build, options)) {
        status = op_error_set(error, OP_NO_MEMORY, "out of memory for the sums of calls");
    } else if (sums->edges.count > 1) {
        qsort(sums->edges.items, sums->edges.count, sizeof *sums->edges.items, op_call_edge_compare);
    }
    op_free(build.row_of);
    op_buffer_fini(&build.text);
    op_map_fini(&build.edge_ids);
    op_strings_fini(&build.keys);
    return status;
}

void op_call_sums_fini(op_call_sums *sums)
{
    OP_VECTOR_FINI(&sums->rows);
    OP_VECTOR_FINI(&sums->edges);
}

// SPDX-License-Identifier: MIT
// Code objects. They can be freed, and others made in their place, while they are read: what was read counts only
// where the identity is the same before and after. All pointers in it keep their objects alive, so equal pointers
// at both ends mean that the names between belong together.
#include "cpython/code.h"

#include <string.h>
#include "base/memory.h"
#include "cpython/fields.h"
#include "cpython/object.h"

enum { CODE_COPY_BYTES = 512 };

// The part of a PyCodeObject that holds all fields below; 0: the layout cannot be.
static size_t code_copy_bytes(const op_layout *layout)
{
    const int32_t needed[] = {layout->object_type,    layout->code_name,   layout->code_filename,
                              layout->code_linetable, layout->code_consts, layout->code_names};
    const int32_t optional[] = {layout->code_qualname,  layout->code_firstlineno, layout->code_version,
                                layout->code_framesize, layout->code_flags,       layout->var_size,
                                layout->code_argcount,  layout->code_nlocalsplus, layout->code_stacksize};
    size_t bytes = 16;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!op_field_fits(needed[i], 8, CODE_COPY_BYTES))
            return 0;
        if ((size_t)needed[i] + 8 > bytes)
            bytes = (size_t)needed[i] + 8;
    }
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        if (op_field_fits(optional[i], 8, CODE_COPY_BYTES) && (size_t)optional[i] + 8 > bytes)
            bytes = (size_t)optional[i] + 8;
    }
    if (layout->minor < 11) {
        if (!op_field_fits(layout->code_bytecode, 8, CODE_COPY_BYTES))
            return 0;
        if ((size_t)layout->code_bytecode + 8 > bytes)
            bytes = (size_t)layout->code_bytecode + 8;
    }
    return bytes;
}

static uint32_t optional_u32(const unsigned char *copy, int32_t offset)
{
    return op_field_fits(offset, 8, CODE_COPY_BYTES) ? op_field_u32(copy, offset) : 0;
}

// The type of a code object is one address in a process: looked at closely once, then compared.
static op_status check_type(op_runtime *runtime, op_addr type)
{
    bool equal = false;
    if (!op_addr_is_null(runtime->code_type))
        return type.value == runtime->code_type.value ? OP_OK : OP_BAD_DATA;
    op_status status = op_type_is_named(runtime, type, "code", &equal);
    if (status == OP_OK && !equal)
        status = OP_BAD_DATA;
    if (status == OP_OK)
        runtime->code_type = type;
    return status == OP_UNREADABLE ? OP_BAD_DATA : status;
}

static bool pointers_are_plausible(const op_code_identity *identity, bool has_qualname)
{
    return op_addr_is_object(identity->name) && op_addr_is_object(identity->filename) &&
           op_addr_is_object(identity->linetable) && op_addr_is_object(identity->consts) &&
           op_addr_is_object(identity->names) && (!has_qualname || op_addr_is_object(identity->qualname));
}

// Memory that was freed keeps its fields for a while, but where the count of references stood there is 0 or the address of
// another free block (obmalloc, malloc). A count is below 2^32 in every version; from 3.14 on flags lie above bit 48.
static bool is_freed(uint64_t refcnt)
{
    return (uint32_t)refcnt == 0 || (refcnt >> 32 & 0xFFFFu) != 0;
}

// The identity in a copy of a code object's fixed part.
static op_status take_identity(op_runtime *runtime, const unsigned char *copy, op_code_identity *identity)
{
    const op_layout *layout = &runtime->layout;
    bool has_qualname = op_field_fits(layout->code_qualname, 8, CODE_COPY_BYTES);
    op_code_identity result = {
        .type = op_field_addr(copy, layout->object_type),
        .name = op_field_addr(copy, layout->code_name),
        .qualname = has_qualname ? op_field_addr(copy, layout->code_qualname) : (op_addr){0},
        .filename = op_field_addr(copy, layout->code_filename),
        .linetable = op_field_addr(copy, layout->code_linetable),
        .consts = op_field_addr(copy, layout->code_consts),
        .names = op_field_addr(copy, layout->code_names),
        .first_line = optional_u32(copy, layout->code_firstlineno),
        .version = optional_u32(copy, layout->code_version),
        .framesize_words = optional_u32(copy, layout->code_framesize),
        .flags = optional_u32(copy, layout->code_flags),
        .argcount = optional_u32(copy, layout->code_argcount),
        .local_words = optional_u32(copy, layout->code_nlocalsplus),
    };
    if (!pointers_are_plausible(&result, has_qualname) || is_freed(op_field_u64(copy, layout->object_refcnt)))
        return OP_BAD_DATA;
    op_status status = check_type(runtime, result.type);
    if (status != OP_OK)
        return status;
    // 3.11 does not keep the size: _PyFrame_Push adds up the same.
    if (layout->minor == 11)
        result.framesize_words = optional_u32(copy, layout->code_nlocalsplus) +
                                 optional_u32(copy, layout->code_stacksize) +
                                 (uint32_t)layout->iframe_localsplus / 8;
    if (layout->minor >= 11) {
        if (!op_field_fits(layout->var_size, 8, CODE_COPY_BYTES))
            return OP_BAD_DATA;
        uint64_t units = op_field_u64(copy, layout->var_size);
        result.bytecode_bytes = units <= OP_CODE_MAX_BYTECODE_BYTES / 2 ? (int64_t)units * 2 : -1;
    } else {   // a bytes object of its own
        status = op_bytes_length(runtime, op_field_addr(copy, layout->code_bytecode), &result.bytecode_bytes);
        if (status != OP_OK)
            return status == OP_UNREADABLE ? OP_BAD_DATA : status;
    }
    if (result.bytecode_bytes <= 0 || result.bytecode_bytes > OP_CODE_MAX_BYTECODE_BYTES)
        return OP_BAD_DATA;
    *identity = result;
    return OP_OK;
}

op_status op_code_identity_read(op_runtime *runtime, op_addr address, op_code_identity *identity)
{
    unsigned char copy[CODE_COPY_BYTES] = {0};
    size_t bytes = code_copy_bytes(&runtime->layout);
    if (bytes == 0 || !op_addr_is_object(address))
        return OP_BAD_DATA;
    op_status status = op_memory_read(runtime->memory, address, copy, bytes);
    if (status != OP_OK)
        return status == OP_UNREADABLE ? OP_BAD_DATA : status;
    return take_identity(runtime, copy, identity);
}

void op_code_identities_check(op_runtime *runtime, const op_addr *addresses, const op_code_identity *const *known,
                              size_t count, bool *equal)
{
    unsigned char copies[OP_CODE_CHECK_MAX][CODE_COPY_BYTES];
    op_span spans[OP_CODE_CHECK_MAX];
    size_t bytes = code_copy_bytes(&runtime->layout), done = 0;
    if (count > OP_CODE_CHECK_MAX)
        count = OP_CODE_CHECK_MAX;
    for (size_t i = 0; i < count; i++)
        spans[i] = (op_span){addresses[i], memset(copies[i], 0, CODE_COPY_BYTES), bytes};
    bool all = bytes > 0 && runtime->memory->readv(runtime->memory, spans, count, &done) == OP_OK;
    for (size_t i = 0; i < count; i++) {
        // Where one of them is gone the call fails, and each is read for itself.
        op_code_identity now;
        op_status status = all ? take_identity(runtime, copies[i], &now)
                               : op_code_identity_read(runtime, addresses[i], &now);
        equal[i] = status == OP_OK && op_code_identity_equal(&now, known[i]);
    }
}

bool op_code_identity_equal(const op_code_identity *a, const op_code_identity *b)
{
    return a->type.value == b->type.value && a->name.value == b->name.value &&
           a->qualname.value == b->qualname.value && a->filename.value == b->filename.value &&
           a->linetable.value == b->linetable.value && a->consts.value == b->consts.value &&
           a->names.value == b->names.value && a->bytecode_bytes == b->bytecode_bytes &&
           a->first_line == b->first_line && a->version == b->version && a->framesize_words == b->framesize_words &&
           a->flags == b->flags && a->argcount == b->argcount && a->local_words == b->local_words;
}

static op_status take_text(op_runtime *runtime, op_addr text, char **out, size_t *bytes)
{
    op_buffer buffer;
    op_buffer_init(&buffer);
    op_status status = op_unicode_read(runtime, text, OP_CODE_MAX_NAME_BYTES, &buffer);
    const char *ended = op_buffer_text(&buffer);
    if (status == OP_OK && !ended)
        status = OP_NO_MEMORY;
    if (status != OP_OK) {
        op_buffer_fini(&buffer);
        return status;
    }
    *bytes = buffer.size;
    *out = buffer.data;   // taken over
    return OP_OK;
}

op_status op_code_read(op_runtime *runtime, op_addr address, op_code *code)
{
    op_code result = {.address = address, .minor = runtime->minor};
    op_code_identity after;
    op_buffer lines;
    op_buffer_init(&lines);
    op_status status = op_code_identity_read(runtime, address, &result.identity);
    if (status != OP_OK)
        goto done;
    op_addr name = op_addr_is_null(result.identity.qualname) ? result.identity.name : result.identity.qualname;
    status = take_text(runtime, name, &result.name, &result.name_bytes);
    if (status == OP_OK)
        status = take_text(runtime, result.identity.filename, &result.file, &result.file_bytes);
    if (status == OP_OK)
        status = op_bytes_read(runtime, result.identity.linetable, OP_CODE_MAX_TABLE_BYTES, &lines);
    if (status == OP_OK)
        status = op_code_identity_read(runtime, address, &after);
    if (status == OP_OK && !op_code_identity_equal(&result.identity, &after))
        status = OP_BAD_DATA;
done:
    if (status == OP_OK) {
        result.lines = (unsigned char *)lines.data;   // taken over
        result.line_bytes = lines.size;
        *code = result;
    } else {
        op_buffer_fini(&lines);
        op_code_fini(&result);
    }
    return status == OP_UNREADABLE ? OP_BAD_DATA : status;
}

void op_code_fini(op_code *code)
{
    op_free(code->name);
    op_free(code->file);
    op_free(code->lines);
    *code = (op_code){0};
}

uint32_t op_code_line(const op_code *code, int64_t lasti)
{
    return op_line_table_find(code->minor, code->lines, code->line_bytes, code->identity.first_line, lasti);
}

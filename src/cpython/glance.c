// SPDX-License-Identifier: MIT
#include "cpython/glance.h"

#include <string.h>

#include "cpython/fields.h"

enum { GIL_COPY_BYTES = 128 };

op_status op_glance_read(op_runtime *runtime, op_addr interpreter, op_glance *glance)
{
    const op_layout *layout = &runtime->layout;
    bool own_gil = runtime->minor >= 12;   // of the interpreter; before, of the runtime
    int32_t locked_at = own_gil ? layout->gil_locked : layout->runtime_gil_locked;
    int32_t holder_at = own_gil ? layout->gil_last_holder : layout->runtime_gil_last_holder;
    int32_t first = locked_at < holder_at ? locked_at : holder_at;
    int32_t bytes = (locked_at < holder_at ? holder_at : locked_at) + 8 - first;
    unsigned char gil[GIL_COPY_BYTES];
    int32_t collecting = 0;
    uint64_t head = 0;
    glance->holder.value = 0;
    glance->collecting = false;
    if (first < 0 || bytes > GIL_COPY_BYTES)
        return OP_BAD_DATA;
    if (op_addr_is_null(glance->gil)) {
        op_addr found = runtime->address;
        op_status status = own_gil ? op_field_read_addr(runtime->memory, interpreter, layout->interp_gil, &found)
                                   : OP_OK;
        if (status != OP_OK)
            return status;
        if (!op_addr_is_object(found))
            return OP_BAD_DATA;
        glance->gil = found;
    }
    op_addr gc = layout->interp_gc_collecting != OP_LAYOUT_NONE
                     ? op_addr_add(interpreter, (uint64_t)layout->interp_gc_collecting)
                     : op_addr_add(runtime->address, (uint64_t)layout->runtime_gc_collecting);
    const op_span spans[] = {
        {op_addr_add(glance->gil, (uint64_t)first), gil, (size_t)bytes},
        {gc, &collecting, sizeof collecting},
        {op_addr_add(interpreter, (uint64_t)layout->interp_threads_head), &head, sizeof head},
    };
    size_t done = 0;
    op_status status = runtime->memory->readv(runtime->memory, spans, sizeof spans / sizeof *spans, &done);
    if (status != OP_OK) {
        glance->gil.value = 0;
        return status;
    }
    // locked: -1 not made yet, 0 free, 1 held.
    if ((int32_t)op_field_u32(gil, locked_at - first) > 0)
        glance->holder.value = op_field_u64(gil, holder_at - first);
    glance->collecting = collecting != 0;
    glance->threads_head.value = head;
    return OP_OK;
}

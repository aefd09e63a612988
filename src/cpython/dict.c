// SPDX-License-Identifier: MIT
// Where a version keeps the attributes of an instance:
//   3.8-3.10  a dict at tp_dictoffset (which may be split: its keys shared, its values in an array)
//   3.11      a dict, or values without a dict, each with a pointer of its own in front of the object
//   3.12      one pointer in front of the object for either; the lowest bit says "values"
//   3.13+     a dict pointer in front of the object, values inside the object
#include "cpython/dict.h"

#include "cpython/fields.h"
#include "cpython/object.h"

enum {
    KEYS_HEAD_BYTES = 64,
    KIND_GENERAL = 0,
    KIND_UNICODE = 1,
    KIND_SPLIT = 2,             // dk_kind, 3.11+
    GENERAL_ENTRY_BYTES = 24,   // hash, key, value
    UNICODE_ENTRY_BYTES = 16,   // key, value
    MAX_LOG2_SIZE = 24,
    FLAG_INLINE_VALUES = 1 << 2,   // Py_TPFLAGS_INLINE_VALUES, 3.13+
    FLAG_MANAGED_DICT = 1 << 4,    // Py_TPFLAGS_MANAGED_DICT, 3.11+
    VALUES_OFFSET_3_11 = -32,      // of the values pointer; the dict pointer is layout.managed_dict
};

// `values` is the array of a split dictionary; 0 for a combined one.
static op_status start_at_keys(op_runtime *runtime, op_addr keys, op_addr values, op_dict_walk *walk)
{
    const op_layout *layout = &runtime->layout;
    unsigned char head[KEYS_HEAD_BYTES];
    uint64_t size, index_bytes;
    bool general = true;
    if (!op_addr_is_object(keys) || !op_field_fits(layout->keys_indices, 0, sizeof head) ||
        !op_field_fits(layout->keys_nentries, 8, sizeof head))
        return OP_BAD_DATA;
    op_status status = op_memory_read(runtime->memory, keys, head, (size_t)layout->keys_indices);
    if (status != OP_OK)
        return status;
    if (op_field_fits(layout->keys_log2_size, 1, sizeof head)) {
        if (!op_field_fits(layout->keys_log2_index_bytes, 1, sizeof head) ||
            !op_field_fits(layout->keys_kind, 1, sizeof head))
            return OP_BAD_DATA;
        unsigned log2_size = head[layout->keys_log2_size], log2_bytes = head[layout->keys_log2_index_bytes];
        unsigned kind = head[layout->keys_kind];
        if (log2_size > MAX_LOG2_SIZE || log2_bytes > MAX_LOG2_SIZE + 3 || kind > KIND_SPLIT)
            return OP_BAD_DATA;
        size = (uint64_t)1 << log2_size;
        index_bytes = (uint64_t)1 << log2_bytes;
        general = kind == KIND_GENERAL;
    } else {
        if (!op_field_fits(layout->keys_size, 8, sizeof head))
            return OP_BAD_DATA;
        size = op_field_u64(head, layout->keys_size);
        if (size == 0 || size > (uint64_t)1 << MAX_LOG2_SIZE)
            return OP_BAD_DATA;
        index_bytes = size * (size <= 0xff ? 1 : size <= 0xffff ? 2 : 4);
    }
    uint64_t count = op_field_u64(head, layout->keys_nentries);
    if (count > size || count > OP_DICT_MAX_ENTRIES)
        return OP_BAD_DATA;
    *walk = (op_dict_walk){.runtime = runtime, .values = values, .count = count};
    walk->entries = op_addr_add(op_field_at(keys, layout->keys_indices), index_bytes);
    walk->entry_bytes = general ? GENERAL_ENTRY_BYTES : UNICODE_ENTRY_BYTES;
    walk->key_offset = general ? 8 : 0;
    walk->value_offset = walk->key_offset + 8;
    return OP_OK;
}

op_status op_dict_walk_start(op_runtime *runtime, op_addr dict, op_dict_walk *walk)
{
    op_addr keys, values;
    if (!op_addr_is_object(dict))
        return OP_BAD_DATA;
    op_status status = op_field_read_addr(runtime->memory, dict, runtime->layout.dict_keys, &keys);
    if (status == OP_OK)
        status = op_field_read_addr(runtime->memory, dict, runtime->layout.dict_values, &values);
    if (status != OP_OK)
        return status;
    if (!op_addr_is_null(values)) {
        if (!op_addr_is_object(values))
            return OP_BAD_DATA;
        if (runtime->layout.values_first > 0)
            values = op_field_at(values, runtime->layout.values_first);
    }
    return start_at_keys(runtime, keys, values, walk);
}

static op_status fill(op_dict_walk *walk)
{
    uint64_t room = sizeof walk->copy / walk->entry_bytes, left = walk->count - walk->next;
    uint64_t take = left < room ? left : room;
    op_addr from = op_addr_add(walk->entries, walk->next * walk->entry_bytes);
    op_status status = op_memory_read(walk->runtime->memory, from, walk->copy, (size_t)(take * walk->entry_bytes));
    if (status != OP_OK)
        return status;
    walk->copied_from = walk->next;
    walk->copied_to = walk->next + take;
    return OP_OK;
}

op_status op_dict_walk_next(op_dict_walk *walk, op_addr *key, op_addr *value, bool *end)
{
    while (walk->next < walk->count) {
        if (walk->next >= walk->copied_to) {
            op_status status = fill(walk);
            if (status != OP_OK)
                return status;
        }
        const unsigned char *entry = walk->copy + (walk->next - walk->copied_from) * walk->entry_bytes;
        op_addr found_key = op_field_addr(entry, (int32_t)walk->key_offset);
        op_addr found_value = op_field_addr(entry, (int32_t)walk->value_offset);
        if (!op_addr_is_null(walk->values)) {
            op_addr slot = op_addr_add(walk->values, walk->next * 8);
            op_status status = op_memory_read_addr(walk->runtime->memory, slot, &found_value);
            if (status != OP_OK)
                return status;
        }
        walk->next++;
        if (op_addr_is_null(found_key) || op_addr_is_null(found_value))
            continue;   // deleted
        if (!op_addr_is_object(found_key) || !op_addr_is_object(found_value))
            return OP_BAD_DATA;
        *key = found_key;
        *value = found_value;
        *end = false;
        return OP_OK;
    }
    *end = true;
    return OP_OK;
}

static op_status find_in_walk(op_dict_walk *walk, const char *name, op_addr *value)
{
    for (;;) {
        op_addr key, found;
        bool end, equal = false;
        op_status status = op_dict_walk_next(walk, &key, &found, &end);
        if (status != OP_OK)
            return status;
        if (end)
            return OP_NO_FILE;
        status = op_unicode_is(walk->runtime, key, name, &equal);
        if (status != OP_OK && status != OP_BAD_DATA)   // a key that is no str is none that we look for
            return status;
        if (status == OP_OK && equal) {
            *value = found;
            return OP_OK;
        }
    }
}

op_status op_dict_find(op_runtime *runtime, op_addr dict, const char *name, op_addr *value)
{
    op_dict_walk walk;
    op_status status = op_dict_walk_start(runtime, dict, &walk);
    return status == OP_OK ? find_in_walk(&walk, name, value) : status;
}

static op_status find_in_values(op_runtime *runtime, op_addr type, op_addr values, const char *name, op_addr *value)
{
    op_dict_walk walk;
    op_addr keys;
    if (!op_addr_is_object(values))
        return OP_BAD_DATA;
    op_status status = op_field_read_addr(runtime->memory, type, runtime->layout.heap_type_cached_keys, &keys);
    if (status != OP_OK)
        return status;
    if (runtime->layout.values_first > 0)
        values = op_field_at(values, runtime->layout.values_first);
    status = start_at_keys(runtime, keys, values, &walk);
    return status == OP_OK ? find_in_walk(&walk, name, value) : status;
}

// 3.11 to 3.15: MANAGED_DICT is set.
static op_status find_managed(op_runtime *runtime, op_addr object, op_addr type, uint64_t flags, const char *name,
                              op_addr *value)
{
    op_addr word, values;
    op_status status = op_field_read_addr(runtime->memory, object, runtime->layout.managed_dict, &word);
    if (status != OP_OK)
        return status;
    if (runtime->minor >= 13) {
        int64_t basic_bytes;
        if (!op_addr_is_null(word))
            return op_dict_find(runtime, word, name, value);
        if (!(flags & FLAG_INLINE_VALUES) || runtime->layout.type_basicsize < 0)
            return OP_NO_FILE;
        status = op_memory_read(runtime->memory, op_field_at(type, runtime->layout.type_basicsize), &basic_bytes,
                                8);
        if (status != OP_OK)
            return status;
        if (basic_bytes < 16 || basic_bytes > 1 << 20)
            return OP_BAD_DATA;
        return find_in_values(runtime, type, op_addr_add(object, (uint64_t)basic_bytes), name, value);
    }
    if (runtime->minor == 12) {
        if (word.value & 1)
            return find_in_values(runtime, type, op_addr_add(word, 1), name, value);
        return op_addr_is_null(word) ? OP_NO_FILE : op_dict_find(runtime, word, name, value);
    }
    status = op_field_read_addr(runtime->memory, object, VALUES_OFFSET_3_11, &values);
    if (status != OP_OK)
        return status;
    if (!op_addr_is_null(values))
        return find_in_values(runtime, type, values, name, value);
    return op_addr_is_null(word) ? OP_NO_FILE : op_dict_find(runtime, word, name, value);
}

op_status op_instance_find(op_runtime *runtime, op_addr object, const char *name, op_addr *value)
{
    const op_layout *layout = &runtime->layout;
    op_addr type, dict;
    uint64_t flags = 0;
    int64_t offset;
    op_status status = op_object_type(runtime, object, &type);
    if (status != OP_OK)
        return status;
    if (layout->type_flags < 0 || layout->type_dictoffset < 0)
        return OP_BAD_DATA;
    status = op_memory_read(runtime->memory, op_field_at(type, layout->type_flags), &flags, sizeof flags);
    if (status != OP_OK)
        return status;
    if (runtime->minor >= 11 && (flags & FLAG_MANAGED_DICT))
        return find_managed(runtime, object, type, flags, name, value);
    status = op_memory_read(runtime->memory, op_field_at(type, layout->type_dictoffset), &offset, sizeof offset);
    if (status != OP_OK)
        return status;
    if (offset <= 0 || offset > 1 << 20)   // negative: behind a variable part, which no thread object has
        return OP_NO_FILE;
    status = op_memory_read_addr(runtime->memory, op_addr_add(object, (uint64_t)offset), &dict);
    if (status != OP_OK)
        return status;
    return op_addr_is_null(dict) ? OP_NO_FILE : op_dict_find(runtime, dict, name, value);
}

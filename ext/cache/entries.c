// SPDX-License-Identifier: MIT
#include "cache/entries.h"

#include <math.h>

#define NS 1e9

static uint32_t live_from(const op_table *table, uint32_t slot)
{
    while (slot < table->used && !op_table_is_live(table, slot)) {
        slot++;
    }
    return slot < table->used ? slot : OP_NO_SLOT;
}

static uint32_t first_of(const op_store *store)
{
    return store->table.order != NULL ? op_order_first(store->table.order) : live_from(&store->table, 0);
}

static uint32_t next_of(const op_store *store, uint32_t slot)
{
    return store->table.order != NULL ? op_order_next(store->table.order, slot)
                                      : live_from(&store->table, slot + 1);
}

static bool is_live_at(const op_store *store, uint32_t slot, int64_t now)
{
    return store->table.expires == NULL || now < store->table.expires[slot];
}

static PyObject *seconds_left(const op_store *store, uint32_t slot, int64_t now)
{
    int64_t expires = store->table.expires == NULL ? OP_NEVER : store->table.expires[slot];
    return PyFloat_FromDouble(expires == OP_NEVER ? HUGE_VAL : (double)(expires - now) / NS);
}

// Fills the list from its start; under the lock, so nothing here runs code of the program. The length, or -1.
static Py_ssize_t fill(PyObject *list, const op_store *store, op_entries_width width, int64_t now)
{
    Py_ssize_t length = 0;
    for (uint32_t slot = first_of(store); slot != OP_NO_SLOT; slot = next_of(store, slot)) {
        if (!is_live_at(store, slot, now)) {
            continue;
        }
        PyObject *left = NULL;
        if (width == OP_ENTRIES_TIMES) {
            left = seconds_left(store, slot, now);
            if (left == NULL) {
                return -1;
            }
        }
        const op_entry *entry = &store->table.entries[slot];
        PyList_SET_ITEM(list, length, Py_NewRef(op_key_object(entry->key)));
        if (width >= OP_ENTRIES_PAIRS) {
            PyList_SET_ITEM(list, length + 1, Py_NewRef(entry->value));
        }
        if (left != NULL) {
            PyList_SET_ITEM(list, length + 2, left);
        }
        length += width;
    }
    return length;
}

PyObject *op_entries_list(op_store *store, op_entries_width width)
{
    int64_t now = op_store_expires(store) ? op_store_now(store) : 0;
    if (now == -1 && PyErr_Occurred()) {
        return NULL;
    }
    for (;;) {
        // The list is made without the lock, as the collector may run then; entries may come meanwhile.
        op_store_lock(store);
        Py_ssize_t room = (Py_ssize_t)store->table.count;
        op_store_unlock(store);
        PyObject *list = PyList_New(room * width);
        if (list == NULL) {
            return NULL;
        }
        Py_ssize_t length = -2;
        op_store_lock(store);
        if ((Py_ssize_t)store->table.count <= room) {
            length = fill(list, store, width, now);
        }
        op_store_unlock(store);
        if (length >= 0 && PyList_SetSlice(list, length, room * width, NULL) == 0) {
            return list;
        }
        Py_DECREF(list);
        if (length != -2) {
            return NULL;
        }
    }
}

// The slot that op_entries_pop begins with, or OP_NO_SLOT.
static uint32_t to_pop(const op_store *store, uint32_t *cursor)
{
    if (store->table.order != NULL) {
        return op_order_first(store->table.order);
    }
    // Emptying a store goes over it once: what lies before the cursor was popped, unless it came later.
    uint32_t slot = live_from(&store->table, *cursor);
    if (slot == OP_NO_SLOT) {
        slot = live_from(&store->table, 0);
    }
    *cursor = slot == OP_NO_SLOT ? 0 : slot;
    return slot;
}

int op_entries_pop(op_store *store, uint32_t *cursor, PyObject **key, PyObject **value)
{
    int64_t now = op_store_expires(store) ? op_store_now(store) : 0;
    if (now == -1 && PyErr_Occurred()) {
        return -1;
    }
    int found = 0;
    op_store_lock(store);
    for (uint32_t slot; !found && (slot = to_pop(store, cursor)) != OP_NO_SLOT;) {
        const op_entry *entry = &store->table.entries[slot];
        if (is_live_at(store, slot, now)) {
            *key = Py_NewRef(op_key_object(entry->key));
            *value = Py_NewRef(entry->value);
            op_store_note_forgetting(store, entry->hash);
            found = 1;
        } else {
            store->expiries++;
        }
        op_store_remove(store, slot);
    }
    op_store_unlock(store);
    return found;
}

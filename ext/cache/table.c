// SPDX-License-Identifier: MIT
#include "cache/probe.h"

#define SMALLEST_INDEX 3   // as a power of two
#define LARGEST_INDEX 32
#define FIRST_SLOTS 5u

void op_table_init(op_table *table, op_order *order)
{
    *table = (op_table){.order = order, .free = OP_NO_SLOT, .dead = OP_NO_SLOT};
}

static void free_arrays(op_table *table)
{
    PyMem_Free(table->index);
    PyMem_Free(table->entries);
    table->index = NULL;
    table->entries = NULL;
    table->capacity = table->used = 0;
    table->free = OP_NO_SLOT;
}

void op_table_fini(op_table *table)
{
    free_arrays(table);
    PyMem_Free(table->expires);
    PyMem_Free(table->weights);
    table->expires = NULL;
    table->weights = NULL;
}

static bool resize(void **array, size_t count, size_t size)
{
    void *grown = PyMem_Realloc(*array, (count > 0 ? count : 1) * size);
    if (grown == NULL) {
        return false;
    }
    OP_WRITE(*array, grown);   // whether there is one is asked without the lock (op_store_expires)
    return true;
}

bool op_table_with_expiry(op_table *table)
{
    if (table->expires != NULL) {
        return true;
    }
    if (!resize((void **)&table->expires, table->capacity, sizeof *table->expires)) {
        return false;
    }
    for (uint32_t slot = 0; slot < table->used; slot++) {
        table->expires[slot] = INT64_MAX;
    }
    return true;
}

bool op_table_with_weights(op_table *table)
{
    return table->weights != NULL || resize((void **)&table->weights, table->capacity, sizeof *table->weights);
}

// ---- finding ----------------------------------------------------------------------------------------------------------

// Asks `__eq__` about the entry at `slot`: 1 where it is equal and still there, whatever else came or went; 0, OP_RAISED,
// or OP_AGAIN where entries were moved meanwhile.
#define OP_AGAIN (-3)
OP_NOINLINE static int ask(op_table *table, uint32_t slot, const op_call *call, op_lock *lock)
{
    uint64_t version = table->version;
    op_key key = table->entries[slot].key;
    op_key_hold(key);
    OP_UNLOCK(lock);
    int equal = op_key_ask(key, call);
    OP_LOCK(lock);
    if (slot < table->used && table->entries[slot].key == key) {
        op_key_release(key);   // not the last reference: the table has one
        return equal < 0 ? OP_RAISED : equal > 0 || table->version == version ? equal : OP_AGAIN;
    }
    OP_UNLOCK(lock);
    PyObject *type, *value, *traceback;   // what a destructor does must not change the exception
    PyErr_Fetch(&type, &value, &traceback);
    op_key_release(key);
    PyErr_Restore(type, value, traceback);
    OP_LOCK(lock);
    return equal < 0 ? OP_RAISED : OP_AGAIN;
}

int64_t op_table_find(op_table *table, const op_call *call, op_lock *lock)
{
again:
    if (table->index == NULL) {
        return OP_ABSENT;
    }
    size_t mask = op_table_mask(table);
    for (size_t place = op_table_place(table, call->hash);; place = (place + 1) & mask) {
        uint32_t cell = table->index[place];
        if (cell == 0) {
            return OP_ABSENT;
        }
        const op_entry *entry = &table->entries[cell - 1];
        if (entry->hash != call->hash) {
            continue;
        }
        op_likeness like = op_key_compare(entry->key, call);
        if (OP_LIKELY(like == OP_EQUAL)) {
            return cell - 1;
        }
        if (like == OP_ASK) {
            int equal = ask(table, cell - 1, call, lock);
            if (equal == 1) {
                return cell - 1;
            }
            if (equal == OP_RAISED) {
                return OP_RAISED;
            }
            if (equal == OP_AGAIN) {
                goto again;
            }
        }
    }
}

// ---- adding -----------------------------------------------------------------------------------------------------------

static void put_in_index(op_table *table, uint32_t slot)
{
    size_t mask = op_table_mask(table);
    size_t place = op_table_place(table, table->entries[slot].hash);
    while (table->index[place] != 0) {
        place = (place + 1) & mask;
    }
    table->index[place] = slot + 1;
}

// Dead slots have no hash any more, and stand in no index.
static bool grow_index(op_table *table)
{
    uint32_t power = table->index == NULL ? SMALLEST_INDEX : 64u - table->shift + 1;
    uint32_t *index = power > LARGEST_INDEX ? NULL : PyMem_Calloc((size_t)1 << power, sizeof *index);
    if (index == NULL) {
        return false;
    }
    uint32_t *before = table->index;
    size_t places = before == NULL ? 0 : op_table_mask(table) + 1;
    table->index = index;
    table->shift = (uint8_t)(64 - power);
    for (size_t place = 0; place < places; place++) {
        if (before[place] != 0) {
            put_in_index(table, before[place] - 1);
        }
    }
    PyMem_Free(before);
    table->version++;
    return true;
}

static bool grow_slots(op_table *table)
{
    uint64_t more = table->capacity < FIRST_SLOTS ? FIRST_SLOTS
                    : table->capacity < 4096      ? table->capacity
                                                  : table->capacity / 8;
    uint64_t capacity = table->capacity + more;
    if (capacity > UINT32_MAX - 8) {
        return false;
    }
    // Each array may be longer than `capacity` says: a failure leaves the table as it was.
    if ((table->order != NULL && !op_order_reserve(table->order, (uint32_t)capacity)) ||
        (table->expires != NULL && !resize((void **)&table->expires, capacity, sizeof *table->expires)) ||
        (table->weights != NULL && !resize((void **)&table->weights, capacity, sizeof *table->weights)) ||
        !resize((void **)&table->entries, capacity, sizeof *table->entries)) {
        return false;
    }
    table->capacity = (uint32_t)capacity;
    return true;
}

int64_t op_table_add(op_table *table, Py_hash_t hash, op_key key, PyObject *value)
{
    // At most two thirds of the index are taken.
    if (table->index == NULL || ((uint64_t)table->count + 1) * 3 > (op_table_mask(table) + 1) * 2) {
        if (!grow_index(table)) {
            PyErr_NoMemory();
            return OP_RAISED;
        }
    }
    uint32_t slot = table->free;
    if (slot != OP_NO_SLOT) {
        table->free = (uint32_t)table->entries[slot].hash;
    } else {
        if (table->used == table->capacity && !grow_slots(table)) {
            PyErr_NoMemory();
            return OP_RAISED;
        }
        slot = table->used++;
    }
    table->entries[slot] = (op_entry){.hash = hash, .key = key, .value = value};
    if (table->expires != NULL) {
        table->expires[slot] = INT64_MAX;
    }
    put_in_index(table, slot);
    table->count++;
    return slot;
}

// ---- removing ---------------------------------------------------------------------------------------------------------

static void take_from_index(op_table *table, uint32_t slot)
{
    size_t mask = op_table_mask(table);
    size_t hole = op_table_place(table, table->entries[slot].hash);
    while (table->index[hole] != slot + 1) {
        hole = (hole + 1) & mask;
    }
    // What stands behind the hole moves up where a search that begins at its home would stop at the hole.
    for (size_t next = (hole + 1) & mask; table->index[next] != 0; next = (next + 1) & mask) {
        size_t home = op_table_place(table, table->entries[table->index[next] - 1].hash);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            table->index[hole] = table->index[next];
            hole = next;
        }
    }
    table->index[hole] = 0;
}

static void kill(op_table *table, uint32_t slot)
{
    table->entries[slot].key |= OP_KEY_DEAD;
    table->entries[slot].hash = table->dead;
    table->dead = slot;
}

void op_table_take(op_table *table, uint32_t slot)
{
    take_from_index(table, slot);
    kill(table, slot);
    table->count--;
    table->version++;
}

void op_table_take_out(op_table *table, uint32_t slot, op_key *key, PyObject **value)
{
    take_from_index(table, slot);
    op_entry *entry = &table->entries[slot];
    *key = entry->key;
    *value = entry->value;
    *entry = (op_entry){.hash = table->free};
    table->free = slot;
    table->count--;
    table->version++;
}

void op_table_clear(op_table *table)
{
    if (table->index == NULL) {
        return;
    }
    size_t places = op_table_mask(table) + 1;
    for (size_t place = 0; place < places; place++) {
        if (table->index[place] != 0) {
            kill(table, table->index[place] - 1);
        }
    }
    memset(table->index, 0, places * sizeof *table->index);
    table->count = 0;
    table->version++;
}

bool op_table_exhume(op_table *table, op_key *key, PyObject **value)
{
    uint32_t slot = table->dead;
    if (slot == OP_NO_SLOT) {
        return false;
    }
    op_entry *entry = &table->entries[slot];
    table->dead = (uint32_t)entry->hash;
    *key = entry->key & ~OP_KEY_DEAD;
    *value = entry->value;
    *entry = (op_entry){.hash = table->free};
    table->free = slot;
    // An emptied table gives its memory back.
    if (table->count == 0 && table->dead == OP_NO_SLOT && table->capacity > FIRST_SLOTS * 2) {
        free_arrays(table);
        if (table->order != NULL) {
            op_order_shrink(table->order);
        }
    }
    return true;
}

int op_table_traverse(op_table *table, visitproc visit, void *arg)
{
    for (uint32_t slot = 0; slot < table->used; slot++) {
        op_entry *entry = &table->entries[slot];
        if (entry->key != 0) {
            int stop = op_key_traverse(entry->key, visit, arg);
            if (stop != 0) {
                return stop;
            }
            Py_VISIT(entry->value);
        }
    }
    return 0;
}

size_t op_table_bytes(const op_table *table)
{
    size_t bytes = table->index == NULL ? 0 : (op_table_mask(table) + 1) * sizeof *table->index;
    size_t slot = sizeof *table->entries + (table->order == NULL ? 0 : sizeof(op_link)) +
                  (table->expires == NULL ? 0 : sizeof *table->expires) +
                  (table->weights == NULL ? 0 : sizeof *table->weights);
    return bytes + table->capacity * slot;
}

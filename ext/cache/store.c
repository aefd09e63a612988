// SPDX-License-Identifier: MIT
// A store's life, and how entries are found and forgotten. How they are kept is in keep.c.
#include "cache/store.h"

#include "cache/books.h"
#include "cache/owner.h"

// ---- life -------------------------------------------------------------------------------------------------------------

int op_store_init(op_store *store, const op_bounds *bounds)
{
    bool bounded = bounds->maxsize >= 0 || bounds->max_weight > 0;
    op_table_init(&store->table, bounded ? &store->order : NULL);
    op_table_init(&store->flights, NULL);
    uint64_t entries = bounds->maxsize >= 0 ? (uint64_t)bounds->maxsize : 0;
    op_order_init(&store->order, bounds->policy, bounds->max_weight > 0 ? bounds->max_weight : entries, entries);
    store->maxsize = bounds->maxsize;
    store->max_weight = bounds->max_weight;
    if (bounds->weigh == NULL && bounds->max_weight > 0) {
        PyObject *sys = PyImport_ImportModule("sys");   // PySys_GetObject does not tell a lack of memory
        store->weigh = sys == NULL ? NULL : PyObject_GetAttrString(sys, "getsizeof");
        Py_XDECREF(sys);
        if (store->weigh == NULL) {
            return -1;
        }
    } else {
        store->weigh = Py_XNewRef(bounds->weigh);
    }
    store->timer = Py_XNewRef(bounds->timer);
    store->ttl_ns = bounds->ttl_ns;
    store->jitter_ns = bounds->jitter_ns;
    store->stale_ns = bounds->stale_ns;
    store->precise = bounds->ttl_ns > 0 && bounds->ttl_ns < OP_COARSE_FROM_NS;
    store->earliest = OP_NEVER;
    store->random = (uint64_t)op_clock_ns() ^ (uint64_t)(uintptr_t)store;
    if ((bounds->ttl_ns > 0 && !op_table_with_expiry(&store->table)) ||
        (store->weigh != NULL && !op_table_with_weights(&store->table))) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void op_store_drop(op_store *store)
{
    op_store_clear(store, false);
    Py_CLEAR(store->weigh);
    Py_CLEAR(store->timer);
}

void op_store_fini(op_store *store)
{
    op_table_fini(&store->table);
    op_table_fini(&store->flights);
    op_owners_fini(store);
    op_order_fini(&store->order);
}

int op_store_traverse(op_store *store, visitproc visit, void *arg)
{
    Py_VISIT(store->weigh);
    Py_VISIT(store->timer);
    int stop = op_table_traverse(&store->table, visit, arg);
    return stop != 0 ? stop : op_table_traverse(&store->flights, visit, arg);
}

static bool bury_one(op_store *store)
{
    op_key key;
    PyObject *value;
    if (!op_table_exhume(&store->table, &key, &value) && !op_table_exhume(&store->flights, &key, &value)) {
        return false;
    }
    OP_UNLOCK(&store->lock);
    op_key_release(key);
    Py_DECREF(value);
    OP_LOCK(&store->lock);
    return true;
}

OP_NOINLINE static void bury_all(op_store *store)
{
    PyObject *type, *error, *traceback;   // destructors must not change the exception that is on its way
    PyErr_Fetch(&type, &error, &traceback);
    while (bury_one(store)) {
    }
    PyErr_Restore(type, error, traceback);
}

void op_store_unlock(op_store *store)
{
    if (store->table.dead != OP_NO_SLOT || store->flights.dead != OP_NO_SLOT) {
        bury_all(store);
    }
    OP_UNLOCK(&store->lock);
}

// ---- removing and forgetting ------------------------------------------------------------------------------------------

// What leaves the books with an entry, but for its slot.
static void strike(op_store *store, uint32_t slot)
{
    if (store->table.weights != NULL) {
        store->weight -= store->table.weights[slot];
    }
    op_key key = store->table.entries[slot].key;
    if (OP_UNLIKELY(op_key_is_weak(key))) {
        op_owner_remove(key);
    }
}

void op_store_remove(op_store *store, uint32_t slot)
{
    if (store->table.order != NULL) {
        op_order_remove(&store->order, slot, op_books_weight(store, slot));
    }
    strike(store, slot);
    op_table_take(&store->table, slot);
}

void op_books_evict(op_store *store, uint32_t slot, op_remains *remains)
{
    op_order_evict(&store->order, slot, (uint64_t)store->table.entries[slot].hash, op_books_weight(store, slot));
    strike(store, slot);
    if (remains->key == 0) {
        op_table_take_out(&store->table, slot, &remains->key, &remains->value);
    } else {
        op_table_take(&store->table, slot);
    }
    store->evictions++;
}

void op_store_note_forgetting(op_store *store, Py_hash_t hash)
{
    store->forgotten[store->forgettings % OP_FORGOTTEN] = hash;
    OP_WRITE(store->forgettings, store->forgettings + 1);
}

// A call as the table of flights has it: the caller of a load holds the instance anyway, so nothing there is weak.
static op_call strong_call(const op_call *call)
{
    op_call strong = *call;
    strong.weak = false;
    return strong;
}

int64_t op_books_flight(op_store *store, const op_call *call)
{
    if (store->flights.count == 0) {
        return OP_ABSENT;
    }
    op_call strong = strong_call(call);
    return op_table_find(&store->flights, &strong, &store->lock);
}

int op_store_forget(op_store *store, const op_call *call, PyObject **value)
{
    int64_t now = op_store_expires(store) ? op_store_now(store) : 0;
    if (now == -1 && PyErr_Occurred()) {
        return -1;
    }
    op_store_lock(store);
    int64_t flight = op_books_flight(store, call);
    if (flight >= 0) {
        op_table_take(&store->flights, (uint32_t)flight);
    }
    int64_t slot = flight == OP_RAISED ? OP_RAISED : op_table_find(&store->table, call, &store->lock);
    int found = slot == OP_RAISED ? -1 : 0;
    if (slot >= 0) {
        found = store->table.expires == NULL || now < store->table.expires[slot];
        if (found && value != NULL) {
            *value = Py_NewRef(store->table.entries[slot].value);
        }
        op_store_remove(store, (uint32_t)slot);
        store->expiries += !found;
    }
    op_store_note_forgetting(store, call->hash);
    op_store_unlock(store);
    return found;
}

void op_store_clear(op_store *store, bool statistics)
{
    op_store_lock(store);
    OP_WRITE(store->forgettings, store->forgettings + 1);
    store->cleared = store->forgettings;
    if (store->owners != NULL) {
        for (uint32_t slot = 0; slot < store->table.used; slot++) {
            op_key key = store->table.entries[slot].key;
            if (op_table_is_live(&store->table, slot) && op_key_is_weak(key)) {
                op_owner_remove(key);
            }
        }
    }
    op_table_clear(&store->table);
    op_table_clear(&store->flights);
    if (store->table.order != NULL) {
        op_order_clear(&store->order);
    }
    store->weight = 0;
    if (statistics) {
        store->hits = store->misses = 0;
        store->evictions = store->expiries = store->loads = store->load_errors = store->waits = 0;
        store->load_ns = 0;
    }
    op_store_unlock(store);
}

int op_store_expire(op_store *store)
{
    if (!op_store_expires(store)) {
        return 0;
    }
    int64_t now = op_store_now(store);
    if (now == -1 && PyErr_Occurred()) {
        return -1;
    }
    op_store_lock(store);
    // Mostly nothing is over, and nothing is gone over: whoever asks for the length again and again does so for little.
    if (op_books_is_past(store, store->earliest, now)) {
        store->earliest = OP_NEVER;
        for (uint32_t slot = 0; slot < store->table.used; slot++) {
            if (!op_table_is_live(&store->table, slot)) {
                continue;
            }
            if (op_books_is_over(store, slot, now)) {
                op_store_remove(store, slot);
                store->expiries++;
            } else if (store->table.expires[slot] < store->earliest) {
                store->earliest = store->table.expires[slot];
            }
        }
    }
    op_store_unlock(store);
    return 0;
}

Py_ssize_t op_store_count(op_store *store)
{
    if (op_store_expire(store) != 0) {
        return -1;
    }
    op_store_lock(store);
    Py_ssize_t count = (Py_ssize_t)store->table.count;
    op_store_unlock(store);
    return count;
}

// ---- reading ----------------------------------------------------------------------------------------------------------

int64_t op_store_now(op_store *store)
{
    if (OP_UNLIKELY(store->timer != NULL)) {
        return op_clock_ask(store->timer);
    }
    return op_clock_ns();
}

int64_t op_store_soon(const op_store *store)
{
    return OP_READ(store->precise) ? op_clock_ns() : op_clock_coarse_ns() + OP_CLOCK_COARSE_LATE_NS;
}

// Of an entry of a store whose entries may expire. `told` is what its timer told, if it has one; else the kernel's clock is
// read here, after all that the search for the entry may have called.
OP_INLINE op_found freshness(const op_store *store, uint32_t slot, int64_t told)
{
    int64_t expires = store->table.expires[slot];
    int64_t now = told;
    if (OP_LIKELY(store->timer == NULL)) {
        if (OP_LIKELY(op_store_soon(store) < expires)) {
            return OP_FOUND_FRESH;
        }
        now = op_clock_ns();
    }
    if (now < expires) {
        return OP_FOUND_FRESH;
    }
    return op_books_is_over(store, slot, now) ? OP_FOUND_NONE : OP_FOUND_STALE;
}

op_found op_store_get(op_store *store, const op_call *call, op_interest interest, PyObject **value)
{
    int64_t told = 0;
    if (OP_UNLIKELY(store->timer != NULL) && op_store_expires(store)) {
        told = op_store_now(store);
        if (OP_UNLIKELY(told == -1 && PyErr_Occurred())) {
            return OP_FOUND_ERROR;
        }
    }
    op_store_lock(store);
    int64_t slot = op_table_find(&store->table, call, &store->lock);
    op_found found = OP_FOUND_NONE;
    if (slot >= 0) {
        found = OP_FOUND_FRESH;
        if (store->table.expires != NULL) {
            found = freshness(store, (uint32_t)slot, told);
        }
        if (OP_LIKELY(found != OP_FOUND_NONE)) {
            *value = Py_NewRef(store->table.entries[slot].value);
            if (interest == OP_HIT && store->table.order != NULL) {
                op_order_touch(&store->order, (uint32_t)slot);
            }
        } else {
            op_store_remove(store, (uint32_t)slot);
            store->expiries++;
        }
    } else if (OP_UNLIKELY(slot == OP_RAISED)) {
        found = OP_FOUND_ERROR;
    }
    if (interest == OP_HIT) {
        if (found == OP_FOUND_NONE) {
            store->misses++;
        } else if (found != OP_FOUND_ERROR) {
            store->hits++;
        }
    }
    op_store_unlock(store);
    return found;
}

// ---- loads ------------------------------------------------------------------------------------------------------------

OP_INLINE PyObject *load(op_store *store, op_loader loader, void *context, int64_t (*clock)(void))
{
    OP_LOCK(&store->lock);
    store->loading++;
    OP_UNLOCK(&store->lock);
    int64_t began = clock();
    PyObject *value = loader(context);
    int64_t took = clock() - began;
    OP_LOCK(&store->lock);
    store->loading--;
    op_store_count_load(store, value != NULL, took);
    OP_UNLOCK(&store->lock);
    return value;
}

PyObject *op_store_load(op_store *store, op_loader loader, void *context)
{
    return load(store, loader, context, op_clock_ns);
}

PyObject *op_store_load_coarse(op_store *store, op_loader loader, void *context)
{
    return load(store, loader, context, op_clock_coarse_ns);
}

PyObject *op_store_flight(op_store *store, const op_call *call)
{
    op_store_lock(store);
    int64_t slot = op_books_flight(store, call);
    PyObject *flight = slot < 0 ? NULL : Py_NewRef(store->flights.entries[slot].value);
    op_store_unlock(store);
    return flight;
}

int op_store_take_off(op_store *store, const op_call *call, PyObject *flight, PyObject **other)
{
    op_call strong = strong_call(call);
    int done = -1;
    op_store_lock(store);
    int64_t slot = op_table_find(&store->flights, &strong, &store->lock);
    if (slot >= 0) {
        *other = Py_NewRef(store->flights.entries[slot].value);
        done = 0;
    } else if (slot == OP_ABSENT) {
        op_key key = op_key_new(&strong);
        if (key != 0 && op_table_add(&store->flights, strong.hash, key, flight) != OP_RAISED) {
            Py_INCREF(flight);
            done = 1;
        } else if (key != 0) {
            op_key_release(key);
        }
    }
    op_store_unlock(store);
    return done;
}

int op_store_land(op_store *store, const op_call *call, PyObject *flight)
{
    op_store_lock(store);
    int64_t slot = op_books_flight(store, call);
    if (slot >= 0 && store->flights.entries[slot].value == flight) {
        op_table_take(&store->flights, (uint32_t)slot);
    }
    op_store_unlock(store);
    return slot == OP_RAISED ? -1 : 0;
}

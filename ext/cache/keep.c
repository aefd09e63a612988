// SPDX-License-Identifier: MIT
// How a store keeps a value: its weight, its time, room for it.
#include "cache/books.h"
#include "cache/owner.h"

#define SWEPT_A_KEEP 2u   // slots that are looked at for expired entries whenever one is added

// splitmix64 (Steele, Lea, Flood 2014), by any number of threads.
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = __atomic_add_fetch(state, UINT64_C(0x9E3779B97F4A7C15), __ATOMIC_RELAXED);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// Tells by a note (PEP 678) which weigher raised the exception that is set. Before 3.11 its traceback has to do.
static void name_weigher(const op_store *store)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *note = PyUnicode_FromFormat("raised by weigh=%R, which was to weigh a value for a cache",
                                          store->weigh);
    PyObject *noted = note == NULL ? NULL : PyObject_CallMethod(error, "add_note", "O", note);
    Py_XDECREF(note);
    Py_XDECREF(noted);
    PyErr_Clear();
    PyErr_Restore(type, error, traceback);
}

// What `value` weighs; UINT64_MAX with an exception.
static uint64_t weigh(const op_store *store, PyObject *value)
{
    if (store->table.weights == NULL) {
        return 1;
    }
    PyObject *told = PyObject_CallOneArg(store->weigh, op_result_weighed(value));
    if (told == NULL) {
        name_weigher(store);
        return UINT64_MAX;
    }
    PyObject *number = PyNumber_Index(told);
    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "weigh=%R gave %.200s, not an int", store->weigh, Py_TYPE(told)->tp_name);
        }
        Py_DECREF(told);
        return UINT64_MAX;
    }
    Py_DECREF(told);
    int overflow;
    long long weight = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (weight < 0 && overflow <= 0) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "weigh=%R gave a negative weight", store->weigh);
        }
        return UINT64_MAX;
    }
    return overflow > 0 ? (uint64_t)INT64_MAX : (uint64_t)weight;
}

// When what is kept now expires.
static int64_t expiry(op_store *store, int64_t ttl_ns, int64_t now)
{
    if (ttl_ns == OP_NEVER) {
        return OP_NEVER;
    }
    bool own = ttl_ns == OP_TTL_OF_STORE;
    if (own) {
        ttl_ns = store->ttl_ns;
        if (ttl_ns == 0) {
            return OP_NEVER;
        }
    } else if (ttl_ns < OP_COARSE_FROM_NS) {
        OP_WRITE(store->precise, true);
    }
    if (store->jitter_ns > 0 && own) {
        ttl_ns -= (int64_t)(next_random(&store->random) % (uint64_t)store->jitter_ns);
    }
    int64_t expires;
    return __builtin_add_overflow(now, ttl_ns, &expires) ? OP_NEVER : expires;
}

static void sweep(op_store *store, int64_t now)
{
    for (uint32_t i = 0; i < SWEPT_A_KEEP && store->table.used > 0; i++) {
        uint32_t slot = store->sweep < store->table.used ? store->sweep : 0;
        store->sweep = slot + 1;
        if (op_table_is_live(&store->table, slot) && op_books_is_over(store, slot, now)) {
            op_store_remove(store, slot);
            store->expiries++;
        }
    }
}

// Evicts until one more entry that weighs `weight` fits. False: it can't.
static bool make_room(op_store *store, uint64_t weight, op_remains *evicted)
{
    while ((store->maxsize >= 0 && store->table.count >= (uint64_t)store->maxsize) ||
           (store->max_weight > 0 && store->weight + weight > store->max_weight)) {
        uint32_t victim = op_order_victim(&store->order, op_books_ordered_weights(store));
        if (victim == OP_NO_SLOT) {
            return false;
        }
        op_books_evict(store, victim, evicted);
    }
    return true;
}

// What is kept, until when and how; and what has to be released for it, without the lock.
typedef struct {
    PyObject *value;   // borrowed
    op_owner *owner;   // owned; of a weak call
    uint64_t weight;
    int64_t expires;
    int64_t now;       // where entries expire
    uint64_t ticket;   // of the load
    op_keep how;
    op_remains evicted;   // the first that was
    PyObject *replaced;
} op_kept;

static void set_expiry(op_store *store, uint32_t slot, int64_t expires)
{
    store->table.expires[slot] = expires;
    if (expires < store->earliest) {
        store->earliest = expires;
    }
}

static void replace(op_store *store, uint32_t slot, op_kept *kept)
{
    op_table *table = &store->table;
    if (table->weights != NULL) {
        store->weight = store->weight - table->weights[slot] + kept->weight;
        if (table->order != NULL && op_books_ordered_weights(store) != NULL) {
            op_order_reweigh(&store->order, slot, table->weights[slot], kept->weight);
        }
        table->weights[slot] = kept->weight;
    }
    if (table->order != NULL) {
        op_order_touch(&store->order, slot);
    }
    kept->replaced = table->entries[slot].value;
    table->entries[slot].value = Py_NewRef(kept->value);
    if (table->expires != NULL) {
        set_expiry(store, slot, kept->expires);
    }
}

// 1 added, 0 there is no room, or -1 with MemoryError.
static int add(op_store *store, const op_call *call, op_kept *kept)
{
    op_table *table = &store->table;
    if (!make_room(store, kept->weight, &kept->evicted)) {
        return 0;
    }
    op_key key = op_key_new(call);
    if (key == 0) {
        return -1;
    }
    int64_t added = op_table_add(table, call->hash, key, kept->value);
    if (added == OP_RAISED) {
        op_key_release(key);   // runs no code of the program: the caller holds what it names
        return -1;
    }
    Py_INCREF(kept->value);
    uint32_t slot = (uint32_t)added;
    if (kept->owner != NULL) {
        op_owner_add(kept->owner, key, slot);
    }
    if (table->weights != NULL) {
        table->weights[slot] = kept->weight;
        store->weight += kept->weight;
    }
    if (table->order != NULL) {
        op_order_add(&store->order, slot, (uint64_t)call->hash, op_books_weight(store, slot));
    }
    if (table->expires != NULL) {
        set_expiry(store, slot, kept->expires);
    }
    return 1;
}

// Whether the entry at `slot` has to be added anew: its new value needs room that others hold.
static bool outgrows(const op_store *store, uint32_t slot, uint64_t weight)
{
    return store->max_weight > 0 && store->weight - op_books_weight(store, slot) + weight > store->max_weight;
}

// What an explicit setting does to a load of the key that is under way. 0, or -1 with an exception.
static int overrule_loads(op_store *store, const op_call *call)
{
    int64_t flight = op_books_flight(store, call);
    if (flight >= 0) {
        op_table_take(&store->flights, (uint32_t)flight);
    }
    op_store_note_forgetting(store, call->hash);
    return flight == OP_RAISED ? -1 : 0;
}

static int keep_locked(op_store *store, const op_call *call, op_kept *kept)
{
    if (kept->expires != OP_NEVER && !op_table_with_expiry(&store->table)) {
        PyErr_NoMemory();
        return -1;
    }
    if (kept->how == OP_KEEP_SET && overrule_loads(store, call) != 0) {
        return -1;
    }
    int64_t slot = op_table_find(&store->table, call, &store->lock);
    if (slot == OP_RAISED) {
        return -1;
    }
    if (kept->how != OP_KEEP_SET && op_books_forgot(store, call->hash, kept->ticket)) {
        return 0;
    }
    if (slot >= 0) {
        bool fresh = store->table.expires == NULL || kept->now < store->table.expires[slot];
        if (kept->how == OP_KEEP_FIRST && fresh) {
            return 0;
        }
        if (!outgrows(store, (uint32_t)slot, kept->weight)) {
            replace(store, (uint32_t)slot, kept);
            return 1;
        }
        op_store_remove(store, (uint32_t)slot);
    }
    int added = add(store, call, kept);
    if (store->table.expires != NULL) {
        sweep(store, kept->now);
    }
    return added;
}

// Fills in the weight. 1, 0 where the value is too heavy, or -1 with an exception.
static int weigh_kept(const op_store *store, op_kept *kept)
{
    kept->weight = weigh(store, kept->value);
    if (kept->weight == UINT64_MAX) {
        return -1;
    }
    if (store->max_weight == 0 || kept->weight <= store->max_weight) {
        return 1;
    }
    if (kept->how != OP_KEEP_SET) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "too heavy: the value weighs %llu, max_bytes is %llu",
                 (unsigned long long)kept->weight, (unsigned long long)store->max_weight);
    return -1;
}

OP_NOINLINE static void release(op_kept *kept)
{
    if (kept->evicted.key != 0) {
        op_key_release(kept->evicted.key);
        Py_DECREF(kept->evicted.value);
    }
    Py_XDECREF(kept->replaced);
    Py_XDECREF((PyObject *)kept->owner);
}

int op_store_keep(op_store *store, PyObject *home, const op_call *call, PyObject *value, int64_t ttl_ns,
                  uint64_t ticket, op_keep how)
{
    op_kept kept = {.value = value, .weight = 1, .expires = OP_NEVER, .ticket = ticket, .how = how};
    if (store->maxsize == 0) {
        return 0;
    }
    if (store->weigh != NULL) {
        int fits = weigh_kept(store, &kept);
        if (fits != 1) {
            return fits;
        }
    }
    if (store->ttl_ns > 0 || ttl_ns != OP_TTL_OF_STORE || op_store_expires(store)) {
        kept.now = op_store_now(store);
        if (kept.now == -1 && PyErr_Occurred()) {
            return -1;
        }
        kept.expires = expiry(store, ttl_ns, kept.now);
    }
    if (call->weak) {
        kept.owner = op_owner_get(store, home, op_module_of_type(Py_TYPE(home)), call->items[0]);
        if (kept.owner == NULL) {
            return -1;
        }
    }
    op_store_lock(store);
    int done = keep_locked(store, call, &kept);
    op_store_unlock(store);
    if (OP_UNLIKELY(done < 0)) {
        PyObject *type, *error, *traceback;   // destructors must not change the exception that is on its way
        PyErr_Fetch(&type, &error, &traceback);
        release(&kept);
        PyErr_Restore(type, error, traceback);
    } else {
        release(&kept);
    }
    return done;
}

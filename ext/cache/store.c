// SPDX-License-Identifier: MIT
#include "cache/store.h"

#include <math.h>
#include <structseq.h>
#include <time.h>

#include "cache/owner.h"

#define NS 1000000000
#define COARSE_FROM_NS NS   // lifetimes from here on are measured by the coarse clock
#define SWEPT_A_KEEP 2u     // slots that are looked at for expired entries whenever one is added

// ---- clocks -----------------------------------------------------------------------------------------------------------

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);   // of these clocks, with valid memory, it can't fail
    return (int64_t)now.tv_sec * NS + now.tv_nsec;
}

int64_t op_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

// The same clock as of the kernel's last tick: never ahead, late by less than a tick.
int64_t op_clock_coarse_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

static int64_t tick_ns(void)
{
    struct timespec tick;
    return clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 ? (int64_t)tick.tv_sec * NS + tick.tv_nsec : NS;
}

static int64_t ask_timer(PyObject *timer)
{
    PyObject *told = PyObject_CallNoArgs(timer);
    if (told == NULL) {
        return -1;
    }
    double seconds = PyFloat_AsDouble(told);
    if (seconds == -1.0 && PyErr_Occurred()) {
        Py_DECREF(told);
        return -1;
    }
    if (!(seconds >= -9e9 && seconds <= 9e9)) {
        PyErr_Format(PyExc_ValueError, "timer=%R gave %R, which is no time in seconds", timer, told);
        Py_DECREF(told);
        return -1;
    }
    Py_DECREF(told);
    return (int64_t)floor(seconds * NS);
}

int64_t op_store_now(op_store *store)
{
    if (OP_UNLIKELY(store->timer != NULL)) {
        return ask_timer(store->timer);
    }
    return OP_READ(store->precise) ? op_clock_ns() : op_clock_coarse_ns();
}

// splitmix64 (Steele, Lea, Flood 2014), by any number of threads.
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = __atomic_add_fetch(state, UINT64_C(0x9E3779B97F4A7C15), __ATOMIC_RELAXED);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

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
    store->precise = bounds->ttl_ns > 0 && bounds->ttl_ns < COARSE_FROM_NS;
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

// What the order counts: weights where their sum is bounded, else entries.
static const uint64_t *ordered_weights(const op_store *store)
{
    return store->max_weight > 0 ? store->table.weights : NULL;
}

static uint64_t weight_of(const op_store *store, uint32_t slot)
{
    const uint64_t *weights = ordered_weights(store);
    return weights == NULL ? 1 : weights[slot];
}

static void take(op_store *store, uint32_t slot)
{
    if (store->table.weights != NULL) {
        store->weight -= store->table.weights[slot];
    }
    op_key key = store->table.entries[slot].key;
    if (OP_UNLIKELY(op_key_is_weak(key))) {
        op_owner_remove(key);
    }
    op_table_take(&store->table, slot);
}

void op_store_remove(op_store *store, uint32_t slot)
{
    if (store->table.order != NULL) {
        op_order_remove(&store->order, slot, weight_of(store, slot));
    }
    take(store, slot);
}

static void evict(op_store *store, uint32_t slot)
{
    op_order_evict(&store->order, slot, (uint64_t)store->table.entries[slot].hash, weight_of(store, slot));
    take(store, slot);
    store->evictions++;
}

void op_store_note_forgetting(op_store *store, Py_hash_t hash)
{
    store->forgotten[store->forgettings % OP_FORGOTTEN] = hash;
    OP_WRITE(store->forgettings, store->forgettings + 1);
}

// Whether a key with this hash was forgotten since `ticket`.
static bool was_forgotten(const op_store *store, Py_hash_t hash, uint64_t ticket)
{
    if (OP_LIKELY(store->forgettings == ticket)) {
        return false;
    }
    if (store->cleared > ticket || store->forgettings - ticket > OP_FORGOTTEN) {
        return true;
    }
    for (uint64_t i = ticket; i < store->forgettings; i++) {
        if (store->forgotten[i % OP_FORGOTTEN] == hash) {
            return true;
        }
    }
    return false;
}

// Whether what expires then can't be given out any more.
static bool is_past(const op_store *store, int64_t expires, int64_t now)
{
    return now >= expires && now - expires >= store->stale_ns;
}

static bool is_over(const op_store *store, uint32_t slot, int64_t now)
{
    return is_past(store, store->table.expires[slot], now);
}

// A call as the table of flights has it: the caller of a load holds the instance anyway, so nothing there is weak.
static op_call strong_call(const op_call *call)
{
    op_call strong = *call;
    strong.weak = false;
    return strong;
}

static int64_t find_flight(op_store *store, const op_call *call)
{
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
    int64_t flight = find_flight(store, call);
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
    if (is_past(store, store->earliest, now)) {
        store->earliest = OP_NEVER;
        for (uint32_t slot = 0; slot < store->table.used; slot++) {
            if (!op_table_is_live(&store->table, slot)) {
                continue;
            }
            if (is_over(store, slot, now)) {
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

op_found op_store_get(op_store *store, const op_call *call, op_interest interest, PyObject **value)
{
    int64_t now = 0;
    if (op_store_expires(store)) {
        now = op_store_now(store);
        if (OP_UNLIKELY(now == -1 && PyErr_Occurred())) {
            return OP_FOUND_ERROR;
        }
    }
    op_store_lock(store);
    int64_t slot = op_table_find(&store->table, call, &store->lock);
    op_found found = OP_FOUND_NONE;
    if (slot >= 0) {
        found = OP_FOUND_FRESH;
        if (store->table.expires != NULL && OP_UNLIKELY(now >= store->table.expires[slot])) {
            found = is_over(store, (uint32_t)slot, now) ? OP_FOUND_NONE : OP_FOUND_STALE;
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

// ---- keeping ----------------------------------------------------------------------------------------------------------

// What `value` weighs; UINT64_MAX with an exception.
static uint64_t weigh(const op_store *store, PyObject *value)
{
    if (store->table.weights == NULL) {
        return 1;
    }
    PyObject *told = PyObject_CallOneArg(store->weigh, value);
    if (told == NULL) {
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
    } else if (ttl_ns < COARSE_FROM_NS) {
        OP_WRITE(store->precise, true);
    }
    if (store->jitter_ns > 0 && own) {
        ttl_ns -= (int64_t)(next_random(&store->random) % (uint64_t)store->jitter_ns);
    }
    if (store->timer == NULL && !OP_READ(store->precise)) {
        ttl_ns -= tick_ns();   // the coarse clock is late by less than that: nothing that has expired is given out
    }
    int64_t expires;
    return __builtin_add_overflow(now, ttl_ns, &expires) ? OP_NEVER : expires;
}

static void sweep(op_store *store, int64_t now)
{
    for (uint32_t i = 0; i < SWEPT_A_KEEP && store->table.used > 0; i++) {
        uint32_t slot = store->sweep < store->table.used ? store->sweep : 0;
        store->sweep = slot + 1;
        if (op_table_is_live(&store->table, slot) && is_over(store, slot, now)) {
            op_store_remove(store, slot);
            store->expiries++;
        }
    }
}

// Evicts until one more entry that weighs `weight` fits. False: it can't.
static bool make_room(op_store *store, uint64_t weight)
{
    while ((store->maxsize >= 0 && store->table.count >= (uint64_t)store->maxsize) ||
           (store->max_weight > 0 && store->weight + weight > store->max_weight)) {
        uint32_t victim = op_order_victim(&store->order, ordered_weights(store));
        if (victim == OP_NO_SLOT) {
            return false;
        }
        evict(store, victim);
    }
    return true;
}

// What is kept, and until when.
typedef struct {
    PyObject *value;   // borrowed
    op_owner *owner;   // borrowed; of a weak call
    uint64_t weight;
    int64_t expires;
} op_kept;

static void set_expiry(op_store *store, uint32_t slot, int64_t expires)
{
    store->table.expires[slot] = expires;
    if (expires < store->earliest) {
        store->earliest = expires;
    }
}

static void replace(op_store *store, uint32_t slot, const op_kept *kept, PyObject **old)
{
    op_table *table = &store->table;
    if (table->weights != NULL) {
        store->weight = store->weight - table->weights[slot] + kept->weight;
        if (table->order != NULL && ordered_weights(store) != NULL) {
            op_order_reweigh(&store->order, slot, table->weights[slot], kept->weight);
        }
        table->weights[slot] = kept->weight;
    }
    if (table->order != NULL) {
        op_order_touch(&store->order, slot);
    }
    *old = table->entries[slot].value;
    table->entries[slot].value = Py_NewRef(kept->value);
    if (table->expires != NULL) {
        set_expiry(store, slot, kept->expires);
    }
}

// 1 added, 0 there is no room, or -1 with MemoryError.
static int add(op_store *store, const op_call *call, const op_kept *kept)
{
    op_table *table = &store->table;
    if (!make_room(store, kept->weight)) {
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
        op_order_add(&store->order, slot, (uint64_t)call->hash, weight_of(store, slot));
    }
    if (table->expires != NULL) {
        set_expiry(store, slot, kept->expires);
    }
    return 1;
}

// Whether the entry at `slot` has to be added anew: its new value needs room that others hold.
static bool outgrows(const op_store *store, uint32_t slot, uint64_t weight)
{
    return store->max_weight > 0 && store->weight - weight_of(store, slot) + weight > store->max_weight;
}

static int keep_locked(op_store *store, const op_call *call, const op_kept *kept, int64_t now, uint64_t ticket,
                       op_keep how, PyObject **old)
{
    if (kept->expires != OP_NEVER && !op_table_with_expiry(&store->table)) {
        PyErr_NoMemory();
        return -1;
    }
    int64_t slot = op_table_find(&store->table, call, &store->lock);
    if (slot == OP_RAISED) {
        return -1;
    }
    if (was_forgotten(store, call->hash, ticket)) {
        return 0;
    }
    if (slot >= 0) {
        bool fresh = store->table.expires == NULL || now < store->table.expires[slot];
        if (how == OP_KEEP_FIRST && fresh) {
            return 0;
        }
        if (!outgrows(store, (uint32_t)slot, kept->weight)) {
            replace(store, (uint32_t)slot, kept, old);
            return 1;
        }
        op_store_remove(store, (uint32_t)slot);
    }
    int added = add(store, call, kept);
    if (store->table.expires != NULL) {
        sweep(store, now);
    }
    return added;
}

// As op_store_keep; `too_heavy`: 0, or -1 where that is an error.
static int keep(op_store *store, PyObject *home, const op_call *call, PyObject *value, int64_t ttl_ns,
                uint64_t ticket, op_keep how, int too_heavy)
{
    if (store->maxsize == 0) {
        return 0;
    }
    op_kept kept = {.value = value, .weight = 1, .expires = OP_NEVER};
    if (store->weigh != NULL) {
        kept.weight = weigh(store, value);
        if (kept.weight == UINT64_MAX) {
            return -1;
        }
        if (store->max_weight > 0 && kept.weight > store->max_weight) {
            if (too_heavy != 0) {
                PyErr_Format(PyExc_ValueError, "too heavy: the value weighs %llu, max_bytes is %llu",
                             (unsigned long long)kept.weight, (unsigned long long)store->max_weight);
            }
            return too_heavy;
        }
    }
    int64_t now = 0;
    if (store->ttl_ns > 0 || ttl_ns != OP_TTL_OF_STORE || op_store_expires(store)) {
        now = store->timer != NULL ? op_store_now(store) : op_clock_ns();
        if (now == -1 && PyErr_Occurred()) {
            return -1;
        }
        kept.expires = expiry(store, ttl_ns, now);
    }
    if (call->weak) {
        kept.owner = op_owner_get(store, home, op_module_of_type(Py_TYPE(home)), call->items[0]);
        if (kept.owner == NULL) {
            return -1;
        }
    }
    PyObject *old = NULL;
    op_store_lock(store);
    int done = keep_locked(store, call, &kept, now, ticket, how, &old);
    op_store_unlock(store);
    Py_XDECREF(old);
    Py_XDECREF((PyObject *)kept.owner);
    return done;
}

int op_store_keep(op_store *store, PyObject *home, const op_call *call, PyObject *value, int64_t ttl_ns,
                  uint64_t ticket, op_keep how)
{
    return keep(store, home, call, value, ttl_ns, ticket, how, 0);
}

int op_store_set(op_store *store, PyObject *home, const op_call *call, PyObject *value, int64_t ttl_ns)
{
    op_store_lock(store);
    int64_t flight = find_flight(store, call);
    if (flight >= 0) {
        op_table_take(&store->flights, (uint32_t)flight);
    }
    op_store_note_forgetting(store, call->hash);
    uint64_t ticket = op_store_ticket(store);
    op_store_unlock(store);
    return flight == OP_RAISED ? -1 : keep(store, home, call, value, ttl_ns, ticket, OP_KEEP_REPLACE, -1);
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
    int64_t slot = find_flight(store, call);
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
    int64_t slot = find_flight(store, call);
    if (slot >= 0 && store->flights.entries[slot].value == flight) {
        op_table_take(&store->flights, (uint32_t)slot);
    }
    op_store_unlock(store);
    return slot == OP_RAISED ? -1 : 0;
}

// ---- statistics -------------------------------------------------------------------------------------------------------

static PyStructSequence_Field stats_fields[] = {
    {"hits", "calls that were answered by what was kept"},
    {"misses", "calls that were not"},
    {"evictions", "entries removed to keep within maxsize and max_bytes"},
    {"expiries", "entries removed because their time to live was over"},
    {"loads", "loads that ended well"},
    {"load_errors", "loads that raised"},
    {"load_time", "seconds that all loads took together"},
    {"waits", "calls that waited for the load of another"},
    {"loading", "loads under way"},
    {"currsize", "entries now"},
    {"weight", "what they weigh together, where they are weighed, else their number"},
    {NULL, NULL},
};

static PyStructSequence_Desc stats_description = {
    .name = "outpace._cache.CacheStats",
    .doc = "What a cache did since it was made, or since its statistics were set to zero.",
    .fields = stats_fields,
    .n_in_sequence = 11,
};

int op_store_ready(PyObject *module, op_module *state)
{
    state->stats_type = (PyObject *)PyStructSequence_NewType(&stats_description);
    if (state->stats_type == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "CacheStats", state->stats_type);
}

PyObject *op_store_stats(op_store *store, op_module *state)
{
    PyObject *stats = PyStructSequence_New((PyTypeObject *)state->stats_type);
    if (stats == NULL) {
        return NULL;
    }
    op_store_lock(store);
    const int64_t load_ns = store->load_ns;
    const uint64_t counts[] = {
        (uint64_t)store->hits,
        (uint64_t)store->misses,
        store->evictions,
        store->expiries,
        store->loads,
        store->load_errors,
        0,
        store->waits,
        store->loading,
        store->table.count,
        store->table.weights == NULL ? store->table.count : store->weight,
    };
    op_store_unlock(store);
    for (Py_ssize_t i = 0; i < stats_description.n_in_sequence; i++) {
        PyObject *value = i == 6 ? PyFloat_FromDouble((double)load_ns / NS)
                                 : PyLong_FromUnsignedLongLong(counts[i]);
        if (value == NULL) {
            Py_DECREF(stats);
            return NULL;
        }
        PyStructSequence_SetItem(stats, i, value);
    }
    return stats;
}

// SPDX-License-Identifier: MIT
// store: one cache. A table, its bounds, its clock, its statistics; and the loads that are under way.
//
// Invariants:
//   1. count <= maxsize and weight <= max_weight whenever the lock is free.
//   2. An entry that has expired is never given out: whoever finds one asks the clock.
//   3. A load that began before its key was forgotten (invalidated, set, or the store cleared) is not kept: it began
//      with `forgettings` as its ticket, and op_store_keep asks what was forgotten since.
#ifndef OP_CACHE_STORE_H
#define OP_CACHE_STORE_H

#include "cache/table.h"

#define OP_FORGOTTEN 32        // forgettings that are remembered one by one
#define OP_TTL_OF_STORE (-1)   // as a time to live: the store's own, with its jitter
#define OP_NEVER INT64_MAX

typedef struct op_owners op_owners;   // owner.h

typedef struct {
    op_lock lock;
    op_table table;
    op_order order;        // where the store is bounded
    op_table flights;      // loads under way by key; values are flights (flight.h, outpace._loads)
    op_owners *owners;     // instances that are held weakly, or NULL
    Py_ssize_t maxsize;    // -1: without bound
    uint64_t max_weight;   // 0: without bound
    uint64_t weight;       // of all entries, where they are weighed
    PyObject *weigh;       // owned: weigh(value), or NULL
    PyObject *timer;       // owned: a callable that gives seconds, or NULL for the kernel's clock
    int64_t ttl_ns;        // 0: entries do not expire
    int64_t jitter_ns, stale_ns;
    uint64_t random;    // state of the jitter's generator
    bool precise;       // lives are short: op_store_soon reads the precise clock
    uint32_t sweep;     // slot at which the search for expired entries goes on
    int64_t earliest;   // no entry expires before
    uint64_t forgettings;
    uint64_t cleared;   // value of forgettings when all was forgotten last
    Py_hash_t forgotten[OP_FORGOTTEN];
    // Statistics.
    Py_ssize_t hits, misses;
    uint64_t evictions, expiries, loads, load_errors, waits, loading;
    int64_t load_ns;
} op_store;

// What the constructor's keywords say, checked already (outpace._caching); borrowed.
typedef struct {
    Py_ssize_t maxsize;    // -1: without bound
    uint64_t max_weight;   // 0: without bound
    op_policy policy;
    int64_t ttl_ns, jitter_ns, stale_ns;
    PyObject *weigh;   // NULL: with max_weight sys.getsizeof, else nothing is weighed
    PyObject *timer;   // NULL: the kernel's clock
} op_bounds;

// `store` is zeroed memory. 0, or -1 with an exception.
int op_store_init(op_store *store, const op_bounds *bounds);
// For tp_clear and tp_dealloc: drops all entries and flights; may run code of the program.
void op_store_drop(op_store *store);
// After op_store_drop.
void op_store_fini(op_store *store);
int op_store_traverse(op_store *store, visitproc visit, void *arg);

OP_INLINE void op_store_lock(op_store *store)
{
    OP_LOCK(&store->lock);
}

// Frees the lock, then drops the references of what was removed under it; that may run code of the program.
void op_store_unlock(op_store *store);

// Now by the store's clock, in ns; -1 with an exception where the timer raised or gave no number. Without a timer it
// calls nothing of Python. Not called with the lock held, as a timer is code of the program.
int64_t op_store_now(op_store *store);

// A moment that is not before now, at most a tenth of a second after it, and cheap to tell: what has not expired by then is
// fresh, and of all else op_store_get knows. For stores without a timer.
int64_t op_store_soon(const op_store *store);

// Whether entries of this store may expire.
OP_INLINE bool op_store_expires(const op_store *store)
{
    return OP_READ(store->table.expires) != NULL;
}

// How an entry was found.
typedef enum {
    OP_FOUND_NONE = 0,
    OP_FOUND_FRESH = 1,
    OP_FOUND_STALE = 2,    // past its time, within `stale_ns`: may be given out while one call loads anew
    OP_FOUND_ERROR = -1,   // an exception is set
} op_found;

typedef enum {
    OP_LOOK = 0,   // leaves statistics and order alone
    OP_HIT = 1,    // counts a hit or a miss, and tells the order of a hit
} op_interest;

// Looks `call` up (its hash is set). Found: a new reference in *value. An entry that has expired (its stale time too) is
// removed and counted. Takes and frees the lock; may run code of the program.
op_found op_store_get(op_store *store, const op_call *call, op_interest interest, PyObject **value);

// The ticket of a load that begins now. Also without the lock: what the load reads then is not older than the ticket.
OP_INLINE uint64_t op_store_ticket(const op_store *store)
{
    return OP_READ(store->forgettings);
}

typedef enum {
    OP_KEEP_REPLACE,   // an entry that is there gets the new value
    OP_KEEP_FIRST,     // an entry that is there, and has not expired, stays
    OP_KEEP_SET,       // as REPLACE, whatever was forgotten; and loads of that key under way are not kept
} op_keep;

// What functools does of two loads of one key at a time: the first one's result stays in a cache with a bound, the last one's
// in a cache without.
OP_INLINE op_keep op_store_habit(const op_store *store)
{
    return store->table.order != NULL ? OP_KEEP_FIRST : OP_KEEP_REPLACE;
}

// Keeps `value`, borrowed, as the result of a load that began with `ticket`, unless its key was forgotten since, or it is
// too heavy. `home` owns the store, for what is held weakly. `ttl_ns`: OP_TTL_OF_STORE, OP_NEVER, or ns.
// OP_KEEP_SET: too heavy is ValueError; the ticket does not count.
// 1 kept, 0 not kept, -1 with an exception (a weigher's or a timer's, of `__eq__`, of memory) and nothing kept.
int op_store_keep(op_store *store, PyObject *home, const op_call *call, PyObject *value, int64_t ttl_ns,
                  uint64_t ticket, op_keep how);

// What is weighed of a value as it is kept, borrowed: an exception that is kept as a result lies in an object of ours (result.c).
PyObject *op_result_weighed(PyObject *value);

// Removes the entry, if any, and forgets the load of that key that is under way, if any. 1: there was a live entry,
// whose value is put into *value where `value` is not NULL (new reference); 0 none; -1 an exception.
int op_store_forget(op_store *store, const op_call *call, PyObject **value);

// Under the lock: removes the entry at `slot` from all of the store's books. What it held is buried by op_store_unlock.
void op_store_remove(op_store *store, uint32_t slot);
// Under the lock: a load under way of a key with this hash will not be kept.
void op_store_note_forgetting(op_store *store, Py_hash_t hash);

// Removes and forgets all. Statistics are set to zero where `statistics`.
void op_store_clear(op_store *store, bool statistics);

// Removes what has expired (that is, what can't be given out any more). 0, or -1 with the timer's exception.
int op_store_expire(op_store *store);

// The number of live entries, after op_store_expire; -1 with an exception.
Py_ssize_t op_store_count(op_store *store);

// Calls the program: the value, a new reference, or NULL with an exception.
typedef PyObject *(*op_loader)(void *context);
// Calls loader(context) and counts: loads, load_errors, loading, load_ns by a precise clock.
PyObject *op_store_load(op_store *store, op_loader loader, void *context);
// The same by the coarse clock: right in the sum, and several times cheaper.
PyObject *op_store_load_coarse(op_store *store, op_loader loader, void *context);
// Counts one load that ended: well, or with an exception.
OP_INLINE void op_store_count_load(op_store *store, bool well, int64_t took_ns)
{
    store->loads += well;
    store->load_errors += !well;
    store->load_ns += took_ns;
}

// Loads under way. The flight of `call`'s key, a new reference, or NULL: with an exception, or without one where there is none.
PyObject *op_store_flight(op_store *store, const op_call *call);
// Registers `flight` where the key has none: 1; where it has one: 0, and *other is that one, a new reference; -1 exception.
int op_store_take_off(op_store *store, const op_call *call, PyObject *flight, PyObject **other);
// Ends `flight`, if it is still the one of its key (else it was forgotten). 0, or -1 with an exception of an `__eq__`.
int op_store_land(op_store *store, const op_call *call, PyObject *flight);

// A CacheStats: hits, misses, evictions, expiries, loads, load_errors, load_time (seconds), waits, loading, currsize, weight.
PyObject *op_store_stats(op_store *store, op_module *state);

#endif

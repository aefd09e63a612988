// SPDX-License-Identifier: MIT
// What a store tells of itself.
#include "cache/store.h"

#include <structseq.h>

#include "cache/clock.h"

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
        PyObject *value = i == 6 ? PyFloat_FromDouble((double)load_ns / OP_NS_A_SECOND)
                                 : PyLong_FromUnsignedLongLong(counts[i]);
        if (value == NULL) {
            Py_DECREF(stats);
            return NULL;
        }
        PyStructSequence_SetItem(stats, i, value);
    }
    return stats;
}

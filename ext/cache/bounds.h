// SPDX-License-Identifier: MIT
// bounds: the keywords that all caches share (maxsize, ttl, jitter, stale, max_bytes, weigh, policy, timer), checked and as an
// op_bounds. Seconds come in as numbers of Python and are kept as ns.
#ifndef OP_CACHE_BOUNDS_H
#define OP_CACHE_BOUNDS_H

#include "cache/store.h"

// What is longer (73 years) counts as for ever. A clock's moment plus a ttl plus a stale time does not overflow.
#define OP_TTL_MOST_NS (INT64_MAX / 4)

// The keywords as they were given; borrowed; NULL or None where they were not.
typedef struct {
    PyObject *maxsize, *ttl, *jitter, *stale, *max_bytes, *weigh, *policy, *timer;
} op_bounds_given;

// 0, or -1 with TypeError (a wrong type), ValueError (a negative maxsize or max_bytes; a ttl that is not above 0; a jitter that is
// not below the ttl; jitter or stale without a ttl; an unknown policy); each names the parameter.
// `bounds` borrows weigh and timer from `given`.
int op_bounds_parse(const op_bounds_given *given, op_bounds *bounds);

// A time to live that the program gives: `seconds` is a number above 0. OP_NEVER where it is longer than OP_TTL_MOST_NS; a ns at
// least. -1 with an exception that calls it `name`.
int64_t op_bounds_ttl_ns(PyObject *seconds, const char *name);

// As `op_bounds_ttl_ns`, of None or NULL: OP_TTL_OF_STORE, which is -1 too: `*failed` tells them apart.
int64_t op_bounds_ttl_or_own(PyObject *seconds, const char *name, bool *failed);

// A new float of seconds.
PyObject *op_bounds_seconds(int64_t ns);

const char *op_bounds_policy_name(op_policy policy);

#endif

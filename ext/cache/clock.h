// SPDX-License-Identifier: MIT
// clock: moments and durations in ns.
#ifndef OP_CACHE_CLOCK_H
#define OP_CACHE_CLOCK_H

#include "cache/cache.h"

#define OP_NS_A_SECOND 1000000000

// The kernel's monotonic clock.
int64_t op_clock_ns(void);
// The same clock as of the kernel's last tick (CLOCK_MONOTONIC_COARSE): never ahead, and several times cheaper. A tick is 1 to
// 10 ms; in a virtual machine, which gets its ticks late, the clock was seen nearly two of them late.
int64_t op_clock_coarse_ns(void);
#define OP_CLOCK_COARSE_LATE_NS (OP_NS_A_SECOND / 10)   // it is never as late as that

// What a timer of the program says: a callable that gives seconds. Below -9e9 or above 9e9 is no time. -1 with an exception, which
// PyErr_Occurred tells from the moment -1.
int64_t op_clock_ask(PyObject *timer);

#endif

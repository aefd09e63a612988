// SPDX-License-Identifier: MIT
// Lines of the functions that a sampler outside found to be the hottest: it writes them into a file, for which a
// native thread here waits, asleep but for one look in 20 ms; it takes the GIL once, to choose.
#ifndef OP_AGENT_HOT_H
#define OP_AGENT_HOT_H

#include "agent/lines.h"

// LineProfiler.await_choices(path): once the file is there (renamed into place, so whole), its lines
// "QUALIFIED NAME\tFILE" are chosen as by select(), and functions that run at that moment are profiled from there on.
PyObject *op_hot_await(PyObject *self, PyObject *path);

#endif

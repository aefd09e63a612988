// SPDX-License-Identifier: MIT
// Where a program is sampled and traced at once: both into one profile.
#ifndef OP_CLI_COUNTED_H
#define OP_CLI_COUNTED_H

#include "profile/profile.h"

// Adds what was traced, of process `only` where that is not 0. Processes and threads that were sampled too are not
// told twice.
op_status op_counted_join(op_profile *into, const op_profile *traced, int64_t only, op_error *error) OP_MUST_CHECK;
// Gives functions of which only the number of calls is known their times and callers, from the samples: own time
// where one is the innermost that was counted, total time where it is on the stack. Sets the counter sampled_times.
op_status op_counted_estimate(op_profile *profile, op_error *error) OP_MUST_CHECK;

#endif

// SPDX-License-Identifier: MIT
// Random numbers for schedules and tests (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64).
// Not for secrets.
#ifndef OP_BASE_RANDOM_H
#define OP_BASE_RANDOM_H

#include <stdint.h>

typedef struct {
    uint64_t state[4];
} op_random;

void op_random_init(op_random *random, uint64_t seed);
uint64_t op_random_u64(op_random *random);
uint64_t op_random_below(op_random *random, uint64_t limit);    // [0, limit), unbiased; 0 for limit 0
double op_random_unit(op_random *random);                       // (0, 1]
double op_random_exponential(op_random *random, double mean);   // > 0

#endif

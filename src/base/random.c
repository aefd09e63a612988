// SPDX-License-Identifier: MIT
#include "base/random.h"
#include <math.h>

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static uint64_t splitmix_next(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15U;
    uint64_t value = *state;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
}

void op_random_init(op_random *random, uint64_t seed)
{
    // Four outputs of a bijection of four different states: they cannot all be 0, the one state without a way out.
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix_next(&seed);
}

uint64_t op_random_u64(op_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t op_random_below(op_random *random, uint64_t limit)
{
    if (limit == 0)
        return 0;
    // The lowest 2^64 mod limit values are thrown away: the rest is a whole number of rounds of `limit`.
    uint64_t first_fair = (0 - limit) % limit;
    uint64_t value;
    do
        value = op_random_u64(random);
    while (value < first_fair);
    return value % limit;
}

double op_random_unit(op_random *random)
{
    return (double)((op_random_u64(random) >> 11) + 1) * 0x1p-53;
}

double op_random_exponential(op_random *random, double mean)
{
    // The middle of one of 2^52 steps, which is exact and never 0 or 1: the logarithm is finite and below 0.
    double unit = ((double)(op_random_u64(random) >> 12) + 0.5) * 0x1p-52;
    return -log(unit) * mean;
}

// SPDX-License-Identifier: MIT
#include "base/random.h"
#include "tap.h"

TAP_TEST(random_repeats_by_seed)
{
    op_random a, b, c;
    op_random_init(&a, 7);
    op_random_init(&b, 7);
    op_random_init(&c, 8);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = op_random_u64(&a);
        TAP_EQ_UINT(op_random_u64(&b), value);
        same += op_random_u64(&c) == value;
    }
    TAP_EQ_INT(same, 0);
}

// The published values: splitmix64 from 0 fills the state; from state {1, 2, 3, 4} the generator gives these.
TAP_TEST(random_gives_the_known_sequence)
{
    op_random random;
    op_random_init(&random, 0);
    static const uint64_t filled[] = {0xE220A8397B1DCDAFU, 0x6E789E6AA1B965F4U, 0x06C45D188009454FU,
                                      0xF88BB8A8724C81ECU};
    for (int i = 0; i < 4; i++)
        TAP_EQ_UINT(random.state[i], filled[i]);
    random = (op_random){{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        TAP_EQ_UINT(op_random_u64(&random), expected[i]);
}

TAP_TEST(random_below_keeps_its_limit)
{
    op_random random;
    op_random_init(&random, 3);
    TAP_EQ_UINT(op_random_below(&random, 0), 0);
    TAP_EQ_UINT(op_random_below(&random, 1), 0);
    static const uint64_t limits[] = {2, 3, 7, 1000, UINT32_MAX, ((uint64_t)1 << 63) + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        for (int draw = 0; draw < 1000; draw++)
            TAP_OK(op_random_below(&random, limits[i]) < limits[i]);
    }
}

TAP_TEST(random_below_is_fair)
{
    enum { DRAWS = 100000 };
    op_random random;
    op_random_init(&random, 4);
    int counts[10] = {0}, low = 0;
    for (int i = 0; i < DRAWS; i++)
        counts[op_random_below(&random, 10)]++;
    double chi = 0;
    for (int i = 0; i < 10; i++) {
        double off = counts[i] - DRAWS / 10.0;
        chi += off * off / (DRAWS / 10.0);
    }
    TAP_OK(chi < 27.9);   // 9 degrees of freedom, p = 0.001
    // 3 * 2^62: a mere remainder would come out below 2^62 in one half of the draws instead of one third.
    uint64_t quarter = (uint64_t)1 << 62;
    for (int i = 0; i < DRAWS; i++)
        low += op_random_below(&random, 3 * quarter) < quarter;
    TAP_NEAR(low / (double)DRAWS, 1 / 3.0, 0.01);
}

TAP_TEST(random_unit_is_in_0_to_1)
{
    enum { DRAWS = 100000 };
    op_random random;
    op_random_init(&random, 5);
    double sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        double value = op_random_unit(&random);
        TAP_OK(value > 0 && value <= 1);
        sum += value;
    }
    TAP_NEAR(sum / DRAWS, 0.5, 0.005);
}

TAP_TEST(random_exponential_has_its_mean_and_shape)
{
    enum { DRAWS = 200000 };
    static const double means[] = {1, 1e-3, 10000, 1e9};
    op_random random;
    op_random_init(&random, 6);
    for (size_t m = 0; m < sizeof means / sizeof *means; m++) {
        double sum = 0, squares = 0;
        int above = 0;
        for (int i = 0; i < DRAWS; i++) {
            double value = op_random_exponential(&random, means[m]) / means[m];
            TAP_OK(value > 0 && isfinite(value));
            sum += value;
            squares += value * value;
            above += value > 2;
        }
        TAP_NEAR(sum / DRAWS, 1, 0.01);   // deviation of the mean: 0.0022
        TAP_NEAR(squares / DRAWS, 2, 0.05);
        TAP_NEAR(above / (double)DRAWS, exp(-2), 0.004);   // memoryless: e^-2 of all lie above two means
    }
}

TAP_TEST(random_extreme_words_stay_in_range)
{
    // States whose next word is 0 and one whose next word is all ones (result depends on state[1] only).
    op_random zero = {{1, 0, 0, 0}};
    TAP_EQ_UINT(op_random_u64(&(op_random){{1, 0, 0, 0}}), 0);
    double unit = op_random_unit(&zero);
    TAP_OK(unit > 0 && unit < 1e-15);
    zero = (op_random){{1, 0, 0, 0}};
    double long_wait = op_random_exponential(&zero, 1);
    TAP_OK(isfinite(long_wait) && long_wait > 36);
    uint64_t word = UINT64_MAX * 0x8E38E38E38E38E39U;   // undo * 9, rotate 7, * 5
    word = (word >> 7 | word << 57) * 0xCCCCCCCCCCCCCCCDU;
    TAP_EQ_UINT(op_random_u64(&(op_random){{1, word, 0, 0}}), UINT64_MAX);
    op_random ones = {{1, word, 0, 0}};
    TAP_OK(op_random_unit(&ones) == 1.0);
    ones = (op_random){{1, word, 0, 0}};
    TAP_OK(op_random_exponential(&ones, 1) > 0);
}

TAP_MAIN()

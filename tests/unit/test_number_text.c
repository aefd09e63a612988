// SPDX-License-Identifier: MIT
#include "export/number_text.h"
#include "tap.h"

static const char *duration(op_buffer *out, uint64_t ns)
{
    op_buffer_reset(out);
    op_number_add_duration(out, ns);
    return op_buffer_text(out);
}

static const char *grouped(op_buffer *out, uint64_t number)
{
    op_buffer_reset(out);
    op_number_add_grouped(out, number);
    return op_buffer_text(out);
}

TAP_TEST(numbers)
{
    op_buffer out;
    op_buffer_init(&out);
    TAP_EQ_STR(grouped(&out, 0), "0");
    TAP_EQ_STR(grouped(&out, 999), "999");
    TAP_EQ_STR(grouped(&out, 1000), "1,000");
    TAP_EQ_STR(grouped(&out, UINT64_MAX), "18,446,744,073,709,551,615");
    TAP_EQ_STR(duration(&out, 0), "0 s");
    TAP_EQ_STR(duration(&out, 1), "1 ns");
    TAP_EQ_STR(duration(&out, 999), "999 ns");
    TAP_EQ_STR(duration(&out, 1000), "1.00 µs");
    TAP_EQ_STR(duration(&out, 12345678), "12.3 ms");
    TAP_EQ_STR(duration(&out, 999999999), "1.00 s");
    TAP_EQ_STR(duration(&out, 9999000000), "10.0 s");
    TAP_EQ_STR(duration(&out, 123456000000), "123 s");
    op_buffer_reset(&out);
    op_number_add_date(&out, INT64_C(1735689600000000000));
    TAP_EQ_STR(op_buffer_text(&out), "2025-01-01 00:00:00 UTC");
    op_buffer_fini(&out);
}

TAP_TEST(interval)
{
    // Reference values of Wilson's interval: R, binom::binom.wilson(x, n).
    op_interval none = op_number_interval(0, 0), zero = op_number_interval(0, 10),
                half = op_number_interval(0.5, 10);
    TAP_NEAR(none.low, 0, 0);
    TAP_NEAR(none.high, 1, 0);
    TAP_NEAR(zero.low, 0, 1e-12);
    TAP_NEAR(zero.high, 0.2775328, 1e-6);
    TAP_NEAR(half.low, 0.2365931, 1e-6);
    TAP_NEAR(half.high, 0.7634069, 1e-6);
    TAP_NEAR(op_number_interval(1, 10).high, 1, 1e-12);
}

TAP_MAIN()

// SPDX-License-Identifier: MIT
#include "export/number_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

void op_number_add_grouped(op_buffer *out, uint64_t number)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            op_buffer_add_byte(out, ',');
        }
        op_buffer_add_byte(out, (unsigned char)digits[i]);
    }
}

void op_number_add_duration(op_buffer *out, uint64_t ns)
{
    static const struct {
        double ns;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
    size_t unit = 0;
    // 0.9995 of a unit is shown as one of it.
    while (unit + 1 < sizeof units / sizeof *units && (double)ns < 0.9995 * units[unit].ns) {
        unit++;
    }
    if (ns == 0) {
        unit = 0;
    }
    double value = (double)ns / units[unit].ns;
    int decimals = ns == 0 || units[unit].ns == 1 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    op_buffer_add_format(out, "%.*f %s", decimals, value, units[unit].name);
}

void op_number_add_date(op_buffer *out, int64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm parts;
    char text[64];
    if (gmtime_r(&seconds, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
        op_buffer_add_text(out, "unknown time");
        return;
    }
    op_buffer_add_text(out, text);
}

double op_number_share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : part >= whole ? 1 : (double)part / (double)whole;
}

op_interval op_number_interval(double share, uint64_t samples)
{
    const double z = 1.959963984540054;   // the normal distribution's 97.5 % point
    if (samples == 0) {
        return (op_interval){0, 1};
    }
    double n = (double)samples;
    double scale = 1 / (1 + z * z / n);
    double centre = scale * (share + z * z / (2 * n));
    double half = scale * z * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    return (op_interval){fmax(0, centre - half), fmin(1, centre + half)};
}

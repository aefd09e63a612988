// SPDX-License-Identifier: MIT
// Numbers as a person reads them, the same in every output.
#ifndef OP_EXPORT_NUMBER_TEXT_H
#define OP_EXPORT_NUMBER_TEXT_H

#include <stdint.h>
#include "base/buffer.h"

void op_number_add_grouped(op_buffer *out, uint64_t number);   // 1,234,567
void op_number_add_duration(op_buffer *out, uint64_t ns);      // 12.3 s, 1.23 s, 123 ms, 4.56 µs; three digits
void op_number_add_date(op_buffer *out, int64_t unix_ns);      // 2025-01-31 12:34:56 UTC
double op_number_share(uint64_t part, uint64_t whole);         // [0, 1]; 0 where whole is 0

// 95 % interval of a share that so many samples gave (Wilson 1927), in [0, 1]; [0, 1] where there are no samples.
typedef struct {
    double low, high;
} op_interval;
op_interval op_number_interval(double share, uint64_t samples);

#endif

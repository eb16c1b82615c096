/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict number parsing. Every function takes a whole slice, fills *out and returns NULL, or
 * returns a short reason ("empty", "not a number", "negative", "too large", ...) and leaves *out.
 * No locale, no leading blanks, no trailing text. Decimal times never pass through a double.
 */
#ifndef LIBTRACE_NUM_H
#define LIBTRACE_NUM_H

#include "libtrace/buf.h"
#include <stdint.h>

const char *tr_num_u64(struct tr_slice s, uint64_t *out);
const char *tr_num_i64(struct tr_slice s, int64_t *out);

/* [-]digits[.digits][e[+-]digits], times unit_ns nanoseconds, truncated toward zero below one
 * nanosecond; *exact (may be NULL) tells whether anything but zeros was cut off. */
const char *tr_num_decimal_ns(struct tr_slice s, int64_t unit_ns, int64_t *out, int *exact);

/* A double, correctly rounded, finite; same syntax, no hex, no inf, no nan. */
const char *tr_num_double(struct tr_slice s, double *out);

/* "250ms", "10m", "1.5h", "2d", "3us", "7ns", "5s" or a bare number of seconds -> nanoseconds >= 0. */
const char *tr_num_duration(struct tr_slice s, int64_t *ns);

/* "20/s", "600/m", "0.5/h", "2/d" or a bare number per second, > 0 -> events per nanosecond as an
 * exact fraction num/den (reduced). At most 9 decimals. */
struct tr_ratio {
	uint64_t num, den;
};
const char *tr_num_rate(struct tr_slice s, struct tr_ratio *out);
/* A positive decimal such as a speed, "20" or "0.25", as an exact reduced fraction. */
const char *tr_num_ratio(struct tr_slice s, struct tr_ratio *out);

/* "64Ki", "10M", "5k" or a bare count. */
const char *tr_num_count(struct tr_slice s, uint64_t *out);

/* Shortest decimal text that reads back as v (finite); "%.15g" .. "%.17g". size >= 32. Returns out. */
char *tr_num_print(double v, char *out, size_t size);

#endif

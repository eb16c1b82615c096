/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-linear histogram of unsigned 64-bit values, as HdrHistogram has made customary (Tene). Values below
 * 2^bits are exact; above, a bucket spans value * 2^-bits at most, so the relative error is below 2^-bits.
 * Rows of buckets are allocated when first used. Merge is exact. Values above `max` are counted apart, never
 * clamped.
 */
#ifndef LIBTRACE_HIST_H
#define LIBTRACE_HIST_H

#include "libtrace/err.h"
#include <stdint.h>

struct tr_hist;

int tr_hist_new(struct tr_hist **h, unsigned bits /* 4..14 */, uint64_t max, struct tr_err *err);
void tr_hist_free(struct tr_hist *h);
int tr_hist_add(struct tr_hist *h, uint64_t value, uint64_t times, struct tr_err *err);
int tr_hist_merge(struct tr_hist *to, const struct tr_hist *from, struct tr_err *err); /* same bits and max */
uint64_t tr_hist_count(const struct tr_hist *h);                                       /* in range */
uint64_t tr_hist_beyond(const struct tr_hist *h);                                      /* above max */
double tr_hist_error(const struct tr_hist *h);                                         /* 2^-bits */
/* Value of the k-th smallest in range, 1 <= k <= count: middle of its bucket (exact below 2^bits). */
uint64_t tr_hist_kth(const struct tr_hist *h, uint64_t k);
/* Walk the used buckets upward: *it starts at 0; 1 = low, high (inclusive) and count filled, 0 = end. */
int tr_hist_each(const struct tr_hist *h, uint64_t *it, uint64_t *low, uint64_t *high, uint64_t *count);

#endif

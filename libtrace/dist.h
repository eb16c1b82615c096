/* SPDX-License-Identifier: Apache-2.0
 *
 * What a report says of a set of integers: count, sum, mean, sd, cv, extremes, percentiles.
 * Sums are exact integers, so results do not depend on order and merge exactly. Every distinct value
 * is counted (exact percentiles) while the shared budget of entries lasts; after that a log-linear histogram
 * takes over, and tr_dist_error tells its relative error. sd and cv are of the population.
 */
#ifndef LIBTRACE_DIST_H
#define LIBTRACE_DIST_H

#include "libtrace/err.h"
#include "libtrace/hist.h"
#include <stdint.h>

struct tr_dist_budget {   /* shared by the distributions of one report; bounds their memory */
	uint64_t entries; /* left, 16 bytes each */
	unsigned
	    hist_bits; /* of the histograms, which are not in the budget: 4..14; 0 = 10, an error of 0.1 % */
};

struct tr_dist; /* opaque; values are int64 >= 0 */

int tr_dist_new(struct tr_dist **d, struct tr_dist_budget *budget, struct tr_err *err);
void tr_dist_free(struct tr_dist *d);
int tr_dist_add(struct tr_dist *d, uint64_t value, struct tr_err *err);
/* The same value many times, 2^32 - 1 at most. */
int tr_dist_add_times(struct tr_dist *d, uint64_t value, uint32_t times, struct tr_err *err);
int tr_dist_add_infinite(struct tr_dist *d,
                         struct tr_err *err); /* a failure counted as an infinite latency */
int tr_dist_merge(struct tr_dist *to, const struct tr_dist *from, struct tr_err *err);

struct tr_moments {
	uint64_t count; /* finite values */
	uint64_t infinite;
	unsigned __int128 sum;
	uint64_t min, max; /* count > 0 */
	double mean, sd,
	    cv; /* count > 0; cv NAN when the mean is 0; sd, cv NAN when squares overflowed 128 bits */
};
struct tr_moments tr_dist_moments(const struct tr_dist *d);

enum tr_percentile { TR_PCT_NEAREST, TR_PCT_LINEAR };
/* k thousandths, 0..1000, of all values, infinite ones last. NEAREST: the ceil(k/1000 * n)-th smallest (k =
 * 0: the smallest). LINEAR: Hyndman-Fan type 7, as numpy: h = (n-1) k/1000. INFINITY where it falls among
 * infinite values; NAN when empty. */
double tr_dist_percentile(const struct tr_dist *d, unsigned k, enum tr_percentile method);
/* The same as if so many infinite values more had been added. */
double tr_dist_percentile_with(const struct tr_dist *d, uint64_t infinite, unsigned k,
                               enum tr_percentile method);
double tr_dist_error(const struct tr_dist *d); /* 0 = exact */
/* Counts of finite values in [edges[i], edges[i+1]), i < n-1; exact when the error is 0. */
void tr_dist_bins(const struct tr_dist *d, const uint64_t *edges, unsigned n, uint64_t *counts);

#endif

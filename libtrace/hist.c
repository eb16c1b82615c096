/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-linear histogram. Row 0 holds the values below 2^bits, one bucket each; row r >= 1 the values
 * whose leading bit is bit bits + r - 1, in 2^bits buckets of 2^(r-1) values. Rows come into being when first
 * used: latencies of one server fill a handful of the 60.
 */
#include "libtrace/hist.h"
#include <stdlib.h>

enum { ROWS = 65 }; /* 64 - bits + 1 are used */

struct tr_hist {
	unsigned bits;
	uint64_t max;
	uint64_t count, beyond;
	uint64_t *rows[ROWS]; /* NULL = all zero */
	uint64_t totals[ROWS];
};

int tr_hist_new(struct tr_hist **h, unsigned bits, uint64_t max, struct tr_err *err)
{
	*h = NULL;
	if (bits < 4 || bits > 14)
		return tr_fail(err, TR_EUSAGE, "a histogram has 4 to 14 bits, not %u", bits);
	*h = calloc(1, sizeof(**h));
	if (!*h)
		return tr_fail(err, TR_ENOMEM, "out of memory for a histogram");
	(*h)->bits = bits;
	(*h)->max = max;
	return 0;
}

void tr_hist_free(struct tr_hist *h)
{
	if (!h)
		return;
	for (unsigned r = 0; r < ROWS; r++)
		free(h->rows[r]);
	free(h);
}

static unsigned row_of(const struct tr_hist *h, uint64_t value)
{
	return value >> h->bits ? 64 - h->bits - (unsigned)__builtin_clzll(value) : 0;
}

/* Within its row. */
static uint64_t bucket_of(const struct tr_hist *h, unsigned row, uint64_t value)
{
	return row ? (value >> (row - 1)) - (UINT64_C(1) << h->bits) : value;
}

static uint64_t low_of(const struct tr_hist *h, unsigned row, uint64_t bucket)
{
	return row ? (bucket + (UINT64_C(1) << h->bits)) << (row - 1) : bucket;
}

/* The last bucket ends at max, not at the end of its span. */
static uint64_t high_of(const struct tr_hist *h, unsigned row, uint64_t bucket)
{
	uint64_t high = low_of(h, row, bucket) + (row ? (UINT64_C(1) << (row - 1)) - 1 : 0);

	return high < h->max ? high : h->max;
}

static int need_row(struct tr_hist *h, unsigned row, struct tr_err *err)
{
	if (!h->rows[row])
		h->rows[row] = calloc((size_t)1 << h->bits, sizeof(uint64_t));
	return h->rows[row] ? 0 : tr_fail(err, TR_ENOMEM, "out of memory for a histogram");
}

/* All counts of a histogram together stay below 2^64. */
static int room_for(const struct tr_hist *h, uint64_t count, uint64_t beyond, struct tr_err *err)
{
	if (count > UINT64_MAX - h->count || beyond > UINT64_MAX - h->beyond)
		return tr_fail(err, TR_ELIMIT, "a histogram counts up to 2^64 - 1 values");
	return 0;
}

int tr_hist_add(struct tr_hist *h, uint64_t value, uint64_t times, struct tr_err *err)
{
	int out = value > h->max, rc = room_for(h, out ? 0 : times, out ? times : 0, err);
	unsigned row;

	if (rc < 0)
		return rc;
	if (out) {
		h->beyond += times;
		return 0;
	}
	row = row_of(h, value);
	rc = need_row(h, row, err);
	if (rc < 0)
		return rc;
	h->rows[row][bucket_of(h, row, value)] += times;
	h->totals[row] += times;
	h->count += times;
	return 0;
}

int tr_hist_merge(struct tr_hist *to, const struct tr_hist *from, struct tr_err *err)
{
	int rc = room_for(to, from->count, from->beyond, err);

	if (rc < 0)
		return rc;
	if (to->bits != from->bits || to->max != from->max)
		return tr_fail(err, TR_EUSAGE, "histograms of different shape do not merge");
	for (unsigned r = 0; r < ROWS; r++) { /* before any count: a failed merge changes nothing */
		rc = from->rows[r] ? need_row(to, r, err) : 0;
		if (rc < 0)
			return rc;
	}
	for (unsigned r = 0; r < ROWS; r++) {
		for (uint64_t i = 0; from->rows[r] && i >> to->bits == 0; i++)
			to->rows[r][i] += from->rows[r][i];
		to->totals[r] += from->totals[r];
	}
	to->count += from->count;
	to->beyond += from->beyond;
	return 0;
}

uint64_t tr_hist_count(const struct tr_hist *h)
{
	return h->count;
}

uint64_t tr_hist_beyond(const struct tr_hist *h)
{
	return h->beyond;
}

double tr_hist_error(const struct tr_hist *h)
{
	return 1.0 / (double)(UINT64_C(1) << h->bits);
}

uint64_t tr_hist_kth(const struct tr_hist *h, uint64_t k)
{
	unsigned row = 0;
	uint64_t bucket = 0, low;

	while (row < ROWS - 1 && k > h->totals[row])
		k -= h->totals[row++];
	while (k > h->rows[row][bucket])
		k -= h->rows[row][bucket++];
	low = low_of(h, row, bucket);
	return low + (high_of(h, row, bucket) - low) / 2;
}

int tr_hist_each(const struct tr_hist *h, uint64_t *it, uint64_t *low, uint64_t *high, uint64_t *count)
{
	uint64_t size = UINT64_C(1) << h->bits;

	for (; *it < ROWS * size; ++*it) {
		unsigned row = (unsigned)(*it >> h->bits);
		uint64_t bucket = *it & (size - 1);

		if (!h->rows[row]) {
			*it += size - 1; /* the loop adds the last one */
			continue;
		}
		if (!h->rows[row][bucket])
			continue;
		*low = low_of(h, row, bucket);
		*high = high_of(h, row, bucket);
		*count = h->rows[row][bucket];
		++*it;
		return 1;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Distributions. A hash table from value to count, because traces repeat themselves: token counts
 * have thousands of distinct values, not millions. It doubles while the shared budget lasts; then the
 * counts move to a histogram and percentiles alone become approximate. Small values, once there are many of
 * them, are counted in an array, exactly and without hashing. Moments are sums of integers, exact always.
 *
 * A query sorts the table in place (no memory needed, so no query can fail); the next new add hashes it
 * again. A query thus changes the object behind its const pointer: one thread at a time.
 */
#include "libtrace/dist.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SLOTS = 16,
	SMALL = 8192,      /* values counted directly ... */
	SMALL_FROM = 4096, /* ... from so many additions on */
	PROBES_MAX = 1024, /* never met by chance at this load: crafted values must not cost a scan each */
	HIST_BITS = 10,
};

#define SMALL_ENTRIES (SMALL * sizeof(uint64_t) / sizeof(struct slot))

struct slot {
	uint64_t value;
	uint64_t count; /* 0 = free */
};

struct tr_dist {
	struct tr_dist_budget *budget;
	uint64_t *small;    /* counts of the values below SMALL; then slots and hist hold only larger ones */
	uint64_t nsmall;    /* their sum */
	int no_small;       /* no budget for it */
	struct slot *slots; /* hashed, or the first `used` ones sorted; NULL once hist is there */
	unsigned log2_size;
	uint64_t used;
	int sorted;
	struct tr_hist *hist;
	uint64_t infinite;
	struct totals {
		uint64_t count, min, max;
		unsigned __int128 sum, squares;
		int squares_lost; /* the sum of squares went past 128 bits */
	} large;                  /* of what is not in small */
};

static uint64_t size_of(const struct tr_dist *d)
{
	return UINT64_C(1) << d->log2_size;
}

int tr_dist_new(struct tr_dist **d, struct tr_dist_budget *budget, struct tr_err *err)
{
	*d = calloc(1, sizeof(**d));
	if (!*d)
		return tr_fail(err, TR_ENOMEM, "out of memory for a distribution");
	(*d)->budget = budget;
	(*d)->large.min = UINT64_MAX;
	return 0;
}

static void drop_slots(struct tr_dist *d)
{
	if (d->slots)
		d->budget->entries += size_of(d);
	free(d->slots);
	d->slots = NULL;
}

void tr_dist_free(struct tr_dist *d)
{
	if (!d)
		return;
	drop_slots(d);
	if (d->small)
		d->budget->entries += SMALL_ENTRIES;
	free(d->small);
	tr_hist_free(d->hist);
	free(d);
}

/* Two rounds of multiply and shift: enough for steps of 1000 or 2^k, and cheap. */
static uint64_t hash(uint64_t value, unsigned log2_size)
{
	value *= UINT64_C(0x9e3779b97f4a7c15);
	value ^= value >> 32;
	value *= UINT64_C(0xbf58476d1ce4e5b9);
	return value >> (64 - log2_size);
}

/* The value's slot, or the free one where it would go; NULL when that is too far away. */
static struct slot *probe(struct slot *slots, unsigned log2_size, uint64_t value)
{
	uint64_t mask = (UINT64_C(1) << log2_size) - 1, at = hash(value, log2_size);

	for (unsigned i = 0; i < PROBES_MAX; i++, at = (at + 1) & mask)
		if (slots[at].count == 0 || slots[at].value == value)
			return slots + at;
	return NULL;
}

static int to_hist(struct tr_dist *d, struct tr_err *err)
{
	unsigned bits = d->budget->hist_bits ? d->budget->hist_bits : HIST_BITS;
	int rc = d->hist ? 0 : tr_hist_new(&d->hist, bits, INT64_MAX, err);

	for (uint64_t i = 0; d->slots && i < size_of(d) && rc == 0; i++)
		if (d->slots[i].count)
			rc = tr_hist_add(d->hist, d->slots[i].value, d->slots[i].count, err);
	if (rc == 0)
		drop_slots(d);
	return rc;
}

/* Hash everything into a table of the given size; the histogram takes over when it cannot be had. */
static int rehash(struct tr_dist *d, unsigned log2_size, struct tr_err *err)
{
	uint64_t size = UINT64_C(1) << log2_size, old = d->slots ? size_of(d) : 0;
	struct slot *slots;

	if (size - old > d->budget->entries)
		return to_hist(d, err);
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return tr_fail(err, TR_ENOMEM, "out of memory for a distribution");
	for (uint64_t i = 0; i < old; i++) {
		struct slot *s = d->slots[i].count ? probe(slots, log2_size, d->slots[i].value) : NULL;

		if (s) {
			*s = d->slots[i];
		} else if (d->slots[i].count) {
			free(slots);
			return to_hist(d, err);
		}
	}
	drop_slots(d);
	d->slots = slots;
	d->log2_size = log2_size;
	d->budget->entries -= size;
	d->sorted = 0;
	return 0;
}

/* From now on small values have an array. Once, and before there is a histogram. */
static int make_small(struct tr_dist *d, struct tr_err *err)
{
	d->no_small = d->hist || d->budget->entries < SMALL_ENTRIES;
	if (d->no_small)
		return 0;
	d->small = calloc(SMALL, sizeof(*d->small));
	if (!d->small)
		return tr_fail(err, TR_ENOMEM, "out of memory for a distribution");
	d->budget->entries -= SMALL_ENTRIES;
	for (uint64_t i = 0; d->slots && i < size_of(d); i++)
		if (d->slots[i].count && d->slots[i].value < SMALL) {
			d->small[d->slots[i].value] = d->slots[i].count;
			d->slots[i].count = 0;
			d->used--;
		}
	/* The holes broke the chains of probes. */
	return d->slots ? rehash(d, d->log2_size, err) : 0;
}

/* Only the counting; moments are the callers'. */
static int tally(struct tr_dist *d, uint64_t value, uint64_t times, struct tr_err *err)
{
	struct slot *s = NULL;
	int rc = 0;

	if (d->hist)
		return tr_hist_add(d->hist, value, times, err);
	if (!d->slots)
		rc = rehash(d, __builtin_ctz(FIRST_SLOTS), err);
	else if (d->sorted)
		rc = rehash(d, d->log2_size, err);
	if (rc == 0 && d->slots)
		s = probe(d->slots, d->log2_size, value);
	if (s && s->count == 0 && d->used + 1 > size_of(d) / 8 * 5) {
		rc = rehash(d, d->log2_size + 1, err);
		s = rc == 0 && d->slots ? probe(d->slots, d->log2_size, value) : NULL;
	}
	if (rc < 0)
		return rc;
	if (s) {
		d->used += s->count == 0;
		s->value = value;
		s->count += times;
		return 0;
	}
	rc = to_hist(d, err);
	return rc < 0 ? rc : tr_hist_add(d->hist, value, times, err);
}

static void add_to(struct totals *t, uint64_t value, uint64_t times)
{
	unsigned __int128 square = (unsigned __int128)value * value, squares;

	t->count += times;
	t->sum += (unsigned __int128)value * times;
	t->squares_lost |= __builtin_mul_overflow(square, (unsigned __int128)times, &squares);
	t->squares_lost |= __builtin_add_overflow(t->squares, squares, &t->squares);
	t->min = value < t->min ? value : t->min;
	t->max = value > t->max ? value : t->max;
}

static struct totals totals_of(const struct tr_dist *d)
{
	struct totals t = d->large;

	for (uint64_t v = 0; d->small && v < SMALL; v++)
		if (d->small[v])
			add_to(&t, v, d->small[v]);
	return t;
}

/* The values that had been counted so far move with their counts. */
static int start_small(struct tr_dist *d, struct tr_err *err)
{
	int rc = make_small(d, err);
	struct totals all = d->large;

	if (rc < 0 || !d->small)
		return rc;
	d->large = (struct totals){.min = UINT64_MAX};
	for (uint64_t i = 0; d->slots && i < size_of(d); i++)
		if (d->slots[i].count)
			add_to(&d->large, d->slots[i].value, d->slots[i].count);
	d->large.squares_lost |= all.squares_lost;
	return 0;
}

static inline int add(struct tr_dist *d, uint64_t value, uint64_t times, struct tr_err *err)
{
	int rc;

	if (value > INT64_MAX)
		return tr_fail(err, TR_ELIMIT, "values of a distribution end at 2^63 - 1");
	if (d->large.count >= SMALL_FROM && !d->small && !d->no_small) {
		rc = start_small(d, err);
		if (rc < 0)
			return rc;
	}
	if (d->small && value < SMALL) {
		d->small[value] += times;
		return 0;
	}
	rc = tally(d, value, times, err);
	if (rc < 0)
		return rc;
	add_to(&d->large, value, times);
	return 0;
}

int tr_dist_add(struct tr_dist *d, uint64_t value, struct tr_err *err)
{
	if (d->small && value < SMALL) { /* most token counts */
		d->small[value]++;
		return 0;
	}
	return add(d, value, 1, err);
}

int tr_dist_add_times(struct tr_dist *d, uint64_t value, uint32_t times, struct tr_err *err)
{
	if (times == 1) /* as a rule */
		return tr_dist_add(d, value, err);
	return times ? add(d, value, times, err) : 0;
}

int tr_dist_add_infinite(struct tr_dist *d, struct tr_err *err)
{
	if (d->infinite == UINT64_MAX)
		return tr_fail(err, TR_ELIMIT, "a distribution counts up to 2^64 - 1 values");
	d->infinite++;
	return 0;
}

/* Small values go where the others are, in the histogram. */
static int give_up_small(struct tr_dist *d, struct tr_err *err)
{
	int rc = to_hist(d, err);

	for (uint64_t v = 0; v < SMALL && rc == 0; v++)
		if (d->small[v]) {
			rc = tr_hist_add(d->hist, v, d->small[v], err);
			add_to(&d->large, v, d->small[v]);
		}
	free(d->small);
	d->small = NULL;
	d->no_small = 1;
	d->budget->entries += SMALL_ENTRIES;
	return rc;
}

static int add_merged(struct tr_dist *d, uint64_t value, uint64_t times, struct tr_err *err)
{
	int rc = 0;

	if (d->small && value < SMALL) {
		d->small[value] += times;
		return 0;
	}
	rc = tally(d, value, times, err);
	if (rc == 0)
		add_to(&d->large, value, times);
	return rc;
}

static int merge_hist(struct tr_dist *to, const struct tr_dist *from, struct tr_err *err)
{
	const struct totals *t = &from->large; /* all of it is in the histogram */
	int rc = to->small && !from->small ? give_up_small(to, err) : 0;

	if (rc == 0)
		rc = to_hist(to, err);
	if (rc == 0)
		rc = tr_hist_merge(to->hist, from->hist, err);
	if (rc < 0)
		return rc;
	to->large.count += t->count;
	to->large.sum += t->sum;
	to->large.squares_lost |= t->squares_lost;
	to->large.squares_lost |= __builtin_add_overflow(to->large.squares, t->squares, &to->large.squares);
	to->large.min = t->min < to->large.min ? t->min : to->large.min;
	to->large.max = t->max > to->large.max ? t->max : to->large.max;
	return 0;
}

int tr_dist_merge(struct tr_dist *to, const struct tr_dist *from, struct tr_err *err)
{
	int rc = 0;

	if (totals_of(from).count > UINT64_MAX - totals_of(to).count ||
	    from->infinite > UINT64_MAX - to->infinite)
		return tr_fail(err, TR_ELIMIT, "a distribution counts up to 2^64 - 1 values");
	if (from->hist)
		rc = merge_hist(to, from, err);
	for (uint64_t i = 0; from->small && i < SMALL && rc == 0; i++)
		if (from->small[i])
			rc = add_merged(to, i, from->small[i], err);
	for (uint64_t i = 0; from->slots && i < size_of(from) && rc == 0; i++) {
		/* Scattered: in the order of the hash they would pile up at one end of the other table. */
		const struct slot *s = from->slots + (i * UINT64_C(0x9e3779b1) & (size_of(from) - 1));

		if (s->count)
			rc = add_merged(to, s->value, s->count, err);
	}
	if (rc == 0)
		to->infinite += from->infinite;
	return rc;
}

struct tr_moments tr_dist_moments(const struct tr_dist *d)
{
	struct totals t = totals_of(d);
	struct tr_moments m = {.count = t.count, .infinite = d->infinite, .sum = t.sum, .max = t.max};
	double n = (double)t.count, rest, variance;
	unsigned __int128 whole, centred;

	m.mean = m.sd = m.cv = NAN;
	if (t.count == 0)
		return m;
	m.min = t.min;
	m.mean = (double)t.sum / n;
	if (t.squares_lost)
		return m;
	/* About the whole part of the mean instead of 0: the result fits, so wrapping in between does no
	 * harm, and nothing large is subtracted from anything large in floating point. */
	whole = t.sum / t.count;
	centred = t.squares - 2 * whole * t.sum + t.count * whole * whole;
	rest = (double)(t.sum - whole * t.count) / n;
	variance = (double)centred / n - rest * rest;
	m.sd = variance > 0 ? sqrt(variance) : 0;
	if (t.sum > 0)
		m.cv = m.sd / m.mean;
	return m;
}

static int by_value(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

static void sort(struct tr_dist *d)
{
	uint64_t n = 0;

	if (d->sorted || !d->slots)
		return;
	for (uint64_t i = 0; i < size_of(d); i++) {
		struct slot s = d->slots[i];

		d->slots[i].count = 0;
		if (s.count)
			d->slots[n++] = s;
	}
	qsort(d->slots, n, sizeof(*d->slots), by_value);
	d->sorted = 1;
}

/* The k-th smallest finite value, from 1. */
static uint64_t kth(const struct tr_dist *d, uint64_t k)
{
	uint64_t i = 0, v;

	for (; d->small && i < SMALL; i++) {
		if (k <= d->small[i])
			return i;
		k -= d->small[i];
	}
	i = 0;
	if (d->hist) {
		v = tr_hist_kth(d->hist, k);
		return v < d->large.min ? d->large.min : v > d->large.max ? d->large.max : v;
	}
	while (k > d->slots[i].count)
		k -= d->slots[i++].count;
	return d->slots[i].value;
}

double tr_dist_percentile_with(const struct tr_dist *d, uint64_t infinite, unsigned k,
                               enum tr_percentile method)
{
	uint64_t count = totals_of(d).count;
	unsigned __int128 n = (unsigned __int128)count + d->infinite + infinite, at, exact;
	unsigned rest = 0;
	uint64_t low, high;

	if (n == 0)
		return NAN;
	sort((struct tr_dist *)d);
	if (method == TR_PCT_NEAREST) {
		at = (n * k + 999) / 1000;
		at = at ? at : 1;
	} else {
		at = (n - 1) * k / 1000 + 1;
		rest = (unsigned)((n - 1) * k % 1000);
	}
	if (at + (rest > 0) > count)
		return INFINITY;
	low = kth(d, (uint64_t)at);
	if (rest == 0)
		return (double)low;
	high = kth(d, (uint64_t)at + 1);
	exact = (unsigned __int128)low * 1000 + (unsigned __int128)(high - low) * rest;
	return (double)exact / 1000.0;
}

double tr_dist_percentile(const struct tr_dist *d, unsigned k, enum tr_percentile method)
{
	return tr_dist_percentile_with(d, 0, k, method);
}

double tr_dist_error(const struct tr_dist *d)
{
	return d->hist ? tr_hist_error(d->hist) : 0;
}

/* Which bin a value belongs to; n = none. */
static unsigned bin_of(const uint64_t *edges, unsigned n, uint64_t value)
{
	unsigned low = 0, high = n; /* edges[low - 1] <= value < edges[high] */

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (edges[mid] <= value)
			low = mid + 1;
		else
			high = mid;
	}
	return low == 0 || low == n ? n : low - 1;
}

void tr_dist_bins(const struct tr_dist *d, const uint64_t *edges, unsigned n, uint64_t *counts)
{
	uint64_t it = 0, low, high, count;
	unsigned bin;

	if (n < 2)
		return;
	memset(counts, 0, (n - 1) * sizeof(*counts));
	for (uint64_t i = 0; d->small && i < SMALL; i++) {
		bin = bin_of(edges, n, i);
		if (bin < n)
			counts[bin] += d->small[i];
	}
	for (uint64_t i = 0; d->slots && i < size_of(d); i++) {
		bin = bin_of(edges, n, d->slots[i].value);
		if (bin < n)
			counts[bin] += d->slots[i].count;
	}
	while (d->hist && tr_hist_each(d->hist, &it, &low, &high, &count)) {
		bin = bin_of(edges, n, low + (high - low) / 2);
		if (bin < n)
			counts[bin] += count;
	}
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Distributions against slow references: percentiles by sorting, moments in long double by definition, merge
 * against the union, with budgets that last and budgets that do not.
 */
#include "libtrace/dist.h"
#include "libtrace/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct tr_dist *make(struct tr_dist_budget *b)
{
	struct tr_dist *d;

	assert_int_equal(tr_dist_new(&d, b, NULL), 0);
	return d;
}

static void add(struct tr_dist *d, uint64_t v)
{
	assert_int_equal(tr_dist_add(d, v, NULL), 0);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int is(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* Infinite ones are UINT64_MAX at the end of the sorted array. */
static double item(const uint64_t *v, uint64_t i)
{
	return v[i] == UINT64_MAX ? INFINITY : (double)v[i];
}

static double nearest(const uint64_t *v, uint64_t n, unsigned k)
{
	uint64_t rank = 0;

	while (rank * 1000 < n * k) /* the smallest rank with rank/n >= k/1000 */
		rank++;
	return n == 0 ? NAN : item(v, rank ? rank - 1 : 0);
}

static double linear(const uint64_t *v, uint64_t n, unsigned k)
{
	long double h, part;
	uint64_t i;

	if (n == 0)
		return NAN;
	h = (long double)((n - 1) * k) / 1000;
	i = (uint64_t)floorl(h);
	part = h - (long double)i;
	if (part == 0)
		return item(v, i);
	if (isinf(item(v, i + 1)))
		return INFINITY;
	return (double)((long double)v[i] + part * (long double)(v[i + 1] - v[i]));
}

static void test_percentiles(void **state)
{
	static const unsigned ks[] = {0, 1, 10, 250, 333, 500, 501, 750, 900, 950, 990, 999, 1000};
	enum { MAX = 200 };
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "percentiles");
	for (int round = 0; round < 10000; round++) {
		struct tr_dist_budget budget = {.entries = 1 << 20};
		struct tr_dist *d = make(&budget);
		uint64_t v[MAX], n = round < 100 ? (uint64_t)round / 25 : 1 + tr_rng_below(&g, MAX);
		uint64_t range = UINT64_C(1) << tr_rng_below(&g, 45); /* a range of 1: all ties */

		for (uint64_t i = 0; i < n; i++) {
			int infinite = round % 3 == 0 && tr_rng_below(&g, 4) == 0;

			v[i] = infinite ? UINT64_MAX : tr_rng_below(&g, range);
			if (infinite)
				assert_int_equal(tr_dist_add_infinite(d, NULL), 0);
			else
				add(d, v[i]);
			if (i == n / 2) /* a query in between disturbs nothing */
				tr_dist_percentile(d, 500, TR_PCT_NEAREST);
		}
		qsort(v, n, sizeof(*v), ascending);
		for (size_t i = 0; i < sizeof(ks) / sizeof(*ks); i++) {
			double want = linear(v, n, ks[i]), got = tr_dist_percentile(d, ks[i], TR_PCT_LINEAR);

			assert_true(is(tr_dist_percentile(d, ks[i], TR_PCT_NEAREST), nearest(v, n, ks[i])));
			assert_true(is(got, want) || fabs(got - want) <= want * 0x1p-51);
		}
		assert_true(tr_dist_error(d) == 0);
		tr_dist_free(d);
		assert_true(budget.entries == 1 << 20); /* all given back */
	}
}

static void test_known(void **state)
{
	struct tr_dist_budget budget = {.entries = 1 << 20};
	struct tr_dist *d = make(&budget);
	struct tr_moments m = tr_dist_moments(d);

	(void)state;
	assert_true(m.count == 0 && isnan(m.mean) && isnan(m.sd) && isnan(m.cv));
	assert_true(isnan(tr_dist_percentile(d, 500, TR_PCT_NEAREST)));
	for (uint64_t v = 1; v <= 4; v++)
		add(d, v);
	m = tr_dist_moments(d);
	assert_true(m.count == 4 && m.sum == 10 && m.min == 1 && m.max == 4 && m.mean == 2.5);
	assert_true(fabs(m.sd - sqrt(1.25)) < 1e-15 && fabs(m.cv - sqrt(1.25) / 2.5) < 1e-15);
	assert_true(tr_dist_percentile(d, 500, TR_PCT_NEAREST) == 2);
	assert_true(tr_dist_percentile(d, 500, TR_PCT_LINEAR) == 2.5);
	assert_true(tr_dist_percentile(d, 900, TR_PCT_LINEAR) == 3.7); /* numpy.percentile([1,2,3,4], 90) */
	tr_dist_free(d);
}

static void test_infinite_only(void **state)
{
	struct tr_dist_budget budget = {.entries = 1 << 20};
	struct tr_dist *d = make(&budget);

	(void)state;
	assert_int_equal(tr_dist_add_infinite(d, NULL), 0);
	assert_true(tr_dist_moments(d).infinite == 1 && tr_dist_moments(d).count == 0);
	assert_true(isinf(tr_dist_percentile(d, 0, TR_PCT_NEAREST)));
	assert_true(isinf(tr_dist_percentile(d, 500, TR_PCT_LINEAR)));
	tr_dist_free(d);
}

/* Large and close together: sum(x^2) - n mean^2 in doubles would lose every digit. */
static void test_moments_large(void **state)
{
	const uint64_t base = UINT64_C(1700000000000000000);
	struct tr_dist_budget budget = {.entries = 1 << 20};
	struct tr_dist *d = make(&budget);
	struct tr_moments m;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) /* base .. base + 4: variance 2 */
		add(d, base + i);
	m = tr_dist_moments(d);
	assert_true(m.sum == (unsigned __int128)base * 5 + 10);
	assert_true(fabs(m.sd - sqrt(2)) < 1e-15);
	tr_dist_free(d);

	d = make(&budget);
	for (int i = 0; i < 100; i++)
		add(d, base);
	m = tr_dist_moments(d);
	assert_true(m.sd == 0 && m.cv == 0 && m.min == base && m.max == base);
	tr_dist_free(d);

	d = make(&budget);
	add(d, 0);
	m = tr_dist_moments(d);
	assert_true(m.sd == 0 && m.mean == 0 && isnan(m.cv));
	tr_dist_free(d);
}

static void test_limits(void **state)
{
	struct tr_dist_budget budget = {.entries = 1 << 20};
	struct tr_dist *d = make(&budget);
	struct tr_moments m;

	(void)state;
	assert_int_equal(tr_dist_add(d, (uint64_t)INT64_MAX + 1, NULL), -TR_ELIMIT);
	for (int i = 0; i < 4; i++) /* 4 (2^63 - 1)^2 < 2^128 */
		add(d, INT64_MAX);
	m = tr_dist_moments(d);
	assert_true(m.sum == (unsigned __int128)INT64_MAX * 4 && m.sd == 0);
	add(d, INT64_MAX);
	m = tr_dist_moments(d);
	assert_true(m.sum == (unsigned __int128)INT64_MAX * 5 && m.count == 5);
	assert_true(isnan(m.sd) && isnan(m.cv) && m.mean == 0x1p63);
	assert_true(tr_dist_percentile(d, 1000, TR_PCT_NEAREST) == 0x1p63);
	tr_dist_free(d);
}

static void test_moments_random(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "moments");
	for (int round = 0; round < 300; round++) {
		struct tr_dist_budget budget = {.entries = round & 1 ? 1 << 20 : 64};
		struct tr_dist *d = make(&budget);
		uint64_t n = 1 + tr_rng_below(&g, 2000), range = UINT64_C(1) << (1 + tr_rng_below(&g, 40)),
		         v[2000];
		uint64_t offset = tr_rng_below(&g, range);
		long double sum = 0, squares = 0;
		struct tr_moments m;

		for (uint64_t i = 0; i < n; i++) {
			v[i] = offset + tr_rng_below(&g, range);
			add(d, v[i]);
			sum += (long double)v[i];
		}
		for (uint64_t i = 0; i < n; i++)
			squares += ((long double)v[i] - sum / (long double)n) *
			           ((long double)v[i] - sum / (long double)n);
		m = tr_dist_moments(d);
		assert_true(m.count == n && (long double)m.sum == sum);
		assert_true(fabsl(m.mean - sum / (long double)n) <= sum / (long double)n * 0x1p-51L);
		assert_true(fabsl(m.sd - sqrtl(squares / (long double)n)) <=
		            sqrtl(squares / (long double)n) * 1e-14L);
		tr_dist_free(d);
	}
}

/* When the budget is gone percentiles have an error, stated; all else stays exact. */
static void test_budget(void **state)
{
	enum { N = 20000 };
	static uint64_t v[N];
	struct tr_dist_budget budget = {.entries = 1024};
	struct tr_dist *first = make(&budget), *d = make(&budget);
	struct tr_rng g;
	uint64_t sum = 0;

	(void)state;
	tr_rng_init(&g, 1, "budget");
	for (uint64_t i = 0; i < 100; i++)
		add(first, i);
	assert_true(tr_dist_error(first) == 0 && budget.entries == 1024 - 256);
	for (int i = 0; i < N; i++) {
		v[i] = tr_rng_u64(&g) >> (20 + tr_rng_below(&g, 40));
		sum += v[i];
		add(d, v[i]);
	}
	qsort(v, N, sizeof(*v), ascending);
	assert_true(tr_dist_error(d) > 0 && tr_dist_error(d) <= 1.0 / 1024);
	assert_true(budget.entries == 1024 - 256); /* its share is free again */
	for (unsigned k = 0; k <= 1000; k++) {
		double want = nearest(v, N, k), got = tr_dist_percentile(d, k, TR_PCT_NEAREST);

		assert_true(fabs(got - want) <= want * tr_dist_error(d));
		want = linear(v, N, k);
		got = tr_dist_percentile(d, k, TR_PCT_LINEAR);
		assert_true(fabs(got - want) <= want * tr_dist_error(d) + 1e-9);
	}
	assert_true(tr_dist_percentile(d, 0, TR_PCT_NEAREST) >= (double)v[0]);
	assert_true(tr_dist_percentile(d, 1000, TR_PCT_NEAREST) <= (double)v[N - 1]);
	assert_true(tr_dist_moments(d).sum == sum && tr_dist_moments(d).min == v[0]);
	assert_true(tr_dist_moments(d).max == v[N - 1] && tr_dist_moments(d).count == N);
	tr_dist_free(d);
	tr_dist_free(first);
	assert_true(budget.entries == 1024);
}

static void test_no_budget(void **state)
{
	struct tr_dist_budget budget = {.entries = 0};
	struct tr_dist *d = make(&budget);

	(void)state;
	add(d, 7);
	add(d, 7);
	assert_true(tr_dist_percentile(d, 500, TR_PCT_NEAREST) == 7);
	tr_dist_free(d);
	assert_true(budget.entries == 0);
}

static void same(const struct tr_dist *a, const struct tr_dist *b)
{
	struct tr_moments x = tr_dist_moments(a), y = tr_dist_moments(b);

	assert_true(x.count == y.count && x.infinite == y.infinite && x.sum == y.sum);
	assert_true(x.count == 0 || (x.min == y.min && x.max == y.max));
	assert_true(is(x.mean, y.mean) && is(x.sd, y.sd) && is(x.cv, y.cv));
	for (unsigned k = 0; k <= 1000; k += 8) {
		assert_true(
		    is(tr_dist_percentile(a, k, TR_PCT_NEAREST), tr_dist_percentile(b, k, TR_PCT_NEAREST)));
		assert_true(
		    is(tr_dist_percentile(a, k, TR_PCT_LINEAR), tr_dist_percentile(b, k, TR_PCT_LINEAR)));
	}
}

/* Both exact, both in histograms, one of each: the merge is what the union would have been. */
static void test_merge_is_union(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "union");
	for (int round = 0; round < 400; round++) {
		struct tr_dist_budget plenty = {.entries = 1 << 20}, none = {.entries = 0};
		int a_exact = round % 4 < 2, b_exact = round % 4 % 2;
		struct tr_dist *a = make(a_exact ? &plenty : &none), *b = make(b_exact ? &plenty : &none),
		               *both = make(a_exact && b_exact ? &plenty : &none);
		uint64_t range = UINT64_C(1) << tr_rng_below(&g, 50);

		/* now and then enough for the array of small values */
		for (uint64_t i = tr_rng_below(&g, round % 10 ? 800 : 30000); i > 0; i--) {
			struct tr_dist *to = tr_rng_below(&g, 3) ? a : b;
			uint64_t v = tr_rng_below(&g, range);

			if (tr_rng_below(&g, 20) == 0) {
				tr_dist_add_infinite(to, NULL);
				tr_dist_add_infinite(both, NULL);
			} else {
				add(to, v);
				add(both, v);
			}
		}
		if (round & 8) /* also when one has been sorted */
			tr_dist_percentile(b, 500, TR_PCT_NEAREST);
		assert_int_equal(tr_dist_merge(a, b, NULL), 0);
		assert_true(!(a_exact && b_exact) || tr_dist_error(a) == 0);
		same(a, both);
		tr_dist_free(a);
		tr_dist_free(b);
		tr_dist_free(both);
	}
}

/* A value many times is as many values, exact, in the array of small values and in histograms; and infinite
 * values may be given with the question. */
static void test_times(void **state)
{
	static const unsigned ks[] = {0, 10, 500, 990, 1000};
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "times");
	for (int round = 0; round < 200; round++) {
		struct tr_dist_budget budget = {.entries = round % 2 ? 1 << 20 : 300};
		struct tr_dist *a = make(&budget), *b = make(&budget);
		uint64_t range = UINT64_C(1) << tr_rng_below(&g, 50), lost = tr_rng_below(&g, 50);

		for (uint64_t n = 1 + tr_rng_below(&g, round % 10 ? 100 : 2000); n > 0; n--) {
			uint64_t v = tr_rng_below(&g, range);
			uint32_t times = (uint32_t)tr_rng_below(&g, 9);

			assert_int_equal(tr_dist_add_times(a, v, times, NULL), 0);
			for (; times > 0; times--)
				add(b, v);
		}
		if (tr_dist_error(a) == tr_dist_error(b))
			same(a, b);
		for (uint64_t i = 0; i < lost; i++)
			tr_dist_add_infinite(b, NULL);
		for (size_t i = 0; i < sizeof(ks) / sizeof(*ks); i++) {
			double x = tr_dist_percentile_with(a, lost, ks[i], TR_PCT_LINEAR);
			double y = tr_dist_percentile(b, ks[i], TR_PCT_LINEAR);

			assert_true(is(x, y) || tr_dist_error(a) != tr_dist_error(b));
		}
		tr_dist_free(a);
		tr_dist_free(b);
	}
}

/* Many distinct values in patterns that weak hashing would pile up, merged: exact, and done in a moment. */
static void test_patterns(void **state)
{
	static const uint64_t steps[] = {1, 1000, 1024, 1000000, UINT64_C(1) << 32, 100000007};

	(void)state;
	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
		struct tr_dist_budget budget = {.entries = 1 << 20};
		struct tr_dist *a = make(&budget), *b = make(&budget), *c = make(&budget);

		for (uint64_t i = 0; i < 60000; i++) {
			add(a, i * steps[s]);
			add(b, (i + 30000) * steps[s]);
		}
		assert_int_equal(tr_dist_merge(c, b, NULL), 0);
		assert_true(tr_dist_error(c) == 0 && tr_dist_moments(c).count == 60000);
		assert_int_equal(tr_dist_merge(a, b, NULL), 0);
		assert_true(tr_dist_error(a) == 0 && tr_dist_moments(a).count == 120000);
		assert_true(tr_dist_percentile(a, 500, TR_PCT_NEAREST) == (double)(44999 * steps[s]));
		tr_dist_free(a);
		tr_dist_free(b);
		tr_dist_free(c);
	}
}

static void test_bins(void **state)
{
	static const uint64_t edges[] = {1, 10, 10, 100, 1000};
	struct tr_dist_budget budget = {.entries = 1 << 20}, none = {.entries = 0};
	uint64_t counts[4] = {9, 9, 9, 9};
	struct tr_dist *d = make(&budget), *rough = make(&none);

	(void)state;
	for (uint64_t v = 0; v < 1200; v++) {
		add(d, v);
		add(rough, v);
	}
	add(d, 50);
	tr_dist_bins(d, edges, 5, counts);
	assert_true(counts[0] == 9 && counts[1] == 0 && counts[2] == 91 && counts[3] == 900);
	tr_dist_percentile(d, 500, TR_PCT_NEAREST);
	tr_dist_bins(d, edges, 5, counts);
	assert_true(counts[0] == 9 && counts[1] == 0 && counts[2] == 91 && counts[3] == 900);
	tr_dist_bins(rough, edges, 5, counts); /* values below 2^10 stand alone there too */
	assert_true(counts[0] == 9 && counts[1] == 0 && counts[2] == 90 && counts[3] == 900);
	tr_dist_free(d);
	tr_dist_free(rough);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_percentiles),    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_infinite_only),  cmocka_unit_test(test_moments_large),
	    cmocka_unit_test(test_limits),         cmocka_unit_test(test_moments_random),
	    cmocka_unit_test(test_budget),         cmocka_unit_test(test_no_budget),
	    cmocka_unit_test(test_merge_is_union), cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_times),          cmocka_unit_test(test_bins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers: published vectors, accuracy of our own transcendentals against libm in long double, and
 * the laws of the draws with fixed seeds (alpha 1e-4). The pinned sums show that draws are the same bits
 * everywhere.
 */
#include "libtrace/rng.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Seeded by 0 and no purpose, the state is the first four of splitmix64's published sequence. */
static void test_splitmix(void **state)
{
	static const uint64_t want[4] = {UINT64_C(0xe220a8397b1dcdaf), UINT64_C(0x6e789e6aa1b965f4),
	                                 UINT64_C(0x06c45d188009454f), UINT64_C(0xf88bb8a8724c81ec)};
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 0, "");
	assert_memory_equal(g.s, want, sizeof(want));
}

/* The reference implementation's first ten from the state 1, 2, 3, 4. */
static void test_xoshiro(void **state)
{
	static const uint64_t want[10] = {
	    UINT64_C(11520),
	    UINT64_C(0),
	    UINT64_C(1509978240),
	    UINT64_C(1215971899390074240),
	    UINT64_C(1216172134540287360),
	    UINT64_C(607988272756665600),
	    UINT64_C(16172922978634559625),
	    UINT64_C(8476171486693032832),
	    UINT64_C(10595114339597558777),
	    UINT64_C(2904607092377533576),
	};
	struct tr_rng g = {{1, 2, 3, 4}};

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(tr_rng_u64(&g) == want[i]);
}

static void test_streams(void **state)
{
	static const char *const names[] = {"arrivals", "input", "output", "", "a", "b", "ab", "ba", "aa"};
	enum { NAMES = sizeof(names) / sizeof(*names), SEEDS = 50 };
	static uint64_t first[NAMES * SEEDS];
	struct tr_rng g, again;

	(void)state;
	for (size_t i = 0; i < NAMES * SEEDS; i++) {
		tr_rng_init(&g, i / NAMES, names[i % NAMES]);
		tr_rng_init(&again, i / NAMES, names[i % NAMES]);
		first[i] = tr_rng_u64(&g);
		assert_true(tr_rng_u64(&again) == first[i]);
		for (size_t j = 0; j < i; j++)
			assert_true(first[j] != first[i]);
	}
}

/* Upper critical value of chi-square at 1e-4, Wilson and Hilferty. */
static double chi_square_limit(double df)
{
	double c = 2 / (9 * df), x = 1 - c + 3.719 * sqrt(c);

	return df * x * x * x;
}

static void test_below(void **state)
{
	static const uint64_t sizes[] = {2, 3, 7, 10, 256, 1000};
	enum { EACH = 1000 };
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "below");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		uint64_t n = sizes[s], count[1000] = {0};
		double chi = 0;

		for (uint64_t i = 0; i < n * EACH; i++) {
			uint64_t v = tr_rng_below(&g, n);

			assert_true(v < n);
			count[v]++;
		}
		for (uint64_t i = 0; i < n; i++)
			chi += ((double)count[i] - EACH) * ((double)count[i] - EACH) / EACH;
		assert_true(chi < chi_square_limit((double)n - 1));
	}
	assert_true(tr_rng_below(&g, 1) == 0);
}

/* 3 * 2^62: without rejection, a draw modulo n would fall in the first third half the time, and a product's
 * high half would be a multiple of 3 half the time. Both are expected a third of it. */
static void test_below_large(void **state)
{
	enum { N = 30000 };
	const uint64_t n = UINT64_C(3) << 62;
	struct tr_rng g, raw;
	int low = 0, threes = 0;

	(void)state;
	tr_rng_init(&g, 1, "large");
	for (int i = 0; i < N; i++) {
		uint64_t v = tr_rng_below(&g, n);

		low += v < n / 3;
		threes += v % 3 == 0;
	}
	assert_true(fabs(low - N / 3.0) < 4 * sqrt(N * 2 / 9.0));
	assert_true(fabs(threes - N / 3.0) < 4 * sqrt(N * 2 / 9.0));
	raw = g;
	assert_true(tr_rng_below(&g, 0) == tr_rng_u64(&raw));
}

/* States whose output is all zeros, and all ones. */
static void test_open_ends(void **state)
{
	const uint64_t inverse5 = UINT64_C(0xcccccccccccccccd), inverse9 = UINT64_C(0x8e38e38e38e38e39);
	uint64_t x = UINT64_MAX * inverse9;
	struct tr_rng zero = {{1, 0, 3, 4}}, ones = {{1, ((x >> 7) | (x << 57)) * inverse5, 3, 4}},
	              copy = ones;

	(void)state;
	assert_true(tr_rng_u64(&copy) == UINT64_MAX);
	assert_true(tr_rng_open(&zero) == 0x1p-53);
	assert_true(tr_rng_open(&ones) == 1 - 0x1p-53);
}

static long double relative(long double got, long double want)
{
	return want == 0 ? fabsl(got) : fabsl((got - want) / want);
}

static void test_log(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "log");
	assert_true(tr_det_log(1) == 0);
	for (int i = 0; i < 300000; i++) {
		uint64_t bits = tr_rng_u64(&g) >> 1; /* of any size, subnormals too */
		double x, u = tr_rng_open(&g);

		memcpy(&x, &bits, sizeof(x));
		if (x > 0 && isfinite(x))
			assert_true(relative(tr_det_log(x), logl(x)) < 0x1p-50L);
		assert_true(relative(tr_det_log(u), logl(u)) < 0x1p-50L);
		u = 1 + (u - 0.5) * 0x1p-20; /* near 1, where digits could cancel */
		assert_true(relative(tr_det_log(u), logl(u)) < 0x1p-50L);
		x = 0x1p-1070 * (double)(bits % 60000 + 1);
		assert_true(relative(tr_det_log(x), logl(x)) < 0x1p-50L);
	}
	assert_true(relative(tr_det_log(DBL_MAX), logl(DBL_MAX)) < 0x1p-50L);
}

static void test_exp(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "exp");
	assert_true(tr_det_exp(0) == 1);
	for (int i = 0; i < 300000; i++) {
		double u = tr_rng_open(&g) - 0.5, wide = u * 1416, narrow = u * 4, tiny = u * 0x1p-30;

		assert_true(relative(tr_det_exp(wide), expl(wide)) < 0x1p-50L);
		assert_true(relative(tr_det_exp(narrow), expl(narrow)) < 0x1p-50L);
		assert_true(relative(tr_det_exp(tiny), expl(tiny)) < 0x1p-50L);
	}
	assert_true(tr_det_exp(709.78) < DBL_MAX && tr_det_exp(709.79) == DBL_MAX);
	assert_true(tr_det_exp(1e300) == DBL_MAX && tr_det_exp(INFINITY) == DBL_MAX);
	assert_true(tr_det_exp(-744) > 0 && tr_det_exp(-746) == 0 && tr_det_exp(-INFINITY) == 0);
	assert_true(isnan(tr_det_exp(NAN)));
}

/* The root of Phi(x) = p in long double, by Newton's steps from our own answer. */
static long double quantile(double p, double start)
{
	long double x = start;

	for (int i = 0; i < 3; i++) {
		long double density = expl(-x * x / 2) / 2.50662827463100050242L;
		long double miss = x < 0 ? 0.5L * erfcl(-x / sqrtl(2)) - p
		                         : (1 - (long double)p) - 0.5L * erfcl(x / sqrtl(2));

		x -= miss / density;
	}
	return x;
}

static void test_quantile(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "quantile");
	assert_true(tr_det_normal_quantile(0.5) == 0);
	assert_true(fabs(tr_det_normal_quantile(0.975) - 1.959963984540054) < 1e-15);
	for (int i = 0; i < 100000; i++) {
		double p = tr_rng_open(&g), tail = tr_det_exp(-36 * p), q = tr_det_normal_quantile(p);

		assert_true(relative(q, quantile(p, q)) < 0x1p-49L);
		q = tr_det_normal_quantile(tail);
		assert_true(relative(q, quantile(tail, q)) < 0x1p-49L);
		assert_true(tr_det_normal_quantile(1 - p) == -tr_det_normal_quantile(1 - (1 - p)));
	}
	assert_true(tr_det_normal_quantile(0x1p-53) < -8 && tr_det_normal_quantile(1 - 0x1p-53) > 8);
}

/* Any other bit in any of 10,000 draws gives another sum. */
static void test_pinned(void **state)
{
	struct tr_rng g;
	uint64_t sum[2] = {0, 0};

	(void)state;
	tr_rng_init(&g, 1, "pinned");
	for (int i = 0; i < 10000; i++) {
		double draw[2] = {tr_rng_exponential(&g), tr_rng_normal(&g)};

		for (int k = 0; k < 2; k++) {
			uint64_t bits;

			memcpy(&bits, &draw[k], sizeof(bits));
			sum[k] = (sum[k] ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
		}
	}
	assert_true(sum[0] == UINT64_C(0x498fd6a14768680f));
	assert_true(sum[1] == UINT64_C(0xdd585e018ec46c73));
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

enum { DRAWS = 200000 };
static double drawn[DRAWS];

static void draw_all(const char *purpose, double (*draw)(struct tr_rng *))
{
	struct tr_rng g;

	tr_rng_init(&g, 1, purpose);
	for (int i = 0; i < DRAWS; i++)
		drawn[i] = draw(&g);
}

/* Mean of x^k about c. */
static double moment(double c, int k)
{
	double sum = 0;

	for (int i = 0; i < DRAWS; i++)
		sum += pow(drawn[i] - c, k);
	return sum / DRAWS;
}

/* Kolmogorov and Smirnov's distance, times sqrt(n). */
static double distance(double (*cdf)(double))
{
	double worst = 0;

	qsort(drawn, DRAWS, sizeof(*drawn), ascending);
	for (int i = 0; i < DRAWS; i++) {
		double f = cdf(drawn[i]);
		double above = (i + 1.0) / DRAWS - f, below = f - (double)i / DRAWS;

		/* Not a nest of fmax: gcc 12.2 for aarch64 crashes on it. */
		worst = above > worst ? above : worst;
		worst = below > worst ? below : worst;
	}
	return worst * sqrt(DRAWS);
}

static const double ks_limit = 2.2253; /* sqrt(-ln(alpha / 2) / 2), alpha = 1e-4 */

static double exponential_cdf(double x)
{
	return -expm1(-x);
}

static double normal_cdf(double x)
{
	return 0.5 * erfc(-x / sqrt(2));
}

static double uniform_cdf(double x)
{
	return x;
}

/* Each moment within four of its standard errors. */
static void test_exponential(void **state)
{
	(void)state;
	draw_all("exponential", tr_rng_exponential);
	assert_true(fabs(moment(0, 1) - 1) < 4 * sqrt(1.0 / DRAWS));
	assert_true(fabs(moment(0, 2) - 2) < 4 * sqrt(20.0 / DRAWS));
	assert_true(fabs(moment(0, 3) - 6) < 4 * sqrt(684.0 / DRAWS));
	assert_true(distance(exponential_cdf) < ks_limit);
	assert_true(drawn[0] > 0);
}

static void test_normal(void **state)
{
	(void)state;
	draw_all("normal", tr_rng_normal);
	assert_true(fabs(moment(0, 1)) < 4 * sqrt(1.0 / DRAWS));
	assert_true(fabs(moment(0, 2) - 1) < 4 * sqrt(2.0 / DRAWS));
	assert_true(fabs(moment(0, 3)) < 4 * sqrt(15.0 / DRAWS));
	assert_true(fabs(moment(0, 4) - 3) < 4 * sqrt(96.0 / DRAWS));
	assert_true(distance(normal_cdf) < ks_limit);
}

static void test_uniform(void **state)
{
	(void)state;
	draw_all("open", tr_rng_open);
	assert_true(distance(uniform_cdf) < ks_limit);
	assert_true(drawn[0] > 0 && drawn[DRAWS - 1] < 1);
}

/* Neighbours, and streams of two purposes, do not follow each other. */
static void test_independence(void **state)
{
	struct tr_rng a, b;
	double neighbours = 0, streams = 0, last = 0;

	(void)state;
	tr_rng_init(&a, 1, "input");
	tr_rng_init(&b, 1, "output");
	for (int i = 0; i < DRAWS; i++) {
		double x = tr_rng_normal(&a), y = tr_rng_normal(&b);

		neighbours += x * last;
		streams += x * y;
		last = x;
	}
	assert_true(fabs(neighbours) < 4 * sqrt(DRAWS));
	assert_true(fabs(streams) < 4 * sqrt(DRAWS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_splitmix),    cmocka_unit_test(test_xoshiro),
	    cmocka_unit_test(test_streams),     cmocka_unit_test(test_below),
	    cmocka_unit_test(test_below_large), cmocka_unit_test(test_open_ends),
	    cmocka_unit_test(test_log),         cmocka_unit_test(test_exp),
	    cmocka_unit_test(test_quantile),    cmocka_unit_test(test_pinned),
	    cmocka_unit_test(test_exponential), cmocka_unit_test(test_normal),
	    cmocka_unit_test(test_uniform),     cmocka_unit_test(test_independence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

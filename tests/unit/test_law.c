/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws: the grammar and its messages, and what is drawn, by statistical tests with fixed seeds (alpha 1e-4)
 * and by exact arithmetic where nothing is random.
 */
#include "libtrace/law.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000000)

static struct tr_length length(const char *text)
{
	struct tr_length d;
	struct tr_err err;

	if (tr_length_parse(&d, text, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return d;
}

static struct tr_arrival arrival(const char *text)
{
	struct tr_arrival a;
	struct tr_err err;

	if (tr_arrival_parse(&a, text, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return a;
}

/* --- grammar ------------------------------------------------------------------------------- */

struct bad {
	const char *text, *why, *value;
};

static void refused(const struct bad *b, int rc, const struct tr_err *err)
{
	print_message("# \"%s\"\n", b->text);
	assert_int_equal(rc, -TR_EUSAGE);
	assert_int_equal(err->code, TR_EUSAGE);
	assert_string_equal(err->text, b->why);
	assert_string_equal(err->value, b->value);
}

static void test_bad_lengths(void **state)
{
	static const struct bad cases[] = {
	    {"norml:1,2", "no length law \"norml\"; did you mean \"normal\"?", ""},
	    {"", "no length law \"\"; there is fixed, uniform, normal", ""},
	    {"lognormal-like:1", "no length law \"lognormal-like\"; there is fixed, uniform, normal", ""},
	    {"fixed", "fixed: n is missing (the length)", ""},
	    {"fixed:", "fixed: n is missing (the length)", ""},
	    {"fixed:1,2", "fixed: too many arguments", "2"},
	    {"fixed:-1", "fixed: n: negative", "-1"},
	    {"fixed:1.5", "fixed: n: not an integer", "1.5"},
	    {"fixed:9007199254740993", "fixed: n: too large", "9007199254740993"},
	    {"uniform:5", "uniform: range: not A..B", "5"},
	    {"uniform:5..", "uniform: range: empty", "5.."},
	    {"uniform:..5", "uniform: range: empty", "..5"},
	    {"uniform:5..4", "uniform: the range begins above its end", ""},
	    {"uniform:1...5", "uniform: range: not a number", "1...5"},
	    {"normal:mean=100,std=5", "normal: no parameter \"std\"; did you mean \"sd\"?", ""},
	    {"normal:mean=100,xyzzy=5", "normal: no parameter \"xyzzy\"; there is mean, sd, min, max", ""},
	    {"normal:mean=100",
	     "normal: sd is missing (standard deviation before the cut; 0 = always the mean)", ""},
	    {"normal:100,20,mean=5", "normal: mean: given twice", ""},
	    {"normal:100,-1", "normal: sd: negative", ""},
	    {"normal:100,nan", "normal: sd: not a number", "nan"},
	    {"normal:,5", "normal: mean: empty", ""},
	    {"normal:100,20,min=5,max=4", "normal: min is above max", ""},
	    {"normal:100,20,min=-5", "normal: min: negative", "-5"},
	    {"normal:100,20,min=300",
	     "normal: fewer than 1 in 1000 draws would fall within min=300 to max=2147483647", ""},
	    {"normal:-500,20", "normal: fewer than 1 in 1000 draws would fall within min=1 to max=2147483647",
	     ""},
	    {"normal:100,1e9,100,100",
	     "normal: fewer than 1 in 1000 draws would fall within min=100 to max=100", ""},
	    {"normal:0,0", "normal: fewer than 1 in 1000 draws would fall within min=1 to max=2147483647",
	     ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tr_length d;
		struct tr_err err;
		int rc = tr_length_parse(&d, cases[i].text, &err);

		refused(&cases[i], rc, &err);
		assert_int_equal(tr_length_parse(&d, cases[i].text, NULL), -TR_EUSAGE);
	}
}

static void test_bad_arrivals(void **state)
{
	static const struct bad cases[] = {
	    {"poison:2/s", "no arrival law \"poison\"; did you mean \"poisson\"?", ""},
	    {"poisson", "poisson: rate is missing (mean events per time: 20/s, 600/m, 0.5/h)", ""},
	    {"poisson:0/s", "poisson: rate: zero", "0/s"},
	    {"poisson:-1/s", "poisson: rate: negative", "-1/s"},
	    {"constant:2/w", "constant: rate: unknown unit", "2/w"},
	    {"constant:rat=2/s", "constant: no parameter \"rat\"; did you mean \"rate\"?", ""},
	    {"constant:2/s,3/s", "constant: too many arguments", "3/s"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tr_arrival a;
		struct tr_err err;
		int rc = tr_arrival_parse(&a, cases[i].text, &err);

		refused(&cases[i], rc, &err);
	}
}

static void test_grammar(void **state)
{
	struct tr_length d = length("normal:200,80");

	(void)state;
	assert_string_equal(d.law->name, "normal");
	assert_true(d.p[0] == 200 && d.p[1] == 80 && d.lo == 1 && d.hi == 2147483647);
	d = length("normal:max=4k,mean=200,80,10"); /* after mean come sd and min */
	assert_true(d.p[0] == 200 && d.p[1] == 80 && d.lo == 10 && d.hi == 4000);
	d = length("uniform:range=1k..64Ki");
	assert_true(d.lo == 1000 && d.hi == 65536);
	d = length("fixed:n=512");
	assert_true(d.lo == 512 && d.hi == 512);
	assert_true(arrival("constant:600/m").rate.den == 100000000);
	assert_true(arrival("poisson:rate=20").p[0] == 20);
}

/* --- lengths ------------------------------------------------------------------------------- */

static double chi_square_limit(double df)
{
	double c = 2 / (9 * df), x = 1 - c + 3.719 * sqrt(c);

	return df * x * x * x;
}

enum { DRAWS = 200000, CELLS_MAX = 400 };

/* Chi-square of DRAWS draws against a weight for each length lo..hi, in cells of 10 expected or more. */
static void fits(const char *text, double (*mass)(const struct tr_length *, uint64_t))
{
	struct tr_length d = length(text);
	static double expected[CELLS_MAX], seen[CELLS_MAX];
	double total = 0, chi = 0, e = 0, s = 0;
	int cells = 0;
	struct tr_rng g;

	assert_true(d.hi - d.lo < CELLS_MAX);
	memset(seen, 0, sizeof(seen));
	tr_rng_init(&g, 1, text);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t v;

		assert_int_equal(tr_length_draw(&d, &g, &v, NULL), 0);
		assert_true(v >= d.lo && v <= d.hi);
		seen[v - d.lo]++;
	}
	for (uint64_t v = d.lo; v <= d.hi; v++)
		total += expected[v - d.lo] = mass(&d, v);
	for (uint64_t i = 0; i <= d.hi - d.lo; i++) {
		e += expected[i] / total * DRAWS;
		s += seen[i];
		if (e < 10 && i < d.hi - d.lo)
			continue;
		chi += (s - e) * (s - e) / e;
		cells++;
		e = s = 0;
	}
	print_message("# %s: chi-square %.1f, %d cells, limit %.1f\n", text, chi, cells,
	              chi_square_limit(cells - 1));
	assert_true(cells > 5 && chi < chi_square_limit(cells - 1));
}

static double uniform_mass(const struct tr_length *d, uint64_t v)
{
	(void)d;
	(void)v;
	return 1;
}

/* Of the interval that rounds to v; the normal law from libm, not from our own quantile. */
static double normal_mass(const struct tr_length *d, uint64_t v)
{
	double low = ((double)v - 0.5 - d->p[0]) / (d->p[1] * sqrt(2)),
	       high = ((double)v + 0.5 - d->p[0]) / (d->p[1] * sqrt(2));

	return erfc(low) - erfc(high);
}

static void test_uniform(void **state)
{
	(void)state;
	fits("uniform:0..9", uniform_mass);
	fits("uniform:100..400", uniform_mass);
}

static void test_normal(void **state)
{
	(void)state;
	fits("normal:200,30,min=1,max=399", normal_mass);  /* hardly cut */
	fits("normal:100,50,min=80,max=130", normal_mass); /* both sides */
	fits("normal:10,20,min=1,max=150", normal_mass);   /* nearly half is cut */
	fits("normal:-30,20,min=0,max=100", normal_mass);  /* the mean itself is */
	fits("normal:5.5,1.25,min=1,max=12", normal_mass); /* rounding matters */
}

static void test_constants(void **state)
{
	struct tr_length fixed = length("fixed:512"), flat = length("normal:mean=99.6,sd=0"),
	                 one = length("uniform:7..7");
	struct tr_length large = length("uniform:9007199254740991..9007199254740992");
	struct tr_rng g;
	uint64_t v, high = 0;

	(void)state;
	tr_rng_init(&g, 1, "constants");
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(tr_length_draw(&fixed, &g, &v, NULL), 0);
		assert_true(v == 512);
		assert_int_equal(tr_length_draw(&flat, &g, &v, NULL), 0);
		assert_true(v == 100);
		assert_int_equal(tr_length_draw(&one, &g, &v, NULL), 0);
		assert_true(v == 7);
		assert_int_equal(tr_length_draw(&large, &g, &v, NULL), 0);
		assert_true(v == UINT64_C(9007199254740991) || v == UINT64_C(9007199254740992));
		high += v & 1;
	}
	assert_true(high > 400 && high < 600);
}

/* A law changed behind check()'s back ends with an error, not never. */
static void test_hopeless(void **state)
{
	struct tr_length d = length("normal:100,1");
	struct tr_err err;
	struct tr_rng g;
	uint64_t v;

	(void)state;
	tr_rng_init(&g, 1, "hopeless");
	d.lo = d.hi = 1000000;
	assert_int_equal(tr_length_draw(&d, &g, &v, &err), -TR_EUSAGE);
	assert_string_equal(err.text, "normal: no value within bounds in 100000 tries");
}

/* --- arrivals ------------------------------------------------------------------------------ */

static int64_t next(struct tr_arrival *a, struct tr_rng *g)
{
	int64_t ns;

	assert_int_equal(tr_arrival_next(a, g, &ns, NULL), 0);
	return ns;
}

/* 7 a second for 24 hours: each event at floor(i 10^9 / 7), each second's first on the second. */
static void test_constant(void **state)
{
	struct tr_arrival a = arrival("constant:7/s");
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "constant");
	for (int64_t i = 0; i < 7 * 86400; i++) {
		int64_t second = i / 7, sixths = i % 7;

		assert_true(next(&a, &g) == second * SECOND + sixths * SECOND / 7);
	}
	assert_true(next(&a, &g) == 86400 * SECOND);
}

static void test_constant_extremes(void **state)
{
	struct tr_arrival a = arrival("constant:3e9/s"), slow = arrival("constant:0.000000001/s");
	struct tr_err err;
	struct tr_rng g;
	int64_t ns;

	(void)state;
	tr_rng_init(&g, 1, "extremes");
	for (int64_t i = 0; i < 100; i++)
		assert_true(next(&a, &g) == i / 3);
	a.n = UINT64_MAX - 1; /* 2^64 - 2 thirds of a nanosecond */
	assert_true(next(&a, &g) == INT64_C(6148914691236517204));
	for (int64_t i = 0; i < 10; i++) /* one in 31 years: 292 years hold ten */
		assert_true(next(&slow, &g) == i * SECOND * SECOND);
	assert_int_equal(tr_arrival_next(&slow, &g, &ns, &err), -TR_ELIMIT);
	assert_string_equal(err.text, "constant: event 11 lies beyond 292 years");
}

static void test_poisson_beyond(void **state)
{
	struct tr_arrival a = arrival("poisson:0.000000001/s");
	struct tr_rng g;
	int64_t ns, last = 0;
	int n = 0;

	(void)state;
	tr_rng_init(&g, 1, "beyond");
	while (tr_arrival_next(&a, &g, &ns, NULL) == 0) {
		assert_true(ns >= last);
		last = ns;
		assert_true(++n < 100);
	}
}

enum { EVENTS = 200000 };
static int64_t times[EVENTS];

static void poisson(const char *text)
{
	struct tr_arrival a = arrival(text);
	struct tr_rng g;

	tr_rng_init(&g, 1, "arrivals");
	for (int i = 0; i < EVENTS; i++) {
		times[i] = next(&a, &g);
		assert_true(times[i] >= (i ? times[i - 1] : 1));
	}
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The sum of the same gaps in 64 bits of mantissa: nothing lost on the way. */
static void test_poisson_sum(void **state)
{
	struct tr_rng g;
	long double sum = 0;

	(void)state;
	poisson("poisson:3e8/s");
	tr_rng_init(&g, 1, "arrivals");
	for (int i = 0; i < EVENTS; i++) {
		sum += (long double)(tr_rng_exponential(&g) * (10.0 / 3.0));
		assert_true(fabsl((long double)times[i] + 0.5L - sum) <= 0.5L + 1e-6L);
	}
}

static void test_poisson_gaps(void **state)
{
	static int64_t gaps[EVENTS];
	double worst = 0, rate;

	(void)state;
	poisson("poisson:2/s");
	rate = EVENTS / ((double)times[EVENTS - 1] / 1e9);
	assert_true(fabs(rate - 2) < 4 * 2 / sqrt(EVENTS));
	for (int i = 0; i < EVENTS; i++)
		gaps[i] = times[i] - (i ? times[i - 1] : 0); /* the first one too */
	qsort(gaps, EVENTS, sizeof(*gaps), ascending);
	for (int i = 0; i < EVENTS; i++) {
		double f = -expm1(-2e-9 * (double)gaps[i]);

		worst = fmax(worst, fmax((i + 1.0) / EVENTS - f, f - (double)i / EVENTS));
	}
	assert_true(worst * sqrt(EVENTS) < 2.2253); /* sqrt(-ln(alpha / 2) / 2) */
}

/* Variance over mean of the counts in windows: 1 at every scale. */
static void test_poisson_dispersion(void **state)
{
	static const double windows[] = {0.05, 0.5, 1, 7, 60, 300};

	(void)state;
	poisson("poisson:2/s");
	for (size_t w = 0; w < sizeof(windows) / sizeof(*windows); w++) {
		int64_t size = (int64_t)(windows[w] * 1e9), n = times[EVENTS - 1] / size, at = 0;
		double mean = 2 * windows[w], squares = 0, z;

		for (int64_t i = 0; i < n; i++) {
			double count = 0;

			for (; at < EVENTS && times[at] < (i + 1) * size; at++)
				count++;
			squares += (count - mean) * (count - mean);
		}
		/* The variance of (count - mean)^2 / mean is 2 + 1 / mean. */
		z = (squares / mean - (double)n) / sqrt((double)n * (2 + 1 / mean));
		print_message("# windows of %g s: dispersion %.4f, z %.2f\n", windows[w],
		              squares / mean / (double)n, z);
		assert_true(fabs(z) < 3.89);
	}
}

/* Where in its second an event falls is uniform; generators that fill one second after another fail here. */
static void test_poisson_phase(void **state)
{
	enum { CELLS = 1000 };
	const double expected = (double)EVENTS / CELLS;
	double count[CELLS] = {0}, chi = 0;
	int whole = 0;

	(void)state;
	poisson("poisson:2/s");
	for (int i = 0; i < EVENTS; i++) {
		count[times[i] % SECOND / (SECOND / CELLS)]++;
		whole += times[i] % SECOND == 0;
	}
	for (int i = 0; i < CELLS; i++)
		chi += (count[i] - expected) * (count[i] - expected) / expected;
	assert_true(chi < chi_square_limit(CELLS - 1));
	assert_true(whole <= 1); /* 0.0002 expected */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad_lengths),
	    cmocka_unit_test(test_bad_arrivals),
	    cmocka_unit_test(test_grammar),
	    cmocka_unit_test(test_uniform),
	    cmocka_unit_test(test_normal),
	    cmocka_unit_test(test_constants),
	    cmocka_unit_test(test_hopeless),
	    cmocka_unit_test(test_constant),
	    cmocka_unit_test(test_constant_extremes),
	    cmocka_unit_test(test_poisson_beyond),
	    cmocka_unit_test(test_poisson_sum),
	    cmocka_unit_test(test_poisson_gaps),
	    cmocka_unit_test(test_poisson_dispersion),
	    cmocka_unit_test(test_poisson_phase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Number parsing: syntax, the edges of 2^53, 2^63 and 2^64, and random texts against slower ways.
 */
#include "libtrace/num.h"
#include "libtrace/rng.h"
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct tr_slice str(const char *s)
{
	return (struct tr_slice){s, strlen(s)};
}

struct u64_case {
	const char *text;
	uint64_t value;
	const char *why;
};

static void check_u64(const struct u64_case *c, const char *(*parse)(struct tr_slice, uint64_t *))
{
	uint64_t v = 77;
	const char *why = parse(str(c->text), &v);

	print_message("# \"%s\"\n", c->text);
	if (c->why) {
		assert_non_null(why);
		assert_string_equal(why, c->why);
		assert_true(v == 77); /* left alone */
	} else {
		assert_null(why);
		assert_true(v == c->value);
	}
}

static void test_u64(void **state)
{
	static const struct u64_case cases[] = {
	    {"0", 0, NULL},
	    {"00000000000000000000000000000000000007", 7, NULL},
	    {"9007199254740993", UINT64_C(9007199254740993), NULL},
	    {"9223372036854775808", UINT64_C(1) << 63, NULL},
	    {"9999999999999999999", UINT64_C(9999999999999999999), NULL},
	    {"18446744073709551615", UINT64_MAX, NULL},
	    {"18446744073709551616", 0, "too large"},
	    {"99999999999999999999", 0, "too large"},
	    {"100000000000000000000000000", 0, "too large"},
	    {"", 0, "empty"},
	    {"-1", 0, "negative"},
	    {"-0", 0, "negative"},
	    {"1.0", 0, "not an integer"},
	    {"1e3", 0, "not an integer"},
	    {"-", 0, "not a number"},
	    {"+1", 0, "not a number"},
	    {" 1", 0, "not a number"},
	    {"1 ", 0, "not a number"},
	    {"1,5", 0, "not a number"},
	    {"0x10", 0, "not a number"},
	    {"1.", 0, "not a number"},
	    {"nan", 0, "not a number"},
	    {"12345678901234567890x", 0, "not a number"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_u64(&cases[i], tr_num_u64);
	/* A NUL inside the slice is no digit and no end. */
	uint64_t v;
	assert_string_equal(tr_num_u64((struct tr_slice){"1\0", 2}, &v), "not a number");
}

static void test_count(void **state)
{
	static const struct u64_case cases[] = {
	    {"64Ki", 65536, NULL},
	    {"10M", 10000000, NULL},
	    {"5k", 5000, NULL},
	    {"3Ti", UINT64_C(3) << 40, NULL},
	    {"12", 12, NULL},
	    {"18446744073709551615", UINT64_MAX, NULL},
	    {"18446744073709551615k", 0, "too large"},
	    {"16777216Ti", 0, "too large"},
	    {"16777215Ti", UINT64_C(16777215) << 40, NULL},
	    {"k", 0, "not a number"},
	    {"5q", 0, "unknown unit"},
	    {"5 k", 0, "not a number"},
	    {"1.5k", 0, "not an integer"},
	    {"-5k", 0, "negative"},
	    {"", 0, "empty"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_u64(&cases[i], tr_num_count);
}

static void test_i64(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
		const char *why;
	} cases[] = {
	    {"-9223372036854775808", INT64_MIN, NULL},
	    {"9223372036854775807", INT64_MAX, NULL},
	    {"-9007199254740993", INT64_C(-9007199254740993), NULL},
	    {"-0", 0, NULL},
	    {"-1", -1, NULL},
	    {"9223372036854775808", 0, "too large"},
	    {"-9223372036854775809", 0, "too large"},
	    {"--1", 0, "not a number"},
	    {"-", 0, "not a number"},
	    {"", 0, "empty"},
	    {"-1.5", 0, "not an integer"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t v = 77;
		const char *why = tr_num_i64(str(cases[i].text), &v);

		print_message("# \"%s\"\n", cases[i].text);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
		else
			assert_null(why);
		assert_true(v == (cases[i].why ? 77 : cases[i].value));
	}
}

static void test_decimal_ns(void **state)
{
	const int64_t s = 1000000000;
	static const struct {
		const char *text;
		int64_t unit, value;
		int exact;
		const char *why;
	} cases[] = {
	    {"0", 1000000000, 0, 1, NULL},
	    {"1.5", 1000000000, 1500000000, 1, NULL},
	    {"-1.5", 1000000000, -1500000000, 1, NULL},
	    {"1700000123.123456789", 1000000000, INT64_C(1700000123123456789), 1, NULL},
	    {"1700000123.1234567891", 1000000000, INT64_C(1700000123123456789), 0, NULL},
	    {"1700000123.1234567890000000000000000", 1000000000, INT64_C(1700000123123456789), 1, NULL},
	    {"-0.0000000019", 1000000000, -1, 0, NULL},
	    {"0.9999999999999999999999999", 1000000000, 999999999, 0, NULL},
	    {"9223372036.854775807", 1000000000, INT64_MAX, 1, NULL},
	    {"9223372036.8547758079999", 1000000000, INT64_MAX, 0, NULL},
	    {"9223372036.854775808", 1000000000, 0, 0, "too large"},
	    {"-9223372036.854775808", 1000000000, INT64_MIN, 1, NULL},
	    {"-9223372036.854775809", 1000000000, 0, 0, "too large"},
	    {"1e3", 1000000, 1000000000, 1, NULL},
	    {"1.25E+2", 1000, 125000, 1, NULL},
	    {"125e-3", 1000000000, 125000000, 1, NULL},
	    {"125e-12", 1000000000, 0, 0, NULL},
	    {"1e-999999999999999999999", 1000000000, 0, 0, NULL},
	    {"0e999999999999999999999", 1000000000, 0, 1, NULL},
	    {"1e999999999999999999999", 1, 0, 0, "too large"},
	    {"0.000000000000000000001e30", 1, 1000000000, 1, NULL},
	    {"0.1", 3600000000000, 360000000000, 1, NULL},
	    {"000000000000000000000000000001", 1, 1, 1, NULL},
	    {"", 1, 0, 0, "empty"},
	    {".5", 1, 0, 0, "not a number"},
	    {"5.", 1, 0, 0, "not a number"},
	    {"1e", 1, 0, 0, "not a number"},
	    {"1e+", 1, 0, 0, "not a number"},
	    {"1.5.2", 1, 0, 0, "not a number"},
	    {"inf", 1, 0, 0, "not a number"},
	    {"+1", 1, 0, 0, "not a number"},
	};
	int64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int exact = 77;
		const char *why;

		v = 77;
		why = tr_num_decimal_ns(str(cases[i].text), cases[i].unit, &v, &exact);
		print_message("# \"%s\"\n", cases[i].text);
		if (cases[i].why) {
			assert_string_equal(why, cases[i].why);
			assert_true(v == 77 && exact == 77);
		} else {
			assert_null(why);
			assert_true(v == cases[i].value);
			assert_int_equal(exact, cases[i].exact);
		}
	}
	assert_null(tr_num_decimal_ns(str("2"), s, &v, NULL));
	assert_true(v == 2 * s);
}

/* value = n / 10^k: the reference is one 128-bit division. */
static void test_decimal_ns_random(void **state)
{
	static const int64_t units[] = {1, 7, 1000, 1000000, 1000000000, 60000000000, 3600000000000};
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "decimal");
	for (int i = 0; i < 100000; i++) {
		uint64_t n = tr_rng_u64(&g) >> tr_rng_below(&g, 64);
		unsigned k = (unsigned)tr_rng_below(&g, 19), shift = (unsigned)tr_rng_below(&g, 7);
		int64_t unit = units[tr_rng_below(&g, 7)], v = 77;
		unsigned __int128 power = 1, product = (unsigned __int128)n * (uint64_t)unit;
		char digits[32], text[64];
		int exact = 77, len;
		const char *why;

		for (unsigned j = 0; j < k; j++)
			power *= 10;
		len = snprintf(digits, sizeof(digits), "%020" PRIu64, n);
		/* The point k + shift places from the right, and 10^shift in the exponent. */
		if (k + shift == 0)
			snprintf(text, sizeof(text), "%s", digits);
		else if (k + shift < 20)
			snprintf(text, sizeof(text), "%.*s.%se%u", len - (int)(k + shift), digits,
			         digits + len - (int)(k + shift), shift);
		else
			continue;
		why = tr_num_decimal_ns(str(text), unit, &v, &exact);
		if (product / power > INT64_MAX) {
			assert_string_equal(why, "too large");
			continue;
		}
		assert_null(why);
		assert_true(v == (int64_t)(product / power));
		assert_int_equal(exact, product % power == 0);
	}
}

static void test_double(void **state)
{
	static const struct {
		const char *text;
		double value;
		const char *why;
	} cases[] = {
	    {"0", 0.0, NULL},
	    {"0.1", 0.1, NULL},
	    {"-2.5e-3", -0.0025, NULL},
	    {"9007199254740993", 9007199254740992.0, NULL}, /* a tie goes to even */
	    {"9007199254740993.0000000000000000000000000000000000000001", 9007199254740994.0, NULL},
	    {"1.7976931348623157e308", 1.7976931348623157e308, NULL},
	    {"1.7976931348623159e308", 0, "too large"},
	    {"1e400", 0, "too large"},
	    {"1e99999999999999", 0, "too large"},
	    {"4.9406564584124654e-324", 4.9406564584124654e-324, NULL},
	    {"1e-400", 0, NULL},
	    {"0.000000000000000000000000000000000000000000000001e48", 1.0, NULL},
	    {"", 0, "empty"},
	    {"inf", 0, "not a number"},
	    {"nan", 0, "not a number"},
	    {"0x1p3", 0, "not a number"},
	    {"1.5 ", 0, "not a number"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double v = 77;
		const char *why = tr_num_double(str(cases[i].text), &v);

		print_message("# \"%s\"\n", cases[i].text);
		if (cases[i].why) {
			assert_string_equal(why, cases[i].why);
			assert_true(v == 77);
		} else {
			assert_null(why);
			assert_true(v == cases[i].value);
		}
	}
}

/* Half way between 1 and the next double, exactly, and that with a 1 a thousand digits on. */
static void test_double_long(void **state)
{
	char text[1200];
	double v;
	size_t n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), "%.53f", 1.0 + 0x1p-52);
	assert_null(tr_num_double((struct tr_slice){text, n}, &v));
	assert_true(v == 1.0 + 0x1p-52);
	n = (size_t)snprintf(text, sizeof(text), "%.60Lf", 1.0L + 0x1p-53L);
	memset(text + n, '0', 1000);
	assert_null(tr_num_double((struct tr_slice){text, n + 1000}, &v));
	assert_true(v == 1.0);
	text[n + 999] = '1';
	assert_null(tr_num_double((struct tr_slice){text, n + 1000}, &v));
	assert_true(v == 1.0 + 0x1p-52);
}

static void test_double_random(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "double");
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = tr_rng_u64(&g);
		char text[40];
		double v, back;

		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		if (i & 1) /* short ones too */
			v = (double)(int64_t)(bits >> 44) / 1000.0;
		tr_num_print(v, text, sizeof(text));
		assert_null(tr_num_double(str(text), &back));
		assert_true(back == v && !signbit(back) == !signbit(v));
		snprintf(text, sizeof(text), "%.*g", (int)tr_rng_below(&g, 20), v);
		if (isfinite(strtod(text, NULL)) && !strpbrk(text, "+")) {
			assert_null(tr_num_double(str(text), &back));
			assert_true(back == strtod(text, NULL));
		}
	}
}

static void test_print(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
	    {0.1, "0.1"},   {0.30000000000000004, "0.30000000000000004"},
	    {100, "100"},   {1e15, "1e+15"},
	    {-2.5, "-2.5"}, {1.0 / 3, "0.3333333333333333"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(tr_num_print(cases[i].value, text, sizeof(text)), cases[i].text);
	assert_ptr_equal(tr_num_print(1, text, sizeof(text)), text);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
		const char *why;
	} cases[] = {
	    {"250ms", 250000000, NULL},
	    {"10m", INT64_C(600000000000), NULL},
	    {"1.5h", INT64_C(5400000000000), NULL},
	    {"2d", INT64_C(172800000000000), NULL},
	    {"3us", 3000, NULL},
	    {"7ns", 7, NULL},
	    {"5s", INT64_C(5000000000), NULL},
	    {"5", INT64_C(5000000000), NULL},
	    {"0", 0, NULL},
	    {"1e-3", 1000000, NULL},
	    {"0.5ns", 0, "finer than a nanosecond"},
	    {"1.0000000001", 0, "finer than a nanosecond"},
	    {"106751d", INT64_C(106751) * 86400 * 1000000000, NULL},
	    {"106752d", 0, "too large"},
	    {"-1s", 0, "negative"},
	    {"5 s", 0, "not a number"},
	    {"5S", 0, "unknown unit"},
	    {"5min", 0, "unknown unit"},
	    {"s", 0, "not a number"},
	    {"", 0, "empty"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t ns = 77;
		const char *why = tr_num_duration(str(cases[i].text), &ns);

		print_message("# \"%s\"\n", cases[i].text);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
		else
			assert_null(why);
		assert_true(ns == (cases[i].why ? 77 : cases[i].ns));
	}
}

struct ratio_case {
	const char *text;
	uint64_t num, den;
	const char *why;
};

static void check_ratio(const struct ratio_case *c, const char *(*parse)(struct tr_slice, struct tr_ratio *))
{
	struct tr_ratio r = {77, 77};
	const char *why = parse(str(c->text), &r);

	print_message("# \"%s\"\n", c->text);
	if (c->why)
		assert_string_equal(why, c->why);
	else
		assert_null(why);
	assert_true(r.num == (c->why ? 77 : c->num) && r.den == (c->why ? 77 : c->den));
}

static void test_rate(void **state)
{
	static const struct ratio_case cases[] = {
	    {"20/s", 1, 50000000, NULL},
	    {"20", 1, 50000000, NULL},
	    {"7/s", 7, 1000000000, NULL},
	    {"600/m", 1, 100000000, NULL},
	    {"0.5/h", 1, UINT64_C(7200000000000), NULL},
	    {"2/d", 1, UINT64_C(43200000000000), NULL},
	    {"1e9/s", 1, 1, NULL},
	    {"3e9/s", 3, 1, NULL},
	    {"0.000000001/s", 1, UINT64_C(1000000000000000000), NULL},
	    {"0.1000000000000/s", 1, UINT64_C(10000000000), NULL},
	    {"0.0000000001/s", 0, 0, "more than 9 decimals"},
	    {"0.000000001/d", 0, 0, "too many digits"},
	    {"18446744073709551615/s", UINT64_C(3689348814741910323), 200000000, NULL},
	    {"18446744073709551616/s", 0, 0, "too large"},
	    {"1e30", 0, 0, "too large"},
	    {"0/s", 0, 0, "zero"},
	    {"0.000", 0, 0, "zero"},
	    {"-3/s", 0, 0, "negative"},
	    {"3/", 0, 0, "unknown unit"},
	    {"3/w", 0, 0, "unknown unit"},
	    {"/s", 0, 0, "empty"},
	    {"x/s", 0, 0, "not a number"},
	    {"", 0, 0, "empty"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_ratio(&cases[i], tr_num_rate);
}

static void test_ratio(void **state)
{
	static const struct ratio_case cases[] = {
	    {"20", 20, 1, NULL},
	    {"0.25", 1, 4, NULL},
	    {"1.000", 1, 1, NULL},
	    {"2.5", 5, 2, NULL},
	    {"1.000000001", 1000000001, 1000000000, NULL},
	    {"1e3", 1000, 1, NULL},
	    {"18446744073709551615", UINT64_MAX, 1, NULL},
	    {"0", 0, 0, "zero"},
	    {"-2", 0, 0, "negative"},
	    {"2/1", 0, 0, "not a number"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_ratio(&cases[i], tr_num_ratio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_u64),
	    cmocka_unit_test(test_count),
	    cmocka_unit_test(test_i64),
	    cmocka_unit_test(test_decimal_ns),
	    cmocka_unit_test(test_decimal_ns_random),
	    cmocka_unit_test(test_double),
	    cmocka_unit_test(test_double_long),
	    cmocka_unit_test(test_double_random),
	    cmocka_unit_test(test_print),
	    cmocka_unit_test(test_duration),
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_ratio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

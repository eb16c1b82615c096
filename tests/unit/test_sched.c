/* SPDX-License-Identifier: Apache-2.0
 *
 * The schedule against long arithmetic in halves of 32 bits, at extreme values too, and its window.
 */
#include "libtrace/rng.h"
#include "libtrace/sched.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* floor(a * b / c) by schoolbook product and bitwise division: another way than one 128-bit expression.
 * Returns 0 when it does not fit in 63 bits. */
static int slow(uint64_t a, uint64_t b, uint64_t c, uint64_t *out)
{
	uint64_t product[4] = {0}, rest = 0, high = 0, quotient = 0;
	const uint64_t low = UINT64_C(0xffffffff);
	int fits = 1;

	for (int i = 0; i < 2; i++) {
		uint64_t carry = 0, x = i ? a >> 32 : a & low;

		for (int j = 0; j < 2; j++) {
			uint64_t y = j ? b >> 32 : b & low, t = x * y + product[i + j] + carry;

			product[i + j] = t & low;
			carry = t >> 32;
		}
		product[i + 2] = carry;
	}
	for (int bit = 127; bit >= 0; bit--) {
		high = rest >> 63; /* the rest may need 65 bits for a moment */
		rest = rest << 1 | (product[bit / 32] >> (bit % 32) & 1);
		fits &= quotient >> 62 == 0;
		quotient <<= 1;
		if (high || rest >= c) {
			rest -= c;
			quotient |= 1;
		}
	}
	*out = quotient;
	return fits;
}

static enum tr_due due(int64_t start, int64_t duration, uint64_t num, uint64_t den, int64_t arrival,
                       int64_t *out)
{
	struct tr_sched s = {.start_ns = start, .duration_ns = duration, .speed = {num, den}};

	return tr_sched_due(&s, arrival, out);
}

static void test_random(void **state)
{
	static const int64_t edges[] = {INT64_MIN,     INT64_MIN + 1, -1, 0, 1, INT64_C(9007199254740993),
	                                INT64_MAX - 1, INT64_MAX};
	struct tr_rng g;
	int overflows = 0, fine = 0;

	(void)state;
	tr_rng_init(&g, 1, "sched");
	for (int i = 0; i < 100000; i++) {
		int64_t pick[2];
		uint64_t num, den, want;
		int64_t got = 77;
		enum tr_due rc;

		for (int k = 0; k < 2; k++)
			pick[k] = tr_rng_below(&g, 2) ? edges[tr_rng_below(&g, 8)]
			                              : (int64_t)tr_rng_u64(&g) >> tr_rng_below(&g, 63);
		num = tr_rng_below(&g, 8) ? 1 + (tr_rng_u64(&g) >> (1 + tr_rng_below(&g, 63))) : UINT64_MAX;
		den = tr_rng_below(&g, 8) ? 1 + (tr_rng_u64(&g) >> (1 + tr_rng_below(&g, 63))) : UINT64_MAX;
		rc = due(pick[0], -1, num, den, pick[1], &got);
		if (pick[1] < pick[0]) {
			assert_int_equal(rc, TR_DUE_BEFORE);
			assert_true(got == 77);
		} else if (!slow((uint64_t)pick[1] - (uint64_t)pick[0], den, num, &want)) {
			assert_int_equal(rc, TR_DUE_OVERFLOW);
			assert_true(got == 77);
			overflows++;
		} else {
			assert_int_equal(rc, TR_DUE);
			assert_true((uint64_t)got == want);
			fine++;
		}
	}
	assert_true(overflows > 1000 && fine > 1000);
}

static void test_known(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(due(0, -1, 1, 1, INT64_MAX, &ns), TR_DUE);
	assert_true(ns == INT64_MAX);
	assert_int_equal(due(-1, -1, 1, 1, INT64_MAX, &ns), TR_DUE_OVERFLOW);
	assert_int_equal(due(-1, -1, 2, 1, INT64_MAX, &ns), TR_DUE);
	assert_true(ns == INT64_C(4611686018427387904));
	assert_int_equal(due(INT64_MIN, -1, 2, 1, INT64_MAX, &ns), TR_DUE);
	assert_true(ns == INT64_MAX);
	assert_int_equal(due(100, -1, 3, 1, 110, &ns), TR_DUE);
	assert_true(ns == 3);
	assert_int_equal(due(100, -1, 1, 3, 110, &ns), TR_DUE);
	assert_true(ns == 30);
}

/* [start, start + duration): in trace time, whatever the speed. */
static void test_window(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(due(100, 50, 2, 1, 99, &ns), TR_DUE_BEFORE);
	assert_int_equal(due(100, 50, 2, 1, 100, &ns), TR_DUE);
	assert_true(ns == 0);
	assert_int_equal(due(100, 50, 2, 1, 149, &ns), TR_DUE);
	assert_true(ns == 24);
	assert_int_equal(due(100, 50, 2, 1, 150, &ns), TR_DUE_AFTER);
	assert_int_equal(due(100, 0, 2, 1, 100, &ns), TR_DUE_AFTER);
	assert_int_equal(due(INT64_MIN, INT64_MAX, 1, 1, -2, &ns), TR_DUE);
	assert_true(ns == INT64_MAX - 1);
	assert_int_equal(due(INT64_MIN, INT64_MAX, 1, 1, -1, &ns), TR_DUE_AFTER);
}

/* A rate of 7/s played 3 times as fast for 24 hours: each event a nanosecond off at most, the last too. */
static void test_no_drift(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 7 * 86400; i++) {
		int64_t arrival = i / 7 * 1000000000 + i % 7 * 1000000000 / 7, ns;

		assert_int_equal(due(0, -1, 3, 1, arrival, &ns), TR_DUE);
		assert_true(ns * 3 <= arrival && arrival < ns * 3 + 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_window),
	    cmocka_unit_test(test_no_drift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

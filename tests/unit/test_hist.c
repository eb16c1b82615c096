/* SPDX-License-Identifier: Apache-2.0
 *
 * The histogram: its error bound, its buckets and its merge, against sorted arrays.
 */
#include "libtrace/hist.h"
#include "libtrace/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct tr_hist *make(unsigned bits, uint64_t max)
{
	struct tr_hist *h;

	assert_int_equal(tr_hist_new(&h, bits, max, NULL), 0);
	return h;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of every size alike. */
static uint64_t any_size(struct tr_rng *g)
{
	return tr_rng_u64(g) >> tr_rng_below(g, 64);
}

static void test_new(void **state)
{
	struct tr_hist *h;
	struct tr_err err;

	(void)state;
	assert_int_equal(tr_hist_new(&h, 3, 100, &err), -TR_EUSAGE);
	assert_null(h);
	assert_int_equal(tr_hist_new(&h, 15, 100, &err), -TR_EUSAGE);
	tr_hist_free(NULL);
	h = make(10, 100);
	assert_true(tr_hist_error(h) == 1.0 / 1024);
	tr_hist_free(h);
}

/* Each value alone: k = 1 gives it back within the error, exactly below 2^bits. */
static void test_error_bound(void **state)
{
	static const uint64_t edges[] = {0,
	                                 1,
	                                 1023,
	                                 1024,
	                                 1025,
	                                 2047,
	                                 2048,
	                                 2049,
	                                 UINT64_C(1) << 53,
	                                 UINT64_C(1) << 63,
	                                 UINT64_MAX - 1,
	                                 UINT64_MAX};
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "hist");
	for (unsigned bits = 4; bits <= 14; bits += 5) {
		for (size_t i = 0; i < 3000; i++) {
			struct tr_hist *h = make(bits, UINT64_MAX);
			uint64_t v = i < sizeof(edges) / sizeof(*edges) ? edges[i] : any_size(&g), got,
			         it = 0, low, high, count;

			assert_int_equal(tr_hist_add(h, v, 1, NULL), 0);
			got = tr_hist_kth(h, 1);
			if (v >> (bits + 1) == 0)
				assert_true(got == v);
			assert_true(fabs((double)got - (double)v) <= (double)v * tr_hist_error(h));
			assert_int_equal(tr_hist_each(h, &it, &low, &high, &count), 1);
			assert_true(low <= v && v <= high && count == 1);
			assert_true(got == low + (high - low) / 2);
			assert_true((double)(high - low) <= (double)low * tr_hist_error(h));
			assert_int_equal(tr_hist_each(h, &it, &low, &high, &count), 0);
			tr_hist_free(h);
		}
	}
}

static void test_kth(void **state)
{
	enum { N = 5000 };
	static uint64_t v[N];
	struct tr_hist *h = make(10, UINT64_MAX);
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "kth");
	for (int i = 0; i < N; i++) {
		v[i] = any_size(&g);
		assert_int_equal(tr_hist_add(h, v[i], 1, NULL), 0);
	}
	qsort(v, N, sizeof(*v), ascending);
	assert_true(tr_hist_count(h) == N);
	for (uint64_t k = 1; k <= N; k++)
		assert_true(fabs((double)tr_hist_kth(h, k) - (double)v[k - 1]) <= (double)v[k - 1] / 1024);
	tr_hist_free(h);
}

static void test_beyond(void **state)
{
	struct tr_hist *h = make(4, 1000);
	uint64_t it = 0, low, high, count;

	(void)state;
	assert_int_equal(tr_hist_add(h, 1000, 2, NULL), 0);
	assert_int_equal(tr_hist_add(h, 1001, 3, NULL), 0);
	assert_true(tr_hist_count(h) == 2 && tr_hist_beyond(h) == 3);
	assert_int_equal(tr_hist_each(h, &it, &low, &high, &count), 1);
	assert_true(high == 1000 && count == 2); /* cut at max, not at 1023 */
	assert_true(tr_hist_kth(h, 2) <= 1000);
	tr_hist_free(h);
}

static void test_count_overflow(void **state)
{
	struct tr_hist *h = make(4, 1000), *other = make(4, 1000);

	(void)state;
	assert_int_equal(tr_hist_add(h, 5, UINT64_MAX, NULL), 0);
	assert_int_equal(tr_hist_add(h, 6, 1, NULL), -TR_ELIMIT);
	assert_int_equal(tr_hist_add(other, 6, 1, NULL), 0);
	assert_int_equal(tr_hist_merge(h, other, NULL), -TR_ELIMIT);
	assert_true(tr_hist_count(h) == UINT64_MAX);
	assert_true(tr_hist_kth(h, UINT64_MAX) == 5);
	tr_hist_free(h);
	tr_hist_free(other);
}

static void same(const struct tr_hist *a, const struct tr_hist *b)
{
	uint64_t i = 0, j = 0, x[3], y[3];
	int more;

	assert_true(tr_hist_count(a) == tr_hist_count(b) && tr_hist_beyond(a) == tr_hist_beyond(b));
	do {
		more = tr_hist_each(a, &i, x, x + 1, x + 2);
		assert_int_equal(tr_hist_each(b, &j, y, y + 1, y + 2), more);
		if (more)
			assert_memory_equal(x, y, sizeof(x));
	} while (more);
}

static void test_merge_is_union(void **state)
{
	struct tr_rng g;

	(void)state;
	tr_rng_init(&g, 1, "merge");
	for (int round = 0; round < 50; round++) {
		struct tr_hist *a = make(8, UINT64_C(1) << 60), *b = make(8, UINT64_C(1) << 60),
		               *both = make(8, UINT64_C(1) << 60);

		for (uint64_t i = tr_rng_below(&g, 300); i > 0; i--) {
			uint64_t v = any_size(&g), times = tr_rng_below(&g, 5);

			assert_int_equal(tr_hist_add(i & 1 ? a : b, v, times, NULL), 0);
			assert_int_equal(tr_hist_add(both, v, times, NULL), 0);
		}
		assert_int_equal(tr_hist_merge(a, b, NULL), 0);
		same(a, both);
		tr_hist_free(a);
		tr_hist_free(b);
		tr_hist_free(both);
	}
}

static void test_merge_shape(void **state)
{
	struct tr_hist *a = make(8, 1000), *bits = make(9, 1000), *max = make(8, 1001);

	(void)state;
	assert_int_equal(tr_hist_merge(a, bits, NULL), -TR_EUSAGE);
	assert_int_equal(tr_hist_merge(a, max, NULL), -TR_EUSAGE);
	tr_hist_free(a);
	tr_hist_free(bits);
	tr_hist_free(max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new),
	    cmocka_unit_test(test_error_bound),
	    cmocka_unit_test(test_kth),
	    cmocka_unit_test(test_beyond),
	    cmocka_unit_test(test_count_overflow),
	    cmocka_unit_test(test_merge_is_union),
	    cmocka_unit_test(test_merge_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

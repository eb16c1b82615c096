/* SPDX-License-Identifier: Apache-2.0
 *
 * The integer streams of the binary form: every kind of sequence comes back, and costs about what it should.
 */
#include "libtrace/err.h"
#include "libtrace/rng.h"
#include "libtrace/trb_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct trb_enc enc;
static struct trb_dec dec;
static struct tr_buf out;

static int set_up(void **state)
{
	(void)state;
	tr_buf_init(&out, 1u << 28);
	return trb_enc_init(&enc) < 0 || trb_dec_init(&dec) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	trb_enc_free(&enc);
	trb_dec_free(&dec);
	tr_buf_free(&out);
	return 0;
}

/* Encode, decode, compare; the size in bytes. */
static size_t there_and_back(const uint64_t *v, size_t n, enum tr_hint hint)
{
	uint64_t *back = malloc((n + 1) * sizeof *back);
	out.n = 0;
	assert_int_equal(trb_put_ints(&enc, &out, v, n, hint), 0);
	dec.p = (unsigned char *)out.p;
	dec.n = out.n;
	dec.pos = 0;
	dec.reason = NULL;
	if (trb_get_ints(&dec, back, n) < 0)
		fail_msg("%s", dec.reason);
	assert_int_equal(dec.pos, out.n);
	if (n)
		assert_memory_equal(back, v, n * sizeof *v);
	free(back);
	return out.n;
}

static void any_values(void **state)
{
	struct tr_rng g;
	uint64_t *v = malloc(20000 * sizeof *v);
	(void)state;
	tr_rng_init(&g, 1, "ints");
	for (int round = 0; round < 400; round++) {
		size_t n = tr_rng_below(&g, round % 10 ? 300 : 20000);
		unsigned bits = 1 + (unsigned)tr_rng_below(&g, 64);
		uint64_t scale = tr_rng_below(&g, 3) ? 1 : 1 + tr_rng_below(&g, 100000), at = tr_rng_u64(&g);
		int how = (int)tr_rng_below(&g, 4);
		for (size_t i = 0; i < n; i++) {
			uint64_t r = tr_rng_u64(&g) >> (64 - bits);
			v[i] = how == 0   ? r * scale
			       : how == 1 ? (at += r * scale)
			       : how == 2 ? at + i / 7 * 100 + i % 7
			                  : 0 - r * scale;
		}
		there_and_back(v, n, TR_HINT_DELTA);
		there_and_back(v, n, TR_HINT_PLAIN);
	}
	free(v);
}

static void corners(void **state)
{
	static const uint64_t v[] = {0,          UINT64_MAX, 1, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1, 0,
	                             UINT64_MAX, UINT64_MAX, 7};
	(void)state;
	for (size_t n = 0; n <= sizeof v / sizeof v[0]; n++) {
		there_and_back(v, n, TR_HINT_DELTA);
		there_and_back(v, n, TR_HINT_PLAIN);
	}
}

static void sizes(void **state)
{
	enum { N = 65536 };
	struct tr_rng g;
	uint64_t *v = malloc(N * sizeof *v), t = 0;
	(void)state;
	tr_rng_init(&g, 1, "sizes");
	for (size_t i = 0; i < N; i++)
		v[i] = 1000 + i;
	assert_true(there_and_back(v, N, TR_HINT_DELTA) < 16); /* one run, or constant steps */
	for (size_t i = 0; i < N; i++)
		v[i] = 512;
	assert_true(there_and_back(v, N, TR_HINT_PLAIN) < 8);
	for (size_t i = 0; i < N; i++)
		v[i] = i / 10 * 100000 + i % 10; /* ten consecutive ids, then a jump: runs */
	assert_true(there_and_back(v, N, TR_HINT_DELTA) < N / 100);
	for (size_t i = 0; i < N; i++)
		v[i] = t += (uint64_t)(tr_rng_exponential(&g) * 1e6) *
		            1000; /* exponential gaps of 1 s in microseconds */
	/* entropy: log2(e * 1e6) = 21.4 bits; the divisor of 1000 costs nothing */
	size_t n = there_and_back(v, N, TR_HINT_DELTA);
	assert_true(n * 8.0 / N > 21.3);
	assert_true(n * 8.0 / N < 21.9);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_values), cmocka_unit_test(corners),
	                                   cmocka_unit_test(sizes)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

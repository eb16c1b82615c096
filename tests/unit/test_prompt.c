/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts: exact lengths, content by identity, and known answers from another program: the formula in
 * prompt.c, written in Python from its comment alone.
 */
#include "libtrace/err.h"
#include "libtrace/rng.h"
#include "tools/prompt.h"
#include "tools/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BIG = 1 << 20 };

static struct tr_rec record(uint64_t id)
{
	struct tr_rec r = {0};
	TR_SET(&r, id, id);
	return r;
}

static struct tr_rec blocked(uint64_t id, uint64_t size, const uint64_t *v, size_t n)
{
	struct tr_rec r = record(id);
	TR_SET(&r, block_size, size);
	TR_SET(&r, blocks, ((struct tr_list){v, n}));
	return r;
}

/* The prompt as a C string, to be freed. */
static char *words(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n)
{
	struct tr_buf b;
	tr_buf_init(&b, BIG);
	assert_int_equal(prompt_words(o, r, n, &b), 0);
	assert_int_equal(words_tokens((struct tr_slice){b.p, b.n}), n);
	assert_int_equal(tr_buf_char(&b, 0), 0);
	return b.p;
}

static char *ids(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n)
{
	struct tr_buf b;
	tr_buf_init(&b, BIG);
	assert_int_equal(prompt_ids(o, r, n, &b), 0);
	assert_int_equal(tr_buf_char(&b, 0), 0);
	return b.p;
}

/* How many words (or ids) stand before the first difference. */
static uint64_t common(const char *a, const char *b, char between)
{
	uint64_t n = 0;
	size_t i = 0;
	for (; a[i] && a[i] == b[i]; i++)
		n += a[i] == between;
	return n + ((a[i] == 0 || a[i] == between) && (b[i] == 0 || b[i] == between));
}

static uint64_t pieces(const char *s, char between)
{
	uint64_t n = 1;
	for (; *s; s++)
		n += *s == between;
	return n;
}

static void known_answers(void **state)
{
	static const uint64_t two[] = {11, UINT64_MAX};
	const struct tr_rec plain = record(7), blocks = blocked(7, 4, two, 2);
	struct tr_rec arrival = {0};
	TR_SET(&arrival, arrival_ns, -5);
	const struct prompt_opts one = {.seed = 1, .id_lo = 1000, .id_hi = 127999},
	                         all = {.seed = 1, .id_hi = UINT64_MAX}, warm = {.seed = 99, .warmup = 1},
	                         nonce = {.seed = 1,
	                                  .has_nonce = 1,
	                                  .nonce = UINT64_MAX,
	                                  .id_lo = 1000,
	                                  .id_hi = 127999},
	                         other = {.seed = 1, .has_nonce = 1, .nonce = UINT64_C(0x0123456789abcdef)};
	const struct {
		char *(*make)(const struct prompt_opts *, const struct tr_rec *, uint64_t);
		const struct prompt_opts *o;
		const struct tr_rec *r;
		uint64_t n;
		const char *want;
	} rows[] = {
	    {words, &one, &plain, 12,
	     "bre chips mismo fourth champion later maintenance pilots forever exercise augment haul"},
	    {words, &one, &blocks, 12,
	     "course continued graphs associated major liv sail pants bre chips mismo fourth"},
	    {words, &one, &arrival, 6, "assignment cr sav enjoyable database fer"},
	    {words, &warm, &blocks, 12,
	     "ged nod ber screen viol counting imper reported mil represents leverage obs"},
	    {words, &nonce, &blocks, 12,
	     "complete palm stepping platforms path liv sail pants bre chips mismo fourth"},
	    {words, &other, &blocks, 3, "chem flat spl"},
	    {ids, &one, &blocks, 10, "27038,24891,51822,8310,68125,66963,98731,80934,15742,19111"},
	    {ids, &nonce, &blocks, 10, "87615,124295,66419,10005,1000,66963,98731,80934,15742,19111"},
	    {ids, &all, &blocks, 3, "3782033391507465413,3470175770549729859,7382013767044479572"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *got = rows[i].make(rows[i].o, rows[i].r, rows[i].n);
		assert_string_equal(got, rows[i].want);
		free(got);
	}
}

/* words() itself holds the count against words_tokens. */
static void lengths_are_exact(void **state)
{
	uint64_t v[64];
	struct tr_rng g;
	(void)state;
	tr_rng_init(&g, 1, "lengths");
	for (uint64_t n = 1; n <= 3000; n++) {
		size_t nblocks = tr_rng_below(&g, 65);
		for (size_t i = 0; i < nblocks; i++)
			v[i] = tr_rng_u64(&g);
		struct tr_rec r = blocked(n, tr_rng_below(&g, 65), v, nblocks);
		struct prompt_opts o = {.seed = tr_rng_u64(&g),
		                        .has_nonce = n % 2 == 0,
		                        .nonce = tr_rng_u64(&g),
		                        .id_lo = 100,
		                        .id_hi = 100 + tr_rng_below(&g, 200000),
		                        .warmup = n % 3 == 0};
		char *text = words(&o, &r, n), *list = ids(&o, &r, n);
		assert_int_equal(pieces(text, ' '), n);
		assert_int_equal(pieces(list, ','), n);
		for (char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
			assert_in_range(strtoull(p, NULL, 10), o.id_lo, o.id_hi);
		free(text);
		free(list);
	}
}

static void blocks_are_shared(void **state)
{
	struct tr_rng g;
	const struct prompt_opts o = {.seed = 5, .id_lo = 5, .id_hi = 150000};
	(void)state;
	tr_rng_init(&g, 2, "shared");
	for (int i = 0; i < 500; i++) {
		uint64_t a[20], b[20], size = 1 + tr_rng_below(&g, 40);
		size_t n = 1 + tr_rng_below(&g, 20), k = tr_rng_below(&g, n + 1);
		for (size_t j = 0; j < n; j++) {
			a[j] = tr_rng_u64(&g);
			b[j] = j < k ? a[j] : a[j] + 1;
		}
		/* Behind the blocks the records differ. */
		const struct tr_rec ra = blocked(1, size, a, n), rb = blocked(2, size, b, n);
		uint64_t length = n * size + 20;
		char *wa = words(&o, &ra, length), *wb = words(&o, &rb, length);
		char *ia = ids(&o, &ra, length), *ib = ids(&o, &rb, length);
		assert_int_equal(common(wa, wb, ' '), k * size);
		assert_int_equal(common(ia, ib, ','), k * size);
		free(wa);
		free(wb);
		free(ia);
		free(ib);
	}
}

/* A shorter prompt of the same blocks is the beginning of a longer one, wherever it is cut; and a block reads
 * the same behind others. */
static void cuts_are_prefixes(void **state)
{
	static const uint64_t v[] = {3, 1, 4, 1, 5};
	const struct prompt_opts o = {.seed = 5, .has_nonce = 1, .nonce = 12345};
	const struct prompt_opts plain = {.seed = 5};
	const struct tr_rec five = blocked(1, 16, v, 5), two = blocked(2, 16, v + 1, 2);
	char *whole = words(&o, &five, 90), *tail = words(&plain, &two, 32);
	(void)state;
	for (uint64_t n = 1; n < 90; n++) {
		char *part = words(&o, &five, n);
		assert_memory_equal(whole, part, strlen(part));
		assert_true(whole[strlen(part)] == ' ');
		free(part);
	}
	assert_non_null(strstr(whole, tail)); /* blocks 1 and 4 */
	free(whole);
	free(tail);
}

/* From the k-th piece (of 0...) to the end. */
static const char *from(const char *s, unsigned k, char between)
{
	while (k--)
		s = strchr(s, between) + 1;
	return s;
}

static void nonce_changes_five(void **state)
{
	static const uint64_t v[] = {3, 1, 4, 1, 5};
	struct tr_rng g;
	(void)state;
	tr_rng_init(&g, 3, "nonces");
	for (int i = 0; i < 500; i++) {
		const struct tr_rec r = blocked(1, 1 + tr_rng_below(&g, 8), v, tr_rng_below(&g, 6));
		struct prompt_opts o = {.seed = 5, .id_lo = 5, .id_hi = 150000, .nonce = tr_rng_u64(&g)};
		char *w = words(&o, &r, 40), *n = ids(&o, &r, 40);
		o.has_nonce = 1;
		char *wn = words(&o, &r, 40), *nn = ids(&o, &r, 40);
		o.nonce ^= UINT64_C(1) << tr_rng_below(&g, 64);
		char *other = words(&o, &r, 40), *other_ids = ids(&o, &r, 40);
		assert_string_equal(from(w, 5, ' '), from(wn, 5, ' '));
		assert_string_equal(from(n, 5, ','), from(nn, 5, ','));
		assert_string_equal(from(wn, 5, ' '), from(other, 5, ' '));
		assert_string_not_equal(w, wn);
		assert_string_not_equal(n, nn);
		assert_string_not_equal(wn, other);
		assert_string_not_equal(nn, other_ids);
		free(w);
		free(n);
		free(wn);
		free(nn);
		free(other);
		free(other_ids);
	}
}

/* Seed, identity and warm-up each give another text. */
static void all_differ(void **state)
{
	static const uint64_t v[] = {7};
	const struct prompt_opts o[] = {{.seed = 1}, {.seed = 2}, {.seed = 1, .warmup = 1}};
	struct tr_rec arrival = {0}, nothing = {0}, empty = blocked(7, 0, v, 1);
	TR_SET(&arrival, arrival_ns, 8);
	const struct tr_rec r[] = {record(7), blocked(7, 50, v, 1), record(9), arrival, nothing};
	char *text[3 * 5];
	(void)state;
	for (size_t i = 0; i < 15; i++) {
		text[i] = words(&o[i / 5], &r[i % 5], 10);
		for (size_t k = 0; k < i; k++)
			assert_true(common(text[i], text[k], ' ') < 3);
	}
	char *same = words(&o[0], &empty, 10); /* no block size: the record's own words */
	assert_string_equal(same, text[0]);
	free(same);
	for (size_t i = 0; i < 15; i++)
		free(text[i]);
}

static void limits(void **state)
{
	const struct prompt_opts o = {.seed = 1, .id_hi = 1000};
	const struct tr_rec r = record(1);
	struct tr_buf b;
	(void)state;
	tr_buf_init(&b, 5000);
	assert_int_equal(tr_buf_str(&b, "head"), 0);
	assert_int_equal(prompt_words(&o, &r, UINT64_MAX, &b), -TR_ELIMIT);
	assert_int_equal(prompt_ids(&o, &r, UINT64_MAX, &b), -TR_ELIMIT);
	assert_true(b.cap < 5000); /* refused before memory was asked for */
	assert_int_equal(prompt_words(&o, &r, 1600, &b), -TR_ELIMIT);
	assert_int_equal(prompt_ids(&o, &r, 2400, &b), -TR_ELIMIT);
	assert_int_equal(prompt_words(&o, &r, 0, &b), 0);
	assert_int_equal(b.n, 4);
	assert_memory_equal(b.p, "head", 4);
	assert_int_equal(prompt_words(&o, &r, 500, &b), 0);
	assert_int_equal(words_tokens((struct tr_slice){b.p + 4, b.n - 4}), 500);
	tr_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_answers),
	    cmocka_unit_test(lengths_are_exact),
	    cmocka_unit_test(blocks_are_shared),
	    cmocka_unit_test(cuts_are_prefixes),
	    cmocka_unit_test(nonce_changes_five),
	    cmocka_unit_test(all_differ),
	    cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

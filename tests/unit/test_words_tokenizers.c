/* SPDX-License-Identifier: Apache-2.0
 *
 * The promise of portable words: a text of n words has n tokens in each of the public vocabularies in
 * REPRISE_VOCAB, counted by our own tokenizers without added tokens. 1,250 random texts for each, 10,000 with
 * REPRISE_FULL=1; without REPRISE_VOCAB it is left out.
 */
#include "libtrace/rng.h"
#include "libtrace/tokenizer/tokenizer.h"
#include "tools/prompt.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SHORT = 1250, LONG = 10000, WORDS_MAX = 600, BLOCKS_MAX = 8, MB = 1 << 20 };

static unsigned texts;
static glob_t files;

/* A text of `want` words: by block ids or by the record's id alone, with a nonce or without. */
static void make_text(struct tr_rng *g, struct tr_buf *b, uint64_t want)
{
	uint64_t blocks[BLOCKS_MAX];
	struct tr_rec r = {0};
	struct prompt_opts o = {.seed = tr_rng_below(g, 1000),
	                        .has_nonce = tr_rng_below(g, 2) == 0,
	                        .nonce = tr_rng_below(g, UINT64_MAX)};
	TR_SET(&r, id, tr_rng_below(g, UINT64_MAX));
	if (tr_rng_below(g, 2)) {
		const size_t n = tr_rng_below(g, BLOCKS_MAX + 1);
		for (size_t i = 0; i < n; i++)
			blocks[i] = tr_rng_below(g, UINT64_MAX);
		TR_SET(&r, block_size, 1 + tr_rng_below(g, 128));
		TR_SET(&r, blocks, ((struct tr_list){blocks, n}));
	}
	b->n = 0;
	assert_int_equal(prompt_words(&o, &r, want, b), 0);
}

static void one_token_a_word(void **state)
{
	struct tr_tokenizer *t;
	struct tr_encoder *e;
	struct tr_err err;
	struct tr_rng g;
	struct tr_buf b;
	struct tr_ids ids = {0};
	uint64_t counted, sum = 0;
	tr_buf_init(&b, MB);
	tr_err_clear(&err);
	assert_int_equal(tr_tokenizer_open(&t, *state, &err), 0);
	assert_int_equal(tr_encoder_new(&e, t, &err), 0);
	tr_rng_init(&g, 1, *state);
	for (unsigned i = 0; i < texts; i++) {
		const uint64_t want = 1 + (i < WORDS_MAX ? i : tr_rng_below(&g, WORDS_MAX));
		make_text(&g, &b, want);
		const struct tr_slice text = {b.p, b.n};
		assert_int_equal(tr_count_tokens(e, text, 0, &counted, &err), 0);
		if (counted != want)
			fail_msg("%.200s...: %u words, %u tokens", b.p, (unsigned)want, (unsigned)counted);
		ids.n = 0;
		assert_int_equal(tr_encode(e, text, 0, &ids, &err), 0);
		assert_int_equal(ids.n, want);
		sum += want;
	}
	assert_true(sum > texts * (uint64_t)(WORDS_MAX / 4));
	tr_ids_free(&ids);
	tr_buf_free(&b);
	tr_encoder_free(e);
	tr_tokenizer_free(t);
}

static void no_vocabularies(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const char *folder = getenv("REPRISE_VOCAB"), *full = getenv("REPRISE_FULL");
	char pattern[4096];
	texts = full && strcmp(full, "1") == 0 ? LONG : SHORT;
	snprintf(pattern, sizeof pattern, "%s/*.json", folder ? folder : "");
	if (!folder || glob(pattern, 0, NULL, &files) != 0) {
		const struct CMUnitTest none[] = {cmocka_unit_test(no_vocabularies)};
		return cmocka_run_group_tests(none, NULL, NULL);
	}
	struct CMUnitTest *tests = calloc(files.gl_pathc, sizeof *tests);
	if (!tests)
		return 1;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		const char *slash = strrchr(files.gl_pathv[i], '/');
		tests[i] = (struct CMUnitTest){slash + 1, one_token_a_word, NULL, NULL, files.gl_pathv[i]};
	}
	int failed = _cmocka_run_group_tests("portable words", tests, files.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&files);
	return failed;
}

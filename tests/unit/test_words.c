/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of portable words as it was made from the list, and the measure of texts.
 */
#include "libtrace/rng.h"
#include "tools/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t tokens(const char *text)
{
	return words_tokens(tr_slice_of(text));
}

static void table_is_whole(void **state)
{
	(void)state;
	assert_int_equal(words_count, 9427);
	assert_int_equal(words_first_count, 3667);
	for (uint32_t i = 0; i < words_count; i++) {
		const struct words_entry *e = &words_all[i];
		assert_in_range(e->n, 3, WORDS_LETTERS_MAX + 1);
		assert_int_equal(strlen(e->text), e->n);
		assert_int_equal(e->text[0], ' ');
		assert_int_equal(strspn(e->text + 1, "abcdefghijklmnopqrstuvwxyz"), e->n - 1);
		if (i)
			assert_true(strcmp(words_all[i - 1].text, e->text) < 0);
	}
	for (uint32_t i = 0; i < words_first_count; i++) {
		assert_true(words_first[i] < words_count);
		if (i)
			assert_true(words_first[i - 1] < words_first[i]);
	}
}

/* Every word behind a space is one token, and so at the beginning exactly where the list says so. */
static void every_word_is_found(void **state)
{
	uint32_t first = 0;
	(void)state;
	for (uint32_t i = 0; i < words_count; i++) {
		const struct words_entry *e = &words_all[i];
		uint64_t alone = words_tokens((struct tr_slice){e->text + 1, e->n - 1U});
		assert_int_equal(tokens(e->text), 1);
		if (first < words_first_count && words_first[first] == i) {
			first++;
			assert_int_equal(alone, 1);
		} else {
			assert_int_equal(alone, (e->n - 1 + 3) / 4);
		}
	}
	assert_int_equal(first, words_first_count);
}

static void other_text(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
	    {"", 0},
	    {" ", 1},
	    {"able", 1},
	    {"able about", 2},
	    {"aboard about", 3},           /* may not begin: 6 bytes */
	    {" able", 1},                  /* behind a space all may stand */
	    {"able  about", 3},            /* the space too many is other text */
	    {"able about ", 3},            /* and so is the last one */
	    {"able\nabout", 3},            /* 10 bytes */
	    {"Able about", 2},             /* 4 bytes, a word */
	    {"able, about", 3},            /* 5 bytes, a word */
	    {"qqqq zzzz about", 4},        /* one stretch of 9 bytes, a word */
	    {"qqqq able zzzz", 4},         /* two stretches, of 4 and 5 bytes, about a word */
	    {"ableableableable", 4},       /* longer than any word */
	    {"able ableableableableq", 6}, /* 18 bytes behind a word */
	    {"able \xc3\xa9\xc3\xa9\xc3\xa9 about", 4},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(tokens(rows[i].text), rows[i].want);
	assert_int_equal(words_tokens((struct tr_slice){"able\0", 5}), 2);
}

/* A letter too many does not fall off the end of the digits that a word is looked up by. */
static void too_long(void **state)
{
	unsigned tried = 0;
	(void)state;
	for (uint32_t i = 0; i < words_count; i++) {
		const struct words_entry *e = &words_all[i];
		char text[WORDS_LETTERS_MAX + 3] = " p";
		if (e->n != WORDS_LETTERS_MAX + 1)
			continue;
		memcpy(text + 2, e->text + 1, WORDS_LETTERS_MAX);
		assert_int_equal(tokens(text), 4);
		text[1] = 'q';
		assert_int_equal(tokens(text), 4);
		tried++;
	}
	assert_true(tried > 0);
}

/* Against the plainest way to look a word up. */
static int in_list(const char *p, size_t n)
{
	for (uint32_t i = 0; i < words_count; i++)
		if (words_all[i].n == n + 1 && memcmp(words_all[i].text + 1, p, n) == 0)
			return 1;
	return 0;
}

static void random_letters(void **state)
{
	struct tr_rng g;
	unsigned found = 0;
	(void)state;
	tr_rng_init(&g, 1, "letters");
	for (int i = 0; i < 3000; i++) {
		char text[8] = " ";
		size_t n = 2 + tr_rng_below(&g, 3);
		for (size_t k = 1; k <= n; k++)
			text[k] = "aeiourstnlm"[tr_rng_below(&g, 11)];
		int want = in_list(text + 1, n);
		found += (unsigned)want;
		assert_int_equal(tokens(text), want ? 1 : (n + 1 + 3) / 4);
	}
	assert_in_range(found, 100, 2900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_is_whole), cmocka_unit_test(every_word_is_found),
	    cmocka_unit_test(other_text),     cmocka_unit_test(too_long),
	    cmocka_unit_test(random_letters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

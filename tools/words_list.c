/* SPDX-License-Identifier: Apache-2.0
 *
 * The portable words that one vocabulary has. A word counts when a text of it and one that is known to be
 * good has one token more for it: so what the tokenizer does at the beginning of a text does not matter.
 */
#include "libtrace/tokenizer/tokenizer.h"
#include "tools/words.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_ENOUGH = 1000, FIRST_ENOUGH = 100 };

static int count(struct tr_encoder *e, const char *text, size_t n, uint64_t *tokens, struct tr_err *err)
{
	return tr_count_tokens(e, (struct tr_slice){text, n}, 0, tokens, err);
}

/* "word word" has one token more than "word" alone, and "word" alone has one where it begins. */
static int look(struct tr_encoder *e, uint32_t i, int *first, int *behind, struct tr_err *err)
{
	const struct words_entry *w = &words_all[i];
	char text[48];
	uint64_t alone = 0, twice = 0;
	memcpy(text, w->text + 1, w->n - 1u);
	memcpy(text + w->n - 1, w->text, w->n);
	int rc = count(e, text, w->n - 1u, &alone, err);
	rc = rc ? rc : count(e, text, 2u * w->n - 1, &twice, err);
	*first = alone == 1;
	*behind = twice == alone + 1;
	return rc;
}

int words_list_new(struct words_list *l, const struct tr_tokenizer *t, struct tr_err *err)
{
	struct tr_encoder *e;
	int first, behind, rc = tr_encoder_new(&e, t, err);
	*l = (struct words_list){malloc(words_count * sizeof *l->all), malloc(words_count * sizeof *l->first),
	                         0, 0};
	if (rc == 0 && (!l->all || !l->first))
		rc = tr_fail(err, TR_ENOMEM, "no memory for a list of words");
	for (uint32_t i = 0; i < words_count && rc == 0; i++) {
		rc = look(e, i, &first, &behind, err);
		if (rc == 0 && behind)
			l->all[l->count++] = (uint16_t)i;
		if (rc == 0 && behind && first)
			l->first[l->first_count++] = (uint16_t)i;
	}
	if (rc == 0 && (l->count < WORDS_ENOUGH || l->first_count < FIRST_ENOUGH)) {
		rc = tr_fail(err, TR_EDATA,
		             "only %u of the portable words are one token in this vocabulary, %u of them at "
		             "a beginning",
		             l->count, l->first_count);
		tr_err_file(err, tr_tokenizer_name(t));
	}
	tr_encoder_free(e);
	if (rc < 0)
		words_list_free(l);
	return rc;
}

void words_list_free(struct words_list *l)
{
	free(l->all);
	free(l->first);
	*l = (struct words_list){0};
}

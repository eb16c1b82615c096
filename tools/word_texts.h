/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts of exact lengths for records that have none.
 */
#ifndef TOOLS_WORD_TEXTS_H
#define TOOLS_WORD_TEXTS_H

#include "libtrace/tokenizer/tokenizer.h"
#include "tools/prompt.h"

struct word_texts { /* zeroed: does nothing */
	int on;
	struct prompt_opts prompt;
	struct words_list list;
	struct tr_buf payload, answer;
	uint64_t last_id, last_in, last_out; /* of the record before */
	int any;
	uint64_t raised; /* turns whose lengths leave no word for the new message: it got one */
};
/* t NULL: the words that eight vocabularies share. */
int word_texts_init(struct word_texts *w, const struct tr_tokenizer *t, uint64_t seed, struct tr_err *err);
void word_texts_free(struct word_texts *w);
/* The texts are borrowed until the next call. */
int word_texts_apply(struct word_texts *w, struct tr_rec *r, struct tr_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * A text on its way through the parts.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>

int tr_encoder_new(struct tr_encoder **out, const struct tr_tokenizer *t, struct tr_err *err)
{
	struct tr_encoder *e = calloc(1, sizeof *e);
	if (!e)
		return tok_no_memory(err);
	e->t = t;
	tr_buf_init(&e->clean, TOK_TEXT_MAX);
	tr_buf_init(&e->norm[0], TOK_TEXT_MAX);
	tr_buf_init(&e->norm[1], TOK_TEXT_MAX);
	tr_buf_init(&e->pre.text, TOK_TEXT_MAX);
	tr_buf_init(&e->pre.other, TOK_TEXT_MAX);
	int rc = matcher_new(&e->matcher, err);
	if (rc == 0 && t->model == MODEL_BPE)
		rc = bpe_work_new(&e->bpe, err);
	if (rc < 0) {
		tr_encoder_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

void tr_encoder_free(struct tr_encoder *e)
{
	if (!e)
		return;
	matcher_free(e->matcher);
	bpe_work_free(e->bpe);
	pre_work_free(&e->pre);
	tr_buf_free(&e->clean);
	tr_buf_free(&e->norm[0]);
	tr_buf_free(&e->norm[1]);
	tr_ids_free(&e->counted);
	free(e->nodes);
	free(e);
}

static int word(struct tr_encoder *e, struct tr_slice s, struct tr_ids *ids, struct tr_err *err)
{
	const struct tr_tokenizer *t = e->t;
	if (t->model == MODEL_UNIGRAM)
		return unigram_word(e, s, ids, err);
	if (t->model == MODEL_WORDPIECE)
		return wordpiece_word(e, s, ids, err);
	return bpe_word(e, s, t->pres && t->pre[t->pres - 1].leave_bytes, ids, err);
}

static int words(struct tr_encoder *e, struct tr_slice s, int at_start, struct tr_ids *ids,
                 struct tr_err *err)
{
	int rc = pre_run(e->t, e->matcher, &s, at_start, &e->pre, err);
	for (size_t i = 0; i < e->pre.spans.n && rc == 0; i++) {
		struct span w = e->pre.spans.v[i];
		if (w.n)
			rc = word(e, (struct tr_slice){s.p + w.at, w.n}, ids, err);
	}
	return rc;
}

typedef int gap_encoder(struct tr_encoder *e, struct tr_slice s, int at_start, struct tr_ids *ids,
                        struct tr_err *err);

/* Added tokens of the trie by their ids, what stands between them by `f`. */
static int between(struct tr_encoder *e, const struct trie *trie, struct tr_slice s, int at_start,
                   gap_encoder *f, struct tr_ids *ids, struct tr_err *err)
{
	struct added_hit hit;
	size_t search = 0, from = 0;
	int rc = 0;
	while (rc == 0 && added_find(e->t, trie, s, &search, from, &hit)) {
		if (hit.start > from)
			rc = f(e, (struct tr_slice){s.p + from, hit.start - from}, at_start && from == 0, ids,
			       err);
		if (rc == 0)
			rc = ids_push(ids, hit.token->id, err);
		from = hit.end;
	}
	if (rc == 0 && from < s.n)
		rc = f(e, (struct tr_slice){s.p + from, s.n - from}, at_start && from == 0, ids, err);
	return rc;
}

static int raw_gap(struct tr_encoder *e, struct tr_slice s, int at_start, struct tr_ids *ids,
                   struct tr_err *err)
{
	int rc = 0;
	for (unsigned i = 0; i < e->t->norms && rc == 0; i++) /* each writes into the other buffer */
		rc = normalizer_run(&e->t->norm[i], e->matcher, &s, &e->norm[tok_is_in(s, &e->norm[0])], err);
	if (rc < 0 || s.n == 0)
		return rc;
	return between(e, &e->t->normalized, s, at_start, words, ids, err);
}

static int encode(struct tr_encoder *e, struct tr_slice text, unsigned flags, struct tr_ids *ids,
                  struct tr_err *err)
{
	const struct tr_tokenizer *t = e->t;
	int rc = text.n > TOK_TEXT_MAX / 4 ? -TR_ELIMIT : utf8_clean(&text, &e->clean);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "a text of more than 128 MiB");
	matcher_begin(e->matcher, text.n);
	if (flags & TR_TOK_SPECIAL)
		rc = ids_add(ids, t->before.v, t->before.n, err);
	if (rc == 0)
		rc = between(e, &t->raw, text, 1, raw_gap, ids, err);
	if (rc == 0 && flags & TR_TOK_SPECIAL)
		rc = ids_add(ids, t->after.v, t->after.n, err);
	return rc;
}

int tr_encode(struct tr_encoder *e, struct tr_slice text, unsigned flags, struct tr_ids *ids,
              struct tr_err *err)
{
	return encode(e, text, flags, ids, err);
}

int tr_count_tokens(struct tr_encoder *e, struct tr_slice text, unsigned flags, uint64_t *n,
                    struct tr_err *err)
{
	e->counted.n = 0;
	int rc = encode(e, text, flags, &e->counted, err);
	*n = e->counted.n;
	return rc;
}

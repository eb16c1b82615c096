/* SPDX-License-Identifier: Apache-2.0
 *
 * WordPiece: the longest piece that fits, again and again; a word in which one does not fit is unknown as a
 * whole. WordLevel is the same with whole words only.
 */
#include "libtrace/tokenizer/impl.h"

static int unknown(struct tr_encoder *e, struct tr_ids *ids, struct tr_err *err)
{
	const struct tr_buf *unk = &e->t->wordpiece.unk;
	uint32_t id = vocab_find(&e->t->vocab, (struct tr_slice){unk->n ? unk->p : "", unk->n});
	if (id != TOK_NONE)
		return ids_push(ids, id, err);
	return tr_fail(err, TR_EDATA, "unk_token: not a piece of the vocabulary");
}

static uint32_t find(struct tr_encoder *e, struct tr_slice part, int first)
{
	const struct tr_buf *prefix = &e->t->wordpiece.prefix;
	if (first || !prefix->n)
		return vocab_find(&e->t->vocab, part);
	e->scratch.n = 0;
	if (tr_buf_add(&e->scratch, prefix->p, prefix->n) < 0 || tr_buf_add(&e->scratch, part.p, part.n) < 0)
		return TOK_NONE;
	return vocab_find(&e->t->vocab, (struct tr_slice){e->scratch.p, e->scratch.n});
}

int wordpiece_word(struct tr_encoder *e, struct tr_slice word, struct tr_ids *ids, struct tr_err *err)
{
	const struct wordpiece *w = &e->t->wordpiece;
	size_t from = ids->n;
	if (w->whole_only) {
		uint32_t id = vocab_find(&e->t->vocab, word);
		return id == TOK_NONE ? unknown(e, ids, err) : ids_push(ids, id, err);
	}
	if (utf8_count(word) > w->max_chars)
		return unknown(e, ids, err);
	for (size_t start = 0, end; start < word.n; start = end) {
		uint32_t id = TOK_NONE;
		for (end = word.n; end > start; end--) {
			if (end < word.n && ((unsigned char)word.p[end] & 0xc0) == 0x80)
				continue;
			id = find(e, (struct tr_slice){word.p + start, end - start}, start == 0);
			if (id != TOK_NONE)
				break;
		}
		if (id == TOK_NONE) {
			ids->n = from;
			return unknown(e, ids, err);
		}
		int rc = ids_push(ids, id, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

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

/* The longest piece at a place, walked forward, so that a long word costs no more than its pieces are long.
 */
static uint32_t longest(const struct wordpiece *w, struct tr_slice s, size_t at, size_t *end)
{
	uint32_t node = at ? w->rest : TRIE_ROOT, best = TOK_NONE;
	for (size_t i = at; i < s.n && node != TOK_NONE; i++) {
		node = trie_step(&w->trie, node, (unsigned char)s.p[i]);
		if (node != TOK_NONE && w->trie.value[node] != TOK_NONE) {
			best = w->trie.value[node];
			*end = i + 1;
		}
	}
	return best;
}

int wordpiece_ready(struct tr_tokenizer *t, struct tr_err *err)
{
	struct wordpiece *w = &t->wordpiece;
	int rc = 0;
	for (uint32_t i = 0; i < t->vocab.count && rc == 0 && !w->whole_only; i++) {
		const struct piece *p = &t->vocab.v[i];
		if (p->n > TOK_WALK_MAX)
			return tr_fail(err, TR_ELIMIT, "vocab: a piece of more than %d bytes", TOK_WALK_MAX);
		rc = trie_add(&w->trie, (struct tr_slice){t->vocab.arena.p + p->at, p->n}, p->id, err);
	}
	w->rest = TRIE_ROOT;
	for (size_t i = 0; i < w->prefix.n && w->rest != TOK_NONE; i++)
		w->rest = trie_step(&w->trie, w->rest, (unsigned char)w->prefix.p[i]);
	return rc;
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
		uint32_t id = longest(w, word, start, &end);
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

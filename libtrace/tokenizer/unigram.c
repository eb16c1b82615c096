/* SPDX-License-Identifier: Apache-2.0
 *
 * Unigram: the cut into pieces of the highest sum of scores (Viterbi over byte positions; Kudo 2018, as
 * SentencePiece and the reference walk it). A character without a piece costs the lowest score less 10;
 * unknown neighbours become one.
 */
#include "libtrace/tokenizer/impl.h"
#include "libtrace/num.h"

#include <stdio.h>
#include <stdlib.h>

struct unigram_node {
	double score;
	size_t from; /* SIZE_MAX: not reached */
	uint32_t id;
};

/* --- scores ----------------------------------------------------------------------------------- */

/* f * 10^exponent in one rounded step, as far as a power of ten is a double. */
static double scaled(double f, int exponent)
{
	static const double few[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
	                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	char text[16];
	double power = 1;
	if (exponent <= 0 && exponent > -23)
		return f / few[-exponent];
	for (; exponent < -308 && f != 0; exponent += 308)
		f /= 1e308;
	if (f == 0)
		return 0;
	int n = snprintf(text, sizeof text, "1e%d", exponent < 0 ? -exponent : exponent);
	if (tr_num_double((struct tr_slice){text, (size_t)n}, &power))
		return exponent < 0 ? 0 : 1.0 / 0.0;
	return exponent < 0 ? f / power : f * power;
}

/* A JSON number as the reference reads it (serde_json without `float_roundtrip`): its digits as an integer,
 * as many as 64 bits hold, rounded, times or by a power of ten, rounded again. That is one unit in the last
 * place off where there are 17 digits, and decides between cuts whose sums are otherwise equal. */
static const char *read_score(struct tr_slice s, double *to)
{
	uint64_t digits = 0;
	int64_t exponent = 0, written = 0;
	int fraction = 0, full = 0;
	size_t i = s.n && s.p[0] == '-';
	for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
		if (s.p[i] == '.') {
			fraction = 1;
			continue;
		}
		uint64_t d = (uint64_t)(s.p[i] - '0');
		full |= digits > (UINT64_MAX - d) / 10;
		if (!full)
			digits = digits * 10 + d;
		exponent += full ? !fraction : -fraction;
	}
	if (i < s.n && (tr_num_i64((struct tr_slice){s.p + i + 1 + (s.p[i + 1] == '+'),
	                                             s.n - i - 1 - (s.p[i + 1] == '+')},
	                           &written) ||
	                written > 100000 || written < -100000))
		return "beyond the range of a number";
	exponent += written;
	double f = scaled((double)digits, exponent < -100000  ? -100000
	                                  : exponent > 100000 ? 100000
	                                                      : (int)exponent);
	if (f > 1.7976931348623157e308)
		return "beyond the range of a number";
	*to = s.p[0] == '-' ? -f : f;
	return NULL;
}

/* [["piece", -1.5], ...] */
int unigram_parse_vocab(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	struct unigram *u = &t->unigram;
	struct tr_buf b;
	enum tr_json_token k;
	uint32_t cap = 0;
	int rc = 0;
	tr_buf_init(&b, 1 << 20);
	while (rc == 0 && (k = tr_json_next(j)) == TR_JSON_ARRAY) {
		if (tr_json_next(j) != TR_JSON_STRING || tok_string(j, &b) < 0 ||
		    tr_json_next(j) != TR_JSON_NUMBER) {
			rc = tok_bad(err, j, "vocab", "not [\"piece\", score]");
			break;
		}
		if (u->count == cap) {
			cap = cap ? cap * 2 : 1024;
			double *s = cap <= TOK_PIECES_MAX ? realloc(u->score, cap * sizeof *s) : NULL;
			if (!s) {
				rc = tok_no_memory(err);
				break;
			}
			u->score = s;
		}
		struct tr_slice piece = {b.n ? b.p : "", b.n};
		if (read_score(j->s, &u->score[u->count]) || tr_json_next(j) != TR_JSON_CLOSE)
			rc = tok_bad(err, j, "vocab", "not [\"piece\", score]");
		rc = rc ? rc : vocab_add(&t->vocab, piece, u->count, err);
		u->count++;
	}
	tr_buf_free(&b);
	return rc || k == TR_JSON_CLOSE ? rc : tok_bad(err, j, "vocab", "not a list of [\"piece\", score]");
}

int unigram_ready(struct tr_tokenizer *t, struct tr_err *err)
{
	struct unigram *u = &t->unigram;
	double lowest = 0;
	int rc = 0;
	if (u->unk_id != TOK_NONE && u->unk_id >= u->count)
		return tr_fail(err, TR_EDATA, "unk_id: beyond the vocabulary");
	for (uint32_t i = 0; i < u->count; i++)
		lowest = i == 0 || u->score[i] < lowest ? u->score[i] : lowest;
	u->unk_score = lowest - 10.0;
	for (uint32_t i = 0; i < t->vocab.count && rc == 0; i++) {
		const struct piece *p = &t->vocab.v[i];
		if (p->n > TOK_WALK_MAX)
			return tr_fail(err, TR_ELIMIT, "vocab: a piece of more than %d bytes", TOK_WALK_MAX);
		rc = trie_add(&u->trie, (struct tr_slice){t->vocab.arena.p + p->at, p->n}, p->id, err);
	}
	return rc;
}

void unigram_free(struct unigram *u)
{
	trie_free(&u->trie);
	free(u->score);
}

static int reserve(struct tr_encoder *e, size_t n, struct tr_err *err)
{
	if (n > e->nodes_cap) {
		struct unigram_node *p = realloc(e->nodes, n * 2 * sizeof *p);
		if (!p)
			return tok_no_memory(err);
		e->nodes = p;
		e->nodes_cap = n * 2;
	}
	for (size_t i = 0; i < n; i++)
		e->nodes[i] = (struct unigram_node){.from = SIZE_MAX};
	return 0;
}

static void reach(struct unigram_node *to, size_t from, double score, uint32_t id)
{
	if (to->from == SIZE_MAX || score > to->score)
		*to = (struct unigram_node){score, from, id};
}

/* What one piece of the best cut, or a run of unknown characters, becomes. */
static int put(struct tr_encoder *e, struct tr_slice s, struct tr_ids *ids, struct tr_err *err)
{
	const struct tr_tokenizer *t = e->t;
	uint32_t id = vocab_find(&t->vocab, s), bytes[8];
	char text[8] = "<0x00>";
	if (id != TOK_NONE)
		return ids_push(ids, id, err);
	size_t from = ids->n;
	for (size_t i = 0; i < s.n && t->unigram.byte_fallback; i++) {
		static const char hex[] = "0123456789ABCDEF";
		text[3] = hex[(unsigned char)s.p[i] >> 4];
		text[4] = hex[s.p[i] & 15];
		bytes[0] = vocab_find(&t->vocab, (struct tr_slice){text, 6});
		if (bytes[0] == TOK_NONE) {
			ids->n = from;
			break;
		}
		int rc = ids_push(ids, bytes[0], err);
		if (rc < 0)
			return rc;
	}
	return ids->n > from ? 0 : ids_push(ids, t->unigram.unk_id, err);
}

static int walk(struct tr_encoder *e, struct tr_slice s, struct tr_err *err)
{
	const struct unigram *u = &e->t->unigram;
	struct unigram_node *nodes = e->nodes;
	size_t length;
	for (size_t i = 0; i < s.n; i += length) {
		uint32_t node = TRIE_ROOT;
		double here = nodes[i].score;
		int single = 0;
		length = utf8_length(s.p + i);
		for (size_t k = i; k < s.n; k++) {
			node = trie_step(&u->trie, node, (unsigned char)s.p[k]);
			if (node == TOK_NONE)
				break;
			if (u->trie.value[node] == TOK_NONE)
				continue;
			reach(&nodes[k + 1], i, u->score[u->trie.value[node]] + here, u->trie.value[node]);
			single |= k + 1 - i == length;
		}
		if (single)
			continue;
		if (u->unk_id == TOK_NONE)
			return tr_fail(
			    err, TR_EDATA,
			    "a character that the tokenizer has neither a piece nor an unknown token for");
		reach(&nodes[i + length], i, u->unk_score + here, u->unk_id);
	}
	return 0;
}

int unigram_word(struct tr_encoder *e, struct tr_slice s, struct tr_ids *ids, struct tr_err *err)
{
	struct unigram_node *nodes;
	int rc = reserve(e, s.n + 1, err);
	if (rc == 0) {
		e->nodes[0] = (struct unigram_node){0, 0, TOK_NONE};
		rc = walk(e, s, err);
	}
	if (rc < 0)
		return rc;
	nodes = e->nodes;
	/* From the end to the beginning, turning the chain round. */
	size_t next = SIZE_MAX;
	for (size_t at = s.n, from; at; at = from) {
		from = nodes[at].from;
		nodes[at].from = next;
		next = at;
	}
	for (size_t at = 0; next != SIZE_MAX && rc == 0;) {
		size_t end = next;
		uint32_t id = nodes[end].id;
		next = nodes[end].from;
		while (id == e->t->unigram.unk_id && next != SIZE_MAX && nodes[next].id == id) {
			end = next;
			next = nodes[end].from;
		}
		rc = put(e, (struct tr_slice){s.p + at, end - at}, ids, err);
		at = end;
	}
	return rc;
}

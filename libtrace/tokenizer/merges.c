/* SPDX-License-Identifier: Apache-2.0
 *
 * Merges of byte-pair encoding: read from a tokenizer.json, and found by the pair.
 */
#include "libtrace/tokenizer/merges.h"

#include <stdlib.h>

int merges_ready(struct bpe *b, struct tr_err *err)
{
	b->may = calloc((size_t)(b->mask / 16) + 1, sizeof *b->may);
	if (!b->may)
		return tok_no_memory(err);
	for (uint32_t i = 0; i <= b->mask; i++)
		if (b->merges[i].pair != UINT64_MAX) {
			uint32_t bit = bit_of(b, b->merges[i].pair);
			b->may[bit / 64] |= UINT64_C(1) << (bit % 64);
		}
	return 0;
}

static struct merge *slot_of(struct bpe *b, uint64_t pair)
{
	uint32_t i = home_of(b, pair);
	while (b->merges[i].pair != pair && b->merges[i].pair != UINT64_MAX)
		i = (i + 1) & b->mask;
	return &b->merges[i];
}

int merges_room(struct bpe *b, struct tr_err *err)
{
	if (b->merges && b->count < (b->mask + 1) / 4 * 3)
		return 0;
	uint32_t slots = b->merges ? (b->mask + 1) * 2 : 1024, old = b->merges ? b->mask + 1 : 0;
	struct merge *was = b->merges;
	b->merges = malloc(slots * sizeof *b->merges);
	if (!b->merges) {
		b->merges = was;
		return tok_no_memory(err);
	}
	b->mask = slots - 1;
	for (uint32_t i = 0; i < slots; i++)
		b->merges[i].pair = UINT64_MAX;
	for (uint32_t i = 0; i < old; i++)
		if (was[i].pair != UINT64_MAX)
			*slot_of(b, was[i].pair) = was[i];
	free(was);
	return 0;
}

static int bad_merge(const char *what, uint32_t rank, struct tr_slice piece, struct tr_err *err)
{
	tr_fail(err, TR_EDATA, "merges[%u]: %s", rank, what);
	tr_err_value(err, piece.p, piece.n);
	return -TR_EDATA;
}

/* Merges are looked up some at once: each look-up is three places in memory that the processor does not have
 * at hand, and it can fetch those of one while it waits for another's. */
enum { AT_ONCE = 16, PARTS = 3, PIECE_MAX = 1 << 16 };

struct part {
	size_t at, n;
	uint32_t hash, id;
};
struct waiting {
	struct part part[AT_ONCE][PARTS]; /* left, right, both */
	unsigned n;
	uint32_t rank; /* of the first */
	struct tr_buf bytes;
};

static struct tr_slice bytes_of(const struct waiting *w, const struct part *p)
{
	return (struct tr_slice){w->bytes.p + p->at, p->n};
}

static int look_up(struct tr_tokenizer *t, struct waiting *w, struct tr_err *err)
{
	const struct vocab *v = &t->vocab;
	for (enum vocab_stage stage = VOCAB_SLOT; stage <= VOCAB_BYTES; stage++)
		for (unsigned i = 0; i < w->n; i++)
			for (unsigned k = 0; k < PARTS; k++)
				vocab_fetch(v, w->part[i][k].hash, stage);
	for (unsigned i = 0; i < w->n; i++)
		for (unsigned k = 0; k < PARTS; k++) {
			struct part *p = &w->part[i][k];
			p->id = vocab_find_hashed(v, bytes_of(w, p), p->hash);
			if (p->id == TOK_NONE)
				return bad_merge(k < 2 ? "not a piece of the vocabulary"
				                       : "makes a piece that the vocabulary does not have",
				                 w->rank + i, bytes_of(w, p), err);
		}
	return 0;
}

static int add_merges(struct tr_tokenizer *t, struct waiting *w, struct tr_err *err)
{
	struct bpe *b = &t->bpe;
	int rc = look_up(t, w, err);
	for (unsigned i = 0; i < w->n && rc == 0; i++) {
		rc = merges_room(b, err);
		if (rc == 0)
			__builtin_prefetch(
			    &b->merges[home_of(b, (uint64_t)w->part[i][0].id << 32 | w->part[i][1].id)]);
	}
	for (unsigned i = 0; i < w->n && rc == 0; i++) {
		const struct part *p = w->part[i];
		uint64_t pair = (uint64_t)p[0].id << 32 | p[1].id;
		rc = merges_room(b, err);
		if (rc < 0)
			break;
		struct merge *m = slot_of(b, pair);
		b->count += m->pair == UINT64_MAX;
		*m = (struct merge){pair, w->rank + i, p[2].id};
	}
	w->rank += w->n;
	w->n = 0;
	w->bytes.n = 0;
	return rc;
}

static int keep_part(struct waiting *w, unsigned k, struct tr_slice a, struct tr_slice b)
{
	struct part *p = &w->part[w->n][k];
	*p = (struct part){.at = w->bytes.n, .n = a.n + b.n};
	int rc = tr_buf_add(&w->bytes, a.p, a.n);
	rc = rc ? rc : tr_buf_add(&w->bytes, b.p, b.n);
	p->hash = rc ? 0 : tok_hash(w->bytes.p + p->at, p->n);
	return rc;
}

static int wait_for(struct tr_tokenizer *t, struct waiting *w, struct tr_slice left, struct tr_slice right,
                    struct tr_err *err)
{
	const struct tr_buf *prefix = &t->bpe.prefix;
	struct tr_slice rest = right, none = {"", 0};
	if (rest.n >= prefix->n) {
		rest.p += prefix->n;
		rest.n -= prefix->n;
	}
	if (left.n > PIECE_MAX || right.n > PIECE_MAX)
		return bad_merge("too long", w->rank + w->n, left, err);
	int rc = keep_part(w, 0, left, none);
	rc = rc ? rc : keep_part(w, 1, right, none);
	rc = rc ? rc : keep_part(w, 2, left, rest);
	if (rc < 0)
		return tok_no_memory(err);
	return ++w->n == AT_ONCE ? add_merges(t, w, err) : 0;
}

/* "a b", or ["a","b"]. */
static int take_merge(struct tr_tokenizer *t, struct tr_json *j, enum tr_json_token k, struct waiting *w,
                      struct tr_buf b[2], struct tr_err *err)
{
	uint32_t rank = w->rank + w->n;
	struct tr_slice left, right;
	if (k == TR_JSON_ARRAY) {
		if (tr_json_next(j) != TR_JSON_STRING || tok_string(j, &b[0]) < 0 ||
		    tr_json_next(j) != TR_JSON_STRING || tok_string(j, &b[1]) < 0 ||
		    tr_json_next(j) != TR_JSON_CLOSE)
			return tok_bad(err, j, "merges", "not a pair of strings");
		left = (struct tr_slice){b[0].p, b[0].n};
		right = (struct tr_slice){b[1].p, b[1].n};
	} else {
		if (k != TR_JSON_STRING || tok_string(j, &b[0]) < 0)
			return tok_bad(err, j, "merges", "neither a string nor a pair");
		const char *space = b[0].n ? memchr(b[0].p, ' ', b[0].n) : NULL;
		if (!space)
			return bad_merge("two pieces with a space between them are wanted", rank,
			                 (struct tr_slice){b[0].p, b[0].n}, err);
		left = (struct tr_slice){b[0].p, (size_t)(space - b[0].p)};
		right = (struct tr_slice){space + 1, b[0].n - left.n - 1};
	}
	if (!left.n || !right.n)
		return bad_merge("an empty piece", rank, left, err);
	return wait_for(t, w, left, right, err);
}

int bpe_parse_merges(struct tr_tokenizer *t, struct tr_json *j, struct tr_err *err)
{
	struct waiting w = {.n = 0};
	struct tr_buf b[2];
	enum tr_json_token k = tr_json_next(j);
	int rc = k == TR_JSON_ARRAY ? 0 : tok_bad(err, j, "merges", "not a list");
	tr_buf_init(&w.bytes, AT_ONCE * PARTS * 2 * PIECE_MAX);
	tr_buf_init(&b[0], 1 << 20);
	tr_buf_init(&b[1], 1 << 20);
	while (rc == 0 && (k = tr_json_next(j)) != TR_JSON_CLOSE) {
		if (k == TR_JSON_ERROR || k == TR_JSON_END)
			rc = tok_bad(err, j, "merges", "not a list");
		else if (w.rank >= TOK_PIECES_MAX)
			rc = tr_fail(err, TR_ELIMIT, "more than %d merges", TOK_PIECES_MAX);
		else
			rc = take_merge(t, j, k, &w, b, err);
	}
	rc = rc ? rc : add_merges(t, &w, err);
	tr_buf_free(&w.bytes);
	tr_buf_free(&b[0]);
	tr_buf_free(&b[1]);
	return rc;
}

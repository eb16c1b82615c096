/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces of a vocabulary: one arena of bytes, one array of entries, one table of slots by hash.
 */
#include "libtrace/tokenizer/impl.h"

#include <stdlib.h>

void vocab_init(struct vocab *v)
{
	*v = (struct vocab){0};
	tr_buf_init(&v->arena, TOK_FILE_MAX);
}

void vocab_free(struct vocab *v)
{
	tr_buf_free(&v->arena);
	free(v->v);
	free(v->slots);
	*v = (struct vocab){0};
}

/* Multiply and fold, eight bytes a step: after wyhash (Wang Yi, public domain), cut down for short keys. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint32_t tok_hash(const char *p, size_t n)
{
	uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15) ^ UINT64_C(0xe7037ed1a0b428db), w;
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = fold(h ^ w, UINT64_C(0xa0761d6478bd642f));
	}
	w = 0;
	memcpy(&w, p, n);
	h = fold(h ^ w, UINT64_C(0x8ebc6af09c88c6e3));
	return (uint32_t)(h ^ h >> 32);
}

static struct piece *entry(const struct vocab *v, uint32_t slot)
{
	return &v->v[(uint32_t)v->slots[slot] - 1];
}

static int piece_is(const struct vocab *v, const struct piece *e, struct tr_slice piece)
{
	return e->n == piece.n && memcmp(v->arena.p + e->at, piece.p, piece.n) == 0;
}

void vocab_fetch(const struct vocab *v, uint32_t hash, enum vocab_stage stage)
{
	uint32_t slot = hash & v->mask, index;
	if (stage == VOCAB_SLOT) {
		__builtin_prefetch(&v->slots[slot]);
		return;
	}
	index = (uint32_t)v->slots[slot];
	if (!index)
		return;
	if (stage == VOCAB_ENTRY)
		__builtin_prefetch(&v->v[index - 1]);
	else
		__builtin_prefetch(v->arena.p + v->v[index - 1].at);
}

uint32_t vocab_find_hashed(const struct vocab *v, struct tr_slice piece, uint32_t hash)
{
	if (!v->slots || piece.n > v->longest)
		return TOK_NONE;
	for (uint32_t i = hash & v->mask; v->slots[i]; i = (i + 1) & v->mask)
		if (v->slots[i] >> 32 == hash && piece_is(v, entry(v, i), piece))
			return entry(v, i)->id;
	return TOK_NONE;
}

static int grow(struct vocab *v, struct tr_err *err)
{
	uint32_t cap = v->cap ? v->cap * 2 : 1024, slots = cap * 2;
	struct piece *p = realloc(v->v, cap * sizeof *p);
	if (!p)
		return tok_no_memory(err);
	v->v = p;
	v->cap = cap;
	uint64_t *s = calloc(slots, sizeof *s);
	if (!s)
		return tok_no_memory(err);
	free(v->slots);
	v->slots = s;
	v->mask = slots - 1;
	for (uint32_t k = 0; k < v->count; k++) {
		uint32_t i = v->v[k].hash & v->mask;
		while (s[i])
			i = (i + 1) & v->mask;
		s[i] = (uint64_t)v->v[k].hash << 32 | (k + 1);
	}
	return 0;
}

int vocab_add(struct vocab *v, struct tr_slice piece, uint32_t id, struct tr_err *err)
{
	uint32_t hash = tok_hash(piece.p, piece.n), i;
	if (v->count == v->cap) {
		if (v->count >= TOK_PIECES_MAX)
			return tr_fail(err, TR_ELIMIT, "more than %d pieces", TOK_PIECES_MAX);
		int rc = grow(v, err);
		if (rc < 0)
			return rc;
	}
	for (i = hash & v->mask; v->slots[i]; i = (i + 1) & v->mask)
		if (v->slots[i] >> 32 == hash && piece_is(v, entry(v, i), piece)) {
			entry(v, i)->id = id;
			return 0;
		}
	uint32_t at = (uint32_t)v->arena.n;
	int rc = tr_buf_reserve(&v->arena, piece.n + 1); /* there even where all pieces are empty */
	if (rc == 0)
		rc = tr_buf_add(&v->arena, piece.p, piece.n);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "a vocabulary that is too large");
	v->v[v->count++] = (struct piece){at, (uint32_t)piece.n, id, hash};
	v->slots[i] = (uint64_t)hash << 32 | v->count;
	if (piece.n > v->longest)
		v->longest = (uint32_t)piece.n;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts from identities. All arithmetic is modulo 2^64.
 *
 *     G = 0x9e3779b97f4a7c15
 *     mix(x):  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;  x = (x ^ x >> 27) * 0x94d049bb133111eb;
 *              return x ^ x >> 31
 *     key(kind, id) = fold(fold(fold(run, seed), kind), id)      where fold(x, v) = mix(x + v + G)
 *     draw(key, i, n) = mix(key + (i + 1) * G) * n >> 64         (128-bit product): a number below n
 *
 * that is, splitmix64 (Steele, Lea and Flood, OOPSLA 2014), once to fold and once as a sequence for each
 * part. run is 0, in warm-up WARMUP. A prompt of n words is a row of parts: as long as there are blocks left,
 * part k is the block blocks[k], block_size words long, with kind BLOCK and the block's id; behind them one
 * part of kind RECORD with the record's id (else its arrival_ns, else 0) fills what is left. The last part is
 * cut. No block_size, or one of 0: no blocks. Word i of a part, counted from 0, with `all` and `first` for
 * the tables of tools/words.h:
 *
 *     i = 0:  all[first[draw(key, 0, first_count)]]        else:  all[draw(key, i, count)]
 *
 * and token id i is id_lo + draw(key, i, id_hi - id_lo + 1). With a nonce, the first five numbers of the
 * prompt are the digits of the nonce instead, lowest first; the radix of the first is first_count, of the
 * others count (for ids: id_hi - id_lo + 1).
 */
#include "tools/replay/prompt.h"

#include "libtrace/err.h"
#include "tools/words.h"

#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define BLOCK  UINT64_C(0x626c6f636b)   /* "block" */
#define RECORD UINT64_C(0x7265636f7264) /* "record" */
#define WARMUP UINT64_C(0x7761726d7570) /* "warmup" */

enum { ROOM_WORDS = 64, SHORTEST = 3 }; /* room is asked for many words at once; " ab" */

struct cursor {
	const struct prompt_opts *o;
	const struct tr_rec *r;
	size_t block;   /* the next one */
	uint64_t state; /* of the part's sequence */
	uint64_t left;  /* words to come in the part */
	uint64_t nonce; /* its digits to come */
	unsigned digits;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t key(const struct prompt_opts *o, uint64_t kind, uint64_t id)
{
	uint64_t x = mix((o->warmup ? WARMUP : 0) + o->seed + GOLDEN);
	x = mix(x + kind + GOLDEN);
	return mix(x + id + GOLDEN);
}

static void begin_part(struct cursor *c)
{
	const struct tr_rec *r = c->r;
	if (TR_HAS(r, block_size) && r->block_size && TR_HAS(r, blocks) && c->block < r->blocks.n) {
		c->state = key(c->o, BLOCK, r->blocks.v[c->block++]);
		c->left = r->block_size;
		return;
	}
	uint64_t id = TR_HAS(r, id) ? r->id : TR_HAS(r, arrival_ns) ? (uint64_t)r->arrival_ns : 0;
	c->state = key(c->o, RECORD, id);
	c->left = UINT64_MAX;
}

/* The next number: below `first` when it begins a part, which *begins tells, else below `all`; 0 means 2^64.
 */
static inline uint64_t draw(struct cursor *c, uint64_t first, uint64_t all, int *begins)
{
	*begins = c->left == 0;
	if (*begins)
		begin_part(c);
	c->left--;
	uint64_t h = mix(c->state += GOLDEN);
	if (c->digits) {
		*begins = c->digits == PROMPT_NONCE_WORDS; /* also where a block is shorter than the nonce */
		uint64_t n = *begins ? first : all, digit = n ? c->nonce % n : c->nonce;
		c->nonce = n ? c->nonce / n : 0;
		c->digits--;
		return digit;
	}
	uint64_t n = *begins ? first : all;
	return n ? (uint64_t)((unsigned __int128)h * n >> 64) : h;
}

static struct cursor start(const struct prompt_opts *o, const struct tr_rec *r)
{
	return (struct cursor){
	    .o = o, .r = r, .nonce = o->nonce, .digits = o->has_nonce ? PROMPT_NONCE_WORDS : 0};
}

/* One word as " word"; room for the whole entry is there. */
static inline char *put_word(struct cursor *c, char *p)
{
	int begins;
	uint64_t index = draw(c, words_first_count, words_count, &begins);
	const struct words_entry *e = &words_all[begins ? words_first[index] : index];
	memcpy(p, e->text, sizeof e->text); /* of fixed size: quicker than e->n bytes */
	return p + e->n;
}

int prompt_words(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out)
{
	const size_t before = out->n;
	struct cursor c = start(o, r);
	if (n == 0 || n > (out->max - out->n) / SHORTEST)
		return n ? -TR_ELIMIT : 0;
	for (uint64_t done = 0; done < n;) {
		uint64_t some = n - done < ROOM_WORDS ? n - done : ROOM_WORDS;
		int rc = tr_buf_reserve(out, ROOM_WORDS * sizeof words_all[0].text);
		if (rc < 0) {
			out->n = before;
			return rc;
		}
		char *p = out->p + out->n;
		for (uint64_t i = 0; i < some; i++)
			p = put_word(&c, p);
		out->n = (size_t)(p - out->p);
		done += some;
	}
	memmove(out->p + before, out->p + before + 1, --out->n - before); /* no space before the first */
	return 0;
}

int prompt_ids(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out)
{
	const size_t before = out->n;
	const uint64_t span = o->id_hi - o->id_lo + 1;
	struct cursor c = start(o, r);
	int rc = n > (out->max - out->n) / 2 ? -TR_ELIMIT : 0;
	for (uint64_t i = 0; i < n && rc == 0; i++) {
		int begins;
		rc = i ? tr_buf_char(out, ',') : 0;
		if (rc == 0)
			rc = tr_buf_u64(out, o->id_lo + draw(&c, span, span, &begins));
	}
	if (rc < 0)
		out->n = before;
	return rc;
}

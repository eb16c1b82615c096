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
 * (an answer has no blocks, and is one part of kind ANSWER; a list of words that a vocabulary has takes the
 * place of the two tables), and token id i is id_lo + draw(key, i, id_hi - id_lo + 1). With a nonce, the
 * first five numbers of the prompt are the digits of the nonce instead, lowest first; the radix of the first
 * is first_count, of the others count (for ids: id_hi - id_lo + 1).
 */
#include "tools/prompt.h"

#include "libtrace/err.h"
#include "tools/words.h"

#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define BLOCK  UINT64_C(0x626c6f636b)   /* "block" */
#define RECORD UINT64_C(0x7265636f7264) /* "record" */
#define ANSWER UINT64_C(0x616e73776572) /* "answer" */
#define WARMUP UINT64_C(0x7761726d7570) /* "warmup" */

/* A piece is a word or an id with what stands before it: ",1" and ",18446744073709551615" bound them. Room is
 * asked for many at once. */
enum { PIECE_MIN = 2, PIECE_MAX = 21, AT_ONCE = 48 };

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
	if (!c->o->answer && TR_HAS(r, block_size) && r->block_size && TR_HAS(r, blocks) &&
	    c->block < r->blocks.n) {
		c->state = key(c->o, BLOCK, r->blocks.v[c->block++]);
		c->left = r->block_size;
		return;
	}
	uint64_t id = TR_HAS(r, id) ? r->id : TR_HAS(r, arrival_ns) ? (uint64_t)r->arrival_ns : 0;
	c->state = key(c->o, c->o->answer ? ANSWER : RECORD, id);
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

/* One word as " word"; room for the whole entry is there. */
static char *put_word(struct cursor *c, char *p)
{
	const struct words_list *l = c->o->words;
	int begins;
	uint64_t index =
	    l ? draw(c, l->first_count, l->count, &begins) : draw(c, words_first_count, words_count, &begins);
	if (l)
		index = begins ? l->first[index] : l->all[index];
	else if (begins)
		index = words_first[index];
	const struct words_entry *e = &words_all[index];
	memcpy(p, e->text, sizeof e->text); /* of fixed size: quicker than e->n bytes */
	return p + e->n;
}

/* One id as ",123". */
static char *put_id(struct cursor *c, char *p)
{
	const uint64_t span = c->o->id_hi - c->o->id_lo + 1;
	char piece[PIECE_MAX];
	size_t i = sizeof piece;
	int begins;
	uint64_t id = c->o->id_lo + draw(c, span, span, &begins);
	do
		piece[--i] = (char)('0' + id % 10);
	while (id /= 10);
	piece[--i] = ',';
	memcpy(p, piece + i, sizeof piece - i);
	return p + sizeof piece - i;
}

/* Inline, so that each caller has a loop of its own with its put in it. */
static inline int append(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out,
                         char *(*put)(struct cursor *, char *))
{
	const size_t before = out->n;
	struct cursor c = {
	    .o = o, .r = r, .nonce = o->nonce, .digits = o->has_nonce ? PROMPT_NONCE_WORDS : 0};
	if (n == 0 || n > (out->max - out->n) / PIECE_MIN)
		return n ? -TR_ELIMIT : 0;
	for (uint64_t done = 0, some; done < n; done += some) {
		some = n - done < AT_ONCE ? n - done : AT_ONCE;
		int rc = tr_buf_reserve(out, AT_ONCE * PIECE_MAX);
		if (rc < 0) {
			out->n = before;
			return rc;
		}
		char *p = out->p + out->n;
		for (uint64_t i = 0; i < some; i++)
			p = put(&c, p);
		out->n = (size_t)(p - out->p);
	}
	out->n--; /* nothing stands between the first and what was there before */
	memmove(out->p + before, out->p + before + 1, out->n - before);
	return 0;
}

int prompt_words(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out)
{
	return append(o, r, n, out, put_word);
}

int prompt_ids(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out)
{
	return append(o, r, n, out, put_id);
}

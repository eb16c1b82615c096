/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts of exact token length, as a function of identities: the same block id gives the same content in
 * every run and on every machine. A prompt is the concatenation of its blocks, cut to its length (the partial
 * last block is a prefix of the full one); what no block covers is a function of the record's id (of its
 * arrival when it has none). The first word of every block and of the record's own part is one that may begin
 * a text, so that a block reads the same wherever it stands. The formula is in prompt.c, complete.
 *
 * The nonce of a run replaces the first PROMPT_NONCE_WORDS words (or ids) of every prompt, so lengths hold,
 * prefixes are shared inside the run as the trace says, and no run finds another's cache. Five words hold all
 * 64 bits of it; five ids do when they are drawn from 7132 or more. Prompts no longer than that are all
 * alike.
 */
#ifndef TOOLS_PROMPT_H
#define TOOLS_PROMPT_H

#include "libtrace/rec.h"
#include "tools/words.h"

enum { PROMPT_NONCE_WORDS = 5 };

struct prompt_opts {
	uint64_t seed; /* content seed */
	int has_nonce;
	uint64_t nonce;
	uint64_t id_lo, id_hi;          /* token ids are drawn from id_lo..id_hi, inclusive; id_lo <= id_hi */
	int warmup;                     /* content of its own, equal to no record's */
	int answer;                     /* likewise: what a record's answer is made of; no blocks */
	const struct words_list *words; /* NULL: all of words_all. Borrowed. */
};

/* Append a text of exactly n words (n >= 1): plain lower-case words and single spaces, nothing to escape.
 * 0 or -TR_ENOMEM, -TR_ELIMIT, and then nothing is appended. */
int prompt_words(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out);
/* Append n token ids (n >= 1), "1,2,3". */
int prompt_ids(const struct prompt_opts *o, const struct tr_rec *r, uint64_t n, struct tr_buf *out);

#endif

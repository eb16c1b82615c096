/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of merges: pairs of ids by hash, open addressing.
 */
#ifndef LIBTRACE_TOKENIZER_MERGES_H
#define LIBTRACE_TOKENIZER_MERGES_H

#include "libtrace/tokenizer/impl.h"

static inline uint64_t pair_hash(uint64_t pair)
{
	return pair * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint32_t home_of(const struct bpe *b, uint64_t pair)
{
	return (uint32_t)(pair_hash(pair) >> 32) & b->mask;
}

/* Most pairs that are asked for have no rank. A bit for each that has, four times as many bits as slots,
 * tells so in less memory. */
static inline uint32_t bit_of(const struct bpe *b, uint64_t pair)
{
	return (uint32_t)(pair_hash(pair) >> 24) & (b->mask * 4 + 3);
}

/* NULL: the pair has no rank. */
static inline const struct merge *find_merge(const struct bpe *b, uint32_t left, uint32_t right)
{
	uint64_t pair = (uint64_t)left << 32 | right;
	uint32_t bit = bit_of(b, pair);
	if (!(b->may[bit / 64] >> (bit % 64) & 1))
		return NULL;
	for (uint32_t i = home_of(b, pair);; i = (i + 1) & b->mask) {
		if (b->merges[i].pair == pair)
			return &b->merges[i];
		if (b->merges[i].pair == UINT64_MAX)
			return NULL;
	}
}

int merges_room(struct bpe *b, struct tr_err *err);  /* for one more */
int merges_ready(struct bpe *b, struct tr_err *err); /* there will be no more: find_merge may be asked */

#endif

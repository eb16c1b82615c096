/* SPDX-License-Identifier: Apache-2.0
 *
 * The name that somebody meant: the nearest by edit distance, where two swapped letters count once (the
 * commonest slip), or the only one that begins so.
 */
#include "libtrace/near.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *a, size_t an, const char *b, size_t bn)
{
	unsigned row[3][TR_NEAR_LONGEST + 1]; /* this row and the two before */
	for (size_t j = 0; j <= bn; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= an; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= bn; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[an % 3][bn];
}

const char *tr_near(struct tr_slice word, const char *(*name)(const void *ctx, int i), const void *ctx)
{
	unsigned best = 0, ties = 0;
	const char *candidate, *near = NULL;
	if (word.n == 0 || word.n > TR_NEAR_LONGEST)
		return NULL;
	for (int i = 0; (candidate = name(ctx, i)); i++) {
		size_t n = strlen(candidate);
		if (n == 0 || n > TR_NEAR_LONGEST)
			continue;
		unsigned d = distance(word.p, word.n, candidate, n);
		if (n > word.n && memcmp(word.p, candidate, word.n) == 0)
			d = least(d, 1);
		/* A third of the letters may be wrong, but not all of a short word. */
		if (d > (word.n + 2) / 3 || d >= least((unsigned)word.n, (unsigned)n) || (ties && d > best))
			continue;
		ties = ties && d == best ? ties + 1 : 1;
		best = d;
		near = ties == 1 ? candidate : near;
	}
	return near;
}

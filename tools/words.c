/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting the tokens of a text that consists of portable words, and guessing those of other text.
 */
#include "tools/words.h"

/* The slot of a word, its letters as digits; 0 = it is not in the list. The hash is that of
 * scripts/words-table.awk. */
static uint64_t find(uint64_t word)
{
	const uint64_t low = word & 0x3fffffff, high = word >> 30;
	uint32_t s = (uint32_t)(low * 2654435 + high * 3037001) >> 17;
	while (words_slots[s] && (words_slots[s] & ~WORDS_BEGINS) != word)
		s = (s + 1) % WORDS_SLOTS;
	return words_slots[s];
}

/* Where the piece that begins at `at` ends: before the next space. *portable: it is one token. */
static size_t piece(struct tr_slice t, size_t at, int *portable)
{
	size_t i = at + (t.p[at] == ' '), start = i;
	uint64_t word = 0;
	for (; i < t.n && t.p[i] >= 'a' && t.p[i] <= 'z'; i++)
		word = word << 5 | (uint64_t)(t.p[i] - 'a' + 1);
	uint64_t found = 0;
	if ((i == t.n || t.p[i] == ' ') && i > start && i - start <= WORDS_LETTERS_MAX)
		found = find(word);
	*portable = found && (start > at || found & WORDS_BEGINS);
	while (i < t.n && t.p[i] != ' ')
		i++;
	return i;
}

uint64_t words_tokens(struct tr_slice text)
{
	uint64_t tokens = 0, other = 0; /* bytes of the stretch of other text that ends here */
	for (size_t at = 0, end; at < text.n; at = end) {
		int portable;
		end = piece(text, at, &portable);
		if (!portable) {
			other += end - at;
			continue;
		}
		tokens += 1 + (other + 3) / 4;
		other = 0;
	}
	return tokens + (other + 3) / 4;
}

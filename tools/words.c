/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting the tokens of a text that consists of portable words, and guessing those of other text.
 */
#include "tools/words.h"

#include <string.h>

static int is_first(unsigned index)
{
	uint32_t low = 0, high = words_first_count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (words_first[mid] < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low < words_first_count && words_first[low] == index;
}

/* The index of the word of n letters, whose hash is h; -1 = it is not in the list. */
static int find(const char *word, size_t n, uint32_t h)
{
	for (uint32_t s = h % WORDS_SLOTS; words_slots[s]; s = (s + 1) % WORDS_SLOTS) {
		const struct words_entry *e = &words_all[words_slots[s] - 1];
		if (e->n == n + 1 && memcmp(e->text + 1, word, n) == 0)
			return words_slots[s] - 1;
	}
	return -1;
}

/* Where the piece that begins at `at` ends: before the next space. *portable: it is one token. */
static size_t piece(struct tr_slice t, size_t at, int *portable)
{
	size_t i = at + (t.p[at] == ' '), start = i;
	uint32_t h = 0;
	while (i < t.n && t.p[i] >= 'a' && t.p[i] <= 'z')
		h = h * 31 + (uint32_t)(t.p[i++] - 'a' + 1); /* the hash of scripts/words-table.awk */
	size_t n = i - start;
	int index = -1;
	if ((i == t.n || t.p[i] == ' ') && n <= WORDS_LETTERS_MAX)
		index = find(t.p + start, n, h);
	*portable = index >= 0 && (start > at || is_first((unsigned)index));
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

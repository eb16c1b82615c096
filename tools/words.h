/* SPDX-License-Identifier: Apache-2.0
 *
 * Portable words: lower-case ASCII words that are one token each, with a space before them, in eight public
 * vocabularies (Llama 2, Llama 3, Qwen 3, GPT-3.5, GPT-4o, gpt-oss, DeepSeek V3, Gemma 3). A text of such
 * words, single spaces between them, whose first word is also one token without a space before it, has
 * exactly as many tokens as words. The list is datasets/portable-words/words.tsv; scripts/portable-words.py
 * derives it again from any set of tokenizer.json files.
 */
#ifndef TOOLS_WORDS_H
#define TOOLS_WORDS_H

#include "libtrace/buf.h"
#include "libtrace/err.h"
#include <stdint.h>

enum { WORDS_LETTERS_MAX = 12, WORDS_SLOTS = 32768 };

struct words_entry {
	uint8_t n;
	char text[15]; /* " word", the space first; n counts it; zeros behind it */
};

/* Made from the list by scripts/words-table.awk. */
extern const struct words_entry words_all[]; /* sorted by text */
extern const uint32_t words_count;           /* 9427 */
/* Those that may begin a text: indexes into words_all, ascending. */
extern const uint16_t words_first[];
extern const uint32_t words_first_count; /* 3667 */
/* For looking words up: a hash table with open addressing, 0 = free. A word is its letters as digits of 5
 * bits, a = 1, the last one lowest; with WORDS_BEGINS when it may begin a text. It stands at its hash
 * (words.c) or in the slots that follow. */
#define WORDS_BEGINS (UINT64_C(1) << 60)
extern const uint64_t words_slots[WORDS_SLOTS];

/* Those of them that one vocabulary has: indexes into words_all, ascending. */
struct words_list {
	uint16_t *all, *first;
	uint32_t count, first_count;
};
struct tr_tokenizer;
/* The words that are one token each in this vocabulary, behind a space and, of words_first, at the beginning
 * of a text. *list is the caller's (words_list_free). -TR_EDATA: fewer than 1,000 are, or 100 that begin. */
int words_list_new(struct words_list *list, const struct tr_tokenizer *t, struct tr_err *err);
void words_list_free(struct words_list *list);

/* How many tokens a text has by this measure: a portable word (with the one space before it; the first word
 * of the text without a space: one of words_first) counts 1; each stretch of anything else counts 1 for
 * every begun 4 bytes. */
uint64_t words_tokens(struct tr_slice text);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded random records for tests: any subset of the fields, extreme integers, odd strings, lists.
 */
#ifndef TESTS_UNIT_GEN_H
#define TESTS_UNIT_GEN_H

#include "libtrace/rec.h"
#include "libtrace/rng.h"

#include <string.h>

enum { GEN_TEXT = 4096, GEN_LIST = 512 };

struct gen {
	struct tr_rng rng;
	uint64_t shape; /* fields that may be present */
	unsigned odds;  /* each of them is, with probability odds / 16 */
	char text[TR_REC_NFIELDS][GEN_TEXT];
	uint64_t list[TR_REC_NFIELDS][GEN_LIST];
	uint64_t n;
};

static inline uint64_t gen_number(struct gen *g)
{
	static const uint64_t odd[] = {0,         1, 2, (UINT64_C(1) << 53) + 1, INT64_MAX, UINT64_C(1) << 63,
	                               UINT64_MAX};
	switch (tr_rng_below(&g->rng, 8)) {
	case 0:
		return odd[tr_rng_below(&g->rng, sizeof odd / sizeof odd[0])];
	case 1:
		return tr_rng_u64(&g->rng);
	default:
		return tr_rng_u64(&g->rng) >> (64 - (1 + tr_rng_below(&g->rng, 40)));
	}
}

static inline struct tr_slice gen_text(struct gen *g, unsigned slot, enum tr_hint hint)
{
	static const char *const few[] = {
	    "gpt-4", "llama", "", "a\"b\\c\n", "\xff\xfe", "\xed\xa0\xbd", "\xf0\x9f\x98\x80", "\xc3\xa9"};
	if (hint == TR_HINT_DICT) {
		const char *s = few[tr_rng_below(&g->rng, sizeof few / sizeof few[0])];
		return (struct tr_slice){s, strlen(s)};
	}
	size_t n = tr_rng_below(&g->rng, 1 + (size_t)GEN_TEXT / (1 + tr_rng_below(&g->rng, 400)));
	for (size_t i = 0; i < n; i++)
		g->text[slot][i] =
		    (char)(tr_rng_below(&g->rng, 10) ? 'a' + tr_rng_below(&g->rng, 26) : tr_rng_u64(&g->rng));
	return (struct tr_slice){g->text[slot], n};
}

static inline struct tr_list gen_list(struct gen *g, unsigned slot)
{
	size_t n = tr_rng_below(&g->rng, 1 + (size_t)GEN_LIST / (1 + tr_rng_below(&g->rng, 50)));
	uint64_t v = gen_number(g);
	for (size_t i = 0; i < n; i++)
		g->list[slot][i] = tr_rng_below(&g->rng, 20) ? ++v : (v = gen_number(g));
	return (struct tr_list){g->list[slot], n};
}

/* The strings and lists of rec live in g until the next call. */
static inline void gen_record(struct gen *g, enum tr_kind kind, void *rec)
{
	const struct tr_schema *schema = &tr_schemas[kind];
	memset(rec, 0, schema->size);
	for (unsigned i = 0; i < schema->nfields; i++) {
		const struct tr_field *f = &schema->fields[i];
		if (!(g->shape >> i & 1) || tr_rng_below(&g->rng, 16) >= g->odds)
			continue;
		if (f->type == TR_TYPE_STR)
			tr_field_set_str(f, rec, gen_text(g, i, f->hint));
		else if (f->type == TR_TYPE_LIST)
			tr_field_set_list(f, rec, gen_list(g, i));
		else if (f->type == TR_TYPE_F64)
			tr_field_set_bits(f, rec, UINT64_C(0x4000000000000000) + (gen_number(g) >> 12));
		else
			tr_field_set_bits(f, rec, i == 0 && kind == TR_REQUEST ? g->n : gen_number(g));
	}
	g->n++;
}

static inline void gen_init(struct gen *g, uint64_t seed, uint64_t shape, unsigned odds)
{
	memset(g, 0, sizeof *g);
	tr_rng_init(&g->rng, seed, "test records");
	g->shape = shape;
	g->odds = odds;
}

#endif

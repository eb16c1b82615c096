/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows that share their arrival: ties, and duplicates among them. Contents are compared by hash, and
 * against a bounded number of rows of the same stamp.
 */
#include "tools/check/check.h"
#include "tools/hash.h"
#include <stdlib.h>

enum { SLOTS = 4096, KEEP = SLOTS / 2 };

struct check_stamps {
	int any;
	int64_t t;
	uint64_t rows;  /* of this stamp */
	unsigned kept;  /* of them, in the table */
	uint64_t stamp; /* number of this stamp: marks the slots in use */
	struct {
		uint64_t hash, stamp;
	} slots[SLOTS];
};

int check_stamps_new(struct check_stamps **s, struct tr_err *err)
{
	*s = calloc(1, sizeof(**s));
	return *s ? 0 : tr_fail(err, TR_ENOMEM, "out of memory");
}

/* Fields that tell two records of the same request apart: its number, its place in time and text. */
static const uint64_t apart = TR_BIT(id) | TR_BIT(arrival_ns) | TR_BIT(source_row);

uint64_t check_content(const struct tr_rec *r)
{
	uint64_t mask = r->mask & ~apart, h = hash_u64(mask + 1);
	for (; mask; mask &= mask - 1) {
		const struct tr_field *f = &tr_schemas[TR_REQUEST].fields[__builtin_ctzll(mask)];
		uint64_t q = 0;
		if (f->type == TR_TYPE_STR) {
			q = hash_bytes(tr_field_str(f, r));
		} else if (f->type == TR_TYPE_LIST) {
			struct tr_list l = tr_field_list(f, r);
			q = hash_u64(l.n);
			for (size_t i = 0; i < l.n; i++)
				q = hash_u64(q ^ l.v[i]);
		} else {
			q = tr_field_bits(f, r);
		}
		h = hash_u64(h ^ q) + f->bit;
	}
	return h;
}

/* Was this content seen at this stamp? Remember it. */
static int seen(struct check_stamps *s, uint64_t hash)
{
	unsigned i = (unsigned)(hash % SLOTS);
	for (; s->slots[i].stamp == s->stamp; i = (i + 1) % SLOTS)
		if (s->slots[i].hash == hash)
			return 1;
	if (s->kept < KEEP) {
		s->kept++;
		s->slots[i].hash = hash;
		s->slots[i].stamp = s->stamp;
	}
	return 0;
}

void check_stamps_end(struct check *c)
{
	if (c->stamps->rows > 1)
		c->shared += c->stamps->rows;
	c->stamps->rows = 0;
}

void check_stamps_add(struct check *c, const struct tr_ordered *row)
{
	struct check_stamps *s = c->stamps;
	struct tr_rec r = {.mask = row->w[CHECK_CARRY_HAS_ID] ? TR_BIT(id) : 0, .id = row->w[CHECK_CARRY_ID]};
	uint64_t number = row->w[CHECK_CARRY_ROW];
	if (!s->any || row->t != s->t) {
		check_stamps_end(c);
		s->any = 1;
		s->t = row->t;
		s->stamp++;
		s->kept = 0;
	} else {
		check_note(c, CHECK_TIES, number, &r);
	}
	s->rows++;
	if (seen(s, row->w[CHECK_CARRY_HASH]))
		check_note(c, CHECK_DUPLICATES, number, &r);
}

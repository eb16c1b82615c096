/* SPDX-License-Identifier: Apache-2.0
 *
 * How often each model, adapter, type and tenant occurs, and how many sessions there are. Names are
 * told apart by a 64-bit hash, so a long name costs no more than a short one.
 */
#include "tools/hash.h"
#include "tools/summarize/summarize.h"
#include <stdlib.h>
#include <string.h>

enum { NAME_SLOTS = 2 * SUM_NAMES_MAX };

static const struct tr_column *column(const struct tr_block *b, unsigned bit)
{
	int at = b->col_of[bit];
	return at < 0 ? NULL : &b->cols[at];
}

static struct tr_slice text_of(const struct tr_block *b, uint64_t bits)
{
	return (struct tr_slice){b->bytes.p + (bits >> 32), bits & UINT32_MAX};
}

void sum_names_free(struct sum_names *m)
{
	for (unsigned i = 0; m->slots && i < NAME_SLOTS; i++)
		free(m->slots[i].text);
	free(m->slots);
	m->slots = NULL;
}

/* The entry of a name, made when it is new; NULL when there are too many (overflow) or memory is out. */
static struct sum_name *entry(struct sum_names *m, struct tr_slice s)
{
	uint64_t hash = hash_bytes(s);
	unsigned i = (unsigned)(hash % NAME_SLOTS);
	for (; m->slots[i].text; i = (i + 1) % NAME_SLOTS)
		if (m->slots[i].hash == hash)
			return &m->slots[i];
	if (m->n == SUM_NAMES_MAX) {
		m->overflow = 1;
		return NULL;
	}
	size_t keep = s.n < SUM_NAME_BYTES ? s.n : SUM_NAME_BYTES;
	struct sum_name *name = &m->slots[i];
	name->text = malloc(keep + 1);
	if (!name->text)
		return NULL;
	memcpy(name->text, s.p, keep);
	name->n = keep;
	name->hash = hash;
	m->n++;
	return name;
}

int sum_names_block(struct sum_names *m, const struct tr_block *b, struct tr_err *err)
{
	const struct tr_column *c = column(b, m->bit);
	if (!c || c->count == 0)
		return 0;
	m->records += c->count;
	if (m->overflow)
		return 0;
	if (!m->slots)
		m->slots = calloc(NAME_SLOTS, sizeof(*m->slots));
	if (!m->slots)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	m->last = NULL;
	for (uint32_t i = 0; i < c->count; i++) {
		if (!m->last || c->v[i] != m->last_bits) {
			m->last = entry(m, text_of(b, c->v[i]));
			m->last_bits = c->v[i];
		}
		if (!m->last)
			return m->overflow ? 0 : tr_fail(err, TR_ENOMEM, "out of memory");
		m->last->records++;
	}
	return 0;
}

static int more_first(const struct sum_name *a, const struct sum_name *b)
{
	if (a->records != b->records)
		return a->records > b->records;
	size_t n = a->n < b->n ? a->n : b->n;
	int c = memcmp(a->text, b->text, n);
	return c ? c < 0 : a->n < b->n;
}

unsigned sum_names_top(const struct sum_names *m, const struct sum_name **top)
{
	unsigned n = 0;
	for (unsigned i = 0; m->slots && i < NAME_SLOTS; i++) {
		if (!m->slots[i].text)
			continue;
		unsigned at = n;
		while (at > 0 && more_first(&m->slots[i], top[at - 1]))
			at--;
		if (at == SUM_TOP)
			continue;
		n += n < SUM_TOP;
		memmove(top + at + 1, top + at, (n - 1 - at) * sizeof(*top));
		top[at] = &m->slots[i];
	}
	return n;
}

void sum_distinct_free(struct sum_distinct *d)
{
	free(d->slots);
	d->slots = NULL;
}

static void set_slot(struct sum_distinct *d, uint64_t hash)
{
	uint64_t i = hash & (d->cap - 1);
	while (d->slots[i] && d->slots[i] != hash)
		i = (i + 1) & (d->cap - 1);
	d->n += d->slots[i] == 0;
	d->slots[i] = hash;
}

static int grow(struct sum_distinct *d, struct tr_err *err)
{
	struct sum_distinct new = {.cap = d->cap ? 2 * d->cap : 1024, .zero = d->zero};
	new.slots = calloc(new.cap, sizeof(*new.slots));
	if (!new.slots)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	for (uint64_t i = 0; i < d->cap; i++)
		if (d->slots[i])
			set_slot(&new, d->slots[i]);
	free(d->slots);
	*d = new;
	return 0;
}

static int distinct_add(struct sum_distinct *d, uint64_t hash, struct tr_err *err)
{
	if (hash == 0) {
		d->zero = 1;
		return 0;
	}
	if (2 * d->n >= d->cap) {
		int e = grow(d, err);
		if (e)
			return e;
	}
	set_slot(d, hash);
	if (d->n + (unsigned)d->zero > SUM_SESSIONS_MAX) {
		sum_distinct_free(d);
		d->overflow = 1;
	}
	return 0;
}

int sum_distinct_block(struct sum_distinct *d, const struct tr_block *b, unsigned bit, struct tr_err *err)
{
	const struct tr_column *c = column(b, bit);
	for (uint32_t i = 0; c && i < c->count && !d->overflow; i++) {
		if (i > 0 && c->v[i] == c->v[i - 1])
			continue;
		int e = distinct_add(d, hash_bytes(text_of(b, c->v[i])), err);
		if (e)
			return e;
	}
	return 0;
}

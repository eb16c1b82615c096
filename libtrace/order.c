/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of sorted times with what they carry beside them. Insertion moves the shorter side, so that
 * disorder near either end is cheap.
 */
#include "libtrace/order.h"
#include <stdlib.h>
#include <string.h>

enum { MASK = TR_ORDER_ROWS - 1 };

struct tr_order {
	int64_t *t;
	uint64_t *w; /* words of row i at w[i * words] */
	unsigned words;
	uint32_t start, n;
	int has_left;
	int64_t left; /* the last that has left */
};

int tr_order_new(struct tr_order **o, unsigned words, struct tr_err *err)
{
	*o = NULL;
	if (words > TR_ORDER_WORDS)
		return tr_fail(err, TR_EUSAGE, "an ordered row carries %d words at most", TR_ORDER_WORDS);
	struct tr_order *new = calloc(1, sizeof(*new));
	if (!new)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	new->words = words;
	new->t = malloc(TR_ORDER_ROWS * sizeof(*new->t));
	new->w = words ? malloc((size_t)TR_ORDER_ROWS * words * sizeof(*new->w)) : NULL;
	if (!new->t || (words && !new->w)) {
		tr_order_free(new);
		return tr_fail(err, TR_ENOMEM, "out of memory");
	}
	*o = new;
	return 0;
}

void tr_order_free(struct tr_order *o)
{
	if (!o)
		return;
	free(o->t);
	free(o->w);
	free(o);
}

static void put(struct tr_order *o, uint32_t slot, const struct tr_ordered *row)
{
	o->t[slot] = row->t;
	for (unsigned i = 0; i < o->words; i++)
		o->w[slot * o->words + i] = row->w[i];
}

static void move(struct tr_order *o, uint32_t to, uint32_t from)
{
	o->t[to] = o->t[from];
	for (unsigned i = 0; i < o->words; i++)
		o->w[to * o->words + i] = o->w[from * o->words + i];
}

int tr_order_pop(struct tr_order *o, struct tr_ordered *out)
{
	if (o->n == 0)
		return 0;
	out->t = o->t[o->start];
	for (unsigned i = 0; i < o->words; i++)
		out->w[i] = o->w[o->start * o->words + i];
	o->start = (o->start + 1) & MASK;
	o->n--;
	o->has_left = 1;
	o->left = out->t;
	return 1;
}

/* Rows that are not after t: where a row of time t goes. */
static uint32_t place(const struct tr_order *o, int64_t t)
{
	uint32_t low = 0, high = o->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (o->t[(o->start + mid) & MASK] <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void insert(struct tr_order *o, const struct tr_ordered *row)
{
	if (o->n == 0 || o->t[(o->start + o->n - 1) & MASK] <= row->t) {
		put(o, (o->start + o->n++) & MASK, row);
		return;
	}
	uint32_t at = place(o, row->t);
	if (at < o->n / 2) {
		o->start = (o->start - 1) & MASK;
		for (uint32_t i = 0; i < at; i++)
			move(o, (o->start + i) & MASK, (o->start + i + 1) & MASK);
	} else {
		for (uint32_t i = o->n; i > at; i--)
			move(o, (o->start + i) & MASK, (o->start + i - 1) & MASK);
	}
	put(o, (o->start + at) & MASK, row);
	o->n++;
}

/* The ring is full and the row comes last: it takes the place of the oldest. */
static void replace_oldest(struct tr_order *o, const struct tr_ordered *in, struct tr_ordered *out)
{
	int64_t t = in->t;
	out->t = o->left = o->t[o->start];
	o->t[o->start] = t;
	for (unsigned i = 0; i < o->words; i++) {
		uint64_t word = in->w[i];
		out->w[i] = o->w[o->start * o->words + i];
		o->w[o->start * o->words + i] = word;
	}
	o->start = (o->start + 1) & MASK;
	o->has_left = 1;
}

enum tr_order_result tr_order_push(struct tr_order *o, const struct tr_ordered *in, struct tr_ordered *out)
{
	if (o->has_left && in->t < o->left)
		return TR_ORDER_LATE;
	if (o->n < TR_ORDER_ROWS) {
		insert(o, in);
		return TR_ORDER_KEPT;
	}
	if (in->t >= o->t[(o->start - 1) & MASK]) {
		replace_oldest(o, in, out);
		return TR_ORDER_LEFT;
	}
	struct tr_ordered row = *in;
	if (row.t < o->t[o->start]) {
		o->has_left = 1;
		o->left = row.t;
		*out = row;
		return TR_ORDER_LEFT;
	}
	tr_order_pop(o, out);
	insert(o, &row);
	return TR_ORDER_LEFT;
}

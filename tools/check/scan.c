/* SPDX-License-Identifier: Apache-2.0
 *
 * From records to findings.
 */
#include "tools/check/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t NS = UINT64_C(1000000000);
enum { TOKENS_MAX = 10000000, LOG_ROWS = 1000, LOG_GAP_S = 100 };

int check_init(struct check *c, const unsigned char *allowed, struct tr_err *err)
{
	*c = (struct check){.allowed = allowed};
	int e = tr_order_new(&c->order, CHECK_CARRIED, err);
	return e ? e : check_stamps_new(&c->stamps, err);
}

void check_free(struct check *c)
{
	tr_order_free(c->order);
	free(c->stamps);
}

void check_note(struct check *c, enum check_kind kind, uint64_t row, const struct tr_rec *r)
{
	struct check_finding *f = &c->found[kind];
	if (f->count++ > 0 && f->row <= row)
		return;
	f->has_row = 1;
	f->row = row;
	f->has_id = TR_HAS(r, id);
	f->id = f->has_id ? r->id : 0;
}

/* --- single records ------------------------------------------------------------------------ */

static int has_zero_input(const struct tr_rec *r)
{
	return r->in_tokens == 0;
}

static int has_zero_output(const struct tr_rec *r)
{
	return r->out_tokens == 0;
}

static int is_huge_input(const struct tr_rec *r)
{
	return r->in_tokens > TOKENS_MAX;
}

static int is_huge_output(const struct tr_rec *r)
{
	return r->out_tokens > TOKENS_MAX;
}

static int is_negative(const struct tr_rec *r)
{
	return r->arrival_ns < 0;
}

/* Without a stated rule for the last block either count will do. */
static int has_wrong_blocks(const struct tr_rec *r)
{
	if (r->block_size == 0)
		return 1;
	uint64_t floor = r->in_tokens / r->block_size, ceil = floor + (r->in_tokens % r->block_size > 0);
	int may_floor = !TR_HAS(r, block_tail) || !tr_slice_eq(r->block_tail, "ceil");
	int may_ceil = !TR_HAS(r, block_tail) || !tr_slice_eq(r->block_tail, "floor");
	return !(may_floor && r->blocks.n == floor) && !(may_ceil && r->blocks.n == ceil);
}

static int is_turn_zero(const struct tr_rec *r)
{
	return r->turn == 0;
}

static int follows_later(const struct tr_rec *r)
{
	return r->parent >= r->id;
}

static const struct {
	enum check_kind kind;
	uint64_t needs; /* fields that must be present */
	int (*wrong)(const struct tr_rec *r);
} rules[] = {
    {CHECK_ZERO_INPUT, TR_BIT(in_tokens), has_zero_input},
    {CHECK_ZERO_OUTPUT, TR_BIT(out_tokens), has_zero_output},
    {CHECK_HUGE, TR_BIT(in_tokens), is_huge_input},
    {CHECK_HUGE, TR_BIT(out_tokens), is_huge_output},
    {CHECK_NEGATIVE, TR_BIT(arrival_ns), is_negative},
    {CHECK_BLOCKS, TR_BIT(blocks) | TR_BIT(in_tokens) | TR_BIT(block_size), has_wrong_blocks},
    {CHECK_TURN, TR_BIT(turn), is_turn_zero},
    {CHECK_PARENT, TR_BIT(parent) | TR_BIT(id), follows_later},
};

/* --- arrivals ------------------------------------------------------------------------------ */

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static uint64_t distance(int64_t a, int64_t b)
{
	return a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b;
}

static void arrival(struct check *c, const struct tr_rec *r)
{
	int64_t t = r->arrival_ns;
	if (c->arrivals++ == 0)
		c->origin = c->previous = c->first = c->last = t;
	c->first = t < c->first ? t : c->first;
	c->last = t > c->last ? t : c->last;
	if (t < c->previous)
		check_note(c, CHECK_INVERSIONS, c->records, r);
	c->previous = t;
	if (c->tick != 1)
		c->tick = gcd(distance(t, c->origin), c->tick);
	struct tr_ordered row = {.t = t,
	                         .w = {
	                             [CHECK_CARRY_ROW] = c->records,
	                             [CHECK_CARRY_ID] = TR_HAS(r, id) ? r->id : 0,
	                             [CHECK_CARRY_HAS_ID] = TR_HAS(r, id),
	                             [CHECK_CARRY_HASH] = check_content(r),
	                         }};
	switch (tr_order_push(c->order, &row, &row)) {
	case TR_ORDER_LEFT:
		check_stamps_add(c, &row);
		break;
	case TR_ORDER_LATE:
		c->late++;
		break;
	case TR_ORDER_KEPT:
		break;
	}
}

void check_block(struct check *c, const struct tr_block *b)
{
	struct tr_cursor cursor;
	struct tr_rec r;
	if (b->kind != TR_REQUEST)
		return;
	tr_cursor_init(&cursor, b);
	while (tr_cursor_next(&cursor, &r)) {
		c->records++;
		c->in_tokens += TR_HAS(&r, in_tokens) ? r.in_tokens : 0;
		c->out_tokens += TR_HAS(&r, out_tokens) ? r.out_tokens : 0;
		for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
			if ((r.mask & rules[i].needs) == rules[i].needs && rules[i].wrong(&r))
				check_note(c, rules[i].kind, c->records, &r);
		if (TR_HAS(&r, arrival_ns))
			arrival(c, &r);
	}
}

/* --- the whole ----------------------------------------------------------------------------- */

/* Why the unit of time is doubted; NULL = it is not. The last rule knows logs in milliseconds that were
 * read as seconds: whole seconds only, and less than a request in 100 s over at least 1,000 of them. */
static const char *unit_doubt(const struct check *c)
{
	uint64_t span = distance(c->first, c->last);
	unsigned __int128 n = c->arrivals;
	if (c->arrivals < 2 || span == 0)
		return NULL;
	if (n * NS > (unsigned __int128)span * 1000000)
		return "more than 1,000,000 requests a second";
	if (n * NS * 86400 < span)
		return "less than one request a day";
	if (span > 366 * 86400 * NS)
		return "more than a year from first to last";
	if (c->arrivals >= LOG_ROWS && c->tick % NS == 0 && span > n * LOG_GAP_S * NS)
		return "whole seconds only, and less than a request in 100 s: milliseconds read as seconds?";
	return NULL;
}

static void once(struct check *c, enum check_kind kind, uint64_t count, const char *detail)
{
	c->found[kind].count = count;
	snprintf(c->found[kind].detail, sizeof(c->found[kind].detail), "%s", detail);
}

static void judge_times(struct check *c)
{
	const char *doubt = unit_doubt(c);
	char detail[128];
	if (doubt)
		once(c, CHECK_UNIT, 1, doubt);
	int coarse = c->tick >= NS / 1000 && c->found[CHECK_TIES].count > 0;
	if (coarse || (c->arrivals > 1 && c->shared >= c->arrivals - c->arrivals / 10)) {
		snprintf(detail, sizeof(detail), "%llu of %llu requests share their stamp",
		         (unsigned long long)c->shared, (unsigned long long)c->arrivals);
		once(c, CHECK_TICK, c->shared, detail);
	}
	if (c->completion_order)
		c->found[CHECK_INVERSIONS].count = 0;
}

void check_end(struct check *c, const char *name, const struct tr_head *head, const struct tr_tail *tail,
               const struct tr_err *broken)
{
	struct tr_ordered row;
	char text[TR_ERR_TEXT + TR_ERR_VALUE];
	while (tr_order_pop(c->order, &row))
		check_stamps_add(c, &row);
	check_stamps_end(c);
	c->name = name;
	c->head = head;
	c->tail = tail;
	c->completion_order = head->order && strcmp(head->order, "completion") == 0;
	c->state = broken ? "damaged" : tail->state ? tail->state : "complete";
	judge_times(c);
	if (tail->skipped)
		once(c, CHECK_SKIPPED, tail->skipped, "");
	if (broken && broken->code == TR_ECUT)
		c->state = "cut";
	if (strcmp(c->state, "interrupted") == 0)
		once(c, CHECK_INTERRUPTED, 1, "");
	else if (strcmp(c->state, "cut") == 0)
		once(c, CHECK_CUT, 1, broken ? tr_err_format(broken, text, sizeof(text)) : "");
	else if (broken)
		once(c, CHECK_DAMAGED, 1, tr_err_format(broken, text, sizeof(text)));
}

int check_ok(const struct check *c)
{
	for (int i = 0; i < CHECK_NKINDS; i++)
		if (c->found[i].count && !c->allowed[i])
			return 0;
	return 1;
}

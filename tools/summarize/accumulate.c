/* SPDX-License-Identifier: Apache-2.0
 *
 * From blocks to figures. Figures of the whole trace are taken column by column; only --by walks
 * records. Every arrival goes through the ring that puts the trace in order, and what leaves it makes
 * gaps, windows and the rate.
 */
#include "libtrace/meta.h"
#include "tools/summarize/results.h"
#include <stdlib.h>
#include <string.h>

/* What an arrival carries through the ring when there are groups. */
enum { CARRY_IN, CARRY_OUT, CARRY_GROUP, CARRY_MASK, CARRY_WORDS };

static const struct {
	unsigned bit;
	const char *key, *label;
} named[SUM_NAMED] = {
    {TR_F_type, "types", "types"},
    {TR_F_model, "models", "models"},
    {TR_F_adapter, "adapters", "adapters"},
    {TR_F_tenant, "tenants", "tenants"},
};

int sum_init(struct sum *s, const struct sum_by *by, enum tr_percentile method, struct tr_err *err)
{
	*s = (struct sum){.budget = {SUM_BUDGET, 0},
	                  .groups_budget = {SUM_GROUPS_BUDGET, SUM_GROUPS_BITS},
	                  .method = method,
	                  .state = "complete"};
	sum_arrivals_init(&s->arrivals);
	for (unsigned i = 0; i < SUM_NAMED; i++) {
		s->names[i].bit = named[i].bit;
		s->names[i].key = named[i].key;
		s->names[i].label = named[i].label;
	}
	int e = sum_set_init(&s->all, &s->budget, err);
	if (e == 0)
		e = tr_order_new(&s->order, by->text ? CARRY_WORDS : 0, err);
	if (e == 0 && by->text)
		e = sum_groups_new(&s->groups, by, method, err);
	return e;
}

void sum_free(struct sum *s)
{
	sum_set_free(&s->all);
	tr_order_free(s->order);
	sum_groups_free(s->groups);
	sum_results_free(s->results);
	sum_distinct_free(&s->sessions);
	for (unsigned i = 0; i < SUM_NAMED; i++)
		sum_names_free(&s->names[i]);
	for (unsigned i = 0; i < s->nsources; i++) {
		free(s->sources[i].name);
		free(s->sources[i].format);
	}
	free(s->sources);
	free(s->verdict);
	free(s->reasons);
}

/* --- groups -------------------------------------------------------------------------------- */

/* A record of a group whose place in time is not known or not needed: everything but the gap. */
static int group_add(struct sum_set *set, const struct tr_ordered *row, int has_arrival, struct tr_err *err)
{
	int e = 0;
	set->records++;
	if (has_arrival)
		sum_set_arrival(set, row->t);
	if (set->sealed)
		return 0;
	if (row->w[CARRY_MASK] & TR_BIT(in_tokens))
		e = sum_set_add(set, SUM_IN, row->w[CARRY_IN], err);
	if (e == 0 && (row->w[CARRY_MASK] & TR_BIT(out_tokens)))
		e = sum_set_add(set, SUM_OUT, row->w[CARRY_OUT], err);
	return e;
}

static int group_arrival(struct sum *s, const struct tr_ordered *row, int in_order, struct tr_err *err)
{
	struct sum_groups *g = s->groups;
	unsigned at = (unsigned)row->w[CARRY_GROUP];
	int e = g->by.field ? 0 : sum_groups_of_arrival(g, row->t, in_order, &s->groups_budget, &at, err);
	if (e == 0)
		e = group_add(&g->v[at].set, row, 1, err);
	if (e == 0 && in_order)
		e = sum_set_gap(&g->v[at].set, row->t, err);
	return e;
}

/* --- arrivals ------------------------------------------------------------------------------ */

static int left(struct sum *s, const struct tr_ordered *row, struct tr_err *err)
{
	s->arrivals.ties += s->all.in_order && row->t == s->all.before;
	sum_arrivals_add(&s->arrivals, row->t);
	int e = sum_set_gap(&s->all, row->t, err);
	if (e == 0 && s->groups)
		e = group_arrival(s, row, 1, err);
	return e;
}

static int arrival(struct sum *s, struct tr_ordered *row, struct tr_err *err)
{
	if (__builtin_add_overflow(row->t, s->shift, &row->t))
		return tr_fail(err, TR_EDATA,
		               "arrival beyond the range of 64 bits after aligning the inputs' origins");
	s->inversions += s->has_previous && row->t < s->previous;
	s->has_previous = 1;
	s->previous = row->t;
	sum_set_arrival(&s->all, row->t);
	switch (tr_order_push(s->order, row, row)) {
	case TR_ORDER_LEFT:
		return left(s, row, err);
	case TR_ORDER_LATE:
		s->arrivals.late++;
		return s->groups ? group_arrival(s, row, 0, err) : 0;
	case TR_ORDER_KEPT:
		break;
	}
	return 0;
}

/* --- blocks -------------------------------------------------------------------------------- */

static const struct tr_column *column(const struct tr_block *b, unsigned bit)
{
	int at = b->col_of[bit];
	return at < 0 ? NULL : &b->cols[at];
}

static int add_lengths(struct sum *s, const struct tr_block *b, unsigned bit, enum sum_dist to,
                       struct tr_err *err)
{
	const struct tr_column *c = column(b, bit);
	int e = 0;
	for (uint32_t i = 0; c && i < c->count && e == 0; i++) {
		s->zeros[to] += c->v[i] == 0;
		e = sum_set_add(&s->all, to, c->v[i], err);
	}
	return e;
}

static int add_arrivals(struct sum *s, const struct tr_block *b, struct tr_err *err)
{
	const struct tr_column *c = column(b, TR_F_arrival_ns);
	struct tr_ordered row;
	int e = 0;
	for (uint32_t i = 0; c && i < c->count && e == 0; i++) {
		row.t = (int64_t)c->v[i];
		e = arrival(s, &row, err);
	}
	return e;
}

static int add_grouped(struct sum *s, const struct tr_block *b, struct tr_err *err)
{
	struct sum_groups *g = s->groups;
	struct tr_cursor cursor;
	struct tr_rec rec;
	int e = 0;
	tr_cursor_init(&cursor, b);
	while (e == 0 && tr_cursor_next(&cursor, &rec)) {
		unsigned at = 0;
		int timed = TR_HAS(&rec, arrival_ns);
		if (g->by.field)
			e = sum_groups_of_record(g, &rec, &s->groups_budget, &at, err);
		else if (!timed)
			e = sum_groups_of_none(g, &s->groups_budget, &at, err);
		if (e == 0 && g->by.field && s->results && sum_is_result(&rec))
			e = sum_group_results_add(&g->v[at].results, s->results, &rec, &s->groups_budget,
			                          err);
		if (e)
			return e;
		struct tr_ordered row = {.w = {
		                             [CARRY_IN] = TR_HAS(&rec, in_tokens) ? rec.in_tokens : 0,
		                             [CARRY_OUT] = TR_HAS(&rec, out_tokens) ? rec.out_tokens : 0,
		                             [CARRY_GROUP] = at,
		                             [CARRY_MASK] = rec.mask,
		                         }};
		if (timed) {
			row.t = rec.arrival_ns;
			e = arrival(s, &row, err);
		} else {
			e = group_add(&g->v[at].set, &row, 0, err);
		}
	}
	return e;
}

static int add_results(struct sum *s, const struct tr_block *b, struct tr_err *err)
{
	if (!column(b, TR_F_sent_ns) && !column(b, TR_F_status))
		return 0;
	s->runs += s->last_run != s->ninputs;
	s->last_run = s->ninputs;
	int e = s->results ? 0 : sum_results_new(&s->results, err);
	return e ? e : sum_results_block(s->results, b, err);
}

int sum_block(struct sum *s, const struct tr_block *b, struct tr_err *err)
{
	if (b->kind != TR_REQUEST) {
		*(b->kind == TR_SERIES ? &s->series : &s->events) += b->rows;
		return 0;
	}
	s->all.records += b->rows;
	int e = add_results(s, b, err);
	if (e == 0)
		e = add_lengths(s, b, TR_F_in_tokens, SUM_IN, err);
	if (e == 0)
		e = add_lengths(s, b, TR_F_out_tokens, SUM_OUT, err);
	if (e == 0)
		e = s->groups ? add_grouped(s, b, err) : add_arrivals(s, b, err);
	if (e == 0)
		e = sum_distinct_block(&s->sessions, b, TR_F_session, err);
	for (unsigned i = 0; i < SUM_NAMED && e == 0; i++)
		e = sum_names_block(&s->names[i], b, err);
	return e;
}

/* --- inputs -------------------------------------------------------------------------------- */

int sum_input(struct sum *s, const struct tr_head *head, struct tr_err *err)
{
	if (s->ninputs++ == 0) {
		s->has_origin = head->has_origin;
		s->origin_ns = head->origin_ns;
	}
	s->shift = 0;
	if (s->has_origin && head->has_origin &&
	    __builtin_sub_overflow(head->origin_ns, s->origin_ns, &s->shift))
		return tr_fail(err, TR_EDATA, "the inputs' origins are too far apart");
	return 0;
}

static int add_source(struct sum *s, const char *name, const char *sha256, const char *format,
                      struct tr_err *err)
{
	struct sum_source *v = realloc(s->sources, (s->nsources + 1) * sizeof(*v));
	if (!v)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	s->sources = v;
	v += s->nsources++;
	*v = (struct sum_source){0};
	memcpy(v->sha256, sha256, strnlen(sha256, sizeof(v->sha256) - 1));
	int e = tr_meta_set(&v->name, name, err);
	return e ? e : tr_meta_set(&v->format, format, err);
}

static unsigned rank(const char *state)
{
	static const char *const states[] = {"complete", "interrupted", "cut", "damaged"};
	unsigned i = 0;
	while (i + 1 < sizeof(states) / sizeof(states[0]) && strcmp(state, states[i]) != 0)
		i++;
	return i;
}

/* The gravest verdict stands for all inputs. */
static int add_verdict(struct sum *s, const struct tr_tail *tail, struct tr_err *err)
{
	static const char *const verdicts[] = {"VALID", "SUSPECT", "VOID"};
	int had = -1, has = -1;
	for (int i = 0; i < 3; i++) {
		if (s->verdict && strcmp(s->verdict, verdicts[i]) == 0)
			had = i;
		if (tail->verdict && strcmp(tail->verdict, verdicts[i]) == 0)
			has = i;
	}
	if (has <= had)
		return 0;
	int e = tr_meta_set(&s->verdict, tail->verdict, err);
	return e ? e : tr_meta_set(&s->reasons, tail->reasons, err);
}

int sum_input_end(struct sum *s, const struct tr_head *head, const struct tr_tail *tail, const char *name,
                  const char *state, struct tr_err *err)
{
	static const char *const known[] = {"complete", "interrupted", "cut", "damaged"};
	int e = 0;
	if (!state && tail && tail->state)
		state = tail->state;
	if (state && rank(state) > rank(s->state))
		s->state = known[rank(state)];
	if (tail) {
		s->skipped += tail->skipped;
		e = add_verdict(s, tail, err);
	}
	for (unsigned i = 0; tail && i < tail->nsources && e == 0; i++)
		e = add_source(s, tail->sources[i].name ? tail->sources[i].name : name,
		               tail->sources[i].sha256, head->format, err);
	if (e == 0 && (!tail || tail->nsources == 0))
		e = add_source(s, name, "", head->format, err);
	return e;
}

uint64_t sum_damaged(const struct sum *s)
{
	return s->all.damaged + (s->results ? s->results->damaged : 0);
}

int sum_finish(struct sum *s, struct tr_err *err)
{
	struct tr_ordered row;
	int e = 0;
	while (e == 0 && tr_order_pop(s->order, &row))
		e = left(s, &row, err);
	if (e == 0 && s->groups)
		sum_groups_sort(s->groups);
	if (e == 0 && s->results)
		sum_results_finish(s->results);
	return e;
}

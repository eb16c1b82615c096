/* SPDX-License-Identifier: Apache-2.0
 *
 * A run over time. Tokens and requests are counted in bins that double when the span outgrows them; a window
 * has the bins of its edges whole. How many requests were in flight is exact as long as each one's
 * stamps can be kept, and comes from the bins after that.
 */
#include "tools/summarize/results.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SHIFT = 10, FIRST_CAP = 1024, STEADY_PART = 10, STEADY_SENT = 30 };

const struct sum_span_info sum_spans[SUM_SPANS] = {
    [SUM_WHOLE] = {"whole", "first due to last end"},
    [SUM_ARRIVAL] = {"arrival", "first due to last due"},
    [SUM_STEADY] = {"steady", "longest part of arrival at >= half its mean concurrency"},
};

/* --- extents ---------------------------------------------------------------------------------- */

void sum_extent_add(struct sum_extent *e, int64_t t)
{
	if (e->n++ == 0)
		e->first = e->last = t;
	e->first = t < e->first ? t : e->first;
	e->last = t > e->last ? t : e->last;
}

double sum_extent_rate(const struct sum_extent *e)
{
	return e->n > 1 && e->last > e->first
	           ? (double)(e->n - 1) / ((double)((uint64_t)e->last - (uint64_t)e->first) / 1e9)
	           : NAN;
}

/* --- bins ---------------------------------------------------------------------------------------- */

static uint64_t *bin(struct sum_timeline *l, int64_t number)
{
	return l->bins[(uint64_t)number % SUM_RUN_BINS];
}

/* Two bins to one. Their places wrap around, so they are read from a copy. */
static void widen(struct sum_timeline *l, const struct sum_extent *had)
{
	memcpy(l->scratch, l->bins, sizeof(l->bins));
	memset(l->bins, 0, sizeof(l->bins));
	for (int64_t i = had->first >> l->shift; had->n && i <= had->last >> l->shift; i++)
		for (unsigned f = 0; f < SUM_FLOWS; f++)
			bin(l, i >> 1)[f] += l->scratch[(uint64_t)i % SUM_RUN_BINS][f];
	l->shift++;
}

static uint64_t bins_of(const struct sum_timeline *l)
{
	return (uint64_t)(l->extent.last >> l->shift) - (uint64_t)(l->extent.first >> l->shift) + 1;
}

void sum_timeline_add(struct sum_timeline *l, int64_t t, enum sum_flow what, uint64_t n)
{
	if (l->extent.n == 0)
		l->shift = FIRST_SHIFT;
	if (l->extent.n == 0 || t < l->extent.first || t > l->extent.last) {
		struct sum_extent had = l->extent;
		sum_extent_add(&l->extent, t);
		while (bins_of(l) > SUM_RUN_BINS)
			widen(l, &had);
	}
	bin(l, t >> l->shift)[what] += n;
}

/* --- requests in flight ---------------------------------------------------------------------- */

void sum_timeline_free(struct sum_timeline *l)
{
	free(l->starts);
	free(l->ends);
	l->starts = l->ends = NULL;
}

static int make_room(struct sum_timeline *l, struct tr_err *err)
{
	if (l->nstarts < l->cap)
		return 0;
	uint64_t cap = l->cap ? 2 * l->cap : FIRST_CAP;
	if (cap > SUM_IN_FLIGHT) {
		sum_timeline_free(l);
		l->many = 1;
		return 0;
	}
	int64_t *starts = realloc(l->starts, cap * sizeof(*starts));
	l->starts = starts ? starts : l->starts;
	int64_t *ends = realloc(l->ends, cap * sizeof(*ends));
	l->ends = ends ? ends : l->ends;
	l->cap = cap;
	return starts && ends ? 0 : tr_fail(err, TR_ENOMEM, "out of memory");
}

int sum_timeline_flight(struct sum_timeline *l, int64_t from, const int64_t *to, struct tr_err *err)
{
	if (to && *to <= from)
		return 0; /* it took no time, or its stamps are damaged */
	sum_timeline_add(l, from, SUM_SENT, 1);
	if (to)
		sum_timeline_add(l, *to, SUM_ENDED, 1);
	int e = l->many ? 0 : make_room(l, err);
	if (e < 0 || l->many)
		return e;
	l->starts[l->nstarts++] = from;
	if (to)
		l->ends[l->nends++] = *to;
	return 0;
}

/* A walk over the time from `t` to `until` in steps of constant concurrency, or of one bin each. Concurrency
 * is counted in halves: that of a bin is the mean of its two edges. */
struct walk {
	struct sum_timeline *l;
	int64_t t, until;
	uint64_t starts, ends; /* gone by */
	int64_t number;        /* bins: the next */
};

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_change(struct walk *w, uint64_t *halves)
{
	const struct sum_timeline *l = w->l;
	int64_t to = w->until;
	while (w->starts < l->nstarts && l->starts[w->starts] <= w->t)
		w->starts++;
	while (w->ends < l->nends && l->ends[w->ends] <= w->t)
		w->ends++;
	*halves = 2 * (w->starts - w->ends);
	if (w->starts < l->nstarts)
		to = least(to, l->starts[w->starts]);
	return w->ends < l->nends ? least(to, l->ends[w->ends]) : to;
}

static __int128 start_of(const struct sum_timeline *l, int64_t number)
{
	return number * ((__int128)1 << l->shift); /* it may be negative */
}

/* The end of a bin, or of everything when that is sooner. */
static int64_t end_of(const struct sum_timeline *l, int64_t number)
{
	__int128 end = start_of(l, number) + ((__int128)1 << l->shift);
	return end < l->extent.last ? (int64_t)end : l->extent.last;
}

static int64_t next_bin(struct walk *w, uint64_t *halves)
{
	struct sum_timeline *l = w->l;
	while (w->number <= l->extent.last >> l->shift) {
		const uint64_t *b = bin(l, w->number);
		int64_t end = end_of(l, w->number++);
		*halves = 2 * (w->starts - w->ends) + b[SUM_SENT] - b[SUM_ENDED];
		w->starts += b[SUM_SENT];
		w->ends += b[SUM_ENDED];
		if (end > w->t)
			return least(end, w->until);
	}
	*halves = 2 * (w->starts - w->ends);
	return w->until;
}

static struct walk walk_from(struct sum_timeline *l, int64_t from, int64_t until)
{
	return (struct walk){.l = l, .t = from, .until = until, .number = l->extent.first >> l->shift};
}

/* 1 = a step from *from to w->t; 0 = the end was reached. */
static int step(struct walk *w, int64_t *from, uint64_t *halves)
{
	if (w->t >= w->until)
		return 0;
	*from = w->t;
	w->t = w->l->many ? next_bin(w, halves) : next_change(w, halves);
	return 1;
}

static uint64_t length(int64_t from, int64_t to)
{
	return (uint64_t)to - (uint64_t)from;
}

static double peak(struct sum_timeline *l)
{
	uint64_t most = 0, halves;
	int64_t from, last = l->extent.last;
	if (l->extent.n == 0)
		return NAN;
	struct walk w = walk_from(l, l->extent.first, last < INT64_MAX ? last + 1 : last);
	while (step(&w, &from, &halves))
		most = halves > most ? halves : most;
	return (double)most / 2;
}

/* The sum of halves x time over the arrival span, from which come the mean and the steady span. */
static void steady(struct sum_timeline *l, struct sum_run_times *out)
{
	const struct sum_span *a = &out->spans[SUM_ARRIVAL];
	struct sum_span *best = &out->spans[SUM_STEADY];
	unsigned __int128 sum = 0;
	uint64_t halves, span = length(a->from, a->to);
	int64_t from, since = 0;
	int open = 0;
	if (!a->known || span == 0)
		return;
	for (struct walk w = walk_from(l, a->from, a->to); step(&w, &from, &halves);)
		sum += (unsigned __int128)halves * length(from, w.t);
	out->in_flight.mean = (double)sum / (double)span / 2;
	for (struct walk w = walk_from(l, a->from, a->to); sum > 0 && step(&w, &from, &halves);) {
		int enough = 2 * (unsigned __int128)halves * span >= sum;
		since = open ? since : from;
		open = enough;
		if (enough && (!best->known || length(since, w.t) > length(best->from, best->to)))
			*best = (struct sum_span){.known = 1, .from = since, .to = w.t};
	}
}

/* --- spans ---------------------------------------------------------------------------------------- */

double sum_span_seconds(const struct sum_span *s)
{
	return (double)length(s->from, s->to) / 1e9;
}

/* What lies in the bins of the window, those of its two edges whole: a stamp that makes an edge is in the
 * window, and so is what came with it. */
static void fill(const struct sum_timeline *l, struct sum_span *s, int64_t last)
{
	int64_t from = s->from > l->extent.first ? s->from : l->extent.first,
	        to = least(last, l->extent.last);
	if (!s->known || l->extent.n == 0 || from > to)
		return;
	for (int64_t i = from >> l->shift; i <= to >> l->shift; i++)
		for (unsigned f = 0; f < SUM_FLOWS; f++)
			s->flow[f] += l->bins[(uint64_t)i % SUM_RUN_BINS][f];
}

/* A short stretch of a run with few requests in flight says nothing of a steady state. */
static void judge_steady(struct sum_run_times *out)
{
	const struct sum_span *a = &out->spans[SUM_ARRIVAL];
	struct sum_span *s = &out->spans[SUM_STEADY];
	if ((unsigned __int128)length(s->from, s->to) * STEADY_PART < length(a->from, a->to) ||
	    s->flow[SUM_SENT] < STEADY_SENT)
		*s = (struct sum_span){0};
}

static int ascending(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;
	return (*a > *b) - (*a < *b);
}

void sum_timeline_read(struct sum_timeline *l, const struct sum_extent *due, const struct sum_extent *end,
                       struct sum_run_times *out)
{
	*out = (struct sum_run_times){.in_flight = {.mean = NAN, .approximate = l->many}};
	if (l->nstarts && !l->many)
		qsort(l->starts, l->nstarts, sizeof(*l->starts), ascending);
	if (l->nends && !l->many)
		qsort(l->ends, l->nends, sizeof(*l->ends), ascending);
	out->spans[SUM_WHOLE] =
	    (struct sum_span){due->n && end->n && end->last >= due->first, due->first, end->last, {0}};
	out->spans[SUM_ARRIVAL] = (struct sum_span){due->n > 0, due->first, due->last, {0}};
	out->in_flight.peak = peak(l);
	steady(l, out);
	fill(l, &out->spans[SUM_WHOLE], out->spans[SUM_WHOLE].to);
	fill(l, &out->spans[SUM_ARRIVAL], out->spans[SUM_ARRIVAL].to);
	/* from bins it ends where the next bin begins */
	fill(l, &out->spans[SUM_STEADY], out->spans[SUM_STEADY].to - l->many);
	judge_steady(out);
}

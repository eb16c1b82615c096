/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of records: what a report says of the whole trace and, with --by, of each group.
 */
#include "tools/summarize/summarize.h"
#include <math.h>

const struct sum_dist_info sum_dists[SUM_DISTS] = {
    {"input_tokens", "input", 1},
    {"output_tokens", "output", 1},
    {"interarrival_s", "gap", 1e9},
};

const struct sum_percentile sum_percentiles[SUM_PERCENTILES] = {
    {"p1", 10},   {"p5", 50},   {"p25", 250}, {"p50", 500},  {"p75", 750},
    {"p90", 900}, {"p95", 950}, {"p99", 990}, {"p999", 999},
};

int sum_set_init(struct sum_set *s, struct tr_dist_budget *budget, struct tr_err *err)
{
	int e = 0;
	*s = (struct sum_set){0};
	for (unsigned i = 0; i < SUM_DISTS && e == 0; i++)
		e = tr_dist_new(&s->d[i], budget, err);
	return e;
}

void sum_set_free(struct sum_set *s)
{
	for (unsigned i = 0; i < SUM_DISTS; i++) {
		tr_dist_free(s->d[i]);
		s->d[i] = NULL;
	}
}

void sum_set_arrival(struct sum_set *s, int64_t t)
{
	if (s->arrivals++ == 0)
		s->first = s->last = t;
	else if (t < s->first)
		s->first = t;
	else if (t > s->last)
		s->last = t;
}

int sum_set_add(struct sum_set *s, enum sum_dist to, uint64_t v, struct tr_err *err)
{
	if (v <= INT64_MAX)
		return tr_dist_add(s->d[to], v, err);
	s->damaged++;
	return 0;
}

int sum_set_gap(struct sum_set *s, int64_t t, struct tr_err *err)
{
	uint64_t gap = (uint64_t)t - (uint64_t)s->before;
	int e = s->in_order && !s->sealed ? sum_set_add(s, SUM_GAP, gap, err) : 0;
	s->in_order = 1;
	s->before = t;
	return e;
}

struct sum_figures sum_dist_read(const struct tr_dist *d, enum tr_percentile method)
{
	struct sum_figures f = {.m = tr_dist_moments(d), .error = tr_dist_error(d)};
	for (unsigned i = 0; i < SUM_PERCENTILES; i++)
		f.p[i] = tr_dist_percentile(d, sum_percentiles[i].k, method);
	return f;
}

struct sum_figures sum_set_read(const struct sum_set *s, enum sum_dist which, enum tr_percentile method)
{
	return s->sealed ? s->f[which] : sum_dist_read(s->d[which], method);
}

void sum_set_seal(struct sum_set *s, enum tr_percentile method)
{
	for (unsigned i = 0; i < SUM_DISTS; i++)
		s->f[i] = sum_set_read(s, i, method);
	sum_set_free(s);
	s->sealed = 1;
}

double sum_set_span(const struct sum_set *s)
{
	return s->arrivals ? (double)((uint64_t)s->last - (uint64_t)s->first) : NAN;
}

double sum_set_rate(const struct sum_set *s)
{
	double span = sum_set_span(s);
	return span > 0 ? (double)s->records / (span / 1e9) : NAN;
}

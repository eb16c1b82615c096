/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of the JSON report that only results have.
 */
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <math.h>

/* --- distributions ------------------------------------------------------------------------------ */

static void thin(struct rep_json *j, uint64_t n)
{
	unsigned bits = sum_thin(n).thin;
	if (n == 0 || bits == 0)
		return;
	rep_open(j, "thin", '[');
	for (unsigned i = 0; i < SUM_PERCENTILES; i++)
		if (bits >> i & 1)
			rep_cstr(j, NULL, sum_percentiles[i].key);
	rep_close(j, ']');
}

static void lost(struct rep_json *j, const struct sum *s, enum sum_latency which)
{
	struct sum_figures f = sum_results_lost(s->results, which, s->method);
	if (!sum_results_has_lost(s->results, which)) {
		rep_null(j, "with_failures");
		return;
	}
	rep_open(j, "with_failures", '{');
	rep_u64(j, "count", f.m.count + f.m.infinite);
	rep_u64(j, "infinite", f.m.infinite);
	sum_json_percentiles(j, sum_latencies[which].dist.unit, &f);
	thin(j, f.m.count + f.m.infinite);
	rep_close(j, '}');
}

static void latencies(struct rep_json *j, const struct sum *s)
{
	for (unsigned i = 0; i < SUM_LATENCIES; i++) {
		const struct sum_latency_info *info = &sum_latencies[i];
		struct sum_figures f = sum_results_read(s->results, i, s->method);
		rep_open(j, info->dist.key, '{');
		sum_json_dist(j, &info->dist, &f);
		thin(j, f.m.count);
		if (info->lost)
			lost(j, s, i);
		rep_close(j, '}');
	}
}

/* --- counts ------------------------------------------------------------------------------------- */

static void requests(struct rep_json *j, const struct sum_results *r)
{
	uint64_t coded = 0;
	rep_open(j, "requests", '{');
	rep_u64(j, "offered", r->offered);
	rep_u64(j, "ok", r->ok);
	rep_u64(j, "failed", r->failed);
	rep_u64(j, "censored", r->censored);
	rep_u64(j, "unsent", r->unsent);
	rep_open(j, "by_error", '{');
	for (unsigned i = 0; i < r->nclasses; i++)
		rep_u64(j, r->classes[i].text, r->classes[i].n);
	rep_close(j, '}');
	for (unsigned i = 0; i <= SUM_CODES; i++)
		coded += r->codes[i];
	if (coded == 0)
		rep_null(j, "http");
	else
		rep_open(j, "http", '{');
	for (unsigned i = 0; i <= SUM_CODES; i++)
		if (r->codes[i])
			rep_u64(j, i == SUM_CODES ? "others" : rep_digits(i, (char[REP_TEXT]){0}),
			        r->codes[i]);
	if (coded)
		rep_close(j, '}');
	rep_close(j, '}');
}

/* A sum over the requests that have the field; null when none has. */
static void total(struct rep_json *j, const char *key, const struct sum_total_of *t)
{
	if (t->n)
		rep_u128(j, key, t->sum);
	else
		rep_null(j, key);
}

static void number(struct rep_json *j, const char *key, uint64_t v, int measured)
{
	if (measured)
		rep_u64(j, key, v);
	else
		rep_null(j, key);
}

static void tokens(struct rep_json *j, const struct sum_results *r)
{
	rep_open(j, "tokens", '{');
	total(j, "in_asked", &r->totals[SUM_T_IN]);
	total(j, "in_seen", &r->totals[SUM_T_IN_SEEN]);
	total(j, "out_asked", &r->totals[SUM_T_OUT]);
	total(j, "out_seen", &r->totals[SUM_T_OUT_SEEN]);
	total(j, "cached", &r->totals[SUM_T_CACHED]);
	number(j, "in_mismatched", r->in_differ.differ, r->in_differ.both > 0);
	number(j, "out_mismatched", r->out_differ.differ, r->out_differ.both > 0);
	number(j, "out_spread", r->spread, r->has_out);
	rep_close(j, '}');
}

static void connections(struct rep_json *j, const struct sum_results *r)
{
	const struct sum_total_of *reused = &r->totals[SUM_T_REUSED], *resent = &r->totals[SUM_T_RESENT];
	rep_open(j, "bytes", '{');
	total(j, "out", &r->totals[SUM_T_BYTES_OUT]);
	total(j, "in", &r->totals[SUM_T_BYTES_IN]);
	rep_close(j, '}');
	rep_open(j, "connections", '{');
	number(j, "new", reused->zeros, reused->n > 0);
	number(j, "reused", reused->n - reused->zeros, reused->n > 0);
	number(j, "resent", resent->n - resent->zeros, resent->n > 0);
	rep_close(j, '}');
}

/* --- time ---------------------------------------------------------------------------------------- */

static void span(struct rep_json *j, const struct sum_results *r, enum sum_span_kind kind)
{
	const struct sum_span *s = &r->times.spans[kind];
	if (!s->known) {
		rep_null(j, sum_spans[kind].key);
		return;
	}
	double seconds = sum_span_seconds(s), each = seconds > 0 ? 1 / seconds : NAN;
	double out = r->has_out ? (double)s->flow[SUM_FLOW_OUT] : NAN;
	double in = r->totals[SUM_T_IN].n ? (double)s->flow[SUM_FLOW_IN] : NAN;
	rep_open(j, sum_spans[kind].key, '{');
	rep_cstr(j, "definition", sum_spans[kind].definition);
	rep_num(j, "start_s", (double)s->from / 1e9);
	rep_num(j, "end_s", (double)s->to / 1e9);
	rep_u64(j, "requests", s->flow[SUM_OK]);
	rep_num(j, "requests_per_s", (double)s->flow[SUM_OK] * each);
	rep_num(j, "output_tokens", out);
	rep_num(j, "output_tokens_per_s", out * each);
	rep_num(j, "input_tokens_per_s", in * each);
	rep_close(j, '}');
}

static void times(struct rep_json *j, const struct sum_results *r)
{
	const struct sum_concurrency *c = &r->times.in_flight;
	rep_open(j, "windows", '{');
	for (unsigned i = 0; i < SUM_SPANS; i++)
		span(j, r, i);
	rep_close(j, '}');
	rep_open(j, "concurrency", '{');
	rep_num(j, "peak", r->sent.n ? c->peak : NAN);
	rep_num(j, "mean", r->sent.n ? c->mean : NAN);
	rep_bool(j, "approximate", c->approximate);
	rep_close(j, '}');
}

void sum_json_results(struct rep_json *j, const struct sum *s)
{
	const struct sum_results *r = s->results;
	rep_u64(j, "runs", s->runs);
	requests(j, r);
	rep_open(j, "rate", '{');
	rep_num(j, "offered_per_s", sum_extent_rate(&r->due));
	rep_num(j, "achieved_per_s", sum_extent_rate(&r->sent));
	rep_close(j, '}');
	latencies(j, s);
	tokens(j, r);
	times(j, r);
	connections(j, r);
}

void sum_json_group_results(struct rep_json *j, const struct sum_group_results *g, enum tr_percentile method)
{
	number(j, "ok", g ? g->ok : 0, g != NULL);
	for (unsigned i = 0; i < SUM_GROUP_LATENCIES; i++) {
		const struct sum_dist_info *info = &sum_latencies[sum_group_latencies[i]].dist;
		if (!g) {
			rep_null(j, info->key);
			continue;
		}
		struct sum_figures f = sum_dist_read(g->d[i], method);
		rep_open(j, info->key, '{');
		sum_json_dist(j, info, &f);
		thin(j, f.m.count);
		rep_close(j, '}');
	}
}

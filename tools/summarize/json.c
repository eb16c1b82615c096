/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as JSON, schema trace-summary/1. Keys are defined in docs/METRICS.md; a test holds the
 * two together.
 */
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <math.h>

/* A value of a distribution: an exact integer where it is counted in its own unit. */
static void value(struct rep_json *j, const char *key, unsigned __int128 v, double unit)
{
	if (unit == 1)
		rep_u128(j, key, v);
	else
		rep_num(j, key, (double)v / unit);
}

void sum_json_percentiles(struct rep_json *j, double unit, const struct sum_figures *f)
{
	for (unsigned i = 0; i < SUM_PERCENTILES; i++)
		rep_num(j, sum_percentiles[i].key, f->p[i] / unit);
	if (f->error > 0)
		rep_num(j, "error", f->error);
}

void sum_json_dist(struct rep_json *j, const struct sum_dist_info *info, const struct sum_figures *f)
{
	const struct tr_moments *m = &f->m;
	rep_u64(j, "count", m->count);
	if (m->count == 0) {
		rep_null(j, "sum");
		rep_null(j, "min");
		rep_null(j, "max");
	} else {
		value(j, "sum", m->sum, info->unit);
		value(j, "min", m->min, info->unit);
		value(j, "max", m->max, info->unit);
	}
	rep_num(j, "mean", m->mean / info->unit);
	rep_num(j, "sd", m->sd / info->unit);
	rep_num(j, "cv", m->cv);
	sum_json_percentiles(j, info->unit, f);
}

static void set(struct rep_json *j, const struct sum_set *s, enum tr_percentile method)
{
	for (unsigned i = 0; i < SUM_DISTS; i++) {
		struct sum_figures f = sum_set_read(s, i, method);
		rep_open(j, sum_dists[i].key, '{');
		sum_json_dist(j, &sum_dists[i], &f);
		rep_close(j, '}');
	}
}

static void source(struct rep_json *j, const char *key, const struct sum_source *s)
{
	rep_open(j, key, '{');
	rep_cstr(j, "name", s->name);
	rep_cstr(j, "sha256", s->sha256[0] ? s->sha256 : NULL);
	rep_cstr(j, "format", s->format);
	rep_close(j, '}');
}

static void sources(struct rep_json *j, const struct sum *s)
{
	if (s->nsources == 1)
		source(j, "source", &s->sources[0]);
	else
		rep_null(j, "source");
	rep_open(j, "sources", '[');
	for (unsigned i = 0; i < s->nsources; i++)
		source(j, NULL, &s->sources[i]);
	rep_close(j, ']');
}

static void burstiness(struct rep_json *j, const struct sum *s)
{
	rep_open(j, "burstiness", '{');
	rep_num(j, "interarrival_cv", tr_dist_moments(s->all.d[SUM_GAP]).cv);
	rep_open(j, "windows", '[');
	for (unsigned i = 0; i < SUM_WINDOWS && s->arrivals.placed; i++) {
		uint64_t span = (uint64_t)s->all.before - (uint64_t)s->arrivals.origin;
		struct sum_window_figures f = sum_window_read(&s->arrivals, &s->arrivals.windows[i], span);
		rep_open(j, NULL, '{');
		rep_u64(j, "width_s", sum_widths_s[i]);
		rep_u64(j, "windows", f.windows);
		rep_u64(j, "max", f.max);
		rep_u64(j, "max_index", f.max_index);
		rep_u64(j, "min", f.min);
		rep_u64(j, "empty", f.empty);
		rep_num(j, "dispersion", f.dispersion);
		rep_close(j, '}');
	}
	rep_close(j, ']');
	rep_bool(j, "approximate", s->arrivals.late > 0);
	rep_close(j, '}');
}

static void names(struct rep_json *j, const struct sum_names *m)
{
	const struct sum_name *top[SUM_TOP];
	if (m->records == 0) {
		rep_null(j, m->key);
		return;
	}
	rep_open(j, m->key, '{');
	rep_u64(j, "records", m->records);
	if (m->overflow) {
		rep_null(j, "distinct");
		rep_null(j, "top");
	} else {
		unsigned n = sum_names_top(m, top);
		rep_u64(j, "distinct", m->n);
		rep_open(j, "top", '[');
		for (unsigned i = 0; i < n; i++) {
			rep_open(j, NULL, '{');
			rep_str(j, "value", (struct tr_slice){top[i]->text, top[i]->n});
			rep_u64(j, "records", top[i]->records);
			rep_close(j, '}');
		}
		rep_close(j, ']');
	}
	rep_close(j, '}');
}

static void group_value(struct rep_json *j, const struct sum_by *by, const struct sum_group *g)
{
	if (!g->has_key)
		rep_null(j, "value");
	else if (g->text)
		rep_str(j, "value", (struct tr_slice){g->text, g->n});
	else if (by->field && by->field->type == TR_TYPE_U64)
		rep_u64(j, "value", g->key);
	else
		rep_i64(j, "value", (int64_t)g->key);
	if (by->field)
		return;
	rep_num(j, "start_s", g->has_key ? (double)(int64_t)g->key * ((double)by->window / 1e9) : NAN);
}

static void groups(struct rep_json *j, const struct sum *s)
{
	const struct sum_groups *g = s->groups;
	if (!g) {
		rep_null(j, "by");
		return;
	}
	rep_open(j, "by", '{');
	rep_cstr(j, "field", g->by.field ? g->by.field->name : "window");
	rep_num(j, "window_s", g->by.field ? NAN : (double)g->by.window / 1e9);
	rep_open(j, "groups", '[');
	for (unsigned i = 0; i < g->n; i++) {
		rep_open(j, NULL, '{');
		group_value(j, &g->by, &g->v[i]);
		rep_u64(j, "records", g->v[i].set.records);
		rep_num(j, "span_s", sum_set_span(&g->v[i].set) / 1e9);
		rep_num(j, "rate_per_s", sum_set_rate(&g->v[i].set));
		set(j, &g->v[i].set, s->method);
		if (s->results)
			sum_json_group_results(j, g->v[i].results, s->method);
		rep_close(j, '}');
	}
	rep_close(j, ']');
	rep_close(j, '}');
}

static void measured(struct rep_json *j, const char *key, uint64_t v, int was)
{
	if (was)
		rep_u64(j, key, v);
	else
		rep_null(j, key);
}

void sum_json(const struct sum *s)
{
	struct rep_json j = {0};
	rep_open(&j, NULL, '{');
	rep_cstr(&j, "schema", "trace-summary/1");
	rep_cstr(&j, "kind", s->results ? "results" : "trace");
	sources(&j, s);
	rep_cstr(&j, "state", s->state);
	rep_cstr(&j, "verdict", s->verdict);
	rep_cstr(&j, "reasons", s->reasons);
	rep_u64(&j, "records", s->all.records);
	rep_u64(&j, "series", s->series);
	rep_u64(&j, "events", s->events);
	rep_u64(&j, "skipped", s->skipped);
	rep_u64(&j, "damaged", sum_damaged(s));
	rep_num(&j, "span_s", sum_set_span(&s->all) / 1e9);
	rep_num(&j, "rate_per_s", sum_set_rate(&s->all));
	measured(&j, "sessions", s->sessions.n + (unsigned)s->sessions.zero,
	         !s->sessions.overflow && (s->sessions.cap || s->sessions.zero));
	rep_cstr(&j, "sessions_note", s->sessions.overflow ? "more than 262144 sessions: not counted" : NULL);
	rep_cstr(&j, "percentile_method", s->method == TR_PCT_LINEAR ? "linear" : "nearest");
	set(&j, &s->all, s->method);
	measured(&j, "zero_input_tokens", s->zeros[SUM_IN], tr_dist_moments(s->all.d[SUM_IN]).count > 0);
	measured(&j, "zero_output_tokens", s->zeros[SUM_OUT], tr_dist_moments(s->all.d[SUM_OUT]).count > 0);
	measured(&j, "inversions", s->inversions, s->all.arrivals > 0);
	measured(&j, "ties", s->arrivals.ties, s->all.arrivals > 0);
	rep_bool(&j, "sorted", s->arrivals.late == 0);
	rep_u64(&j, "late", s->arrivals.late);
	burstiness(&j, s);
	for (unsigned i = 0; i < SUM_NAMED; i++)
		names(&j, &s->names[i]);
	if (s->results)
		sum_json_results(&j, s);
	groups(&j, s);
	rep_close(&j, '}');
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of results for a terminal of 110 columns: what became of the requests, how long they took, what
 * the server delivered.
 */
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 110, LABEL = 13, NAME = 16, ITEM = 100 };

static const char *strong = "", *plain = "";

/* --- lists that fill lines -------------------------------------------------------------------- */

/* "label  a 1, b 2": items after the first come after a comma, or on a new line. */
struct list {
	const char *label;
	unsigned at;
};

__attribute__((format(printf, 2, 3))) static void item(struct list *l, const char *format, ...)
{
	char text[ITEM];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	unsigned width = rep_width(text);
	if (l->at == 0)
		printf("%-*s", LABEL, l->label);
	else
		fputs(l->at + width + 3 > WIDTH ? ",\n             " : ", ", stdout);
	if (l->at == 0 || l->at + width + 3 > WIDTH)
		l->at = LABEL;
	else
		l->at += 2;
	l->at += width;
	fputs(text, stdout);
}

static void end_list(const struct list *l)
{
	if (l->at)
		putchar('\n');
}

/* --- requests ----------------------------------------------------------------------------------- */

static void requests(const struct sum *s)
{
	const struct sum_results *r = s->results;
	char a[REP_TEXT];
	if (s->runs > 1)
		printf("%u runs laid over each other: rates, windows and in flight add up\n", s->runs);
	struct list all = {"requests", 0}, errors = {"errors", 0}, http = {"http", 0}, rate = {"rate", 0};
	item(&all, "%s offered", rep_thousands(r->offered, a));
	item(&all, "%s ok", rep_thousands(r->ok, a));
	item(&all, "%s failed", rep_thousands(r->failed, a));
	item(&all, "%s censored", rep_thousands(r->censored, a));
	if (r->unsent)
		item(&all, "%s unsent", rep_thousands(r->unsent, a));
	end_list(&all);
	for (unsigned i = 0; i < r->nclasses; i++)
		item(&errors, "%s %s", r->classes[i].text, rep_thousands(r->classes[i].n, a));
	end_list(&errors);
	for (unsigned i = 0; i < SUM_CODES; i++)
		if (r->codes[i])
			item(&http, "%u %s", i, rep_thousands(r->codes[i], a));
	if (r->codes[SUM_CODES])
		item(&http, "others %s", rep_thousands(r->codes[SUM_CODES], a));
	end_list(&http);
	if (!isnan(sum_extent_rate(&r->due)))
		item(&rate, "%s/s offered", rep_short(sum_extent_rate(&r->due), a));
	if (!isnan(sum_extent_rate(&r->sent)))
		item(&rate, "%s/s achieved", rep_short(sum_extent_rate(&r->sent), a));
	end_list(&rate);
	if (r->ok == 0)
		printf("%sno request succeeded%s: there are no latencies to report\n", strong, plain);
}

/* --- latencies ----------------------------------------------------------------------------------- */

struct marks {
	int thin, none;
	double error;
};

/* A mark, or its place, follows the number; that of the last column is kept off the line's end. */
static void cell(double ns, const char *mark)
{
	char text[REP_TEXT];
	printf("  %6s%s", rep_short_ns(ns, text), mark);
}

static void percentile(const struct sum_figures *f, uint64_t n, unsigned i, int last, struct marks *marks)
{
	struct sum_thin t = sum_thin(n);
	int none = n > 0 && (t.none >> i & 1), thin = n > 0 && !none && (t.thin >> i & 1);
	cell(none ? NAN : f->p[i], thin ? "~" : last ? "" : " ");
	marks->none |= none;
	marks->thin |= thin;
	marks->error = f->error > marks->error ? f->error : marks->error;
}

static void row(const char *label, const struct sum_figures *f, uint64_t n, double mean, double max,
                struct marks *marks)
{
	static const unsigned shown[] = {3, 5, 6, 7, 8}; /* of sum_percentiles */
	char text[REP_TEXT];
	printf("%-*s %9s", NAME, label, rep_short((double)n, text));
	cell(mean, " ");
	for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		percentile(f, n, shown[i], 0, marks);
	cell(max, "\n");
}

static void latency(const struct sum *s, enum sum_latency which, struct marks *marks)
{
	const struct sum_results *r = s->results;
	struct sum_figures f = sum_results_read(r, which, s->method);
	row(sum_latencies[which].dist.label, &f, f.m.count, f.m.mean, f.m.count ? (double)f.m.max : NAN,
	    marks);
	if ((which != SUM_TTFT && which != SUM_E2E) || r->ok == r->offered || !sum_results_has_lost(r, which))
		return;
	f = sum_results_lost(r, which, s->method);
	row("  failed as inf", &f, f.m.count + f.m.infinite, INFINITY, INFINITY, marks);
}

static void legend(const struct marks *m)
{
	if (m->thin || m->none)
		printf("%s%s%s\n", m->thin ? "~ fewer than 10 values lie beyond this percentile" : "",
		       m->thin && m->none ? "; " : "", m->none ? "- not one does" : "");
	if (m->error > 0)
		printf("percentiles are off by %.2g %% at most: too many distinct values for exact ones\n",
		       m->error * 100);
}

static void latencies(const struct sum *s)
{
	const struct sum_results *r = s->results;
	struct marks marks = {0};
	printf("\n%s%-*s %9s  %6s   %6s   %6s   %6s   %6s   %6s   %6s%s\n", strong, NAME, "latency", "count",
	       "mean", "p50", "p90", "p95", "p99", "p99.9", "max", plain);
	for (unsigned i = 0; i < SUM_LATENCIES; i++) {
		int optional = i == SUM_CONNECT || i == SUM_TLS;
		uint64_t n = tr_dist_moments(r->d[i]).count;
		if (sum_latencies[i].sent || (r->ok > 0 && (n > 0 || !optional)))
			latency(s, i, &marks);
	}
	legend(&marks);
}

/* --- throughput ---------------------------------------------------------------------------------- */

static void spans(const struct sum_results *r)
{
	char t[REP_TEXT];
	printf("\n%s%-8s%7s%8s  %7s  %8s  %8s%s\n", strong, "window", "from s", "to s", "ok/s", "output/s",
	       "input/s", plain);
	for (unsigned i = 0; i < SUM_SPANS; i++) {
		const struct sum_span *s = &r->times.spans[i];
		double seconds = s->known ? sum_span_seconds(s) : 0, each = seconds > 0 ? 1 / seconds : NAN;
		printf("%-8s%7s", sum_spans[i].key, rep_short(s->known ? (double)s->from / 1e9 : NAN, t));
		printf("%8s", rep_short(s->known ? (double)s->to / 1e9 : NAN, t));
		printf("  %7s", rep_short((double)s->flow[SUM_OK] * each, t));
		printf("  %8s", rep_short(r->has_out ? (double)s->flow[SUM_FLOW_OUT] * each : NAN, t));
		printf("  %8s",
		       rep_short(r->totals[SUM_T_IN].n ? (double)s->flow[SUM_FLOW_IN] * each : NAN, t));
		printf("  %s\n", s->known || i != SUM_STEADY
		                     ? sum_spans[i].definition
		                     : "none of a tenth of arrival with 30 requests sent");
	}
}

static void connections(const struct sum_results *r)
{
	const struct sum_total_of *reused = &r->totals[SUM_T_REUSED], *resent = &r->totals[SUM_T_RESENT];
	struct list flight = {"in flight", 0}, links = {"connections", 0}, bytes = {"bytes", 0};
	char a[REP_TEXT];
	if (r->sent.n) {
		item(&flight, "peak %s", rep_short(r->times.in_flight.peak, a));
		item(&flight, "mean %s over arrival", rep_short(r->times.in_flight.mean, a));
		if (r->times.in_flight.approximate)
			item(&flight, "approximate");
	}
	end_list(&flight);
	if (reused->n) {
		item(&links, "%s new", rep_thousands(reused->zeros, a));
		item(&links, "%s reused", rep_thousands(reused->n - reused->zeros, a));
	}
	if (resent->n)
		item(&links, "%s sent twice", rep_thousands(resent->n - resent->zeros, a));
	end_list(&links);
	if (r->totals[SUM_T_BYTES_OUT].n)
		item(&bytes, "%s out", rep_thousands(r->totals[SUM_T_BYTES_OUT].sum, a));
	if (r->totals[SUM_T_BYTES_IN].n)
		item(&bytes, "%s in", rep_thousands(r->totals[SUM_T_BYTES_IN].sum, a));
	end_list(&bytes);
}

/* --- tokens -------------------------------------------------------------------------------------- */

static const char *sum_of(const struct sum_total_of *t, char *out)
{
	return t->n ? rep_thousands(t->sum, out) : "-";
}

static void asked(const char *label, const struct sum_total_of *want, const struct sum_total_of *seen,
                  const struct sum_differ *d)
{
	char a[REP_TEXT], b[REP_TEXT];
	printf("%-9s%17s %17s", label, sum_of(want, a), sum_of(seen, b));
	if (d->both)
		printf("   in %s of %s requests", rep_thousands(d->differ, a), rep_thousands(d->both, b));
	putchar('\n');
}

static void tokens(const struct sum_results *r)
{
	const struct sum_total_of *cached = &r->totals[SUM_T_CACHED];
	char a[REP_TEXT];
	printf("\n%s%-9s%17s %17s   differ%s\n", strong, "tokens", "asked", "counted", plain);
	asked("input", &r->totals[SUM_T_IN], &r->totals[SUM_T_IN_SEEN], &r->in_differ);
	asked("output", &r->totals[SUM_T_OUT], &r->totals[SUM_T_OUT_SEEN], &r->out_differ);
	if (cached->n)
		printf("%-9s%17s %17s\n", "cached", "", rep_thousands(cached->sum, a));
	if (r->spread)
		printf("%s output tokens were spread evenly over the events of their replies, which did not "
		       "state them\n",
		       rep_thousands(r->spread, a));
}

/* --- groups -------------------------------------------------------------------------------------- */

static void group(const struct sum *s, const struct sum_group *g, struct marks *marks)
{
	static const struct {
		unsigned latency, percentile;
	} shown[] = {{0, 3}, {0, 7}, {1, 3}, {2, 3}, {2, 7}};
	enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };
	const struct sum_group_results *r = g->results;
	struct sum_figures f[SUM_GROUP_LATENCIES] = {0};
	char name[REP_SAFE(NAME)], t[REP_TEXT];
	rep_pad(sum_group_name(&s->groups->by, g, NAME, name), NAME, 1);
	printf(" %8s", rep_short((double)g->set.records, t));
	printf(" %8s", rep_short(r ? (double)r->ok : NAN, t));
	for (unsigned i = 0; r && i < SUM_GROUP_LATENCIES; i++)
		f[i] = sum_dist_read(r->d[i], s->method);
	for (unsigned i = 0; r && i < SHOWN; i++)
		percentile(&f[shown[i].latency], f[shown[i].latency].m.count, shown[i].percentile,
		           i == SHOWN - 1, marks);
	putchar('\n');
}

static void groups(const struct sum *s)
{
	char title[REP_SAFE(NAME)];
	struct marks marks = {0};
	if (!s->groups || !s->groups->by.field)
		return;
	rep_safe((struct tr_slice){s->groups->by.text, strlen(s->groups->by.text)}, NAME, title);
	printf("\n%s%*s%*s%*s\n", strong, NAME + 30, "TTFT", 14, "ITL", 14, "E2E");
	printf("%-*s %8s %8s  %6s   %6s   %6s   %6s   %6s%s\n", NAME, title, "requests", "ok", "p50", "p99",
	       "p50", "p50", "p99", plain);
	for (unsigned i = 0; i < s->groups->n; i++)
		group(s, &s->groups->v[i], &marks);
	legend(&marks);
}

void sum_text_results(const struct sum *s, const char *bold, const char *normal)
{
	strong = bold;
	plain = normal;
	requests(s);
	latencies(s);
	spans(s->results);
	connections(s->results);
	tokens(s->results);
	groups(s);
	if (s->results->ok > 0)
		sum_chart_latencies(s, strong, plain);
}

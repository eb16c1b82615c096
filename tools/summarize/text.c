/* SPDX-License-Identifier: Apache-2.0
 *
 * The report for a terminal of 80 columns; results have one of their own, in results_text.c.
 */
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, RESULTS_WIDTH = 110, REASONS = 1000, NAME = 40, GROUP = 14, SOURCES = 5 };

static const char *strong = "", *plain = "";

/* --- what it is ------------------------------------------------------------------------------ */

static const char *safe(const char *text, unsigned width, char *out)
{
	return rep_safe((struct tr_slice){text, strlen(text)}, width, out);
}

/* The verdict and why, in lines broken at blanks. */
static void verdict(const struct sum *s)
{
	char line[REP_SAFE(REASONS)];
	unsigned at = (unsigned)printf("verdict %s", safe(s->verdict, NAME, line));
	if (!s->reasons) {
		putchar('\n');
		return;
	}
	putchar(':');
	at++;
	safe(s->reasons, REASONS, line);
	for (char *p = line; p;) {
		char *blank = strchr(p, ' ');
		if (blank)
			*blank = 0;
		at += rep_width(p) + 1;
		printf("%s%s", at > RESULTS_WIDTH ? "\n  " : " ", p);
		at = at > RESULTS_WIDTH ? rep_width(p) + 2 : at;
		p = blank ? blank + 1 : NULL;
	}
	putchar('\n');
}

static void sources(const struct sum *s)
{
	char line[REP_SAFE(WIDTH)];
	for (unsigned i = 0; i < s->nsources && i < SOURCES; i++) {
		const struct sum_source *v = &s->sources[i];
		printf("%s%s%s", strong, safe(v->name, WIDTH, line), plain);
		if (v->format)
			printf("\n  %s", safe(v->format, NAME, line));
		if (v->sha256[0])
			printf("%ssha256 %.16s", v->format ? ", " : "\n  ", v->sha256);
		putchar('\n');
	}
	if (s->nsources > SOURCES)
		printf("and %u more\n", s->nsources - SOURCES);
	if (strcmp(s->state, "complete") != 0)
		printf("%sthe input is %s%s: these are the figures of what was read\n", strong, s->state,
		       plain);
	if (s->verdict)
		verdict(s);
}

static void totals(const struct sum *s)
{
	char a[REP_TEXT], b[REP_TEXT];
	double span = sum_set_span(&s->all), rate = sum_set_rate(&s->all);
	printf("%s %s", rep_thousands(s->all.records, a), s->all.records == 1 ? "request" : "requests");
	if (!isnan(span))
		printf(" in %s", rep_span(span, a));
	if (!isnan(rate))
		printf(", %.4g/s", rate);
	if (s->sessions.overflow)
		printf(", more than %s sessions", rep_thousands(SUM_SESSIONS_MAX, a));
	else if (s->sessions.cap || s->sessions.zero)
		printf(", %s sessions", rep_thousands(s->sessions.n + (unsigned)s->sessions.zero, a));
	putchar('\n');
	printf("tokens: input %s, output %s", rep_thousands(tr_dist_moments(s->all.d[SUM_IN]).sum, a),
	       rep_thousands(tr_dist_moments(s->all.d[SUM_OUT]).sum, b));
	for (unsigned i = SUM_IN; i <= SUM_OUT; i++)
		if (s->zeros[i])
			printf(", %s with no %s", rep_thousands(s->zeros[i], a), sum_dists[i].label);
	putchar('\n');
}

static void others(const struct sum *s)
{
	char a[REP_TEXT], b[REP_TEXT];
	if (s->skipped)
		printf("%s rows were skipped\n", rep_thousands(s->skipped, a));
	if (sum_damaged(s))
		printf("%s values are impossible and were left out\n", rep_thousands(sum_damaged(s), a));
	if (s->series || (s->events && !s->results))
		printf("%s series points, %s events\n", rep_thousands(s->series, a),
		       rep_thousands(s->events, b));
}

/* --- distributions ----------------------------------------------------------------------------- */

static void cell(enum sum_dist which, double v)
{
	char text[REP_TEXT];
	printf(" %6s", which == SUM_GAP ? rep_short_ns(v, text) : rep_short(v, text));
}

static void distributions(const struct sum *s)
{
	static const unsigned shown[] = {1, 3, 5, 7, 8}; /* of sum_percentiles */
	enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };
	const int width = s->results ? 11 : 9;
	double error = 0;
	char text[REP_TEXT];
	if (s->results)
		printf("\n%sas the trace has it, before --speed%s", strong, plain);
	printf("\n%s%*s   mean     sd     cv    min", strong, width, "");
	for (unsigned i = 0; i < SHOWN; i++)
		printf(" %6s", shown[i] == 8 ? "p99.9" : sum_percentiles[shown[i]].key);
	printf("    max%s\n", plain);
	for (unsigned d = 0; d < SUM_DISTS; d++) {
		struct sum_figures f = sum_set_read(&s->all, d, s->method);
		int any = f.m.count > 0;
		printf("%-*s", width, s->results && d == SUM_GAP ? "arrival gap" : sum_dists[d].label);
		cell(d, f.m.mean);
		cell(d, f.m.sd);
		printf(" %6s", rep_short(f.m.cv, text));
		cell(d, any ? (double)f.m.min : NAN);
		for (unsigned i = 0; i < SHOWN; i++)
			cell(d, f.p[shown[i]]);
		cell(d, any ? (double)f.m.max : NAN);
		putchar('\n');
		error = f.error > error ? f.error : error;
	}
	for (unsigned d = SUM_IN; d <= SUM_OUT; d++) {
		uint64_t known = tr_dist_moments(s->all.d[d]).count;
		if (known != s->all.records)
			printf("%s length is known of %s requests\n", sum_dists[d].label,
			       rep_thousands(known, text));
	}
	if (error > 0)
		printf("percentiles are off by %.2g %% at most: too many distinct values for exact ones\n",
		       error * 100);
}

/* --- burstiness -------------------------------------------------------------------------------- */

static void burstiness(const struct sum *s)
{
	const struct sum_arrivals *a = &s->arrivals;
	char t[6][REP_TEXT];
	if (a->placed == 0)
		return;
	printf("\n%swindow       number      empty     min    mean     max   (which)    var/mean%s\n", strong,
	       plain);
	uint64_t span = (uint64_t)s->all.before - (uint64_t)a->origin;
	for (unsigned i = 0; i < SUM_WINDOWS; i++) {
		struct sum_window_figures f = sum_window_read(a, &a->windows[i], span);
		printf("%4llu s  %11s %10s %7s %7s %7s %9s %11s\n", (unsigned long long)sum_widths_s[i],
		       rep_thousands(f.windows, t[0]), rep_thousands(f.empty, t[1]),
		       rep_short((double)f.min, t[2]), rep_short((double)a->placed / (double)f.windows, t[3]),
		       rep_short((double)f.max, t[4]), rep_thousands(f.max_index, t[5]),
		       isnan(f.dispersion) ? "-" : rep_short(f.dispersion, (char[REP_TEXT]){0}));
	}
	printf("%s inversions, %s ties\n", rep_thousands(s->inversions, t[0]), rep_thousands(a->ties, t[1]));
	if (a->late)
		printf(
		    "not sorted: %s arrivals came too late to be placed; gaps and windows are approximate\n",
		    rep_thousands(a->late, t[0]));
}

/* --- names, groups ------------------------------------------------------------------------------- */

static void names(const struct sum_names *m)
{
	const struct sum_name *top[SUM_TOP];
	char name[REP_SAFE(NAME)], n[REP_TEXT];
	if (m->records == 0)
		return;
	printf("%-9s", m->label);
	if (m->overflow) {
		printf("more than %d\n", SUM_NAMES_MAX);
		return;
	}
	unsigned shown = sum_names_top(m, top), at = 9;
	for (unsigned i = 0; i < shown; i++) {
		rep_safe((struct tr_slice){top[i]->text, top[i]->n}, NAME, name);
		rep_thousands(top[i]->records, n);
		unsigned width = 2 + rep_width(name) + 1 + (unsigned)strlen(n);
		if (at + width > WIDTH) {
			printf("\n%9s", "");
			at = 9;
		}
		printf("%s%s %s", at == 9 ? "" : ", ", name, n);
		at += width;
	}
	if (m->n > shown)
		printf("%sof %u", at + 10 > WIDTH ? "\n         " : ", ", m->n);
	putchar('\n');
}

char *sum_group_name(const struct sum_by *by, const struct sum_group *g, unsigned width, char *out)
{
	size_t size = REP_SAFE((size_t)width);
	if (!g->has_key)
		snprintf(out, size, "(none)");
	else if (g->text)
		return rep_safe((struct tr_slice){g->text, g->n}, width, out);
	else if (by->field && by->field->type == TR_TYPE_U64)
		snprintf(out, size, "%llu", (unsigned long long)g->key);
	else
		snprintf(out, size, "%lld", (long long)g->key);
	return out;
}

static void groups(const struct sum *s)
{
	const struct sum_groups *g = s->groups;
	char name[REP_SAFE(GROUP)], t[REP_TEXT], title[REP_SAFE(GROUP)];
	if (!g)
		return;
	safe(g->by.text, GROUP, title);
	printf("\n%s%*s%21s%7s\n", strong, GROUP + 37, "input tokens", "output tokens", "gaps");
	printf("%-*s records  rate/s   mean    p50    p99   mean    p50    p99     cv%s\n", GROUP, title,
	       plain);
	for (unsigned i = 0; i < g->n; i++) {
		const struct sum_set *set = &g->v[i].set;
		rep_pad(sum_group_name(&g->by, &g->v[i], GROUP, name), GROUP, 1);
		printf(" %7s", rep_short((double)set->records, t));
		printf(" %7s", rep_short(sum_set_rate(set), t));
		for (unsigned d = SUM_IN; d <= SUM_OUT; d++) {
			struct sum_figures f = sum_set_read(set, d, s->method);
			cell(d, f.m.mean);
			cell(d, f.p[3]);
			cell(d, f.p[7]);
		}
		printf(" %6s\n", rep_short(sum_set_read(set, SUM_GAP, s->method).m.cv, t));
	}
}

void sum_text(const struct sum *s)
{
	if (rep_colour()) {
		strong = "\033[1m";
		plain = "\033[0m";
	}
	sources(s);
	if (s->results) {
		others(s);
		sum_text_results(s, strong, plain);
		if (s->groups && !s->groups->by.field)
			groups(s);
		distributions(s);
		return;
	}
	totals(s);
	others(s);
	distributions(s);
	burstiness(s);
	for (unsigned i = 0; i < SUM_NAMED; i++)
		names(&s->names[i]);
	groups(s);
	sum_chart_lengths(s, strong, plain);
	sum_chart_rate(s, strong, plain);
}

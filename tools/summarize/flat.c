/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as a flat table: one row a group and distribution, units as in the JSON report.
 */
#include "libtrace/num.h"
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void field(const char *text)
{
	if (!strpbrk(text, ",\" ")) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void number(double v)
{
	char text[REP_TEXT];
	printf(",%s", isnan(v) ? "" : isinf(v) ? "inf" : tr_num_print(v, text, sizeof(text)));
}

static void value(unsigned __int128 v, double unit)
{
	char text[REP_TEXT];
	if (unit == 1)
		printf(",%s", rep_digits(v, text));
	else
		number((double)v / unit);
}

static void row(const char *group, const struct sum_dist_info *info, const struct sum_figures *f)
{
	const struct tr_moments *m = &f->m;
	field(group);
	printf(",%s,%llu", info->key, (unsigned long long)m->count);
	if (m->count)
		value(m->sum, info->unit);
	else
		number(NAN);
	number(m->mean / info->unit);
	number(m->sd / info->unit);
	number(m->cv);
	if (m->count) {
		value(m->min, info->unit);
		value(m->max, info->unit);
	} else {
		number(NAN);
		number(NAN);
	}
	for (unsigned i = 0; i < SUM_PERCENTILES; i++)
		number(f->p[i] / info->unit);
	number(f->error);
	putchar('\n');
}

static void latencies(const char *group, const struct sum *s)
{
	for (unsigned i = 0; i < SUM_LATENCIES; i++) {
		struct sum_figures f = sum_results_read(s->results, i, s->method);
		row(group, &sum_latencies[i].dist, &f);
	}
}

static void group_latencies(const char *group, const struct sum_group_results *g, enum tr_percentile method)
{
	for (unsigned i = 0; i < SUM_GROUP_LATENCIES; i++) {
		struct sum_figures f = sum_dist_read(g->d[i], method);
		row(group, &sum_latencies[sum_group_latencies[i]].dist, &f);
	}
}

static void rows(const char *group, const struct sum_set *set, enum tr_percentile method)
{
	for (unsigned i = 0; i < SUM_DISTS; i++) {
		struct sum_figures f = sum_set_read(set, i, method);
		row(group, &sum_dists[i], &f);
	}
}

void sum_csv(const struct sum *s)
{
	char name[REP_SAFE(SUM_NAME_BYTES)];
	fputs("group,distribution,count,sum,mean,sd,cv,min,max", stdout);
	for (unsigned i = 0; i < SUM_PERCENTILES; i++)
		printf(",%s", sum_percentiles[i].key);
	fputs(",error\n", stdout);
	if (!s->groups)
		rows("", &s->all, s->method);
	if (!s->groups && s->results)
		latencies("", s);
	for (unsigned i = 0; s->groups && i < s->groups->n; i++) {
		const struct sum_group *g = &s->groups->v[i];
		rows(sum_group_name(&s->groups->by, g, SUM_NAME_BYTES, name), &g->set, s->method);
		if (g->results)
			group_latencies(name, g->results, s->method);
	}
}

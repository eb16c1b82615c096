/* SPDX-License-Identifier: Apache-2.0
 *
 * The report as a flat table: one row a group and distribution, units as in the JSON report.
 */
#include "libtrace/num.h"
#include "tools/report.h"
#include "tools/summarize/summarize.h"
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
	for (unsigned i = 0; s->groups && i < s->groups->n; i++)
		rows(sum_group_name(&s->groups->by, &s->groups->v[i], SUM_NAME_BYTES, name),
		     &s->groups->v[i].set, s->method);
}

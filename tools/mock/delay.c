/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws of delays.
 */
#include "tools/mock/delay.h"
#include "libtrace/num.h"
#include <stdio.h>
#include <string.h>

static const int64_t DELAY_MAX = INT64_C(86400) * 1000000000; /* one draw: a day */

struct delay_law {
	const char *name, *form;
	const char *keys[2]; /* NULL: there is no such argument */
	const char *between; /* the two */
	double (*draw)(const struct delay *d, struct tr_rng *g);
};

static double draw_uniform(const struct delay *d, struct tr_rng *g)
{
	return (double)d->a + (double)(d->b - d->a) * tr_rng_open(g);
}

static double draw_exponential(const struct delay *d, struct tr_rng *g)
{
	return (double)d->a * tr_rng_exponential(g);
}

static double draw_normal(const struct delay *d, struct tr_rng *g)
{
	return (double)d->a + (double)d->b * tr_rng_normal(g);
}

static const struct delay_law laws[] = {
    {"uniform", "uniform:A..B", {"min", "max"}, "..", draw_uniform},
    {"exponential", "exponential:mean=T", {"mean", NULL}, NULL, draw_exponential},
    {"normal", "normal:mean=T,sd=T", {"mean", "sd"}, ",", draw_normal},
};

/* [key=]duration */
static const char *one(struct tr_slice s, const char *key, int64_t *ns)
{
	size_t n = strlen(key);

	if (s.n > n && s.p[n] == '=' && memcmp(s.p, key, n) == 0)
		s = (struct tr_slice){s.p + n + 1, s.n - n - 1};
	const char *why = tr_num_duration(s, ns);
	return why ? why : *ns > DELAY_MAX ? "longer than a day" : NULL;
}

static const char *arguments(struct delay *d, const struct delay_law *law, const char *text)
{
	const char *cut = law->between ? strstr(text, law->between) : NULL;
	const char *why;

	if (law->keys[1] && !cut)
		return "needs two durations";
	why = one((struct tr_slice){text, cut ? (size_t)(cut - text) : strlen(text)}, law->keys[0], &d->a);
	if (!why && cut)
		why = one(tr_slice_of(cut + strlen(law->between)), law->keys[1], &d->b);
	if (!why && law->draw == draw_uniform && d->b < d->a)
		why = "ends before it begins";
	return why;
}

int delay_parse(struct delay *d, const char *option, const char *text, struct tr_err *err)
{
	const char *colon = strchr(text, ':'), *why = NULL;

	*d = (struct delay){.a = 0};
	if (!colon)
		why = one(tr_slice_of(text), "", &d->a);
	for (size_t i = 0; colon && !d->law && i < sizeof laws / sizeof *laws; i++)
		if (tr_slice_eq((struct tr_slice){text, (size_t)(colon - text)}, laws[i].name))
			d->law = &laws[i];
	if (colon)
		why = d->law ? arguments(d, d->law, colon + 1) : "unknown law of delays";
	if (!why)
		return 0;
	if (d->law)
		tr_fail(err, TR_EUSAGE, "%s; the form is %s", why, d->law->form);
	else
		tr_fail(err, TR_EUSAGE, "%s; there is T, %s, %s, %s", why, laws[0].form, laws[1].form,
		        laws[2].form);
	tr_err_field(err, option, strlen(option));
	tr_err_value(err, text, strlen(text));
	return -TR_EUSAGE;
}

int64_t delay_draw(const struct delay *d, struct tr_rng *g)
{
	if (!d->law)
		return d->a;
	double ns = d->law->draw(d, g);
	return ns <= 0 ? 0 : ns >= (double)DELAY_MAX ? DELAY_MAX : (int64_t)ns;
}

void delay_rng(struct tr_rng *g, uint64_t seed, const char *purpose, uint64_t request)
{
	char name[64];

	snprintf(name, sizeof name, "%s %llu", purpose, (unsigned long long)request);
	tr_rng_init(g, seed, name);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws of arrivals: nanoseconds since the start of the process. The rate stays an exact fraction; the time
 * so far is a whole number of nanoseconds and a rest, so that a year of small gaps loses nothing.
 */
#include "libtrace/law_impl.h"
#include <string.h>

#define TWO_63 0x1p63

static int rate_check(struct tr_arrival *a, struct tr_err *err)
{
	(void)a;
	(void)err; /* a rate is above zero by its grammar */
	return 0;
}

/* Event i at floor(i / rate), from i itself: no drift. */
static int constant_next(struct tr_arrival *a, struct tr_rng *g, int64_t *ns)
{
	unsigned __int128 t = (unsigned __int128)a->n * a->rate.den / a->rate.num;

	(void)g;
	if (t > INT64_MAX)
		return -1;
	*ns = (int64_t)t;
	return 0;
}

/* Exponential gaps, the first before the first event: counts in any window are then Poisson. */
static int poisson_next(struct tr_arrival *a, struct tr_rng *g, int64_t *ns)
{
	double gap = tr_rng_exponential(g) * ((double)a->rate.den / (double)a->rate.num);
	int64_t whole;

	if (gap >= TWO_63)
		return -1;
	whole = (int64_t)gap;
	a->rest += gap - (double)whole;
	if (a->rest >= 1.0) {
		a->rest -= 1.0;
		whole++;
	}
	if (__builtin_add_overflow(a->whole, whole, &a->whole))
		return -1;
	*ns = a->whole;
	return 0;
}

const struct tr_arrival_law tr_arrival_laws[] = {
    {
        "constant",
        "equal gaps, the first event at 0",
        {{"rate", TR_PARAM_RATE, NULL, "events per time: 20/s, 600/m, 0.5/h"}},
        rate_check,
        constant_next,
    },
    {
        "poisson",
        "independent exponential gaps, the first event after one gap",
        {{"rate", TR_PARAM_RATE, NULL, "mean events per time: 20/s, 600/m, 0.5/h"}},
        rate_check,
        poisson_next,
    },
    {NULL, NULL, {{NULL, TR_PARAM_NUMBER, NULL, NULL}}, NULL, NULL},
};

static const char *name_of(int i)
{
	return tr_arrival_laws[i].name;
}

int tr_arrival_parse(struct tr_arrival *a, const char *text, struct tr_err *err)
{
	struct tr_law_value values[TR_LAW_PARAMS];
	const char *args;
	int row = tr_law_find("arrival", text, name_of, &args, err), rc;

	memset(a, 0, sizeof(*a));
	if (row < 0)
		return row;
	a->law = &tr_arrival_laws[row];
	rc = tr_law_args(a->law->name, a->law->params, args, values, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < TR_LAW_PARAMS && a->law->params[i].name; i++) {
		a->p[i] = values[i].number;
		if (a->law->params[i].type == TR_PARAM_RATE)
			a->rate = values[i].rate;
	}
	return a->law->check(a, err);
}

int tr_arrival_next(struct tr_arrival *a, struct tr_rng *g, int64_t *ns, struct tr_err *err)
{
	if (a->law->next(a, g, ns) < 0)
		return tr_fail(err, TR_ELIMIT, "%s: event %llu lies beyond 292 years", a->law->name,
		               (unsigned long long)a->n + 1);
	a->n++;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws of lengths: whole numbers, never negative. A law that is cut to [min, max] draws again until a value
 * falls inside, so its shape between the bounds is the law's own; clamping would pile mass on the bounds.
 */
#include "libtrace/law_impl.h"
#include <string.h>

/* check() refuses what accepts fewer than 1 in 1000: 100,000 vain tries then do not happen (e^-100). */
#define ACCEPT_MIN 1e-3
enum { TRIES_MAX = 100000 };

static int fixed_check(struct tr_length *d, struct tr_err *err)
{
	(void)err;
	d->lo = d->hi = (uint64_t)d->p[0];
	return 0;
}

static int fixed_draw(const struct tr_length *d, struct tr_rng *g, uint64_t *out)
{
	(void)g;
	*out = d->lo;
	return 0;
}

static int uniform_check(struct tr_length *d, struct tr_err *err)
{
	if (d->lo > d->hi)
		return tr_fail(err, TR_EUSAGE, "uniform: the range begins above its end");
	return 0;
}

static int uniform_draw(const struct tr_length *d, struct tr_rng *g, uint64_t *out)
{
	*out = d->lo + tr_rng_below(g, d->hi - d->lo + 1);
	return 0;
}

enum { NORMAL_MEAN, NORMAL_SD, NORMAL_MIN, NORMAL_MAX };

/* The normal law's mass between two values, by the midpoint rule: good to far better than needed here. */
static double normal_mass(double from, double to)
{
	enum { STEPS = 2000 };
	const double sqrt_2pi = 2.5066282746310002, far = 9;
	double step, sum = 0;

	from = from < -far ? -far : from;
	to = to > far ? far : to;
	if (!(from < to))
		return 0;
	step = (to - from) / STEPS;
	for (int i = 0; i < STEPS; i++) {
		double z = from + (i + 0.5) * step;

		sum += tr_det_exp(-0.5 * z * z);
	}
	return sum * step / sqrt_2pi;
}

static int normal_check(struct tr_length *d, struct tr_err *err)
{
	double mean = d->p[NORMAL_MEAN], sd = d->p[NORMAL_SD], low, high;

	d->lo = (uint64_t)d->p[NORMAL_MIN];
	d->hi = (uint64_t)d->p[NORMAL_MAX];
	low = d->p[NORMAL_MIN] - 0.5;
	high = d->p[NORMAL_MAX] + 0.5;
	if (sd < 0)
		return tr_fail(err, TR_EUSAGE, "normal: sd: negative");
	if (d->lo > d->hi)
		return tr_fail(err, TR_EUSAGE, "normal: min is above max");
	if (sd > 0 ? normal_mass((low - mean) / sd, (high - mean) / sd) >= ACCEPT_MIN
	           : mean >= low && mean < high)
		return 0;
	return tr_fail(err, TR_EUSAGE,
	               "normal: fewer than 1 in 1000 draws would fall within min=%llu to max=%llu",
	               (unsigned long long)d->lo, (unsigned long long)d->hi);
}

static int normal_draw(const struct tr_length *d, struct tr_rng *g, uint64_t *out)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		double x = d->p[NORMAL_MEAN] + d->p[NORMAL_SD] * tr_rng_normal(g) + 0.5;

		if (x < (double)d->lo || x >= (double)d->hi + 1.0)
			continue;
		*out = (uint64_t)x; /* half up */
		return 0;
	}
	return -1;
}

const struct tr_length_law tr_length_laws[] = {
    {
        "fixed",
        "always the same",
        {{"n", TR_PARAM_COUNT, NULL, "the length"}},
        fixed_check,
        fixed_draw,
    },
    {
        "uniform",
        "every length of a range alike",
        {{"range", TR_PARAM_RANGE, NULL, "A..B, both included"}},
        uniform_check,
        uniform_draw,
    },
    {
        "normal",
        "normal, rounded to the nearest; what falls outside min to max is drawn again",
        {
            {"mean", TR_PARAM_NUMBER, NULL, "mean before the cut"},
            {"sd", TR_PARAM_NUMBER, NULL, "standard deviation before the cut; 0 = always the mean"},
            {"min", TR_PARAM_COUNT, "1", "smallest length"},
            {"max", TR_PARAM_COUNT, "2147483647", "largest length"},
        },
        normal_check,
        normal_draw,
    },
    {NULL, NULL, {{NULL, TR_PARAM_NUMBER, NULL, NULL}}, NULL, NULL},
};

static const char *name_of(int i)
{
	return tr_length_laws[i].name;
}

int tr_length_parse(struct tr_length *d, const char *text, struct tr_err *err)
{
	struct tr_law_value values[TR_LAW_PARAMS];
	const char *args;
	int row = tr_law_find("length", text, name_of, &args, err), rc;

	memset(d, 0, sizeof(*d));
	if (row < 0)
		return row;
	d->law = &tr_length_laws[row];
	rc = tr_law_args(d->law->name, d->law->params, args, values, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < TR_LAW_PARAMS && d->law->params[i].name; i++) {
		d->p[i] = values[i].number;
		if (d->law->params[i].type == TR_PARAM_RANGE) {
			d->lo = values[i].lo;
			d->hi = values[i].hi;
		}
	}
	return d->law->check(d, err);
}

int tr_length_draw(const struct tr_length *d, struct tr_rng *g, uint64_t *out, struct tr_err *err)
{
	if (d->law->draw(d, g, out) < 0)
		return tr_fail(err, TR_EUSAGE, "%s: no value within bounds in %d tries", d->law->name,
		               TRIES_MAX);
	return 0;
}

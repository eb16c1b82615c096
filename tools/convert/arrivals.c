/* SPDX-License-Identifier: Apache-2.0
 *
 * A session begins when the law says; a later turn follows the one before after the time to think, as if
 * answers took no time: a closed replay adds the answer's time, an open one cannot know it.
 */
#include "tools/convert/convert.h"

#include <string.h>

static int option(const char *name, int rc, struct tr_err *err)
{
	if (rc < 0)
		tr_err_field(err, name, strlen(name));
	return rc;
}

static int read_think(struct arrivals *a, const char *text, struct tr_err *err)
{
	static const char drawn[] = "exponential:";
	const char *why;
	a->think_ns = -1;
	if (!text)
		return 0;
	a->think_drawn = strncmp(text, drawn, sizeof(drawn) - 1) == 0;
	why = tr_num_duration(tr_slice_of(a->think_drawn ? text + sizeof(drawn) - 1 : text), &a->think_ns);
	return why ? cli_bad_option(err, "--think", text, why) : 0;
}

int arrivals_init(struct arrivals *a, const char *law, const char *think, uint64_t seed, struct tr_err *err)
{
	*a = (struct arrivals){.on = 1};
	tr_rng_init(&a->starts, seed, "arrivals");
	tr_rng_init(&a->thinks, seed, "think");
	int rc = option("--arrivals", tr_arrival_parse(&a->law, law, err), err);
	return rc < 0 ? rc : read_think(a, think, err);
}

static int draw_think(struct arrivals *a, int64_t *ns, struct tr_err *err)
{
	double t = (double)a->think_ns * (a->think_drawn ? tr_rng_exponential(&a->thinks) : 1.0);
	if (t >= 9e18)
		return tr_fail(err, TR_EDATA, "a time to think of more than 285 years");
	*ns = a->think_drawn ? (int64_t)t : a->think_ns;
	return 0;
}

int arrivals_apply(struct arrivals *a, struct tr_rec *r, struct tr_err *err)
{
	int64_t think = 0;
	int rc = 0;
	if (!a->on)
		return 0;
	if (TR_HAS(r, arrival_ns))
		return tr_fail(err, TR_EUSAGE, "--arrivals: the input has arrival times of its own");
	if (!TR_HAS(r, parent)) {
		rc = tr_arrival_next(&a->law, &a->starts, &a->now, err);
		if (rc == 0)
			TR_SET(r, arrival_ns, a->now);
	} else if (a->think_ns >= 0 && a->any && r->parent == a->last_id) {
		rc = draw_think(a, &think, err);
		if (rc == 0 && __builtin_add_overflow(a->now, think, &a->now))
			rc = tr_fail(err, TR_EDATA, "an arrival beyond 292 years");
		TR_SET(r, think_ns, think);
		TR_SET(r, arrival_ns, a->now);
	}
	a->any = 1;
	a->last_id = TR_HAS(r, id) ? r->id : 0;
	return rc;
}

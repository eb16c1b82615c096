/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/verdict.h"
#include "tools/replay/feed.h"

#include <math.h>

static const double LATE_SHARE = 0.01;   /* of what was sent, later than late_ns */
static const double RATE_OFF = 0.01;     /* of the span over which requests were due */
static const double LOAD = 0.70;         /* of a core, outside spinning */
static const double STALL_OF_GAP = 0.10; /* p99 of a turn of the loop, against the median gap of events */
static const double NEAR_ROOFLINE = 0.70;

struct judge {
	const struct verdict_facts *f;
	enum verdict worst;
	struct tr_buf *reasons;
};

static double ms(double ns)
{
	return ns / 1e6;
}

static double share(uint64_t n, uint64_t of)
{
	return of ? (double)n / (double)of : 0;
}

#define SAY(j, level, ...)                                                                                   \
	((j)->worst = (j)->worst > (level) ? (j)->worst : (level),                                           \
	 (j)->reasons->n ? tr_buf_str((j)->reasons, "; ") : 0, tr_buf_printf((j)->reasons, __VA_ARGS__))

static void nothing(struct judge *j)
{
	const struct run_stats *s = j->f->stats;

	if (s->offered == 0)
		SAY(j, VERDICT_VOID, "nothing was sent");
	else if (s->ok == 0)
		SAY(j, VERDICT_VOID, "no request succeeded");
}

static void late(struct judge *j)
{
	const struct run_stats *s = j->f->stats;
	double limit = ms((double)j->f->opts->late_ns);

	if (share(s->late, s->sent) > LATE_SHARE)
		SAY(j, VERDICT_VOID, "%.1f %% of the requests were sent more than %g ms late",
		    100 * share(s->late, s->sent), limit);
	if (share(s->late_input, s->sent) > LATE_SHARE)
		SAY(j, VERDICT_VOID,
		    "%.1f %% of the requests came from the input when they were due already%s",
		    100 * share(s->late_input, s->sent),
		    s->unsorted ? " (the trace is not in order of arrival)" : "");
}

/* (n - 1) / span of due against the same of sent: the counts are equal, so the spans tell. */
static void rate(struct judge *j)
{
	const struct run_stats *s = j->f->stats;
	double due = (double)(s->last_due - s->first_due), sent = (double)(s->last_sent - s->first_sent);

	if (s->sent < 2 || s->held || fabs(sent - due) <= (double)j->f->opts->late_ns)
		return;
	if (fabs(sent - due) > RATE_OFF * due)
		SAY(j, VERDICT_VOID, "the achieved rate is %.1f %% of the trace's", 100 * due / sent);
}

static void held(struct judge *j)
{
	const struct run_stats *s = j->f->stats;

	if (share(s->held, s->sent) > LATE_SHARE)
		SAY(j, VERDICT_SUSPECT, "--max-inflight held back %.1f %% of the requests: not an open loop",
		    100 * share(s->held, s->sent));
}

static void client(struct judge *j)
{
	const struct run_stats *s = j->f->stats;
	double part = share(s->by[OUT_CLIENT], s->offered);

	if (part > 0)
		SAY(j, part > LATE_SHARE ? VERDICT_VOID : VERDICT_SUSPECT,
		    "the client could not send %.1f %% of the requests: descriptors, ports or memory",
		    100 * part);
}

static void missed(struct judge *j)
{
	if (j->f->missed)
		SAY(j, VERDICT_VOID,
		    "%llu requests lie before the start, which was taken from the first %d: say --start",
		    (unsigned long long)j->f->missed, FEED_AHEAD);
}

static void load(struct judge *j)
{
	double l = j->f->stats->load;

	if (l > LOAD)
		SAY(j, VERDICT_SUSPECT, "a thread used %.0f %% of its core: give it more --threads", 100 * l);
}

static void stalls(struct judge *j)
{
	const struct run_stats *s = j->f->stats;
	double gap = run_rank_ms(s->gaps, 0.5), stall = run_rank_ms(s->stalls, 0.99);

	if (gap > 0 && stall > STALL_OF_GAP * gap)
		SAY(j, VERDICT_SUSPECT,
		    "turns of the loop took %.3f ms (p99), events came every %.3f ms (median)", stall, gap);
}

static void results(struct judge *j)
{
	if (j->f->spilled)
		SAY(j, VERDICT_SUSPECT,
		    "the output was too slow: %.1f MB of results went by a temporary file",
		    (double)j->f->spilled / 1e6);
}

static void stripped(struct judge *j)
{
	if (j->f->stats->stripped)
		SAY(j, VERDICT_SUSPECT, "%llu records were too large to keep the times of their events",
		    (unsigned long long)j->f->stats->stripped);
}

static void suspended(struct judge *j)
{
	if (j->f->suspended_ns > 1000000)
		SAY(j, VERDICT_VOID, "the machine slept for %.3f s", (double)j->f->suspended_ns / 1e9);
}

static void roofline(struct judge *j)
{
	const struct run_stats *s = j->f->stats;
	double span = (double)(s->last_sent - s->first_sent) / 1e9;

	if (j->f->roofline_per_s > 0 && s->sent > 1 && span > 0 &&
	    (double)(s->sent - 1) / span > NEAR_ROOFLINE * j->f->roofline_per_s)
		SAY(j, VERDICT_SUSPECT, "%.0f requests/s is near the %.0f that this client reaches here",
		    (double)(s->sent - 1) / span, j->f->roofline_per_s);
}

enum verdict verdict_of(const struct verdict_facts *f, struct tr_buf *reasons)
{
	static void (*const rules[])(struct judge *) = {
	    nothing, suspended, client, missed, late, rate, held, load, stalls, results, stripped, roofline};
	struct judge j = {f, VERDICT_VALID, reasons};

	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](&j);
	return j.worst;
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {"VALID", "SUSPECT", "VOID"};

	return names[v];
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * From requests that were sent to figures. Nothing depends on the order of the records, which is that of
 * completion: distributions, sums, and counts in bins of time.
 */
#include "tools/summarize/results.h"
#include "libtrace/metric.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 };

static const uint64_t TOKENS_MAX = UINT64_C(1) << 32; /* of one request: more is damage */

const struct sum_latency_info sum_latencies[SUM_LATENCIES] = {
    [SUM_LATENESS] = {{"lateness_ms", "lateness", 1e6}, "lateness", 1, 0},
    [SUM_TTFT] = {{"ttft_ms", "TTFT", 1e6}, "ttft", 0, 1},
    [SUM_ICL] = {{"icl_ms", "ICL", 1e6}, "icl", 0, 0},
    [SUM_ITL] = {{"itl_ms", "ITL", 1e6}, "itl", 0, 0},
    [SUM_TPOT] = {{"tpot_ms", "TPOT", 1e6}, "tpot", 0, 0},
    [SUM_E2E] = {{"e2e_ms", "E2E", 1e6}, "e2e", 0, 1},
    [SUM_MAX_GAP] = {{"max_gap_ms", "longest stall", 1e6}, "max_gap", 0, 0},
    [SUM_TTFT_SENT] = {{"ttft_sent_ms", "TTFT from sent", 1e6}, "ttft_sent", 0, 1},
    [SUM_E2E_SENT] = {{"e2e_sent_ms", "E2E from sent", 1e6}, "e2e_sent", 0, 1},
    [SUM_CONNECT] = {{"connect_ms", "connect", 1e6}, "connect", 0, 0},
    [SUM_TLS] = {{"tls_ms", "TLS", 1e6}, "tls", 0, 0},
};

const enum sum_latency sum_group_latencies[SUM_GROUP_LATENCIES] = {SUM_TTFT, SUM_ITL, SUM_E2E};

static const unsigned total_bits[SUM_TOTALS] = {
    [SUM_T_IN] = TR_F_in_tokens,         [SUM_T_IN_SEEN] = TR_F_seen_in_tokens,
    [SUM_T_OUT] = TR_F_out_tokens,       [SUM_T_OUT_SEEN] = TR_F_seen_out_tokens,
    [SUM_T_CACHED] = TR_F_cached_tokens, [SUM_T_BYTES_OUT] = TR_F_bytes_out,
    [SUM_T_BYTES_IN] = TR_F_bytes_in,    [SUM_T_REUSED] = TR_F_reused,
    [SUM_T_RESENT] = TR_F_resent,
};

static const unsigned stamp_bits[] = {TR_F_due_ns, TR_F_sent_ns, TR_F_first_ns, TR_F_end_ns};

/* --- latencies -------------------------------------------------------------------------------- */

int sum_results_new(struct sum_results **out, struct tr_err *err)
{
	struct sum_results *r = calloc(1, sizeof(*r));
	int e = 0;
	if (!r)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	*out = r;
	for (unsigned i = 0; i < SUM_LATENCIES && e == 0; i++) {
		r->metric[i] = tr_metric_find(sum_latencies[i].metric);
		r->budget[i].entries = SUM_BUDGET;
		e = tr_dist_new(&r->d[i], &r->budget[i], err);
	}
	return e;
}

void sum_results_free(struct sum_results *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < SUM_LATENCIES; i++)
		tr_dist_free(r->d[i]);
	sum_timeline_free(&r->timeline);
	free(r);
}

static int add_latency(struct tr_dist *d, const struct tr_metric *m, const struct tr_rec *rec,
                       struct tr_err *err)
{
	uint64_t v, times;
	int e = 0;
	if (m->value)
		return tr_metric_value(m, rec, &v) ? tr_dist_add(d, v, err) : 0;
	for (size_t i = 0; e == 0 && tr_metric_nth(m, rec, i, &v, &times); i++)
		e = tr_dist_add_times(d, v, (uint32_t)times, err);
	return e;
}

struct sum_figures sum_results_read(const struct sum_results *r, enum sum_latency which,
                                    enum tr_percentile method)
{
	return sum_dist_read(r->d[which], method);
}

int sum_results_has_lost(const struct sum_results *r, enum sum_latency which)
{
	return r->ok == 0 || tr_dist_moments(r->d[which]).count > 0;
}

struct sum_figures sum_results_lost(const struct sum_results *r, enum sum_latency which,
                                    enum tr_percentile method)
{
	struct sum_figures f = {.m = tr_dist_moments(r->d[which]), .error = tr_dist_error(r->d[which])};
	f.m.infinite = r->failed + r->censored;
	for (unsigned i = 0; i < SUM_PERCENTILES; i++)
		f.p[i] = tr_dist_percentile_with(r->d[which], f.m.infinite, sum_percentiles[i].k, method);
	return f;
}

/* The tail is on the far side of the median: n (1 - p) values above, n p below. */
struct sum_thin sum_thin(uint64_t n)
{
	struct sum_thin t = {0, 0};
	for (unsigned i = 0; i < SUM_PERCENTILES; i++) {
		unsigned k = sum_percentiles[i].k, beyond = k < 500 ? k : 1000 - k;
		unsigned __int128 tail = (unsigned __int128)n * beyond;
		t.thin |= (unsigned)(tail < 1000 * SUM_TAIL) << i;
		t.none |= (unsigned)(tail < 1000) << i;
	}
	return t;
}

/* --- damage ------------------------------------------------------------------------------------- */

static int above(struct tr_list l, uint64_t most)
{
	size_t i = 0;
	while (i < l.n && l.v[i] <= most)
		i++;
	return i < l.n;
}

/* Stamps so far apart that a span between two of them is not a number of the signed 64 bits of times. */
static int far_apart(const struct tr_rec *rec)
{
	struct sum_extent e = {0};
	for (unsigned i = 0; i < sizeof(stamp_bits) / sizeof(stamp_bits[0]); i++)
		if (rec->mask >> stamp_bits[i] & 1)
			sum_extent_add(
			    &e, (int64_t)tr_field_bits(&tr_schemas[TR_REQUEST].fields[stamp_bits[i]], rec));
	return (uint64_t)e.last - (uint64_t)e.first > INT64_MAX;
}

/* Take away what cannot be, so that one such value does not deny or spoil the figures of all others. Returns
 * how many there were; the stamps of a request count as one, and so do its gaps, and the tokens of its
 * events. */
static unsigned mend(struct tr_rec *rec)
{
	uint64_t bad = 0, stamps = 0;
	for (unsigned i = SUM_T_IN; i <= SUM_T_CACHED; i++)
		if ((rec->mask >> total_bits[i] & 1) &&
		    tr_field_bits(&tr_schemas[TR_REQUEST].fields[total_bits[i]], rec) > TOKENS_MAX)
			bad |= UINT64_C(1) << total_bits[i];
	if (TR_HAS(rec, event_tokens) && above(rec->event_tokens, TOKENS_MAX))
		bad |= TR_BIT(event_tokens);
	if (TR_HAS(rec, gaps_ns) && above(rec->gaps_ns, INT64_MAX))
		bad |= TR_BIT(gaps_ns);
	for (unsigned i = 0; far_apart(rec) && i < sizeof(stamp_bits) / sizeof(stamp_bits[0]); i++)
		stamps |= UINT64_C(1) << stamp_bits[i];
	rec->mask &= ~(bad | stamps);
	return (unsigned)__builtin_popcountll(bad) + (stamps != 0);
}

/* --- counts ------------------------------------------------------------------------------------- */

static int is(struct tr_slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* A class is a word. Whatever else a foreign stream has there is made one, for it becomes a key. */
static void class_name(struct tr_slice s, char *out)
{
	static const char also[] = "_.:-";
	size_t n = s.n < SUM_CLASS_BYTES - 1 ? s.n : SUM_CLASS_BYTES - 1;
	for (size_t i = 0; i < n; i++) {
		char c = s.p[i], small = (char)(c | 0x20);
		int fine = (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || (c && strchr(also, c));
		out[i] = c > 0 && fine ? c : '_';
	}
	out[n] = 0;
}

static unsigned find_class(const struct sum_results *r, const char *name)
{
	unsigned i = 0;
	while (i < r->nclasses && strcmp(r->classes[i].text, name) != 0)
		i++;
	return i;
}

static void count_class(struct sum_results *r, struct tr_slice s)
{
	char name[SUM_CLASS_BYTES];
	class_name(s, name);
	unsigned i = find_class(r, name);
	if (i == r->nclasses && i >= SUM_CLASSES - 1) {
		class_name((struct tr_slice){"others", 6}, name);
		i = find_class(r, name); /* the stream may have one of that name */
	}
	if (i >= r->nclasses) {
		r->nclasses = i + 1;
		memcpy(r->classes[i].text, name, sizeof(name));
	}
	r->classes[i].n++;
}

/* 1 = it succeeded. A status that is absent or not known is no success. */
static int count_status(struct sum_results *r, const struct tr_rec *rec)
{
	static const struct tr_slice unstated = {"unstated", 8};
	struct tr_slice status = TR_HAS(rec, status) ? rec->status : (struct tr_slice){"", 0};
	int ok = is(status, "ok"), censored = is(status, "censored");
	if (is(status, "unsent")) {
		r->unsent++;
		if (TR_HAS(rec, error) && rec->error.n > 0)
			count_class(r, rec->error);
		return 0;
	}
	r->offered++;
	*(ok ? &r->ok : censored ? &r->censored : &r->failed) += 1;
	if (!ok && TR_HAS(rec, error) && rec->error.n > 0)
		count_class(r, rec->error);
	else if (!ok)
		count_class(r, censored ? status : unstated);
	if (TR_HAS(rec, http_code))
		r->codes[rec->http_code < SUM_CODES ? rec->http_code : SUM_CODES]++;
	return ok;
}

static void compare(struct sum_differ *d, const struct tr_rec *rec, uint64_t both, int differ)
{
	if ((rec->mask & both) != both)
		return;
	d->both++;
	d->differ += (unsigned)differ;
}

static void count_tokens(struct sum_results *r, const struct tr_rec *rec)
{
	for (unsigned i = 0; i < SUM_TOTALS; i++) {
		if (!(rec->mask >> total_bits[i] & 1))
			continue;
		uint64_t v = tr_field_bits(&tr_schemas[TR_REQUEST].fields[total_bits[i]], rec);
		r->totals[i].n++;
		r->totals[i].zeros += v == 0;
		r->totals[i].sum += v;
	}
	compare(&r->in_differ, rec, TR_BIT(in_tokens) | TR_BIT(seen_in_tokens),
	        rec->in_tokens != rec->seen_in_tokens);
	compare(&r->out_differ, rec, TR_BIT(out_tokens) | TR_BIT(seen_out_tokens),
	        rec->out_tokens != rec->seen_out_tokens);
}

/* --- time ---------------------------------------------------------------------------------------- */

static int is_later(int64_t *t, uint64_t by)
{
	return by <= INT64_MAX && !__builtin_add_overflow(*t, (int64_t)by, t);
}

/* The output tokens at the stamps of their events. Where only the number of events is known, all that the
 * server counted are spread over them evenly; a reply without events is one event, when it ended. */
static void place_tokens(struct sum_results *r, const struct tr_rec *rec)
{
	size_t gaps = TR_HAS(rec, gaps_ns) ? rec->gaps_ns.n : 0;
	int each = TR_HAS(rec, event_tokens) && rec->event_tokens.n == gaps + 1;
	if (!each && !TR_HAS(rec, seen_out_tokens))
		return;
	if (!TR_HAS(rec, first_ns) && (gaps > 0 || !TR_HAS(rec, end_ns)))
		return;
	int64_t t = TR_HAS(rec, first_ns) ? rec->first_ns : rec->end_ns;
	unsigned __int128 all = each ? 0 : rec->seen_out_tokens;
	uint64_t before = 0;
	r->has_out = 1;
	for (size_t i = 0;; i++) {
		uint64_t upto = each ? 0 : (uint64_t)(all * (i + 1) / (gaps + 1));
		sum_timeline_add(&r->timeline, t, SUM_FLOW_OUT,
		                 each ? rec->event_tokens.v[i] : upto - before);
		before = upto;
		if (i == gaps || !is_later(&t, rec->gaps_ns.v[i]))
			break;
	}
	r->spread += gaps > 0 ? before : 0;
}

static int place(struct sum_results *r, const struct tr_rec *rec, int ok, struct tr_err *err)
{
	struct sum_timeline *l = &r->timeline;
	if (TR_HAS(rec, due_ns))
		sum_extent_add(&r->due, rec->due_ns);
	if (TR_HAS(rec, end_ns)) {
		sum_extent_add(&r->end, rec->end_ns);
		if (ok)
			sum_timeline_add(l, rec->end_ns, SUM_OK, 1);
	}
	place_tokens(r, rec);
	if (!TR_HAS(rec, sent_ns))
		return 0;
	sum_extent_add(&r->sent, rec->sent_ns);
	if (TR_HAS(rec, in_tokens))
		sum_timeline_add(l, rec->sent_ns, SUM_FLOW_IN, rec->in_tokens);
	return sum_timeline_flight(l, rec->sent_ns, TR_HAS(rec, end_ns) ? &rec->end_ns : NULL, err);
}

/* --- records ------------------------------------------------------------------------------------- */

int sum_is_result(const struct tr_rec *rec)
{
	return (rec->mask & (TR_BIT(sent_ns) | TR_BIT(status))) != 0;
}

/* A few records at a time, so that one distribution after the other stays in the cache. */
struct batch {
	unsigned n;
	unsigned char ok[BATCH];
	struct tr_rec v[BATCH];
};

static int add_batch(struct sum_results *r, struct batch *b, struct tr_err *err)
{
	int e = 0;
	for (unsigned i = 0; i < b->n && e == 0; i++) {
		r->damaged += mend(&b->v[i]);
		b->ok[i] = (unsigned char)count_status(r, &b->v[i]);
		count_tokens(r, &b->v[i]);
		e = place(r, &b->v[i], b->ok[i], err);
	}
	for (unsigned d = 0; d < SUM_LATENCIES; d++)
		for (unsigned i = 0; i < b->n && e == 0; i++)
			if (b->ok[i] || sum_latencies[d].sent)
				e = add_latency(r->d[d], r->metric[d], &b->v[i], err);
	b->n = 0;
	return e;
}

int sum_results_block(struct sum_results *r, const struct tr_block *b, struct tr_err *err)
{
	struct tr_cursor cursor;
	struct batch batch = {.n = 0};
	int e = 0;
	tr_cursor_init(&cursor, b);
	while (e == 0 && tr_cursor_next(&cursor, &batch.v[batch.n])) {
		batch.n += (unsigned)sum_is_result(&batch.v[batch.n]);
		if (batch.n == BATCH)
			e = add_batch(r, &batch, err);
	}
	return e ? e : add_batch(r, &batch, err);
}

static int most_first(const void *x, const void *y)
{
	const struct sum_class *a = x, *b = y;
	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return strcmp(a->text, b->text);
}

void sum_results_finish(struct sum_results *r)
{
	qsort(r->classes, r->nclasses, sizeof(r->classes[0]), most_first);
	sum_timeline_read(&r->timeline, &r->due, &r->end, &r->times);
}

/* --- groups -------------------------------------------------------------------------------------- */

int sum_group_results_add(struct sum_group_results **out, const struct sum_results *r,
                          const struct tr_rec *rec, struct tr_dist_budget *budget, struct tr_err *err)
{
	struct sum_group_results *g = *out;
	int e = 0;
	if (!g) {
		g = *out = calloc(1, sizeof(*g));
		if (!g)
			return tr_fail(err, TR_ENOMEM, "out of memory");
		for (unsigned i = 0; i < SUM_GROUP_LATENCIES && e == 0; i++)
			e = tr_dist_new(&g->d[i], budget, err);
	}
	struct tr_rec mended = *rec; /* counted with the whole */
	mend(&mended);
	int ok = TR_HAS(rec, status) && is(rec->status, "ok");
	g->n++;
	g->ok += (unsigned)ok;
	for (unsigned i = 0; ok && i < SUM_GROUP_LATENCIES && e == 0; i++)
		e = add_latency(g->d[i], r->metric[sum_group_latencies[i]], &mended, err);
	return e;
}

void sum_group_results_free(struct sum_group_results *g)
{
	for (unsigned i = 0; g && i < SUM_GROUP_LATENCIES; i++)
		tr_dist_free(g->d[i]);
	free(g);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/dryrun.h"

#include "tools/cli.h"
#include "tools/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BODIES = 1000, SECONDS_MAX = 1 << 22 };

struct seconds {
	uint32_t *v;
	size_t n, cap;
	int too_long;
};

static int count_second(struct seconds *s, int64_t due_ns, struct tr_err *err)
{
	size_t at = (size_t)(due_ns / 1000000000);

	if (due_ns < 0 || at >= SECONDS_MAX) {
		s->too_long = 1;
		return 0;
	}
	if (at >= s->cap) {
		size_t cap = s->cap ? s->cap : 1024;
		while (cap <= at)
			cap *= 2;
		uint32_t *v = realloc(s->v, cap * sizeof(*v));
		if (!v)
			return tr_fail(err, TR_ENOMEM, "out of memory");
		memset(v + s->cap, 0, (cap - s->cap) * sizeof(*v));
		s->v = v;
		s->cap = cap;
	}
	s->n = at >= s->n ? at + 1 : s->n;
	s->v[at]++;
	return 0;
}

static uint64_t peak(const struct seconds *s, size_t width)
{
	uint64_t sum = 0, most = 0;

	for (size_t i = 0; i < s->n; i++) {
		sum += s->v[i];
		if (i >= width)
			sum -= s->v[i - width];
		most = sum > most ? sum : most;
	}
	return most;
}

static int check_body(const struct body_opts *o, const struct job *j, struct tr_err *err)
{
	struct body_made made;
	struct tr_buf b;

	tr_buf_init(&b, 256 << 20);
	struct body_opts with = *o; /* what was said before a later turn is not looked at */
	int delta = TR_HAS(&j->rec, payload_kind) && tr_slice_eq(j->rec.payload_kind, "delta");
	int rc = delta && o->api == BODY_CHAT ? body_messages(&j->rec, &with.messages, err) : 0;
	rc = rc ? rc : body_make(&with, &j->rec, &b, &made, err);
	tr_buf_free(&b);
	if (rc < 0)
		job_blame(j, err);
	return rc;
}

/* As body_make aims: a length of 0 is raised to 1. */
static void count(struct dry *d, const struct job *j)
{
	const struct tr_rec *r = &j->rec;

	if (TR_HAS(r, in_tokens))
		d->input_tokens += r->in_tokens ? r->in_tokens : !TR_HAS(r, payload);
	if (TR_HAS(r, out_tokens))
		d->output_tokens += r->out_tokens ? r->out_tokens : 1;
	else
		d->without_output++;
	d->follow += (unsigned)j->follows;
	if (j->follows)
		return;
	if (d->requests++ == 0)
		d->first_due = d->last_due = j->due_ns;
	d->first_due = j->due_ns < d->first_due ? j->due_ns : d->first_due;
	d->last_due = j->due_ns > d->last_due ? j->due_ns : d->last_due;
}

int dry_run(struct feed *f, const struct body_opts *body, struct dry *d, struct tr_err *err)
{
	struct seconds s = {0};
	struct job *j;
	int rc = 0;

	*d = (struct dry){0};
	while (!cli_interrupted() && (rc = feed_next(f, &j, err)) > 0) {
		if (rc == 2)
			continue;
		rc = d->requests < BODIES || !TR_HAS(&j->rec, in_tokens) || TR_HAS(&j->rec, payload)
		         ? check_body(body, j, err)
		         : 0;
		rc = rc || j->follows ? rc : count_second(&s, j->due_ns, err);
		count(d, j);
		job_free(j);
		if (rc < 0)
			break;
	}
	d->has_peaks = !s.too_long && d->requests > 0;
	d->peak_1s = peak(&s, 1);
	d->peak_10s = peak(&s, 10);
	free(s.v);
	if (rc < 0)
		tr_err_file(err, tr_reader_name(f->r));
	return rc < 0 ? rc : 0;
}

static double span_s(const struct dry *d)
{
	return d->requests ? (double)(d->last_due - d->first_due) / 1e9 : NAN;
}

static double rate(const struct dry *d)
{
	return d->requests > 1 && d->last_due > d->first_due ? (double)(d->requests - 1) / span_s(d) : NAN;
}

static void print_json(const struct dry *d)
{
	struct rep_json j = {0};

	rep_open(&j, NULL, '{');
	rep_cstr(&j, "schema", "trace-replay-plan/1");
	rep_u64(&j, "requests", d->requests);
	rep_u64(&j, "input_tokens", d->input_tokens);
	rep_u64(&j, "output_tokens", d->output_tokens);
	rep_u64(&j, "requests_without_output_length", d->without_output);
	rep_u64(&j, "turns_that_follow", d->follow);
	rep_num(&j, "duration_s", span_s(d));
	rep_num(&j, "rate_per_s", rate(d));
	rep_num(&j, "peak_per_s", d->has_peaks ? (double)d->peak_1s : NAN);
	rep_open(&j, "streams", '{');
	rep_num(&j, "if_1s", d->has_peaks ? (double)d->peak_1s : NAN);
	rep_num(&j, "if_10s", d->has_peaks ? (double)d->peak_10s : NAN);
	rep_close(&j, '}');
	rep_close(&j, '}');
}

static void line(const char *label, const char *value, const char *more)
{
	rep_pad(label, 14, 1);
	rep_pad(value, 12, 0);
	printf("  %s\n", more);
}

static void print_text(const struct dry *d)
{
	char a[REP_TEXT], more[2 * REP_TEXT];

	line("requests", rep_thousands(d->requests, a), "");
	if (d->follow)
		line("turns", rep_thousands(d->follow, a), "more, each when the one before it has ended");
	line("input", rep_thousands(d->input_tokens, a), "tokens");
	line("output", rep_thousands(d->output_tokens, a),
	     d->without_output ? "tokens, and what the server gives where the trace has no length"
	                       : "tokens");
	line("duration", d->requests ? rep_short_ns(span_s(d) * 1e9, a) : "-",
	     "from the first to the last request");
	line("rate", rep_short(rate(d), a), "requests/s");
	if (d->has_peaks) {
		line("peak", rep_thousands(d->peak_1s, a), "requests in one second");
		snprintf(more, sizeof(more), "at once at the peak if each takes 1 s, %s if each takes 10 s",
		         rep_thousands(d->peak_10s, a));
		char b[REP_TEXT];
		line("streams", rep_thousands(d->peak_1s, b), more);
	}
	printf("nothing was sent\n");
}

void dry_print(const struct dry *d, int json)
{
	(json ? print_json : print_text)(d);
}

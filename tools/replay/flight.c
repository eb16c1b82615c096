/* SPDX-License-Identifier: Apache-2.0
 *
 * A request's life in a thread: its place in memory, what the transport tells of it, its end and its record.
 */
#include "tools/replay/run_impl.h"

#include "libtrace/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lists ------------------------------------------------------------------------------- */

void flights_append(struct flights *l, struct flight *f)
{
	f->next = NULL;
	f->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = f;
	l->last = f;
	l->n++;
}

void flights_insert(struct flights *l, struct flight *f)
{
	struct flight *after = l->last;

	while (after && job_before(f->job, after->job))
		after = after->prev;
	f->prev = after;
	f->next = after ? after->next : l->first;
	*(f->prev ? &f->prev->next : &l->first) = f;
	*(f->next ? &f->next->prev : &l->last) = f;
	l->n++;
}

void flights_take_out(struct flights *l, struct flight *f)
{
	*(f->prev ? &f->prev->next : &l->first) = f->next;
	*(f->next ? &f->next->prev : &l->last) = f->prev;
	l->n--;
}

/* --- flights ----------------------------------------------------------------------------- */

struct flight *flight_new(struct worker *w)
{
	struct flight *f = w->spare.last;

	if (f) {
		flights_take_out(&w->spare, f);
	} else if ((f = calloc(1, sizeof(*f)))) {
		reply_init(&f->reply);
		tr_buf_init(&f->body, BODY_MAX);
		tr_buf_init(&f->said, REPLY_SAID_MAX);
	}
	return f;
}

void flight_free(struct flight *f)
{
	reply_free(&f->reply);
	tr_buf_free(&f->body);
	tr_buf_free(&f->said);
	job_free(f->job);
	free(f);
}

void flight_put_away(struct worker *w, struct flight *f)
{
	job_free(f->job);
	f->job = NULL;
	if (f->body.cap > 1 << 16)
		tr_buf_free(&f->body);
	if (f->said.cap > 1 << 16)
		tr_buf_free(&f->said);
	if (w->spare.n < 4096)
		flights_append(&w->spare, f);
	else
		flight_free(f);
}

void worker_fail(struct worker *w, int rc, struct tr_err *err)
{
	run_fail(w->run, rc, err);
}

/* --- results ----------------------------------------------------------------------------- */

static void set_str(struct tr_rec *r, struct tr_slice *member, unsigned bit, const char *s)
{
	if (*s) {
		*member = tr_slice_of(s);
		r->mask |= UINT64_C(1) << bit;
	}
}

/* What was seen, into the record. Stamps count from time zero. */
static void observe(const struct flight *f, int64_t zero, struct tr_rec *r)
{
	const struct exchange *x = &f->x;
	const struct reply *p = &f->reply;
	enum outcome o = p->outcome;

	TR_SET(r, due_ns, f->job->due_ns);
	TR_SET(r, dispatched_ns, f->dispatched - zero);
	if (x->sent_ns)
		TR_SET(r, sent_ns, x->sent_ns - zero);
	if (x->headers_ns)
		TR_SET(r, headers_ns, x->headers_ns - zero);
	TR_SET(r, end_ns, x->end_ns - zero);
	if (p->events && p->is_stream) { /* when the tokens of a whole reply came, nobody can tell */
		TR_SET(r, first_ns, p->first_ns - zero);
		TR_SET(r, gaps_ns, ((struct tr_list){p->gaps_ns, p->events - 1}));
		if (p->tokens_known)
			TR_SET(r, event_tokens, ((struct tr_list){p->event_tokens, p->events}));
	}
	if (p->has_in)
		TR_SET(r, seen_in_tokens, p->in_tokens);
	if (p->has_out)
		TR_SET(r, seen_out_tokens, p->out_tokens);
	if (p->has_cached)
		TR_SET(r, cached_tokens, p->cached_tokens);
	TR_SET(r, bytes_out, x->bytes_out);
	TR_SET(r, bytes_in, x->bytes_in);
	/* What a server may use to hand a key back. */
	if (!transport_names_key(&f->w->run->o.transport, p->finish))
		set_str(r, &r->finish, TR_F_finish, p->finish);
	if (!transport_names_key(&f->w->run->o.transport, p->server_id))
		set_str(r, &r->server_id, TR_F_server_id, p->server_id);
	set_str(r, &r->error, TR_F_error, outcome_name(o));
	set_str(r, &r->status, TR_F_status, o == OUT_OK ? "ok" : o == OUT_CENSORED ? "censored" : "failed");
	if (x->http_code)
		TR_SET(r, http_code, x->http_code);
	if (x->connect_ns >= 0)
		TR_SET(r, connect_ns, x->connect_ns);
	if (x->tls_ns >= 0)
		TR_SET(r, tls_ns, x->tls_ns);
	TR_SET(r, reused, (uint64_t)x->reused);
	if (x->resent)
		TR_SET(r, resent, 1);
	TR_SET(r, worker, f->w->index);
}

void worker_hand_over(struct worker *w)
{
	if (w->out)
		sink_put(w->run->sink, w->out);
	w->out = NULL;
}

static int add(struct worker *w, const struct tr_rec *r, struct tr_err *err)
{
	int rc = 1;

	tr_err_clear(err);
	while (rc > 0) {
		rc = w->out ? 0 : tr_block_new(&w->out, TR_REQUEST, err);
		if (rc == 0 && w->out->rows == 0)
			w->out_since = tr_mono_ns();
		if (rc == 0)
			rc = tr_block_add(w->out, r, err);
		if (rc > 0)
			worker_hand_over(w);
	}
	return rc;
}

/* A record too large to be kept whole does without what makes it so. */
void worker_keep(struct worker *w, struct tr_rec *r)
{
	struct tr_err err;
	int rc = add(w, r, &err);

	if (rc == -TR_ELIMIT) {
		r->mask &= ~(TR_BIT(gaps_ns) | TR_BIT(event_tokens));
		w->s.stripped++;
		rc = add(w, r, &err);
	}
	if (rc < 0)
		worker_fail(w, rc, &err);
}

static void count_times(struct worker *w, const struct flight *f, int64_t zero)
{
	struct run_stats *s = &w->s;
	int64_t sent = f->x.sent_ns - zero, due = f->job->due_ns, late = sent - due;

	if (s->sent++ == 0) {
		s->first_due = s->last_due = due;
		s->first_sent = s->last_sent = sent;
	}
	s->first_due = due < s->first_due ? due : s->first_due;
	s->last_due = due > s->last_due ? due : s->last_due;
	s->first_sent = sent < s->first_sent ? sent : s->first_sent;
	s->last_sent = sent > s->last_sent ? sent : s->last_sent;
	s->input_tokens += f->made.ask_in;
	s->output_tokens += f->made.ask_out;
	s->raised += f->made.raised;
	s->latest = late > s->latest ? late : s->latest;
	tr_hist_add(s->lateness, late > 0 ? (uint64_t)late : 0, 1, NULL);
	if (late > w->run->o.late_ns && !f->held && !f->job->late_input)
		s->late++;
	s->held += (unsigned)f->held;
}

static void keep_sample(struct worker *w, enum outcome o, const char *why)
{
	int secret = transport_names_key(&w->run->o.transport, why);

	snprintf(w->s.sample[o], RUN_SAMPLE, "%.*s", RUN_SAMPLE - 1, secret ? "(it holds the key)" : why);
}

void flight_end(struct flight *f, enum outcome how)
{
	struct worker *w = f->w;
	struct run *run = w->run;
	int64_t zero = atomic_load(&run->zero);

	if (how != OUT_OK && f->reply.outcome != OUT_SERVER_ERROR)
		f->reply.outcome = how;
	flights_take_out(&w->flying, f);
	int next = f->warm ? -1 : cap_give(&run->cap);
	if (next >= 0 && (unsigned)next != w->index)
		transport_wake(run->w[next].t);
	if (f->warm || f->job->warmup) {
		if (!f->warm)
			atomic_fetch_add(f->reply.outcome == OUT_OK ? &run->warm_ok : &run->warm_failed, 1);
		flight_put_away(w, f);
		run_tell(run);
		return;
	}
	if (w->s.by[f->reply.outcome]++ == 0)
		keep_sample(w, f->reply.outcome, f->reply.message[0] ? f->reply.message : f->why);
	w->s.resent += (unsigned)f->x.resent;
	w->s.no_done += (unsigned)f->reply.no_done;
	w->s.after_done += (unsigned)f->reply.after_done;
	if (f->x.sent_ns)
		count_times(w, f, zero);
	for (uint32_t i = 0; i + 1 < f->reply.events; i++)
		tr_hist_add(w->s.gaps, f->reply.gaps_ns[i], 1, NULL);
	if (run->sink) {
		struct tr_rec r = f->job->rec;
		observe(f, zero, &r);
		worker_keep(w, &r);
	}
	session_ended(w, f, f->x.end_ns - zero);
	flight_put_away(w, f);
	atomic_fetch_add(&run->finished, 1);
}

/* --- what the transport tells ------------------------------------------------------------ */

static void on_headers(struct exchange *x, struct tr_slice type)
{
	struct flight *f = (struct flight *)x;

	reply_headers(&f->reply, x->http_code, type);
}

static int on_data(struct exchange *x, const char *p, size_t n, int64_t t_ns)
{
	struct flight *f = (struct flight *)x;

	return f->warm ? 0 : reply_data(&f->reply, p, n, t_ns);
}

/* A transport that complains before any reply names the reason; a cut reply is judged by what it had said. */
static void on_ended(struct exchange *x, enum outcome how, const char *why)
{
	struct flight *f = (struct flight *)x;

	snprintf(f->why, sizeof(f->why), "%s", why);
	if (f->warm) {
		flight_end(f, OUT_OK);
		return;
	}
	if (x->http_code || how == OUT_OK)
		reply_end(&f->reply, how == OUT_OK ? REPLY_END_CLEAN : REPLY_END_CUT);
	flight_end(f, x->http_code ? OUT_OK : how);
}

static const struct transport_calls calls = {on_headers, on_data, on_ended};

int worker_transport(struct worker *w, struct tr_err *err)
{
	return transport_new(&w->t, &w->run->o.transport, &calls, err);
}

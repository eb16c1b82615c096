/* SPDX-License-Identifier: Apache-2.0
 *
 * A sending thread. One turn of its loop: take in what was pushed, make bodies ahead of time, send what is
 * due, give up what has waited too long, hand over results, and wait for sockets until just before the next
 * due time; the last moments it watches the clock.
 */
#include "tools/replay/run_impl.h"

#include "libtrace/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* --- lists ------------------------------------------------------------------------------- */

static void append(struct flights *l, struct flight *f)
{
	f->next = NULL;
	f->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = f;
	l->last = f;
	l->n++;
}

static void take_out(struct flights *l, struct flight *f)
{
	*(f->prev ? &f->prev->next : &l->first) = f->next;
	*(f->next ? &f->next->prev : &l->last) = f->prev;
	l->n--;
}

static int before(const struct job *a, const struct job *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void heap_push(struct worker *w, struct job *j)
{
	unsigned i = w->heap_n++;

	for (; i > 0 && before(j, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = j;
}

static struct job *heap_pop(struct worker *w)
{
	struct job *top = w->heap[0], *last = w->heap[--w->heap_n];
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < w->heap_n) {
		if (child + 1 < w->heap_n && before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!before(w->heap[child], last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* --- flights ----------------------------------------------------------------------------- */

static struct flight *new_flight(struct worker *w)
{
	struct flight *f = w->spare.last;

	if (f) {
		take_out(&w->spare, f);
	} else if ((f = calloc(1, sizeof(*f)))) {
		reply_init(&f->reply);
		tr_buf_init(&f->body, BODY_MAX);
	}
	return f;
}

static void free_flight(struct flight *f)
{
	reply_free(&f->reply);
	tr_buf_free(&f->body);
	job_free(f->job);
	free(f);
}

static void put_away(struct worker *w, struct flight *f)
{
	job_free(f->job);
	f->job = NULL;
	if (f->body.cap > 1 << 16)
		tr_buf_free(&f->body);
	if (w->spare.n < 4096)
		append(&w->spare, f);
	else
		free_flight(f);
}

static void fail(struct worker *w, int rc, struct tr_err *err)
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
	if (p->events) {
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
	set_str(r, &r->finish, TR_F_finish, p->finish);
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

static void hand_over(struct worker *w)
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
			hand_over(w);
	}
	return rc;
}

/* A record too large to be kept whole does without what makes it so. */
static void keep(struct worker *w, struct tr_rec *r)
{
	struct tr_err err;
	int rc = add(w, r, &err);

	if (rc == -TR_ELIMIT) {
		r->mask &= ~(TR_BIT(gaps_ns) | TR_BIT(event_tokens));
		rc = add(w, r, &err);
	}
	if (rc < 0)
		fail(w, rc, &err);
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

static void finish(struct flight *f, enum outcome how)
{
	struct worker *w = f->w;
	struct run *run = w->run;
	int64_t zero = atomic_load(&run->zero);

	if (how != OUT_OK && f->reply.outcome != OUT_SERVER_ERROR)
		f->reply.outcome = how;
	take_out(&w->flying, f);
	int next = f->warm ? -1 : cap_give(&run->cap);
	if (next >= 0 && (unsigned)next != w->index)
		transport_wake(run->w[next].t);
	if (f->warm || f->job->warmup) {
		if (!f->warm)
			atomic_fetch_add(f->reply.outcome == OUT_OK ? &run->warm_ok : &run->warm_failed, 1);
		put_away(w, f);
		run_tell(run);
		return;
	}
	if (w->s.by[f->reply.outcome]++ == 0)
		keep_sample(w, f->reply.outcome, f->reply.message[0] ? f->reply.message : f->why);
	w->s.resent += (unsigned)f->x.resent;
	if (f->x.sent_ns)
		count_times(w, f, zero);
	for (uint32_t i = 0; i + 1 < f->reply.events; i++)
		tr_hist_add(w->s.gaps, f->reply.gaps_ns[i], 1, NULL);
	if (run->sink) {
		struct tr_rec r = f->job->rec;
		observe(f, zero, &r);
		keep(w, &r);
	}
	put_away(w, f);
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
		finish(f, OUT_OK);
		return;
	}
	if (x->http_code || how == OUT_OK)
		reply_end(&f->reply, how == OUT_OK ? REPLY_END_CLEAN : REPLY_END_CUT);
	finish(f, x->http_code ? OUT_OK : how);
}

static const struct transport_calls calls = {on_headers, on_data, on_ended};

int worker_transport(struct worker *w, struct tr_err *err)
{
	return transport_new(&w->t, &w->run->o.transport, &calls, err);
}

/* --- jobs -------------------------------------------------------------------------------- */

static void take_inbox(struct worker *w)
{
	struct job *j, *next;
	int64_t zero = atomic_load(&w->run->zero), now = tr_mono_ns();

	pthread_mutex_lock(&w->lock);
	j = w->in_first;
	w->in_first = w->in_last = NULL;
	pthread_mutex_unlock(&w->lock);
	for (; j; j = next) {
		next = j->next;
		j->late_input = zero && !j->warmup && zero + j->due_ns < now;
		w->s.late_input += (unsigned)j->late_input;
		if (!j->warmup) {
			w->s.unsorted += j->due_ns < w->newest_due;
			w->newest_due = j->due_ns > w->newest_due ? j->due_ns : w->newest_due;
		}
		heap_push(w, j);
	}
}

static void dispatched(struct worker *w, const struct job *j)
{
	size_t bytes = TR_HAS(&j->rec, payload) ? j->rec.payload.n : 0;

	pthread_mutex_lock(&w->lock);
	int was_full = w->waiting == INBOX_JOBS || w->waiting_bytes >= INBOX_BYTES;
	w->waiting--;
	w->waiting_bytes -= bytes;
	int room = was_full || w->waiting == INBOX_JOBS / 2;
	pthread_mutex_unlock(&w->lock);
	if (room)
		run_tell(w->run);
}

static int make_ready(struct worker *w)
{
	struct flight *f = new_flight(w);
	struct job *j = heap_pop(w);
	struct body_opts o = w->run->o.body;
	struct tr_err err;

	tr_err_clear(&err);
	if (!f) {
		job_free(j);
		fail(w, tr_fail(&err, TR_ENOMEM, "out of memory"), &err);
		return -TR_ENOMEM;
	}
	f->w = w;
	f->job = j;
	f->held = f->warm = 0;
	f->why[0] = '\0';
	f->x = (struct exchange){.method = "POST",
	                         .path = o.api == BODY_CHAT ? "/v1/chat/completions" : "/v1/completions",
	                         .id = f->id};
	snprintf(f->id, sizeof(f->id), j->warmup ? "warmup-%llu" : "%llu", (unsigned long long)j->rec.id);
	f->body.n = 0;
	o.content.warmup = j->warmup;
	int rc = body_make(&o, &j->rec, &f->body, &f->made, &err);
	if (rc < 0) {
		char id[32];
		snprintf(id, sizeof(id), "record %llu", (unsigned long long)j->rec.id);
		tr_err_field(&err, id, strlen(id));
		free_flight(f);
		fail(w, rc, &err);
		return rc;
	}
	f->x.body = (struct tr_slice){f->body.p, f->body.n};
	reply_restart(&f->reply, f->made.ask_out, f->made.forced);
	w->ready_bytes += f->body.n;
	append(&w->ready, f);
	return 0;
}

static void start(struct worker *w, struct flight *f)
{
	take_out(&w->ready, f);
	w->ready_bytes -= f->body.n;
	append(&w->flying, f);
	f->dispatched = tr_mono_ns();
	dispatched(w, f->job);
	w->s.offered += !f->job->warmup;
	transport_start(w->t, &f->x);
}

static int64_t due_mono(const struct worker *w, const struct flight *f)
{
	int64_t zero = atomic_load(&w->run->zero);

	if (f->job->warmup)
		return 0;
	return zero ? zero + f->job->due_ns : INT64_MAX;
}

/* The next due time; INT64_MAX when there is none, or a place must come free first. */
static int64_t send_due(struct worker *w)
{
	for (int n = 0;; n++) {
		if (!w->ready.first && (w->heap_n == 0 || make_ready(w) < 0))
			return INT64_MAX;
		struct flight *f = w->ready.first;
		int64_t due = due_mono(w, f);
		if (due > tr_mono_ns())
			return due;
		if (n == STARTS_A_TURN)
			return due;
		if (!cap_take(&w->run->cap, w->index, f->job->due_ns)) {
			f->held = 1;
			return INT64_MAX;
		}
		start(w, f);
	}
}

/* Bodies of what comes next are made while there is time for it. */
static void prepare(struct worker *w, int64_t due)
{
	while (w->heap_n && w->ready.n < READY_JOBS && w->ready_bytes < READY_BYTES &&
	       due - tr_mono_ns() > 4 * SPIN_NS)
		if (make_ready(w) < 0)
			return;
}

static void give_up(struct worker *w, struct flight *f, enum outcome how)
{
	transport_cancel(w->t, &f->x);
	reply_end(&f->reply, REPLY_END_CUT);
	finish(f, how);
}

/* In order of dispatch, so the first is the oldest. */
static int64_t expire(struct worker *w)
{
	int64_t now = tr_mono_ns(), left = INT64_MAX;

	while (w->flying.first) {
		struct flight *f = w->flying.first;
		int64_t from = f->x.sent_ns ? f->x.sent_ns : f->dispatched;
		left = from + w->run->o.timeout_ns;
		if (left > now)
			break;
		give_up(w, f, OUT_TIMEOUT);
		left = INT64_MAX;
	}
	return left;
}

static void drop_unsent(struct worker *w)
{
	uint64_t n = 0;
	struct flight *f;

	while ((f = w->ready.first)) {
		take_out(&w->ready, f);
		dispatched(w, f->job);
		put_away(w, f);
		n++;
	}
	w->ready_bytes = 0;
	while (w->heap_n) {
		struct job *j = heap_pop(w);
		dispatched(w, j);
		job_free(j);
		n++;
	}
	atomic_fetch_add(&w->run->unsent, n);
}

/* --- the loop ---------------------------------------------------------------------------- */

static int64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Wait for sockets until `until`, the last moments by watching the clock. Returns the moment from which the
 * thread was at work again. */
static int64_t wait_until(struct worker *w, int64_t until)
{
	int64_t now = tr_mono_ns(), woke;

	if (until - now > SPIN_NS || until <= now) {
		woke = transport_wait(w->t, until <= now ? 0 : until - SPIN_NS);
		return woke < 0 ? -woke : woke;
	}
	while (until - now > STARE_NS) {
		woke = transport_wait(w->t, 0);
		if (woke > 0)
			return woke;
		w->s.spin_ns += -woke - now;
		now = -woke;
	}
	int64_t from = now;
	while (now < until) {
		pause_cpu();
		now = tr_mono_ns();
	}
	w->s.spin_ns += now - from;
	return now;
}

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Nothing left to send, and none will come. */
static int sending_over(struct worker *w)
{
	struct run *r = w->run;
	int over;

	if (w->ready.n || w->heap_n)
		return 0;
	if (!atomic_load(&r->stop) && !atomic_load(&r->input_ended))
		return 0;
	pthread_mutex_lock(&w->lock);
	over = !w->in_first;
	pthread_mutex_unlock(&w->lock);
	return over;
}

/* `began`: when the thread went to work; returns when it does so next. */
static int64_t turn(struct worker *w, int64_t began)
{
	int64_t due, until;

	atomic_store(&w->hungry, 0);
	take_inbox(w);
	if (atomic_load(&w->run->stop))
		drop_unsent(w);
	due = send_due(w);
	prepare(w, due);
	until = earliest(due, expire(w));
	if (w->out && tr_mono_ns() - w->out_since > HAND_OVER_NS)
		hand_over(w);
	if (w->out)
		until = earliest(until, w->out_since + HAND_OVER_NS + 1000000);
	if (sending_over(w)) {
		if (!w->sends_ended)
			w->sends_ended = tr_mono_ns();
		until = earliest(until, w->sends_ended + atomic_load(&w->run->grace));
	}
	if (!w->ready.n && !w->heap_n) {
		atomic_store(&w->hungry, 1);
		pthread_mutex_lock(&w->lock);
		if (w->in_first) /* pushed before it could see that we are hungry */
			until = 0;
		pthread_mutex_unlock(&w->lock);
	}
	tr_hist_add(w->s.stalls, (uint64_t)(tr_mono_ns() - began), 1, NULL);
	return wait_until(w, until);
}

/* Connections are opened before the run, so that none of its first requests pays for one. */
static void open_connections(struct worker *w)
{
	unsigned n = w->run->o.connections / w->run->o.threads +
	             (w->index < w->run->o.connections % w->run->o.threads);
	int64_t limit = tr_mono_ns() + w->run->o.transport.connect_timeout_ns;

	for (unsigned i = 0; i < n; i++) {
		struct flight *f = new_flight(w);
		if (!f)
			break;
		f->w = w;
		f->warm = 1;
		f->x = (struct exchange){.method = "GET", .path = "/v1/models", .id = "connect"};
		append(&w->flying, f);
		reply_restart(&f->reply, 0, 0);
		transport_start(w->t, &f->x);
	}
	while (w->flying.first && tr_mono_ns() < limit)
		transport_wait(w->t, limit);
	while (w->flying.first)
		give_up(w, w->flying.first, OUT_CONNECT_TIMEOUT);
}

static void clean(struct worker *w)
{
	drop_unsent(w);
	while (w->spare.first) {
		struct flight *f = w->spare.first;
		take_out(&w->spare, f);
		free_flight(f);
	}
	hand_over(w);
	w->s.connections = transport_connections(w->t);
}

static int over(struct worker *w, int64_t now)
{
	if (!w->sends_ended)
		return 0;
	if (w->flying.n && now >= w->sends_ended + atomic_load(&w->run->grace))
		while (w->flying.first)
			give_up(w, w->flying.first, OUT_CENSORED);
	return w->flying.n == 0 && sending_over(w);
}

void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct run *r = w->run;

	prctl(PR_SET_TIMERSLACK, 1UL);
	open_connections(w);
	pthread_mutex_lock(&r->lock);
	r->threads_warm++;
	pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
	w->born_mono = tr_mono_ns();
	w->born_cpu = thread_cpu_ns();
	for (int64_t began = w->born_mono; !over(w, tr_mono_ns());)
		began = turn(w, began);
	w->s.wall_ns = tr_mono_ns() - w->born_mono;
	w->s.cpu_ns = thread_cpu_ns() - w->born_cpu - w->s.spin_ns;
	clean(w);
	pthread_mutex_lock(&r->lock);
	r->threads_done++;
	pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

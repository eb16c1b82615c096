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

/* --- jobs, by due time ------------------------------------------------------------------- */

int job_before(const struct job *a, const struct job *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

void worker_schedule(struct worker *w, struct job *j)
{
	unsigned i = w->heap_n;

	if (i == w->heap_cap) {
		struct job **heap = realloc(w->heap, 2 * w->heap_cap * sizeof(*heap));
		struct tr_err err;
		if (!heap) {
			worker_fail(w, tr_fail(&err, TR_ENOMEM, "out of memory"), &err);
			worker_dispatched(w, j);
			job_free(j);
			return;
		}
		w->heap = heap;
		w->heap_cap *= 2;
	}
	w->heap_n++;

	for (; i > 0 && job_before(j, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = j;
}

static struct job *heap_pop(struct worker *w)
{
	struct job *top = w->heap[0], *last = w->heap[--w->heap_n];
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < w->heap_n) {
		if (child + 1 < w->heap_n && job_before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!job_before(w->heap[child], last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

static void take_inbox(struct worker *w)
{
	struct job *j, *next;

	pthread_mutex_lock(&w->lock);
	j = w->in_first;
	w->in_first = w->in_last = NULL;
	pthread_mutex_unlock(&w->lock);
	for (; j && !session_full(w); j = next) {
		next = j->next;
		w->s.late_input += (unsigned)j->late_input;
		if (!j->warmup && !j->follows) {
			w->s.unsorted += j->due_ns < w->newest_due;
			w->newest_due = j->due_ns > w->newest_due ? j->due_ns : w->newest_due;
		}
		if (session_take(w, j))
			worker_schedule(w, j);
	}
	if (!j)
		return;
	/* The rest comes first again when turns have gone out. */
	pthread_mutex_lock(&w->lock);
	struct job *last = j;
	while (last->next)
		last = last->next;
	last->next = w->in_first;
	w->in_first = j;
	if (!last->next)
		w->in_last = last;
	pthread_mutex_unlock(&w->lock);
}

void worker_dispatched(struct worker *w, struct job *j)
{
	size_t bytes = TR_HAS(&j->rec, payload) ? j->rec.payload.n : 0;

	if (!j->counted)
		return;
	j->counted = 0;

	/* Told at half, not at each: whoever pushes then finds work for a while. */
	pthread_mutex_lock(&w->lock);
	int much = w->waiting_bytes >= INBOX_BYTES / 2;
	w->waiting--;
	w->waiting_bytes -= bytes;
	int room =
	    w->waiting == INBOX_JOBS / 2 || w->waiting == 0 || (much && w->waiting_bytes < INBOX_BYTES / 2);
	pthread_mutex_unlock(&w->lock);
	if (room)
		run_tell(w->run);
}

/* < 0: it has none, and what is due after it will not be sent. */
static int make_ready(struct worker *w)
{
	struct flight *f = flight_new(w);
	struct job *j = heap_pop(w);
	struct body_opts o = w->run->o.body;
	struct tr_err err;

	tr_err_clear(&err);
	if (!f) {
		worker_dispatched(w, j);
		job_free(j);
		worker_fail(w, tr_fail(&err, TR_ENOMEM, "out of memory"), &err);
		return -TR_ENOMEM;
	}
	f->w = w;
	f->job = j;
	f->held = f->warm = f->bad = 0;
	f->why[0] = '\0';
	f->x = (struct exchange){.method = "POST",
	                         .path = o.api == BODY_CHAT ? "/v1/chat/completions" : "/v1/completions",
	                         .id = f->id};
	snprintf(f->id, sizeof(f->id), j->warmup ? "warmup-%llu" : "%llu", (unsigned long long)j->rec.id);
	f->body.n = 0;
	o.content.warmup = j->warmup;
	int rc = session_prompt(w, j, &o.messages, &err);
	rc = rc ? rc : body_make(&o, &j->rec, &f->body, &f->made, &err);
	if (rc < 0) { /* what is due before it is sent */
		job_blame(j, &err);
		f->bad = 1;
		w->bad = err;
		w->bad_rc = rc;
	}
	f->x.body = (struct tr_slice){f->body.p, f->body.n};
	reply_restart(&f->reply, f->made.ask_out, f->made.forced);
	f->said.n = 0;
	f->reply.said = w->run->o.live && j->talk ? &f->said : NULL;
	w->ready_bytes += f->body.n;
	flights_insert(&w->ready, f);
	return rc;
}

static int64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void start(struct worker *w, struct flight *f)
{
	flights_take_out(&w->ready, f);
	w->ready_bytes -= f->body.n;
	flights_append(&w->flying, f);
	f->dispatched = tr_mono_ns();
	worker_dispatched(w, f->job);
	if (!f->job->warmup && w->s.offered++ == 0) {
		w->first_mono = f->dispatched;
		w->first_cpu = thread_cpu_ns();
		w->first_spin = w->s.spin_ns;
	}
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
		while (w->heap_n && (!w->ready.first || job_before(w->heap[0], w->ready.first->job)))
			if (make_ready(w) < 0)
				break;
		struct flight *f = w->ready.first;
		if (!f)
			return INT64_MAX;
		int64_t due = due_mono(w, f);
		if (due > tr_mono_ns())
			return due;
		if (n == STARTS_A_TURN)
			return due;
		if (f->bad) {
			worker_fail(w, w->bad_rc, &w->bad);
			return INT64_MAX;
		}
		if (!cap_take(&w->run->cap, w->index, f->job->due_ns)) {
			w->full = 1;
			return INT64_MAX;
		}
		if (w->full)
			w->full_until = tr_mono_ns();
		w->full = 0;
		f->held = w->run->cap.places && due < w->full_until;
		start(w, f);
	}
}

/* Bodies of what comes next are made while there is time for it. */
static void prepare(struct worker *w, int64_t due)
{
	while (!w->bad_rc && w->heap_n && w->ready.n < READY_JOBS && w->ready_bytes < READY_BYTES &&
	       due - tr_mono_ns() > 4 * SPIN_NS)
		if (make_ready(w) < 0)
			return;
}

static void give_up(struct worker *w, struct flight *f, enum outcome how)
{
	transport_cancel(w->t, &f->x);
	reply_end(&f->reply, REPLY_END_CUT);
	flight_end(f, how);
}

/* When the oldest request's time is over: they stand in order of dispatch. */
static int64_t deadline(const struct worker *w)
{
	const struct flight *f = w->flying.first;

	return f ? (f->x.sent_ns ? f->x.sent_ns : f->dispatched) + w->run->o.timeout_ns : INT64_MAX;
}

static void expire(struct worker *w)
{
	while (deadline(w) <= tr_mono_ns())
		give_up(w, w->flying.first, OUT_TIMEOUT);
}

static void drop_unsent(struct worker *w)
{
	uint64_t n = 0;
	struct flight *f;

	n += session_drop(w);
	while ((f = w->ready.first)) {
		flights_take_out(&w->ready, f);
		n += session_drop_behind(w, f->job);
		worker_dispatched(w, f->job);
		flight_put_away(w, f);
		n++;
	}
	w->ready_bytes = 0;
	while (w->heap_n) {
		struct job *j = heap_pop(w);
		n += session_drop_behind(w, j);
		worker_dispatched(w, j);
		job_free(j);
		n++;
	}
	atomic_fetch_add(&w->run->unsent, n);
}

/* --- the loop ---------------------------------------------------------------------------- */

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
		woke = woke < 0 ? -woke : woke;
		if (until > now && woke > until) /* the machine gave us no turn */
			tr_hist_add(w->s.stalls, (uint64_t)(woke - until), 1, NULL);
		return woke;
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
	if (!atomic_load(&r->stop) && (w->parked || !atomic_load(&r->input_ended)))
		return 0;
	pthread_mutex_lock(&w->lock);
	over = !w->in_first;
	pthread_mutex_unlock(&w->lock);
	return over;
}

/* From when the last request of all threads went out. INT64_MAX: some are still to go. */
static int64_t grace_ends(const struct worker *w)
{
	const struct flight *last = w->flying.last;
	int64_t sent = last ? last->x.sent_ns : 0, ended = atomic_load(&w->run->sends_ended);

	if (!ended)
		return INT64_MAX;
	return (sent > ended ? sent : ended) + atomic_load(&w->run->grace);
}

static void end_sends(struct worker *w)
{
	struct run *r = w->run;

	w->sends_ended = 1;
	if (w->s.offered) {
		w->s.wall_ns = tr_mono_ns() - w->first_mono;
		w->s.cpu_ns = thread_cpu_ns() - w->first_cpu - (w->s.spin_ns - w->first_spin);
	}
	if (atomic_fetch_sub(&r->sending, 1) > 1)
		return;
	atomic_store(&r->sends_ended, tr_mono_ns());
	for (unsigned i = 0; i < r->o.threads; i++)
		transport_wake(r->w[i].t);
}

/* Told before the wait, so that whoever pushes something earlier wakes us; and looked for after it was told.
 */
static int64_t fall_asleep(struct worker *w, int64_t until)
{
	atomic_store(&w->asleep, until);
	pthread_mutex_lock(&w->lock);
	int pushed = w->in_first && !session_full(w);
	pthread_mutex_unlock(&w->lock);
	return pushed ? 0 : until;
}

/* `began`: when the thread went to work; returns when it does so next. */
static int64_t turn(struct worker *w, int64_t began)
{
	int64_t due, until;

	atomic_store(&w->asleep, 0);
	take_inbox(w);
	if (atomic_load(&w->run->stop))
		drop_unsent(w);
	expire(w);
	due = send_due(w);
	prepare(w, due);
	until = earliest(due, deadline(w));
	if (w->out && tr_mono_ns() - w->out_since > HAND_OVER_NS)
		worker_hand_over(w);
	if (w->out)
		until = earliest(until, w->out_since + HAND_OVER_NS + 1000000);
	if (sending_over(w)) {
		if (!w->sends_ended)
			end_sends(w);
		until = earliest(until, grace_ends(w));
	}
	until = fall_asleep(w, until);
	tr_hist_add(w->s.stalls, (uint64_t)(tr_mono_ns() - began), 1, NULL);
	return wait_until(w, until);
}

/* Connections are opened before the run, so that none of its first requests pays for one. */
static void open_connections(struct worker *w)
{
	unsigned n = w->run->o.connections / w->run->o.threads +
	             (w->index < w->run->o.connections % w->run->o.threads);
	int64_t limit = tr_mono_ns() + OPEN_NS;

	for (unsigned i = 0; i < n; i++) {
		struct flight *f = flight_new(w);
		if (!f)
			break;
		f->w = w;
		f->warm = 1;
		f->x = (struct exchange){.method = "GET", .path = "/v1/models", .id = "connect"};
		flights_append(&w->flying, f);
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
		flights_take_out(&w->spare, f);
		flight_free(f);
	}
	worker_hand_over(w);
	talks_free(&w->talks);
	w->s.connections = transport_connections(w->t);
}

static int over(struct worker *w, int64_t now)
{
	if (!w->sends_ended)
		return 0;
	expire(w); /* a request whose time is over has timed out, whatever else is */
	if (w->flying.n && now >= grace_ends(w))
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
	for (int64_t began = tr_mono_ns(); !over(w, tr_mono_ns());)
		began = turn(w, began);
	clean(w);
	pthread_mutex_lock(&r->lock);
	r->threads_done++;
	pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

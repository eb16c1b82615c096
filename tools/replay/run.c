/* SPDX-License-Identifier: Apache-2.0
 *
 * The caller's side of a run: threads, jobs pushed to them in turn, and what they counted brought together.
 */
#include "tools/replay/run_impl.h"

#include "libtrace/clock.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void job_free(struct job *j)
{
	if (!j)
		return;
	talk_unref(j->talk);
	tr_block_unref(j->hold);
	free(j);
}

void job_blame(const struct job *j, struct tr_err *err)
{
	size_t n = strlen(err->text);

	snprintf(err->text + n, sizeof(err->text) - n, " (id %llu)", (unsigned long long)j->rec.id);
}

void run_tell(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	pthread_cond_broadcast(&r->change);
	pthread_mutex_unlock(&r->lock);
}

static void wake_all(struct run *r)
{
	for (unsigned i = 0; i < r->o.threads; i++)
		if (r->w[i].t)
			transport_wake(r->w[i].t);
}

void run_fail(struct run *r, int rc, const struct tr_err *err)
{
	pthread_mutex_lock(&r->lock);
	if (r->rc == 0) {
		r->rc = rc;
		r->err = *err;
	}
	pthread_mutex_unlock(&r->lock);
	run_stop(r, -1);
}

/* r->lock is held. Waits for a change, at most until the moment. */
static void wait_change(struct run *r, int64_t until)
{
	struct timespec t = {until / 1000000000, until % 1000000000};

	pthread_cond_timedwait(&r->change, &r->lock, &t);
}

/* --- beginning --------------------------------------------------------------------------- */

static int stats_init(struct run_stats *s, struct tr_err *err)
{
	int rc = tr_hist_new(&s->lateness, STAMP_BITS, INT64_MAX, err);

	if (rc == 0)
		rc = tr_hist_new(&s->gaps, STAMP_BITS, INT64_MAX, err);
	return rc ? rc : tr_hist_new(&s->stalls, STAMP_BITS, INT64_MAX, err);
}

double run_rank_ms(const struct tr_hist *h, double q)
{
	uint64_t n = tr_hist_count(h), k = (uint64_t)ceil(q * (double)n);

	return n ? (double)tr_hist_kth(h, k ? k : 1) / 1e6 : NAN;
}

void run_stats_free(struct run_stats *s)
{
	tr_hist_free(s->lateness);
	tr_hist_free(s->gaps);
	tr_hist_free(s->stalls);
	s->lateness = s->gaps = s->stalls = NULL;
}

static int worker_init(struct run *r, unsigned i, struct tr_err *err)
{
	struct worker *w = &r->w[i];
	int rc = stats_init(&w->s, err);

	w->run = r;
	w->index = i;
	w->newest_due = INT64_MIN;
	pthread_mutex_init(&w->lock, NULL);
	w->heap_cap = INBOX_JOBS;
	w->heap = malloc(w->heap_cap * sizeof(*w->heap));
	if (rc == 0 && !w->heap)
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	return rc ? rc : worker_transport(w, err);
}

static void free_run(struct run *r)
{
	for (unsigned i = 0; i < r->o.threads; i++) {
		struct worker *w = &r->w[i];
		struct job *j = w->in_first, *next;
		for (; j; j = next) {
			next = j->next;
			job_free(j);
		}
		transport_free(w->t);
		run_stats_free(&w->s);
		free(w->heap);
		if (w->run)
			pthread_mutex_destroy(&w->lock);
	}
	cap_free(&r->cap);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->change);
	free(r);
}

static void join_all(struct run *r)
{
	for (unsigned i = 0; i < r->o.threads; i++)
		if (r->w[i].started)
			pthread_join(r->w[i].thread, NULL);
}

static int start_threads(struct run *r, struct tr_err *err)
{
	for (unsigned i = 0; i < r->o.threads; i++) {
		errno = pthread_create(&r->w[i].thread, NULL, worker_main, &r->w[i]);
		if (errno) {
			int rc = tr_fail_errno(err, "cannot start a thread");
			run_stop(r, 0);
			join_all(r);
			return rc;
		}
		r->w[i].started = 1;
	}
	pthread_mutex_lock(&r->lock);
	while (r->threads_warm < r->o.threads)
		wait_change(r, tr_mono_ns() + 1000000000);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int run_new(struct run **out, const struct run_opts *o, struct sink *sink, struct tr_err *err)
{
	struct run *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int rc = 0;

	if (!r)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	r->o = *o;
	r->sink = sink;
	atomic_store(&r->grace, o->grace_ns);
	if (o->max_inflight && r->o.connections > o->max_inflight)
		r->o.connections = o->max_inflight;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->change, &attr);
	pthread_condattr_destroy(&attr);
	if (cap_init(&r->cap, o->max_inflight, o->threads) < 0)
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	for (unsigned i = 0; i < o->threads && rc == 0; i++)
		rc = worker_init(r, i, err);
	atomic_store(&r->sending, o->threads);
	if (rc == 0)
		rc = start_threads(r, err);
	if (rc < 0) {
		free_run(r);
		return rc;
	}
	*out = r;
	return 0;
}

void run_begin(struct run *r, int64_t zero_mono)
{
	atomic_store(&r->zero, zero_mono);
	wake_all(r);
}

/* --- jobs -------------------------------------------------------------------------------- */

/* Asleep for longer than this job can wait? */
static int would_miss(const struct worker *w, const struct job *j)
{
	int64_t zero = atomic_load(&w->run->zero), asleep = atomic_load(&w->asleep);

	return zero && !j->warmup && !j->follows ? zero + j->due_ns < asleep : asleep != 0;
}

static int try_push(struct worker *w, struct job *j)
{
	size_t bytes = TR_HAS(&j->rec, payload) ? j->rec.payload.n : 0;
	int urgent = 0;

	pthread_mutex_lock(&w->lock);
	int room = w->waiting < INBOX_JOBS && w->waiting_bytes < INBOX_BYTES;
	if (room) {
		w->waiting++;
		j->counted = 1;
		w->waiting_bytes += bytes;
		j->next = NULL;
		*(w->in_last ? &w->in_last->next : &w->in_first) = j;
		w->in_last = j;
		urgent = would_miss(w, j);
	}
	pthread_mutex_unlock(&w->lock);
	if (urgent)
		transport_wake(w->t);
	return room;
}

int run_push(struct run *r, struct job *j, int wait_ms, struct tr_err *err)
{
	struct worker *w = &r->w[j->lane % r->o.threads];
	int64_t until = tr_mono_ns() + (int64_t)wait_ms * 1000000;
	int rc = 1;

	if (try_push(w, j))
		return 0;
	pthread_mutex_lock(&r->lock);
	while (r->rc == 0 && (rc = !try_push(w, j)) && tr_mono_ns() < until)
		wait_change(r, until);
	if (r->rc < 0) {
		rc = r->rc;
		if (err)
			*err = r->err;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int run_starved(struct run *r, const struct job *j)
{
	struct worker *w = &r->w[j->lane % r->o.threads];

	pthread_mutex_lock(&w->lock);
	int nothing = w->waiting == 0;
	pthread_mutex_unlock(&w->lock);
	return nothing;
}

void run_input_ended(struct run *r)
{
	atomic_store(&r->input_ended, 1);
	wake_all(r);
}

void run_stop(struct run *r, int64_t grace_ns)
{
	if (grace_ns >= 0)
		atomic_store(&r->grace, grace_ns);
	atomic_store(&r->stop, 1);
	wake_all(r);
}

int run_wait(struct run *r, int wait_ms)
{
	int64_t until = tr_mono_ns() + (int64_t)wait_ms * 1000000;
	int done;

	pthread_mutex_lock(&r->lock);
	while (r->threads_done < r->o.threads && tr_mono_ns() < until)
		wait_change(r, until);
	done = r->threads_done == r->o.threads;
	pthread_mutex_unlock(&r->lock);
	return done;
}

uint64_t run_finished(struct run *r)
{
	return atomic_load(&r->finished);
}

/* --- warm-up ----------------------------------------------------------------------------- */

static int push_warm_up(struct run *r, const struct tr_rec *rec, unsigned i, struct tr_err *err)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	j->rec = *rec;
	TR_SET(&j->rec, id, i);
	j->seq = j->lane = i;
	j->warmup = 1;
	int rc = run_push(r, j, 10000, err);
	if (rc)
		job_free(j);
	return rc > 0 ? tr_fail(err, TR_EIO, "the warm-up does not get on") : rc;
}

int run_warm_up(struct run *r, const struct tr_rec *recs, unsigned n, unsigned at_once, uint64_t *ok,
                uint64_t *failed, int (*stop)(void), struct tr_err *err)
{
	unsigned sent = 0;
	int rc = 0;

	while (rc == 0 && atomic_load(&r->warm_ok) + atomic_load(&r->warm_failed) < n) {
		uint64_t done = atomic_load(&r->warm_ok) + atomic_load(&r->warm_failed);
		while (rc == 0 && sent < n && sent - done < at_once) {
			rc = push_warm_up(r, &recs[sent], sent, err);
			sent++;
		}
		pthread_mutex_lock(&r->lock);
		if (done == atomic_load(&r->warm_ok) + atomic_load(&r->warm_failed))
			wait_change(r, tr_mono_ns() + 100000000);
		if (rc == 0 && r->rc < 0) {
			rc = r->rc;
			*err = r->err;
		}
		pthread_mutex_unlock(&r->lock);
		if (stop())
			run_stop(r, 0);
		if (atomic_load(&r->stop))
			break;
	}
	*ok = atomic_load(&r->warm_ok);
	*failed = atomic_load(&r->warm_failed);
	return rc;
}

/* --- the end ----------------------------------------------------------------------------- */

/* A shorter span says nothing of how busy a thread was. */
static const int64_t LOAD_MIN_NS = 100000000;

static void add_spans(struct run_stats *to, const struct run_stats *s)
{
	if (!s->sent)
		return;
	if (!to->sent || s->first_due < to->first_due)
		to->first_due = s->first_due;
	if (!to->sent || s->last_due > to->last_due)
		to->last_due = s->last_due;
	if (!to->sent || s->first_sent < to->first_sent)
		to->first_sent = s->first_sent;
	if (!to->sent || s->last_sent > to->last_sent)
		to->last_sent = s->last_sent;
}

static int add_stats(struct run_stats *to, const struct run_stats *s, struct tr_err *err)
{
	double load = s->wall_ns > LOAD_MIN_NS ? (double)s->cpu_ns / (double)s->wall_ns : 0;

	add_spans(to, s);
	to->offered += s->offered;
	to->sent += s->sent;
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		if (to->by[i] == 0)
			memcpy(to->sample[i], s->sample[i], RUN_SAMPLE);
		to->by[i] += s->by[i];
	}
	to->late += s->late;
	to->held += s->held;
	to->late_input += s->late_input;
	to->unsorted += s->unsorted;
	to->raised += s->raised;
	to->resent += s->resent;
	to->latest = s->latest > to->latest ? s->latest : to->latest;
	to->stripped += s->stripped;
	to->no_done += s->no_done;
	to->after_done += s->after_done;
	to->input_tokens += s->input_tokens;
	to->output_tokens += s->output_tokens;
	to->connections += s->connections;
	if (load >= to->load) {
		to->load = load;
		to->wall_ns = s->wall_ns;
		to->cpu_ns = s->cpu_ns;
		to->spin_ns = s->spin_ns;
	}
	int rc = tr_hist_merge(to->lateness, s->lateness, err);
	if (rc == 0)
		rc = tr_hist_merge(to->gaps, s->gaps, err);
	return rc ? rc : tr_hist_merge(to->stalls, s->stalls, err);
}

int run_end(struct run *r, struct run_stats *s, uint64_t *unsent, struct tr_err *err)
{
	int rc;

	join_all(r);
	*s = (struct run_stats){0};
	*unsent = atomic_load(&r->unsent);
	rc = stats_init(s, err);
	for (unsigned i = 0; i < r->o.threads && rc == 0; i++)
		rc = add_stats(s, &r->w[i].s, err);
	s->ok = s->by[OUT_OK];
	s->censored = s->by[OUT_CENSORED];
	if (r->rc < 0) {
		rc = r->rc;
		if (err)
			*err = r->err;
	}
	free_run(r);
	return rc;
}

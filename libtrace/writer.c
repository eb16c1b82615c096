/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer that tools see. Records are collected into blocks; full blocks go through a short queue to a
 * thread that counts, hashes, and has the format turn them into bytes. A failure there shows in the caller's
 * next call.
 */
#include "libtrace/clock.h"
#include "libtrace/stream_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUEUE = 2, LOOK_EVERY = 256 };
static const int64_t OLD_NS =
    250000000; /* on a live output nothing waits longer than this for its block to fill */

struct tr_writer {
	const struct tr_writer_ops *ops;
	void *self;
	struct tr_out *out;
	struct tr_head head;
	struct tr_tail tail;
	struct tr_count count;
	int live;

	struct tr_block *open[TR_KINDS]; /* being filled */
	int64_t opened_ns;               /* when the oldest of them got its first record */
	unsigned puts;

	pthread_t thread;
	int running;
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct tr_block *queue[QUEUE]; /* NULL entry: a request to flush */
	uint64_t filled, taken;
	int finish, quit;
	int rc; /* of the thread; < 0 sticks */
	struct tr_err err;
};

/* --- the thread -------------------------------------------------------------------------- */

static int handle(struct tr_writer *w, struct tr_block *b, int idle, struct tr_err *err)
{
	int rc = 0;
	if (b) {
		tr_count_block(&w->count, &w->tail, b);
		tr_count_hash(&w->count, &w->tail, b);
		rc = w->ops->block(w->self, w->out, b, err);
	}
	if (rc == 0 && (!b || (idle && w->live)))
		rc = tr_out_flush(w->out, err);
	return rc;
}

static void *writer_main(void *arg)
{
	struct tr_writer *w = arg;
	struct tr_err err;
	tr_err_clear(&err);
	int rc = w->ops->begin(w->self, w->out, &w->head, &err);
	if (rc == 0 && w->live)
		rc = tr_out_flush(w->out, &err);
	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (rc < 0 && w->rc == 0) {
			w->rc = rc;
			w->err = err;
			pthread_cond_broadcast(&w->change);
		}
		while (w->filled == w->taken && !w->finish && !w->quit)
			pthread_cond_wait(&w->change, &w->lock);
		if (w->quit || w->filled == w->taken)
			break;
		struct tr_block *b = w->queue[w->taken % QUEUE];
		int idle = w->filled - w->taken == 1;
		pthread_mutex_unlock(&w->lock);
		if (rc == 0)
			rc = handle(w, b, idle, &err);
		tr_block_unref(b);
		pthread_mutex_lock(&w->lock);
		w->taken++;
		pthread_cond_broadcast(&w->change);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- the caller's side ------------------------------------------------------------------- */

static int failed(struct tr_writer *w, struct tr_err *err)
{
	if (w->rc < 0 && err)
		*err = w->err;
	return w->rc;
}

static int is_full(const struct tr_writer *w)
{
	return w->filled - w->taken == QUEUE && w->rc == 0;
}

/* 1: full, and b is still the caller's. Never so with wait. */
static int enqueue(struct tr_writer *w, struct tr_block *b, int wait, struct tr_err *err)
{
	pthread_mutex_lock(&w->lock);
	while (wait && is_full(w))
		pthread_cond_wait(&w->change, &w->lock);
	int rc = is_full(w) ? 1 : failed(w, err);
	if (rc == 0) {
		w->queue[w->filled++ % QUEUE] = b;
		pthread_cond_broadcast(&w->change);
	}
	pthread_mutex_unlock(&w->lock);
	if (rc < 0)
		tr_block_unref(b);
	return rc;
}

static int submit_open(struct tr_writer *w, int wait, struct tr_err *err)
{
	int rc = 0;
	for (int k = 0; k < TR_KINDS && rc == 0; k++) {
		if (w->open[k])
			rc = enqueue(w, w->open[k], wait, err);
		if (rc != 1)
			w->open[k] = NULL;
	}
	if (rc != 1)
		w->opened_ns = 0;
	return rc;
}

int tr_writer_make(struct tr_writer **out, const struct tr_writer_ops *ops, void *self, struct tr_out *o,
                   const struct tr_head *head, struct tr_err *err)
{
	struct tr_writer *w = calloc(1, sizeof *w);
	if (!w) {
		ops->free(self);
		tr_out_abort(o);
		return tr_fail(err, TR_ENOMEM, "no memory for a writer");
	}
	w->ops = ops;
	w->self = self;
	w->out = o;
	w->live = tr_out_is_live(o);
	tr_count_start(&w->count, &w->tail);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->change, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&w->lock, NULL);
	int rc = tr_head_copy(&w->head, head, err);
	if (rc == 0) {
		errno = pthread_create(&w->thread, NULL, writer_main, w);
		if (errno)
			rc = tr_fail_errno(err, "cannot start a thread");
		else
			w->running = 1;
	}
	if (rc < 0) {
		tr_writer_abort(w);
		return rc;
	}
	*out = w;
	return 0;
}

static int put(struct tr_writer *w, enum tr_kind kind, const void *rec, struct tr_err *err)
{
	for (;;) {
		int rc = w->open[kind] ? 0 : tr_block_new(&w->open[kind], kind, err);
		if (rc == 0)
			rc = tr_block_add(w->open[kind], rec, err);
		if (rc <= 0) {
			if (rc < 0 || !w->live || w->puts++ % LOOK_EVERY)
				return rc;
			int64_t now = tr_mono_ns();
			if (w->opened_ns == 0)
				w->opened_ns = now;
			return now - w->opened_ns < OLD_NS ? 0 : submit_open(w, 1, err);
		}
		rc = submit_open(w, 1, err);
		if (rc < 0)
			return rc;
	}
}

int tr_writer_put(struct tr_writer *w, const struct tr_rec *rec, struct tr_err *err)
{
	return put(w, TR_REQUEST, rec, err);
}

int tr_writer_put_series(struct tr_writer *w, const struct tr_series *s, struct tr_err *err)
{
	return put(w, TR_SERIES, s, err);
}

int tr_writer_put_event(struct tr_writer *w, const struct tr_event *e, struct tr_err *err)
{
	return put(w, TR_EVENT, e, err);
}

static int hand_over(struct tr_writer *w, struct tr_block *b, int wait, struct tr_err *err)
{
	int rc = submit_open(w, wait, err);
	if (rc == 1)
		return 1;
	if (rc < 0 || b->rows == 0) {
		tr_block_unref(b);
		return rc;
	}
	return enqueue(w, b, wait, err);
}

int tr_writer_block(struct tr_writer *w, struct tr_block *b, struct tr_err *err)
{
	return hand_over(w, b, 1, err);
}

int tr_writer_try_block(struct tr_writer *w, struct tr_block *b, struct tr_err *err)
{
	return hand_over(w, b, 0, err);
}

int tr_writer_room(struct tr_writer *w, int64_t until_ns, struct tr_err *err)
{
	struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
	int late = 0;
	pthread_mutex_lock(&w->lock);
	while (is_full(w) && !late)
		late = pthread_cond_timedwait(&w->change, &w->lock, &until);
	int room = !is_full(w), rc = failed(w, err);
	pthread_mutex_unlock(&w->lock);
	return rc < 0 ? rc : room;
}

int tr_writer_flush(struct tr_writer *w, struct tr_err *err)
{
	int rc = submit_open(w, 1, err);
	return rc < 0 ? rc : enqueue(w, NULL, 1, err);
}

struct tr_tail *tr_writer_tail(struct tr_writer *w)
{
	return &w->tail;
}

static void stop(struct tr_writer *w, int *flag)
{
	if (!w->running)
		return;
	pthread_mutex_lock(&w->lock);
	*flag = 1;
	pthread_cond_broadcast(&w->change);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->running = 0;
}

static void free_writer(struct tr_writer *w)
{
	for (; w->taken < w->filled; w->taken++)
		tr_block_unref(w->queue[w->taken % QUEUE]);
	for (int k = 0; k < TR_KINDS; k++)
		tr_block_unref(w->open[k]);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->change);
	w->ops->free(w->self);
	tr_head_free(&w->head);
	tr_tail_free(&w->tail);
	free(w);
}

int tr_writer_finish(struct tr_writer *w, struct tr_err *err)
{
	int rc = submit_open(w, 1, err);
	stop(w, &w->finish);
	if (rc == 0)
		rc = failed(w, err);
	if (rc == 0 && !w->tail.state)
		rc = tr_meta_set(&w->tail.state, "complete", err);
	if (rc == 0)
		rc = w->ops->end(w->self, w->out, &w->tail, err);
	if (rc < 0) {
		tr_writer_abort(w);
		return rc;
	}
	struct tr_out *out = w->out;
	free_writer(w);
	return tr_out_commit(out, err);
}

void tr_writer_abort(struct tr_writer *w)
{
	if (!w)
		return;
	stop(w, &w->quit);
	tr_out_abort(w->out);
	free_writer(w);
}

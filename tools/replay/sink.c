/* SPDX-License-Identifier: Apache-2.0
 *
 * Where results go: a list that workers append to, a thread that takes it from there, and behind that thread
 * a queue whose middle or end may lie in a temporary file.
 *
 * The queue knows the order. An entry without its block stands for the next one of the file. Once a block has
 * gone to the file all that follow do, until the front of the queue reaches that file: it is then read back,
 * and what comes meanwhile waits in memory, or in a second file.
 */
#include "tools/replay/sink.h"

#include "libtrace/clock.h"
#include "libtrace/trb.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* While the output is stuck: how often the thread looks at what has been put. */
static const int64_t LOOK_NS = 20000000;

struct entry {
	struct entry *next;
	struct tr_block *block; /* NULL: in the file */
	size_t bytes;           /* counted in `held` */
	int64_t put_ns;
};

struct list {
	struct entry *first, *last;
};

struct spill {
	char *dir; /* for messages */
	struct tr_in *in;
	struct tr_writer *w; /* being filled */
	struct tr_reader *r; /* being read back */
	uint64_t blocks;     /* still to be read */
};

struct sink {
	struct tr_writer *w;
	size_t memory;
	pthread_t thread;

	pthread_mutex_t lock; /* of these */
	pthread_cond_t change;
	struct list arrived;
	int ending;
	int rc;
	struct tr_err err;

	struct list queue; /* the thread's own */
	size_t held;
	struct spill filling, emptying;
	uint64_t spilled;
	int64_t behind_ns;
};

/* --- lists ------------------------------------------------------------------------------- */

static void append(struct list *l, struct entry *e)
{
	if (l->last)
		l->last->next = e;
	else
		l->first = e;
	l->last = e;
}

static struct entry *take_first(struct list *l)
{
	struct entry *e = l->first;
	if (e) {
		l->first = e->next;
		l->last = l->first ? l->last : NULL;
		e->next = NULL;
	}
	return e;
}

static void drop_all(struct list *l)
{
	for (struct entry *e; (e = take_first(l));) {
		tr_block_unref(e->block);
		free(e);
	}
}

/* As allocated: a block of a few records, which a live output often gets, has much more memory than content.
 */
static size_t size_of(const struct tr_block *b)
{
	size_t n = sizeof(struct entry) + sizeof *b + b->bytes.cap + sizeof *b->pool * b->pool_cap;
	for (uint32_t i = 0; i < b->ncols; i++)
		n += sizeof *b->cols[i].v * b->cols[i].cap + (b->cols[i].present ? TR_BLOCK_ROWS / 8 : 0);
	return n;
}

/* --- the temporary file ------------------------------------------------------------------ */

static void spill_close(struct spill *f)
{
	tr_writer_abort(f->w);
	tr_reader_close(f->r);
	tr_in_close(f->in);
	free(f->dir);
	*f = (struct spill){0};
}

/* The name that the file had says nothing to anybody. */
static int spill_failed(const struct spill *f, int rc, struct tr_err *err)
{
	snprintf(err->file, sizeof err->file, "temporary file in %s", f->dir);
	return rc;
}

static int open_both_ends(struct spill *f, const char *path, struct tr_err *err)
{
	char order[] = "completion";
	struct tr_head head = {.order = order};
	struct tr_out *out;
	int rc = tr_in_open(&f->in, path, 0, err);
	if (rc == 0)
		rc = tr_out_open(&out, path, TR_OUT_IN_PLACE | TR_OUT_FORCE, err);
	return rc < 0 ? rc : tr_trb_writer(&f->w, out, &head, err);
}

static int spill_open(struct spill *f, struct tr_err *err)
{
	const char *dir = getenv("TMPDIR");
	struct tr_buf path;
	tr_buf_init(&path, 1 << 16);
	if (!dir || !*dir)
		dir = "/tmp";
	int rc = tr_buf_str(&path, dir);
	if (rc == 0)
		rc = tr_buf_add(&path, "/trace-replay-XXXXXX", sizeof "/trace-replay-XXXXXX");
	f->dir = rc == 0 ? strdup(dir) : NULL;
	if (!f->dir) {
		tr_buf_free(&path);
		return tr_fail(err, TR_ENOMEM, "no memory for the name of a temporary file");
	}
	int fd = mkstemp(path.p);
	if (fd < 0) {
		rc = tr_fail_errno(err, "cannot create");
	} else {
		rc = open_both_ends(f, path.p, err);
		unlink(path.p);
		close(fd);
	}
	tr_buf_free(&path);
	return rc < 0 ? spill_failed(f, rc, err) : 0;
}

static int spill_add(struct sink *s, struct tr_block *b, struct tr_err *err)
{
	struct spill *f = &s->filling;
	int rc = f->w ? 0 : spill_open(f, err);
	if (rc < 0) {
		tr_block_unref(b);
		return rc;
	}
	f->blocks++;
	s->spilled += b->content;
	rc = tr_writer_block(f->w, b, err);
	return rc < 0 ? spill_failed(f, rc, err) : 0;
}

/* The front of the queue has come to the file that was being filled. */
static int spill_turn_round(struct sink *s, struct tr_err *err)
{
	struct spill *f = &s->emptying;
	*f = s->filling;
	s->filling = (struct spill){0};
	int rc = tr_writer_finish(f->w, err);
	f->w = NULL;
	if (rc == 0) {
		rc = tr_trb_reader(&f->r, f->in, err);
		f->in = NULL;
	}
	return rc < 0 ? spill_failed(f, rc, err) : 0;
}

static int spill_take(struct sink *s, struct tr_block **b, struct tr_err *err)
{
	struct spill *f = &s->emptying;
	int rc = f->r ? 0 : spill_turn_round(s, err);
	if (rc < 0)
		return rc;
	while ((rc = tr_reader_block(f->r, b, err)) == 1 && (*b)->rows == 0)
		tr_block_unref(*b); /* the disk takes its time */
	if (rc == 0)
		rc = tr_fail(err, TR_EIO, "ends early");
	if (rc < 0)
		return spill_failed(f, rc, err);
	if (--f->blocks == 0)
		spill_close(f);
	return 0;
}

/* --- the thread -------------------------------------------------------------------------- */

static int store(struct sink *s, struct list *arrived, struct tr_err *err)
{
	int rc = 0;
	for (struct entry *e; rc == 0 && (e = take_first(arrived));) {
		size_t n = size_of(e->block);
		if (s->filling.w || s->held + n > s->memory) {
			struct tr_block *b = e->block;
			e->block = NULL;
			rc = spill_add(s, b, err);
		} else {
			e->bytes = n;
			s->held += n;
		}
		append(&s->queue, e);
	}
	return rc;
}

/* Until the queue is empty (0) or the writer has no room (1). */
static int deliver(struct sink *s, struct tr_err *err)
{
	for (struct entry *e; (e = s->queue.first);) {
		int rc = e->block ? 0 : spill_take(s, &e->block, err);
		if (rc == 0)
			rc = tr_writer_try_block(s->w, e->block, err);
		if (rc == 1)
			return 1;
		if (rc < 0) {
			e->block = NULL;
			return rc;
		}
		int64_t waited = tr_mono_ns() - e->put_ns;
		s->behind_ns = waited > s->behind_ns ? waited : s->behind_ns;
		s->held -= e->bytes;
		free(take_first(&s->queue));
	}
	return 0;
}

/* What has been put, or the end: 1; 0 = there will be nothing more. */
static int receive(struct sink *s, struct list *arrived)
{
	pthread_mutex_lock(&s->lock);
	while (!s->arrived.first && !s->queue.first && !s->ending && s->rc == 0)
		pthread_cond_wait(&s->change, &s->lock);
	*arrived = s->arrived;
	s->arrived = (struct list){0};
	int more = s->rc == 0 && (arrived->first || s->queue.first || !s->ending);
	pthread_mutex_unlock(&s->lock);
	return more;
}

static void fail(struct sink *s, int rc, const struct tr_err *err)
{
	pthread_mutex_lock(&s->lock);
	if (s->rc == 0) {
		s->rc = rc;
		s->err = *err;
	}
	pthread_cond_signal(&s->change);
	pthread_mutex_unlock(&s->lock);
}

static void *sink_main(void *arg)
{
	struct sink *s = arg;
	struct list arrived;
	while (receive(s, &arrived)) {
		struct tr_err err;
		tr_err_clear(&err);
		int rc = store(s, &arrived, &err);
		if (rc == 0)
			rc = deliver(s, &err);
		if (rc == 1)
			rc = tr_writer_room(s->w, tr_mono_ns() + LOOK_NS, &err);
		if (rc < 0)
			fail(s, rc, &err);
		drop_all(&arrived);
	}
	drop_all(&arrived);
	drop_all(&s->queue);
	spill_close(&s->filling);
	spill_close(&s->emptying);
	return NULL;
}

/* --- the callers' side ------------------------------------------------------------------- */

int sink_start(struct sink **out, struct tr_writer *w, size_t memory, struct tr_err *err)
{
	struct sink *s = calloc(1, sizeof *s);
	if (!s)
		return tr_fail(err, TR_ENOMEM, "no memory for results");
	s->w = w;
	s->memory = memory;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->change, NULL);
	errno = pthread_create(&s->thread, NULL, sink_main, s);
	if (errno) {
		int rc = tr_fail_errno(err, "cannot start a thread");
		pthread_mutex_destroy(&s->lock);
		pthread_cond_destroy(&s->change);
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void sink_put(struct sink *s, struct tr_block *b)
{
	struct entry *e = b->rows ? malloc(sizeof *e) : NULL;
	if (b->rows == 0) {
		tr_block_unref(b);
		return;
	}
	if (!e) {
		struct tr_err err;
		fail(s, tr_fail(&err, TR_ENOMEM, "no memory for results"), &err);
		tr_block_unref(b);
		return;
	}
	*e = (struct entry){.block = b, .put_ns = tr_mono_ns()};
	pthread_mutex_lock(&s->lock);
	int ok = s->rc == 0;
	if (ok) {
		append(&s->arrived, e);
		pthread_cond_signal(&s->change);
	}
	pthread_mutex_unlock(&s->lock);
	if (!ok) {
		tr_block_unref(b);
		free(e);
	}
}

int sink_failed(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	int rc = s->rc;
	pthread_mutex_unlock(&s->lock);
	if (rc == 0)
		rc = tr_writer_room(s->w, 0, NULL); /* it may have failed after taking the last block */
	return rc < 0 ? rc : 0;
}

int sink_end(struct sink *s, uint64_t *spilled, int64_t *behind_ns, struct tr_err *err)
{
	pthread_mutex_lock(&s->lock);
	s->ending = 1;
	pthread_cond_signal(&s->change);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	*spilled = s->spilled;
	*behind_ns = s->behind_ns;
	int rc = s->rc;
	if (rc < 0 && err)
		*err = s->err;
	if (rc == 0)
		rc = tr_writer_room(s->w, 0, err);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->change);
	free(s);
	return rc < 0 ? rc : 0;
}

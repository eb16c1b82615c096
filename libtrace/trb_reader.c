/* SPDX-License-Identifier: Apache-2.0
 *
 * The binary stream, in. A thread reads, checks, decodes, counts and hashes one block ahead of the caller.
 */
#include "libtrace/trb.h"

#include "libtrace/le.h"
#include "libtrace/stream_impl.h"
#include "libtrace/trb_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const unsigned char magic[8] = {0x89, 'T', 'R', 'B', 0x0d, 0x0a, 0x1a, 0x0a};

enum { IDLE_MS = 250 };

struct frame { /* head of a block, decoded */
	unsigned char type;
	uint32_t length, count;
	int64_t first_ns, last_ns;
	uint64_t at; /* offset of the head in the stream */
};

struct trb_reader {
	struct tr_in *in;
	struct tr_buf body;
	struct trb_dec dec;
	struct tr_tail tail; /* counted, with the facts of the stored one */
	struct tr_count count;
	int trailed; /* the trailer has been seen */

	pthread_t thread;
	int running;
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct tr_block *ready;
	int done, stop;
	int rc;
	struct tr_err err;
};

int tr_trb_claims(struct tr_slice s)
{
	return s.n >= sizeof magic && memcmp(s.p, magic, sizeof magic) == 0;
}

/* --- frames ------------------------------------------------------------------------------ */

static int fail_at(struct tr_err *err, uint64_t at, enum tr_code code, const char *what)
{
	tr_fail(err, code, "%s", what);
	tr_err_offset(err, (int64_t)at);
	return -(int)code;
}

static int cut(struct trb_reader *r, uint64_t at, struct tr_err *err)
{
	if (r->trailed)
		return fail_at(err, at, TR_ECUT, "stream ends inside its index; the records are complete");
	tr_meta_set(&r->tail.state, "cut", NULL);
	return fail_at(err, at, TR_ECUT, "stream ends without its trailer: it was cut");
}

static uint32_t length_limit(unsigned char type)
{
	return type == 'H' || type == 'T' ? TR_META_MAX : TR_BLOCK_MAX;
}

/* The next frame with its body in r->body: 1, 0 at the end of input, < 0. */
static int read_frame(struct trb_reader *r, struct frame *f, struct tr_err *err)
{
	unsigned char head[TRB_HEAD];
	size_t got;
	f->at = tr_in_offset(r->in);
	int rc = tr_in_read(r->in, head, sizeof head, &got, err);
	if (rc < 0)
		return rc;
	if (got == 0)
		return 0;
	if (got < sizeof head)
		return cut(r, f->at, err);
	f->type = head[0];
	f->length = tr_le32(head + 4);
	f->count = tr_le32(head + 8);
	f->first_ns = (int64_t)tr_le64(head + 16);
	f->last_ns = (int64_t)tr_le64(head + 24);
	if (head[1] || head[2] || head[3])
		return fail_at(err, f->at, TR_EDATA, "not a block: reserved bytes are not zero");
	if (f->length > length_limit(f->type))
		return fail_at(err, f->at, TR_ELIMIT, "block is longer than the format allows");
	r->body.n = 0;
	if (tr_buf_reserve(&r->body, f->length) < 0)
		return fail_at(err, f->at, TR_ENOMEM, "no memory for a block");
	rc = tr_in_read(r->in, r->body.p, f->length, &got, err);
	if (rc < 0)
		return rc;
	if (got < f->length)
		return cut(r, f->at, err);
	r->body.n = got;
	uint32_t crc = tr_le32(head + 12);
	memset(head + 12, 0, 4);
	if (trb_crc(head, &r->body) != crc)
		return fail_at(err, f->at, TR_EDATA, "block is damaged: its checksum does not fit");
	return 1;
}

/* --- what stands in the frames ----------------------------------------------------------- */

static int differ(struct tr_err *err, uint64_t at, const char *what, uint64_t said, uint64_t found)
{
	tr_fail(err, TR_EDATA, "trailer says %" PRIu64 " %s, the stream has %" PRIu64, said, what, found);
	tr_err_offset(err, (int64_t)at);
	return -TR_EDATA;
}

int tr_tail_verify(const struct tr_tail *said, const struct tr_tail *found, uint64_t at, struct tr_err *err)
{
	const struct {
		const char *what;
		uint64_t said, found;
	} rows[] = {
	    {"records", said->records, found->records},
	    {"series points", said->series, found->series},
	    {"events", said->events, found->events},
	    {"input tokens", said->in_tokens, found->in_tokens},
	    {"output tokens", said->out_tokens, found->out_tokens},
	    {"inversions", said->inversions, found->inversions},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].said != rows[i].found)
			return differ(err, at, rows[i].what, rows[i].said, rows[i].found);
	if (said->content != found->content)
		return fail_at(err, at, TR_EDATA, "content hash of the trailer does not fit the stream");
	return 0;
}

static int take_trailer(struct trb_reader *r, const struct frame *f, struct tr_err *err)
{
	struct tr_tail said = {0};
	int rc = tr_tail_parse(&said, (struct tr_slice){r->body.p, r->body.n}, err);
	if (rc == 0)
		rc = tr_tail_verify(&said, &r->tail, f->at, err);
	if (rc == 0)
		rc = tr_tail_copy_facts(&r->tail, &said, err);
	if (rc == 0 && !r->tail.state)
		rc = fail_at(err, f->at, TR_EDATA, "trailer without a state");
	tr_err_offset(err, (int64_t)f->at);
	tr_tail_free(&said);
	r->trailed = 1;
	return rc;
}

static int take_data(struct trb_reader *r, const struct frame *f, enum tr_kind kind, struct tr_block **b,
                     struct tr_err *err)
{
	if (f->count > TR_BLOCK_ROWS)
		return fail_at(err, f->at, TR_ELIMIT, "block has more than 65536 records");
	r->dec.p = (unsigned char *)r->body.p;
	r->dec.n = r->body.n;
	r->dec.pos = 0;
	int rc = trb_get_block(&r->dec, kind, f->count, b);
	if (rc < 0) {
		tr_fail(err, (enum tr_code) - rc, "bad block: %s",
		        r->dec.reason ? r->dec.reason : "no memory");
		tr_err_offset(err, (int64_t)f->at);
		return rc;
	}
	tr_count_block(&r->count, &r->tail, *b);
	tr_count_hash(&r->count, &r->tail, *b);
	return 1;
}

/* What may stand after the trailer: one index block, its footer, the end. */
static int take_rest(struct trb_reader *r, const struct frame *f, struct tr_err *err)
{
	unsigned char footer[TRB_FOOTER], more;
	size_t got;
	uint64_t at = tr_in_offset(r->in);
	if (f->type != 'X' || f->length != (uint64_t)f->count * TRB_ENTRY)
		return fail_at(err, f->at, TR_EDATA, "bytes after the trailer");
	int rc = tr_in_read(r->in, footer, sizeof footer, &got, err);
	if (rc == 0 && got < sizeof footer)
		return cut(r, at, err);
	if (rc == 0 && (memcmp(footer + 8, "TRBINDEX", 8) != 0 || tr_le64(footer) != f->at))
		rc = fail_at(err, at, TR_EDATA, "index without its footer");
	if (rc == 0)
		rc = tr_in_read(r->in, &more, 1, &got, err);
	if (rc == 0 && got)
		rc = fail_at(err, at, TR_EDATA, "bytes after the index");
	return rc;
}

static int next_block(struct trb_reader *r, struct tr_block **b, struct tr_err *err)
{
	static const char kinds[TR_KINDS] = {[TR_REQUEST] = 'R', [TR_SERIES] = 'S', [TR_EVENT] = 'E'};
	for (;;) {
		struct frame f;
		int rc = read_frame(r, &f, err);
		if (rc == 0 && !r->trailed)
			return cut(r, f.at, err);
		if (rc <= 0)
			return rc;
		if (r->trailed)
			return take_rest(r, &f, err);
		const char *kind = memchr(kinds, f.type, sizeof kinds);
		if (kind)
			return take_data(r, &f, (enum tr_kind)(kind - kinds), b, err);
		if (f.type == 'H')
			return fail_at(err, f.at, TR_EDATA, "second header");
		if (f.type == 'T') {
			rc = take_trailer(r, &f, err);
			if (rc < 0)
				return rc;
		}
	}
}

/* --- the thread and its caller ----------------------------------------------------------- */

static void *reader_main(void *arg)
{
	struct trb_reader *r = arg;
	for (;;) {
		struct tr_block *b = NULL;
		struct tr_err err;
		tr_err_clear(&err);
		int rc = next_block(r, &b, &err);
		pthread_mutex_lock(&r->lock);
		while (r->ready && !r->stop)
			pthread_cond_wait(&r->change, &r->lock);
		if (rc == 1 && !r->stop)
			r->ready = b;
		else
			tr_block_unref(b);
		if (rc <= 0) {
			r->rc = rc;
			r->err = err;
			r->done = 1;
		}
		int end = r->done || r->stop;
		pthread_cond_broadcast(&r->change);
		pthread_mutex_unlock(&r->lock);
		if (end)
			return NULL;
	}
}

static int reader_block(void *self, struct tr_block **b, struct tr_err *err)
{
	struct trb_reader *r = self;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += IDLE_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&r->lock);
	int late = 0;
	while (!r->ready && !r->done && !late)
		late = pthread_cond_timedwait(&r->change, &r->lock, &until);
	int rc = 1;
	if (r->ready) {
		*b = r->ready;
		r->ready = NULL;
		pthread_cond_broadcast(&r->change);
	} else if (r->done) {
		rc = r->rc;
		if (rc < 0)
			*err = r->err;
	} else {
		rc = tr_block_new(b, TR_REQUEST, err) < 0 ? -TR_ENOMEM : 1;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void reader_free(void *self)
{
	struct trb_reader *r = self;
	if (r->running) {
		pthread_mutex_lock(&r->lock);
		r->stop = 1;
		pthread_cond_broadcast(&r->change);
		pthread_mutex_unlock(&r->lock);
		tr_in_interrupt(r->in);
		pthread_join(r->thread, NULL);
		pthread_mutex_destroy(&r->lock);
		pthread_cond_destroy(&r->change);
	}
	tr_block_unref(r->ready);
	trb_dec_free(&r->dec);
	tr_buf_free(&r->body);
	tr_tail_free(&r->tail);
	tr_in_close(r->in);
	free(r);
}

static int start_thread(struct trb_reader *r, struct tr_err *err)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->change, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&r->lock, NULL);
	errno = pthread_create(&r->thread, NULL, reader_main, r);
	if (errno)
		return tr_fail_errno(err, "cannot start a thread");
	r->running = 1;
	return 0;
}

static int read_header(struct trb_reader *r, struct tr_head *head, struct tr_err *err)
{
	unsigned char p[TRB_PREAMBLE];
	size_t got;
	struct frame f;
	int rc = tr_in_read(r->in, p, sizeof p, &got, err);
	if (rc < 0)
		return rc;
	if (!tr_trb_claims((struct tr_slice){(char *)p, got < 8 ? got : 8}))
		return fail_at(err, 0, TR_EDATA, "not a .trb stream");
	if (got < sizeof p)
		return cut(r, 0, err);
	if (p[8] != 1 || p[9] != 0)
		return fail_at(err, 8, TR_EDATA, "a version of the format that this program does not know");
	if (tr_le32(p + 12))
		return fail_at(err, 12, TR_EDATA, "reserved bytes are not zero");
	rc = read_frame(r, &f, err);
	if (rc == 0)
		return cut(r, sizeof p, err);
	if (rc < 0)
		return rc;
	if (f.type != 'H')
		return fail_at(err, f.at, TR_EDATA, "header is missing");
	rc = tr_head_parse(head, (struct tr_slice){r->body.p, r->body.n}, err);
	tr_err_offset(err, (int64_t)f.at);
	return rc;
}

int tr_trb_reader(struct tr_reader **out, struct tr_in *in, struct tr_err *err)
{
	static const struct tr_reader_ops ops = {reader_block, reader_free, 1};
	struct tr_head head = {0};
	struct trb_reader *r = calloc(1, sizeof *r);
	if (!r) {
		tr_in_close(in);
		return tr_fail(err, TR_ENOMEM, "no memory for a reader");
	}
	r->in = in;
	tr_buf_init(&r->body, TR_BLOCK_MAX);
	tr_count_start(&r->count, &r->tail);
	tr_in_set(in, 0); /* this thread is the one that reads ahead */
	int rc = trb_dec_init(&r->dec) < 0 ? tr_fail(err, TR_ENOMEM, "no memory for a reader") : 0;
	if (rc == 0)
		rc = read_header(r, &head, err);
	if (rc == 0)
		rc = start_thread(r, err);
	if (rc == 0)
		return tr_reader_make(out, &ops, r, tr_in_name(in), &head, &r->tail, err);
	tr_err_file(err, tr_in_name(in));
	tr_head_free(&head);
	reader_free(r);
	return rc;
}

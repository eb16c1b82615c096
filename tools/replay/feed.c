/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/feed.h"

#include "tools/hash.h"
#include <stdlib.h>

/* A trace need not be in order of arrival; after so many records beyond the window none is expected in it. */
enum { BEYOND = 65536 };
/* Room for the clock's reading on top. */
static const int64_t DUE_MAX = INT64_C(100) * 365 * 86400 * 1000000000;

static const uint64_t OBSERVED =
    (((UINT64_C(2) << TR_F_worker) - 1) & (~UINT64_C(0) << TR_F_due_ns)) | TR_BIT(source_row);

struct feed_row {
	struct tr_rec rec;
	struct tr_block *hold;
};

static int due(struct feed *f, const struct tr_rec *r, int64_t *due_ns, struct tr_err *err)
{
	if (!TR_HAS(r, arrival_ns))
		return tr_fail(
		    err, TR_EDATA,
		    "a record without an arrival time cannot be replayed; trace-convert --arrivals "
		    "gives some, --session closed needs the first turn's only");
	switch (tr_sched_due(&f->sched, r->arrival_ns, due_ns)) {
	case TR_DUE:
		f->after = 0;
		if (*due_ns <= DUE_MAX)
			return 1;
		return tr_fail(err, TR_EDATA, "due more than 100 years from the start");
	case TR_DUE_BEFORE:
		f->missed += !f->has_start;
		return 0;
	case TR_DUE_AFTER:
		f->after++;
		return 0;
	default:
		return tr_fail(err, TR_EDATA, "due more than 100 years from the start");
	}
}

static int make(struct feed *f, const struct tr_rec *rec, struct tr_block *hold, struct job **out,
                struct tr_err *err)
{
	int follows = f->closed && TR_HAS(rec, session) && TR_HAS(rec, parent);
	int64_t due_ns = INT64_MIN;
	int rc = follows && !TR_HAS(rec, arrival_ns) ? 0 : due(f, rec, &due_ns, err);
	struct job *j;

	if (follows && rc == 0) { /* when it is due is not for the trace to say */
		due_ns = INT64_MIN;
		rc = 1;
	}

	if (rc <= 0) {
		if (rc < 0 && TR_HAS(rec, id)) {
			struct job bad = {.rec = *rec};
			job_blame(&bad, err);
			tr_err_file(err, tr_reader_name(f->r));
		}
		return rc;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	j->rec = *rec;
	j->rec.mask &= ~OBSERVED;
	j->due_ns = due_ns;
	j->follows = follows;
	j->seq = f->jobs++;
	j->lane = TR_HAS(rec, session) ? (unsigned)hash_bytes(rec->session) : (unsigned)j->seq;
	if (!TR_HAS(&j->rec, id))
		TR_SET(&j->rec, id, j->seq);
	j->hold = tr_block_ref(hold);
	*out = j;
	return 1;
}

static int next_block(struct feed *f, struct tr_err *err)
{
	int rc;

	tr_block_unref(f->block);
	f->block = NULL;
	rc = tr_reader_block(f->r, &f->block, err);
	if (rc <= 0) {
		f->ended = rc == 0;
		return rc;
	}
	tr_cursor_init(&f->cursor, f->block);
	return f->block->rows ? 1 : 2;
}

static int read_row(struct feed *f, struct tr_rec *rec, struct tr_err *err)
{
	for (;;) {
		if (f->block && f->block->kind == TR_REQUEST && tr_cursor_next(&f->cursor, rec))
			return 1;
		if (f->ended)
			return 0;
		int rc = next_block(f, err);
		if (rc != 1)
			return rc;
	}
}

/* Results stand in the order in which they ended, and other traces may not be in order either: what comes
 * first in the file need not be the first to be sent. */
static int find_start(struct feed *f, struct tr_err *err)
{
	struct tr_rec rec;
	int any = 0;

	f->start_found = 1;
	f->ahead = malloc(FEED_AHEAD * sizeof(*f->ahead));
	if (!f->ahead)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	f->ahead_rc = 1;
	while (f->ahead_n < FEED_AHEAD && (f->ahead_rc = read_row(f, &rec, &f->ahead_err)) == 1) {
		f->ahead[f->ahead_n++] = (struct feed_row){rec, tr_block_ref(f->block)};
		if (TR_HAS(&rec, arrival_ns) && (!any || rec.arrival_ns < f->sched.start_ns)) {
			f->sched.start_ns = rec.arrival_ns;
			any = 1;
		}
	}
	if (f->ahead_n == 0 && f->ahead_rc == 2) /* nothing yet: look again */
		f->start_found = 0;
	return 0;
}

/* 1 = *row filled, with a reference to its block; else as feed_next. */
static int next_row(struct feed *f, struct feed_row *row, struct tr_err *err)
{
	int rc = f->has_start || f->start_found ? 0 : find_start(f, err);

	if (rc < 0)
		return rc;
	if (f->ahead_at < f->ahead_n) {
		*row = f->ahead[f->ahead_at++];
		return 1;
	}
	free(f->ahead);
	f->ahead = NULL;
	rc = f->ahead_rc;
	f->ahead_rc = 1;
	if (rc < 0 || rc == 2) {
		*err = f->ahead_err;
		return rc;
	}
	rc = read_row(f, &row->rec, err);
	row->hold = rc == 1 ? tr_block_ref(f->block) : NULL;
	return rc;
}

int feed_next(struct feed *f, struct job **j, struct tr_err *err)
{
	for (;;) {
		struct feed_row row;
		int rc;

		if ((f->limit && f->jobs == f->limit) || f->after >= BEYOND)
			return 0;
		rc = next_row(f, &row, err);
		if (rc != 1)
			return rc;
		rc = make(f, &row.rec, row.hold, j, err);
		tr_block_unref(row.hold);
		if (rc)
			return rc;
	}
}

void feed_free(struct feed *f)
{
	tr_block_unref(f->block);
	while (f->ahead && f->ahead_at < f->ahead_n)
		tr_block_unref(f->ahead[f->ahead_at++].hold);
	free(f->ahead);
	f->ahead = NULL;
	f->block = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/feed.h"

#include <stdlib.h>

/* A trace need not be in order of arrival; after so many records beyond the window none is expected in it. */
enum { BEYOND = 65536 };

static const uint64_t OBSERVED = ~UINT64_C(0) << TR_F_due_ns | TR_BIT(source_row);

static int due(struct feed *f, const struct tr_rec *r, int64_t *due_ns, struct tr_err *err)
{
	if (!TR_HAS(r, arrival_ns))
		return tr_fail(err, TR_EDATA, "a record without an arrival time cannot be replayed");
	if (!f->has_start) {
		f->sched.start_ns = r->arrival_ns;
		f->has_start = 1;
	}
	switch (tr_sched_due(&f->sched, r->arrival_ns, due_ns)) {
	case TR_DUE:
		f->after = 0;
		return 1;
	case TR_DUE_BEFORE:
		return 0;
	case TR_DUE_AFTER:
		f->after++;
		return 0;
	default:
		return tr_fail(err, TR_EDATA, "due more than 292 years from the start");
	}
}

static int make(struct feed *f, const struct tr_rec *rec, struct job **out, struct tr_err *err)
{
	int64_t due_ns;
	int rc = due(f, rec, &due_ns, err);
	struct job *j;

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
	j->seq = f->jobs++;
	if (!TR_HAS(&j->rec, id))
		TR_SET(&j->rec, id, j->seq);
	j->hold = tr_block_ref(f->block);
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

int feed_next(struct feed *f, struct job **j, struct tr_err *err)
{
	struct tr_rec rec;
	int rc;

	for (;;) {
		if ((f->limit && f->jobs == f->limit) || f->after >= BEYOND || f->ended)
			return 0;
		while (f->block && f->block->kind == TR_REQUEST && tr_cursor_next(&f->cursor, &rec)) {
			rc = make(f, &rec, j, err);
			if (rc)
				return rc;
			if (f->after >= BEYOND)
				return 0;
		}
		rc = next_block(f, err);
		if (rc != 1)
			return rc;
	}
}

void feed_free(struct feed *f)
{
	tr_block_unref(f->block);
	f->block = NULL;
}

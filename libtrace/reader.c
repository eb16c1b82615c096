/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader that tools see: records out of an implementation's blocks.
 */
#include "libtrace/stream_impl.h"

#include <stdlib.h>
#include <string.h>

struct tr_reader {
	const struct tr_reader_ops *ops;
	void *self;
	char *name;
	struct tr_head head;
	struct tr_tail *tail; /* in self */
	struct tr_count count;
	struct tr_block *block; /* tr_reader_next walks it */
	struct tr_cursor cursor;
	struct tr_rec rec;
	int ended; /* 1 = end, < 0 = error, which sticks */
	struct tr_err err;
};

int tr_reader_make(struct tr_reader **out, const struct tr_reader_ops *ops, void *self, const char *name,
                   struct tr_head *head, struct tr_tail *tail, struct tr_err *err)
{
	struct tr_reader *r = calloc(1, sizeof *r);
	if (!r || !(r->name = strdup(name))) {
		free(r);
		tr_head_free(head);
		ops->free(self);
		return tr_fail(err, TR_ENOMEM, "no memory for a reader");
	}
	r->ops = ops;
	r->self = self;
	r->head = *head;
	r->tail = tail;
	memset(head, 0, sizeof *head);
	*out = r;
	return 0;
}

int tr_reader_block(struct tr_reader *r, struct tr_block **b, struct tr_err *err)
{
	int rc = r->ended;
	if (rc == 0) {
		rc = r->ops->block(r->self, b, &r->err);
		if (rc == 1 && !r->ops->counted)
			tr_count_block(&r->count, r->tail, *b);
		if (rc < 0)
			tr_err_file(&r->err, r->name);
		if (rc == -TR_ECUT && !r->tail->state) /* the compression below was cut */
			tr_meta_set(&r->tail->state, "cut", NULL);
		if (rc <= 0)
			r->ended = rc < 0 ? rc : 1;
		else
			return 1;
	}
	if (r->ended > 0)
		return 0;
	if (err)
		*err = r->err;
	return r->ended;
}

int tr_reader_next(struct tr_reader *r, const struct tr_rec **rec, struct tr_err *err)
{
	while (!r->block || !tr_cursor_next(&r->cursor, &r->rec)) {
		struct tr_block *b;
		tr_block_unref(r->block);
		r->block = NULL;
		int rc = tr_reader_block(r, &b, err);
		if (rc <= 0)
			return rc;
		if (b->kind != TR_REQUEST) {
			tr_block_unref(b);
			continue;
		}
		r->block = b;
		tr_cursor_init(&r->cursor, b);
	}
	*rec = &r->rec;
	return 1;
}

struct tr_block *tr_reader_hold(struct tr_reader *r)
{
	return tr_block_ref(r->block);
}

const struct tr_head *tr_reader_head(const struct tr_reader *r)
{
	return &r->head;
}

const struct tr_tail *tr_reader_tail(const struct tr_reader *r)
{
	return r->tail;
}

const char *tr_reader_name(const struct tr_reader *r)
{
	return r->name;
}

int tr_reader_is_own(const struct tr_reader *r)
{
	return r->ops->counted;
}

void tr_reader_close(struct tr_reader *r)
{
	if (!r)
		return;
	tr_block_unref(r->block);
	r->ops->free(r->self);
	tr_head_free(&r->head);
	free(r->name);
	free(r);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The binary stream, out: preamble, header, blocks, trailer, and an index where the output can seek.
 */
#include "libtrace/trb.h"

#include "libtrace/le.h"
#include "libtrace/stream_impl.h"
#include "libtrace/trb_impl.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_MAX = 1 << 23 }; /* bytes of index; a longer stream goes without (about 8 billion rows) */

struct trb_writer {
	struct trb_enc enc;
	struct tr_buf body;
	struct tr_buf index;
	int index_full;
};

static int write_frame(struct tr_out *out, char type, uint32_t count, int64_t first, int64_t last,
                       const struct tr_buf *body, struct tr_err *err)
{
	unsigned char head[TRB_HEAD] = {(unsigned char)type};
	if (body->n > (type == 'H' || type == 'T' ? (size_t)TR_META_MAX : (size_t)TR_BLOCK_MAX))
		return tr_fail(err, TR_ELIMIT, "a block of more than the format allows");
	tr_put_le32(head + 4, (uint32_t)body->n);
	tr_put_le32(head + 8, count);
	tr_put_le64(head + 16, (uint64_t)first);
	tr_put_le64(head + 24, (uint64_t)last);
	tr_put_le32(head + 12, trb_crc(head, body));
	int rc = tr_out_write(out, head, sizeof head, err);
	return rc < 0 ? rc : tr_out_write(out, body->p, body->n, err);
}

static int begin(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err)
{
	static const unsigned char preamble[TRB_PREAMBLE] = {0x89, 'T', 'R', 'B', 0x0d, 0x0a, 0x1a, 0x0a, 1};
	struct trb_writer *w = self;
	w->body.n = 0;
	int rc = tr_head_print(head, &w->body);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "header is too long");
	rc = tr_out_write(out, preamble, sizeof preamble, err);
	return rc < 0 ? rc : write_frame(out, 'H', 0, 0, 0, &w->body, err);
}

static void time_range(const struct tr_block *b, int64_t *first, int64_t *last)
{
	int col = b->col_of[b->schema->time_bit];
	*first = *last = 0;
	for (uint32_t i = 0; col >= 0 && i < b->cols[col].count; i++) {
		int64_t t = (int64_t)b->cols[col].v[i];
		*first = i == 0 || t < *first ? t : *first;
		*last = i == 0 || t > *last ? t : *last;
	}
}

static void note_in_index(struct trb_writer *w, uint64_t at, char type, uint32_t count, int64_t first,
                          int64_t last)
{
	unsigned char e[TRB_ENTRY] = {0};
	tr_put_le64(e, at);
	tr_put_le64(e + 8, (uint64_t)first);
	tr_put_le64(e + 16, (uint64_t)last);
	tr_put_le32(e + 24, count);
	e[28] = (unsigned char)type;
	w->index_full |= tr_buf_add(&w->index, e, sizeof e) < 0;
}

static int block(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err)
{
	static const char types[TR_KINDS] = {[TR_REQUEST] = 'R', [TR_SERIES] = 'S', [TR_EVENT] = 'E'};
	struct trb_writer *w = self;
	int64_t first, last;
	time_range(b, &first, &last);
	w->body.n = 0;
	int rc = trb_put_block(&w->enc, &w->body, b);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "cannot encode a block");
	if (tr_out_seekable(out) && !w->index_full)
		note_in_index(w, tr_out_offset(out), types[b->kind], b->rows, first, last);
	return write_frame(out, types[b->kind], b->rows, first, last, &w->body, err);
}

static int end(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err)
{
	struct trb_writer *w = self;
	unsigned char footer[TRB_FOOTER];
	w->body.n = 0;
	int rc = tr_tail_print(tail, &w->body);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "trailer is too long");
	rc = write_frame(out, 'T', 0, 0, 0, &w->body, err);
	if (rc < 0 || !tr_out_seekable(out) || w->index_full)
		return rc;
	tr_put_le64(footer, tr_out_offset(out));
	memcpy(footer + 8, "TRBINDEX", 8);
	rc = write_frame(out, 'X', (uint32_t)(w->index.n / TRB_ENTRY), 0, 0, &w->index, err);
	return rc < 0 ? rc : tr_out_write(out, footer, sizeof footer, err);
}

static void free_writer(void *self)
{
	struct trb_writer *w = self;
	trb_enc_free(&w->enc);
	tr_buf_free(&w->body);
	tr_buf_free(&w->index);
	free(w);
}

int tr_trb_writer(struct tr_writer **out, struct tr_out *o, const struct tr_head *head, struct tr_err *err)
{
	static const struct tr_writer_ops ops = {begin, block, end, free_writer};
	struct trb_writer *w = calloc(1, sizeof *w);
	if (!w || trb_enc_init(&w->enc) < 0) {
		free(w);
		tr_out_abort(o);
		return tr_fail(err, TR_ENOMEM, "no memory for a writer");
	}
	tr_buf_init(&w->body, 2 * (size_t)TR_BLOCK_MAX);
	tr_buf_init(&w->index, INDEX_MAX);
	return tr_writer_make(out, &ops, w, o, head, err);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes delimited text: a header of field names, quotes as in RFC 4180, an empty cell for an absent value.
 * Our own csv reader gets the same records back from it.
 */
#include "formats/csvio.h"
#include "libtrace/stream_impl.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct tr_schema *const schema = &tr_schemas[TR_REQUEST];

struct writer {
	const struct tr_field *col[TR_REC_NFIELDS];
	unsigned ncols;
	uint64_t mask; /* fields that have a column */
	int chosen;    /* by the caller: other fields are left out */
	int header_done;
	struct tr_buf buf;
	uint64_t lost_rows, other[TR_KINDS];
	void (*warn)(void *ctx, const struct tr_err *err);
	void *warn_ctx;
};

enum { WRITE_AT = 1 << 18 };

static void add_column(struct writer *w, const struct tr_field *f)
{
	w->col[w->ncols++] = f;
	w->mask |= UINT64_C(1) << f->bit;
}

static int choose_columns(struct writer *w, const char *p, struct tr_err *err)
{
	for (;; p++) {
		struct tr_slice name = {p, strcspn(p, ",")};
		const struct tr_field *f = tr_field_find(schema, name), *near;

		if (!f || w->mask >> f->bit & 1) {
			near = f ? NULL : tr_field_nearest(schema, name);
			tr_fail(err, TR_EUSAGE, near ? "%s (did you mean %s?)" : "%s",
			        f ? "a column stands twice" : "no such field", near ? near->name : "");
			tr_err_field(err, "--columns", 9);
			tr_err_value(err, name.p, name.n);
			return -TR_EUSAGE;
		}
		add_column(w, f);
		p += name.n;
		if (!*p)
			break;
	}
	w->chosen = 1;
	return 0;
}

static int put_header(struct writer *w, const struct tr_block *b)
{
	static const unsigned usual[] = {TR_F_id, TR_F_arrival_ns, TR_F_in_tokens, TR_F_out_tokens};
	int rc = 0;

	w->header_done = 1;
	for (unsigned f = 0; b && !w->chosen && f < TR_REC_NFIELDS; f++)
		if (b->col_of[f] >= 0 && b->cols[b->col_of[f]].count)
			add_column(w, &schema->fields[f]);
	for (size_t i = 0; w->ncols < sizeof(usual) / sizeof(usual[0]) && !b && !w->chosen; i++)
		add_column(w, &schema->fields[usual[i]]);
	for (unsigned i = 0; i < w->ncols && rc == 0; i++) {
		rc = i ? tr_buf_char(&w->buf, ',') : 0;
		if (rc == 0)
			rc = tr_buf_str(&w->buf, w->col[i]->name);
	}
	return rc < 0 ? rc : tr_buf_char(&w->buf, '\n');
}

static int put_list(struct writer *w, struct tr_list l)
{
	int rc = l.n ? 0 : tr_buf_str(&w->buf, "\"\"");

	for (size_t i = 0; i < l.n && rc == 0; i++) {
		rc = i ? tr_buf_char(&w->buf, ' ') : 0;
		if (rc == 0)
			rc = tr_buf_u64(&w->buf, l.v[i]);
	}
	return rc;
}

static int put_value(struct writer *w, const struct tr_field *f, const struct tr_rec *rec)
{
	uint64_t v;

	switch (f->type) {
	case TR_TYPE_STR:
		return csvio_put_cell(&w->buf, tr_field_str(f, rec), ',');
	case TR_TYPE_LIST:
		return put_list(w, tr_field_list(f, rec));
	default:
		v = tr_field_bits(f, rec);
		return f->type == TR_TYPE_I64 ? tr_buf_i64(&w->buf, (int64_t)v) : tr_buf_u64(&w->buf, v);
	}
}

static int put_row(struct writer *w, const struct tr_rec *rec)
{
	int rc = 0;

	for (unsigned i = 0; i < w->ncols && rc == 0; i++) {
		const struct tr_field *f = w->col[i];

		rc = i ? tr_buf_char(&w->buf, ',') : 0;
		if (rc == 0 && rec->mask >> f->bit & 1)
			rc = put_value(w, f, rec);
		else if (rc == 0 && w->ncols == 1)
			rc = tr_buf_str(&w->buf, "\"\""); /* an empty line is no row */
	}
	return rc < 0 ? rc : tr_buf_char(&w->buf, '\n');
}

/* A later block has a field that got no column: an error, except for the source's own bytes, which are of
 * use to the source's format alone. */
static int check_columns(struct writer *w, const struct tr_block *b, struct tr_err *err)
{
	for (uint32_t i = 0; i < b->ncols && !w->chosen; i++) {
		const struct tr_field *f = b->cols[i].field;

		if (b->cols[i].count == 0 || w->mask >> f->bit & 1)
			continue;
		if (f->bit == TR_F_source_row) {
			w->lost_rows += b->cols[i].count;
			continue;
		}
		tr_fail(err, TR_EDATA,
		        "first comes after the header was written; name the columns with --columns");
		tr_err_field(err, f->name, strlen(f->name));
		return -TR_EDATA;
	}
	return 0;
}

static int csv_write_begin(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err)
{
	(void)self;
	(void)out;
	(void)head;
	(void)err;
	return 0;
}

static int write_out(struct writer *w, struct tr_out *out, int rc, struct tr_err *err)
{
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "no memory for a row");
	rc = tr_out_write(out, w->buf.p, w->buf.n, err);
	w->buf.n = 0;
	return rc;
}

static int csv_write_block(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err)
{
	struct writer *w = self;
	struct tr_cursor cursor;
	struct tr_rec rec = {0};
	int rc = 0;

	if (b->kind != TR_REQUEST) {
		w->other[b->kind] += b->rows;
		return 0;
	}
	if (!w->header_done)
		rc = put_header(w, b);
	else if (check_columns(w, b, err) < 0)
		return -TR_EDATA;
	tr_cursor_init(&cursor, b);
	while (rc == 0 && tr_cursor_next(&cursor, &rec)) {
		rc = put_row(w, &rec);
		if (w->buf.n >= WRITE_AT && rc == 0 && (rc = write_out(w, out, rc, err)) < 0)
			return rc;
	}
	return write_out(w, out, rc, err);
}

static void tell_lost(const struct writer *w, uint64_t n, const char *what)
{
	struct tr_err e;

	if (n == 0 || !w->warn)
		return;
	tr_fail(&e, TR_EDATA, "not written: %s (%" PRIu64 " records)", what, n);
	w->warn(w->warn_ctx, &e);
}

static int csv_write_end(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err)
{
	struct writer *w = self;
	int rc = w->header_done ? 0 : put_header(w, NULL);

	(void)tail;
	rc = write_out(w, out, rc, err);
	if (rc < 0)
		return rc;
	tell_lost(w, w->lost_rows, "source_row");
	tell_lost(w, w->other[TR_SERIES], "series");
	tell_lost(w, w->other[TR_EVENT], "events");
	return 0;
}

static void csv_write_free(void *self)
{
	struct writer *w = self;

	tr_buf_free(&w->buf);
	free(w);
}

int tr_csv_create(struct tr_writer **out, struct tr_out *to, const struct tr_head *head,
                  const struct tr_write_opts *o, struct tr_err *err)
{
	static const struct tr_writer_ops ops = {csv_write_begin, csv_write_block, csv_write_end,
	                                         csv_write_free};
	struct writer *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (!w)
		rc = tr_fail(err, TR_ENOMEM, "no memory for a writer");
	if (rc == 0) {
		/* A byte may become a character of an escape and a quote; lists take up to 21 bytes for 8. */
		tr_buf_init(&w->buf, 4 * (size_t)TR_RECORD_MAX);
		if (o) {
			w->warn = o->warn;
			w->warn_ctx = o->warn_ctx;
		}
		if (o && o->columns)
			rc = choose_columns(w, o->columns, err);
	}
	if (rc == 0)
		return tr_writer_make(out, &ops, w, to, head, err);
	if (w)
		csv_write_free(w);
	tr_out_abort(to);
	return rc;
}

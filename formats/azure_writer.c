/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes Azure traces: by the style of the source they came from, byte for byte, or else in the published
 * form of 2023. What the format has no place for is counted and told.
 */
#include "formats/azure.h"
#include "libtrace/stream_impl.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS (86400 * AZURE_SECOND_NS)

struct member { /* of the object in `extra`; raw JSON */
	struct tr_slice key, value;
	int key_escaped, is_text, used;
};

struct writer {
	struct azure_style st;
	int spelled; /* by the style of the source, else in the form of 2023 */
	int header_done, eol_due;
	int64_t origin;
	int day_known;
	int64_t day;       /* epoch of the local midnight before the last stamp */
	char date[11];     /* "2023-11-16 " */
	struct tr_buf buf; /* rows on their way out */
	struct tr_buf cell;
	struct member members[CSVIO_COLS_MAX];
	unsigned nmembers, next_member;
	uint64_t can; /* mask of the fields that have a place */
	uint64_t lost[TR_REC_NFIELDS], cut, other[TR_KINDS];
	void (*warn)(void *ctx, const struct tr_err *err);
	void *warn_ctx;
};

enum { WRITE_AT = 1 << 18, CELL_MAX = 128 /* separator and any cell that is not an extra one */ };

static char *put_two(char *p, unsigned v)
{
	static const char pairs[] =
	    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
	    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
	    "8081828384858687888990919293949596979899";

	memcpy(p, pairs + (size_t)v * 2, 2);
	return p + 2;
}

static char *put_u64(char *p, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(p, digits + i, sizeof(digits) - i);
	return p + sizeof(digits) - i;
}

/* Find the local day of a stamp and print its date: once a day, not once a row. */
static uint64_t new_day(struct writer *w, int64_t epoch)
{
	struct tr_when_form form = {.sep = w->st.form.sep, .zone_s = w->st.form.zone_s};
	char text[48];
	int64_t of_day = (epoch % DAY_NS + form.zone_s * AZURE_SECOND_NS) % DAY_NS;

	of_day += of_day < 0 ? DAY_NS : 0;
	tr_when_print(epoch, &form, text, sizeof(text));
	memcpy(w->date, text, sizeof(w->date));
	w->day_known = !__builtin_sub_overflow(epoch, of_day, &w->day);
	return (uint64_t)of_day;
}

static char *put_stamp(struct writer *w, char *p, int64_t epoch)
{
	const struct tr_when_form *form = &w->st.form;
	size_t zone = strlen(form->zone);
	uint64_t ns;
	unsigned s, digits = (unsigned)form->digits;

	if (w->day_known && epoch >= w->day && (uint64_t)epoch - (uint64_t)w->day < (uint64_t)DAY_NS)
		ns = (uint64_t)epoch - (uint64_t)w->day;
	else
		ns = new_day(w, epoch);
	memcpy(p, w->date, sizeof(w->date));
	s = (unsigned)(ns / (uint64_t)AZURE_SECOND_NS);
	ns %= (uint64_t)AZURE_SECOND_NS;
	p = put_two(p + sizeof(w->date), s / 3600);
	*p++ = ':';
	p = put_two(p, s / 60 % 60);
	*p++ = ':';
	p = put_two(p, s % 60);
	w->cut += ns % azure_digit_ns[digits] != 0;
	if (digits && !(w->st.omit_zero && ns == 0)) {
		uint32_t fraction = (uint32_t)ns / azure_digit_ns[digits];

		*p = '.';
		for (unsigned i = digits; i > 0; i--, fraction /= 10)
			p[i] = (char)('0' + fraction % 10);
		p += digits + 1;
	}
	memcpy(p, form->zone, zone);
	return p + zone;
}

static int write_out(struct writer *w, struct tr_out *out, struct tr_err *err)
{
	int rc = tr_out_write(out, w->buf.p, w->buf.n, err);

	w->buf.n = 0;
	return rc;
}

static int no_memory(int rc, struct tr_err *err)
{
	return tr_fail(err, (enum tr_code) - rc, "no memory for a row");
}

/* The published form of 2023. */
static int default_style(struct writer *w, int images)
{
	struct azure_style *st = &w->st;
	int rc = tr_buf_str(&st->header, images ? "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\r\n"
	                                        : "TIMESTAMP,ContextTokens,GeneratedTokens\r\n");

	st->form = (struct tr_when_form){.sep = ' ', .digits = 9};
	if (rc == 0)
		rc = tr_buf_char(&st->sep, ',');
	if (rc == 0)
		rc = tr_buf_str(&st->eol, "\r\n");
	if (rc == 0)
		rc = azure_style_add(st, tr_slice_of(azure_columns[AZURE_STAMP]));
	if (rc == 0 && images)
		rc = azure_style_add(st, tr_slice_of(azure_columns[AZURE_IMAGES]));
	if (rc == 0)
		rc = azure_style_add(st, tr_slice_of(azure_columns[AZURE_IN_TOKENS]));
	return rc < 0 ? rc : azure_style_add(st, tr_slice_of(azure_columns[AZURE_OUT_TOKENS]));
}

/* b: the first block, NULL when there is none. */
static int put_header(struct writer *w, const struct tr_block *b, struct tr_err *err)
{
	int rc = w->spelled ? 0 : default_style(w, b && b->col_of[TR_F_images] >= 0);

	w->can =
	    TR_BIT(id) | TR_BIT(arrival_ns) | TR_BIT(in_tokens) | TR_BIT(out_tokens) | TR_BIT(source_row);
	if (azure_style_has(&w->st, AZURE_IMAGES))
		w->can |= TR_BIT(images);
	if (azure_style_has(&w->st, AZURE_EXTRA))
		w->can |= TR_BIT(extra);
	w->header_done = 1;
	if (rc == 0 && w->st.bom)
		rc = tr_buf_str(&w->buf, "\xef\xbb\xbf");
	if (rc == 0)
		rc = tr_buf_add(&w->buf, w->st.header.p, w->st.header.n);
	return rc < 0 ? no_memory(rc, err) : 0;
}

/* --- extra columns --- */

/* Take the object of a row apart, once for all its columns. */
static int read_extra(struct writer *w, const struct tr_rec *rec)
{
	struct tr_json j;
	enum tr_json_token t;

	w->nmembers = w->next_member = 0;
	if (!TR_HAS(rec, extra))
		return 0;
	tr_json_init(&j, rec->extra.p, rec->extra.n);
	if (tr_json_next(&j) != TR_JSON_OBJECT)
		return -TR_EDATA;
	while ((t = tr_json_next(&j)) == TR_JSON_KEY && w->nmembers < CSVIO_COLS_MAX) {
		struct member *m = &w->members[w->nmembers++];

		*m = (struct member){.key = j.s, .key_escaped = j.escaped};
		t = tr_json_next(&j);
		m->is_text = t == TR_JSON_STRING;
		if (tr_json_skip(&j, t, &m->value) < 0)
			return -TR_EDATA;
		if (m->is_text)
			m->value = (struct tr_slice){m->value.p + 1, m->value.n - 2};
	}
	return t == TR_JSON_CLOSE ? 0 : -TR_EDATA;
}

static int is_member(struct writer *w, const struct member *m, struct tr_slice name)
{
	struct tr_slice key = m->key;

	if (m->key_escaped) {
		w->cell.n = 0;
		if (tr_json_unescape(key, TR_JSON_BYTES, &w->cell) < 0)
			return 0;
		key = csvio_buf(&w->cell);
	}
	return !m->used && key.n == name.n && (name.n == 0 || memcmp(key.p, name.p, name.n) == 0);
}

/* The members stand in the order of the columns, unless a tool made them anew. */
static int put_extra(struct writer *w, unsigned col)
{
	struct tr_slice name = azure_style_name(&w->st, col);
	struct member *m = NULL;
	int rc = 0;

	for (unsigned i = 0; i < w->nmembers && !m; i++) {
		unsigned k = (w->next_member + i) % w->nmembers;

		if (is_member(w, &w->members[k], name)) {
			m = &w->members[k];
			m->used = 1;
			w->next_member = k + 1;
		}
	}
	w->cell.n = 0;
	if (m && m->is_text)
		rc = tr_json_unescape(m->value, TR_JSON_BYTES, &w->cell);
	else if (m)
		rc = tr_buf_add(&w->cell, m->value.p, m->value.n);
	return rc < 0 || w->cell.n == 0 ? rc : csvio_put_cell(&w->buf, csvio_buf(&w->cell), ',');
}

/* --- rows --- */

static int bad_record(const struct tr_rec *rec, unsigned bit, const char *why, struct tr_err *err)
{
	const char *name = tr_schemas[TR_REQUEST].fields[bit].name;

	tr_fail(err, TR_EDATA, "%s in record %" PRIu64, why, rec->id);
	tr_err_field(err, name, strlen(name));
	return -TR_EDATA;
}

static void count_lost(struct writer *w, const struct tr_rec *rec)
{
	uint64_t lost = rec->mask & ~w->can;

	for (unsigned i = 0; i < w->nmembers; i++)
		if (!w->members[i].used)
			lost |= TR_BIT(extra);
	for (; lost; lost &= lost - 1)
		w->lost[__builtin_ctzll(lost)]++;
}

static int put_cells(struct writer *w, const struct tr_rec *rec, int64_t epoch)
{
	int rc = 0;

	for (unsigned i = 0; i < w->st.ncols && rc == 0; i++) {
		char *p;

		rc = tr_buf_reserve(&w->buf, CELL_MAX);
		if (rc < 0)
			break;
		p = w->buf.p + w->buf.n;
		if (i > 0) {
			memcpy(p, w->st.sep.p, w->st.sep.n);
			p += w->st.sep.n;
		}
		switch ((enum azure_role)w->st.role[i]) {
		case AZURE_STAMP:
			p = put_stamp(w, p, epoch);
			break;
		case AZURE_IN_TOKENS:
			p = put_u64(p, rec->in_tokens);
			break;
		case AZURE_OUT_TOKENS:
			p = put_u64(p, rec->out_tokens);
			break;
		case AZURE_IMAGES:
			p = TR_HAS(rec, images) ? put_u64(p, rec->images) : p;
			break;
		default:
			w->buf.n = (size_t)(p - w->buf.p);
			rc = put_extra(w, i);
			continue;
		}
		w->buf.n = (size_t)(p - w->buf.p);
	}
	return rc;
}

static int put_row(struct writer *w, const struct tr_rec *rec, struct tr_err *err)
{
	static const unsigned needed[] = {TR_F_arrival_ns, TR_F_in_tokens, TR_F_out_tokens};
	int64_t epoch;
	int rc = w->eol_due ? tr_buf_add(&w->buf, w->st.eol.p, w->st.eol.n) : 0;

	if (w->spelled && TR_HAS(rec, source_row) && rec->source_row.n) {
		char last = rec->source_row.p[rec->source_row.n - 1];

		w->eol_due = last != '\n' && last != '\r';
		w->nmembers = 0;
		rc = rc < 0 ? rc : tr_buf_add(&w->buf, rec->source_row.p, rec->source_row.n);
		return rc < 0 ? no_memory(rc, err) : 0;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(rec->mask >> needed[i] & 1))
			return bad_record(rec, needed[i], "no value, which azure cannot do without,", err);
	if (__builtin_add_overflow(w->origin, rec->arrival_ns, &epoch))
		return bad_record(rec, TR_F_arrival_ns, "outside the years 1677 to 2262", err);
	if (w->can & TR_BIT(extra) && read_extra(w, rec) < 0)
		return bad_record(rec, TR_F_extra, "not an object of at most 256 columns", err);
	if (rc == 0)
		rc = put_cells(w, rec, epoch);
	w->eol_due = 1;
	return rc < 0 ? no_memory(rc, err) : 0;
}

static int azure_write_begin(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err)
{
	struct writer *w = self;

	(void)out;
	w->origin = head->has_origin ? head->origin_ns : 0;
	w->spelled = head->style && head->format && strcmp(head->format, "azure") == 0;
	return w->spelled ? azure_style_parse(&w->st, head->style, err) : 0;
}

static int azure_write_block(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err)
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
		rc = put_header(w, b, err);
	tr_cursor_init(&cursor, b);
	while (rc == 0 && tr_cursor_next(&cursor, &rec)) {
		rc = put_row(w, &rec, err);
		count_lost(w, &rec);
		if (rc == 0 && w->buf.n >= WRITE_AT)
			rc = write_out(w, out, err);
	}
	return rc < 0 ? rc : write_out(w, out, err);
}

/* What the reader's set_end_style has said. */
static int put_end(struct writer *w, const char *json, struct tr_err *err)
{
	int final_newline = 1, rc = 0;
	struct tr_json j;
	enum tr_json_token t = TR_JSON_CLOSE;

	w->cell.n = 0;
	if (json && w->spelled) {
		tr_json_init(&j, json, strlen(json));
		t = tr_json_next(&j);
		while (rc == 0 && t != TR_JSON_ERROR && (t = tr_json_next(&j)) == TR_JSON_KEY) {
			struct tr_slice key = j.s;

			t = tr_json_next(&j);
			if (tr_slice_eq(key, "final_newline"))
				final_newline = t != TR_JSON_FALSE;
			else if (tr_slice_eq(key, "tail"))
				rc = azure_style_text(&j, t, &w->cell);
			else
				rc = tr_json_skip(&j, t, NULL);
		}
	}
	if (rc < 0 || t != TR_JSON_CLOSE)
		return tr_fail(err, TR_EDATA, "the trailer holds no style that azure understands");
	if (w->eol_due && final_newline)
		rc = tr_buf_add(&w->buf, w->st.eol.p, w->st.eol.n);
	if (rc == 0)
		rc = tr_buf_add(&w->buf, w->cell.p, w->cell.n);
	return rc < 0 ? no_memory(rc, err) : 0;
}

static void tell(const struct writer *w, const char *what, const char *of)
{
	struct tr_err e;

	tr_fail(&e, TR_EDATA, "%s%s", what, of);
	if (w->warn)
		w->warn(w->warn_ctx, &e);
}

static void tell_lost(struct writer *w)
{
	const char *comma = "";

	w->cell.n = 0;
	for (unsigned i = 0; i < TR_REC_NFIELDS; i++)
		if (w->lost[i]) {
			tr_buf_printf(&w->cell, "%s%s (%" PRIu64 " records)", comma,
			              tr_schemas[TR_REQUEST].fields[i].name, w->lost[i]);
			comma = ", ";
		}
	if (w->cut) {
		tr_buf_printf(&w->cell, "%sdigits of arrival_ns (%" PRIu64 " records)", comma, w->cut);
		comma = ", ";
	}
	for (unsigned k = TR_SERIES; k < TR_KINDS; k++)
		if (w->other[k]) {
			tr_buf_printf(&w->cell, "%s%" PRIu64 " %s records", comma, w->other[k],
			              tr_schemas[k].name);
			comma = ", ";
		}
	if (w->cell.n && tr_buf_char(&w->cell, '\0') == 0)
		tell(w, "not written: ", w->cell.p);
}

static int azure_write_end(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err)
{
	struct writer *w = self;
	const struct tr_source *s = &tail->sources[0];
	int rc = w->header_done ? 0 : put_header(w, NULL, err);

	if (rc == 0)
		rc = put_end(w, tail->style, err);
	if (rc == 0)
		rc = write_out(w, out, err);
	if (rc < 0)
		return rc;
	tell_lost(w);
	if (w->spelled && tail->nsources == 1 && s->sha256[0] && tail->skipped == 0 && tail->state &&
	    strcmp(tail->state, "complete") == 0 && strcmp(tr_out_sha256(out), s->sha256) != 0)
		tell(w, "output differs from the source bytes of ", s->name);
	return 0;
}

static void azure_write_free(void *self)
{
	struct writer *w = self;

	azure_style_free(&w->st);
	tr_buf_free(&w->buf);
	tr_buf_free(&w->cell);
	free(w);
}

int tr_azure_create(struct tr_writer **out, struct tr_out *to, const struct tr_head *head,
                    const struct tr_write_opts *o, struct tr_err *err)
{
	static const struct tr_writer_ops ops = {azure_write_begin, azure_write_block, azure_write_end,
	                                         azure_write_free};
	struct writer *w = calloc(1, sizeof(*w));

	if (!w) {
		tr_out_abort(to);
		return tr_fail(err, TR_ENOMEM, "no memory for a writer");
	}
	azure_style_init(&w->st);
	tr_buf_init(&w->buf, 4 * (size_t)TR_RECORD_MAX);
	tr_buf_init(&w->cell, TR_RECORD_MAX);
	if (o) {
		w->warn = o->warn;
		w->warn_ctx = o->warn_ctx;
	}
	return tr_writer_make(out, &ops, w, to, head, err);
}

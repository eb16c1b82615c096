/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the traces that Microsoft Azure publishes (2023, 2024, multimodal 2025) and the spelling of them
 * that inference-perf documents. They differ in separator, line end, digits, zone and columns. How a file is
 * spelled goes into the head as its style; a row that the style does not reproduce keeps its bytes. So the
 * way back is exact.
 */
#include "formats/azure.h"
#include "libtrace/num.h"
#include "libtrace/stream_impl.h"
#include <stdlib.h>
#include <string.h>

/* --- finding the style ------------------------------------------------------------------- */

/* A first pass over what can be looked at: the spelling of the rows, and nothing but that. */
struct survey {
	struct csvio io;
	struct azure_style *st;
	struct tr_when_form form;
	int64_t epoch;
	int any, zero_shown;
};

static int find_columns(struct azure_style *st, const struct csvio *io, struct tr_err *err)
{
	for (unsigned i = 0; i < io->ncols; i++) {
		struct tr_slice name = csvio_name(io, i);

		if (azure_style_add(st, name) < 0) {
			tr_fail(err, TR_EDATA, "the column stands twice");
			tr_err_field(err, name.p, name.n);
			tr_err_line(err, io->row_line);
			return -TR_EDATA;
		}
	}
	for (unsigned r = 0; r < AZURE_REQUIRED; r++) {
		struct tr_slice header = io->raw;

		if (azure_style_has(st, (enum azure_role)r))
			continue;
		while (header.n && (header.p[header.n - 1] == '\n' || header.p[header.n - 1] == '\r'))
			header.n--;
		tr_fail(err, TR_EDATA, "the header has no such column");
		tr_err_field(err, azure_columns[r], strlen(azure_columns[r]));
		tr_err_value(err, header.p, header.n);
		tr_err_line(err, io->row_line);
		return -TR_EDATA;
	}
	return 0;
}

static const char *survey_cell(void *self, unsigned col, struct tr_slice s)
{
	struct survey *v = self;

	return v->st->role[col] == AZURE_STAMP ? tr_when_parse(s, &v->epoch, &v->form) : NULL;
}

/* The line end and the blanks round the first delimiter. A row that only looks so keeps its own bytes
 * anyway. */
static int survey_first(struct azure_style *st, struct tr_slice raw)
{
	size_t eol = raw.n, from, to;
	const char *comma = memchr(raw.p, ',', raw.n);

	while (eol && (raw.p[eol - 1] == '\n' || raw.p[eol - 1] == '\r') && raw.n - eol < 2)
		eol--;
	st->eol.n = st->sep.n = 0;
	if (eol < raw.n && tr_buf_add(&st->eol, raw.p + eol, raw.n - eol) < 0)
		return -1;
	if (eol == raw.n &&
	    tr_buf_str(&st->eol, st->header.n > 1 && st->header.p[st->header.n - 2] == '\r' ? "\r\n" : "\n") <
	        0)
		return -1;
	if (!comma)
		return tr_buf_char(&st->sep, ',');
	for (from = (size_t)(comma - raw.p); from && (raw.p[from - 1] == ' ' || raw.p[from - 1] == '\t');)
		from--;
	for (to = (size_t)(comma - raw.p) + 1; to < raw.n && (raw.p[to] == ' ' || raw.p[to] == '\t');)
		to++;
	return to - from > st->sep.max ? tr_buf_char(&st->sep, ',')
	                               : tr_buf_add(&st->sep, raw.p + from, to - from);
}

static const char *survey_row(void *self, unsigned *col)
{
	struct survey *v = self;
	struct azure_style *st = v->st;
	int zero = v->epoch % AZURE_SECOND_NS == 0;

	(void)col;
	if (!v->any) {
		if (survey_first(st, v->io.raw) < 0)
			return "out of memory";
		st->form = v->form;
	}
	v->any = 1;
	if (v->form.digits > st->form.digits)
		st->form.digits = v->form.digits;
	if (zero && !v->zero_shown) {
		v->zero_shown = 1;
		st->omit_zero = v->form.digits == 0;
	}
	return NULL;
}

static const struct csvio_ops survey_ops = {survey_cell, survey_row};

/* Header and rows of s; st is filled. Nothing wrong in the rows matters here. */
static int survey(struct azure_style *st, struct tr_slice s, int whole, struct tr_err *err)
{
	struct survey v = {.st = st};
	int rc = csvio_open_mem(&v.io, s, whole, ',', &survey_ops, &v, err);

	st->form.sep = ' ';
	if (rc == 0)
		rc = csvio_header(&v.io, err);
	if (rc == 0)
		rc = find_columns(st, &v.io, err);
	if (rc == 0) {
		st->bom = v.io.bom;
		if (tr_buf_add(&st->header, v.io.raw.p, v.io.raw.n) < 0 || survey_first(st, v.io.raw) < 0)
			rc = tr_fail(err, TR_ENOMEM, "no memory for the header");
	}
	while (rc == 0 && csvio_next(&v.io, NULL) == 1)
		;
	if (rc == 0 && !v.zero_shown)
		st->omit_zero = st->form.digits == 6 && strcmp(st->form.zone, "+00:00") == 0;
	if (rc == 0 && st->form.digits == 0)
		st->omit_zero = 0;
	csvio_free(&v.io);
	return rc;
}

int tr_azure_claims(struct tr_slice first_bytes)
{
	struct csvio io;
	int rc = csvio_open_mem(&io, first_bytes, 1, ',', &survey_ops, NULL, NULL), all = 1;

	if (rc == 0)
		rc = csvio_header(&io, NULL);
	for (unsigned r = 0; rc == 0 && r < AZURE_REQUIRED; r++)
		all &= csvio_find(&io, tr_slice_of(azure_columns[r])) >= 0;
	csvio_free(&io);
	return rc == 0 && all;
}

/* --- reading ----------------------------------------------------------------------------- */

enum { HOUR_LEN = 14, TAIL_MAX = 65536 };

/* A digit's value; above 9 when it is none. */
static unsigned value(char c)
{
	return (unsigned char)c - (unsigned)'0';
}

struct reader {
	struct csvio io;
	struct azure_style st;
	int64_t epoch, origin;
	int has_origin;
	int plain; /* the cells so far are spelled as the writer would spell them */
	unsigned stamp_col;
	size_t zone_n; /* length of the style's zone */
	int hour_known;
	char hour[HOUR_LEN]; /* "2023-11-16 18:" of a stamp in the style's form */
	int64_t hour_ns;     /* its epoch */
	uint64_t id;
	struct tr_buf extra; /* of the row at hand */
};

/* Minutes, seconds and fraction of a stamp in the style's form, as ns; -1 when it is in another, and for a
 * zero that the style would leave out. */
static int64_t within_hour(const struct reader *r, struct tr_slice s)
{
	const struct tr_when_form *form = &r->st.form;
	const char *p = s.p + HOUR_LEN;
	size_t digits = (size_t)form->digits, point = digits > 0;
	unsigned bad, minute, second;
	uint32_t fraction = 0;

	if (s.n != HOUR_LEN + 5 + point + digits + r->zone_n || p[2] != ':' || (point && p[5] != '.') ||
	    (r->zone_n && memcmp(p + 5 + point + digits, form->zone, r->zone_n) != 0))
		return -1;
	bad = (unsigned)(value(p[0]) > 5) | (unsigned)(value(p[1]) > 9) | (unsigned)(value(p[3]) > 5) |
	      (unsigned)(value(p[4]) > 9);
	minute = value(p[0]) * 10 + value(p[1]);
	second = value(p[3]) * 10 + value(p[4]);
	for (size_t i = 0; i < digits; i++) {
		unsigned d = value(p[6 + i]);

		bad |= (unsigned)(d > 9);
		fraction = fraction * 10 + d;
	}
	if (bad || (r->st.omit_zero && fraction == 0))
		return -1;
	return (minute * 60 + second) * AZURE_SECOND_NS + (int64_t)fraction * azure_digit_ns[digits];
}

static const char *take_stamp(struct reader *r, struct tr_slice s)
{
	struct tr_when_form form;
	const struct tr_when_form *style = &r->st.form;
	int digits = style->digits;
	const char *why;
	int64_t ns = -1;

	/* Most rows are of the same hour as the row before. */
	if (r->hour_known && s.n > HOUR_LEN && memcmp(s.p, r->hour, HOUR_LEN) == 0) {
		ns = within_hour(r, s);
		if (ns >= 0 && !__builtin_add_overflow(r->hour_ns, ns, &r->epoch))
			return NULL;
	}
	why = tr_when_parse(s, &r->epoch, &form);
	if (why)
		return why;
	ns = within_hour(r, s);
	r->hour_known =
	    ns >= 0 && form.sep == style->sep && !__builtin_sub_overflow(r->epoch, ns, &r->hour_ns);
	memcpy(r->hour, s.p, HOUR_LEN);
	if (r->st.omit_zero && r->epoch % AZURE_SECOND_NS == 0)
		digits = 0;
	r->plain &= form.digits == digits && form.sep == style->sep &&
	            memcmp(form.zone, style->zone, sizeof(form.zone)) == 0;
	return NULL;
}

static const char *take_count(struct reader *r, struct tr_slice s, uint64_t *v)
{
	if (s.n > 1 && (*s.p == '0' || *s.p == '+')) {
		size_t plus = *s.p == '+';

		r->plain = 0;
		s = (struct tr_slice){s.p + plus, s.n - plus};
	}
	return tr_num_u64(s, v);
}

static const char *take_extra(struct reader *r, unsigned col, struct tr_slice s)
{
	if (!TR_HAS(&r->io.rec, extra))
		r->extra.n = 0;
	r->io.rec.mask |= TR_BIT(extra);
	return csvio_add_extra(&r->extra, csvio_name(&r->io, col), s) < 0 ? "too long" : NULL;
}

static const char *azure_cell(void *self, unsigned col, struct tr_slice s)
{
	struct reader *r = self;
	struct tr_rec *rec = &r->io.rec;

	if (col == 0)
		r->plain = 1;
	switch ((enum azure_role)r->st.role[col]) {
	case AZURE_STAMP:
		return take_stamp(r, s);
	case AZURE_IN_TOKENS:
		rec->mask |= TR_BIT(in_tokens);
		return take_count(r, s, &rec->in_tokens);
	case AZURE_OUT_TOKENS:
		rec->mask |= TR_BIT(out_tokens);
		return take_count(r, s, &rec->out_tokens);
	case AZURE_IMAGES:
		if (s.n == 0)
			return NULL;
		rec->mask |= TR_BIT(images);
		return take_count(r, s, &rec->images);
	default:
		return take_extra(r, col, s);
	}
}

static const char *azure_row(void *self, unsigned *col)
{
	struct reader *r = self;
	struct tr_rec *rec = &r->io.rec;

	if (!r->has_origin) {
		r->has_origin = 1;
		r->origin = r->epoch;
	}
	*col = r->stamp_col;
	if (__builtin_sub_overflow(r->epoch, r->origin, &rec->arrival_ns))
		return "more than 292 years from the first row";
	if (TR_HAS(rec, extra)) {
		if (tr_buf_char(&r->extra, '}') < 0)
			return "extra columns are too long";
		rec->extra = csvio_buf(&r->extra);
	}
	rec->mask |= TR_BIT(id) | TR_BIT(arrival_ns);
	rec->id = r->id++;
	if (!r->plain || !r->io.regular)
		TR_SET(rec, source_row, r->io.raw);
	return NULL;
}

static const struct csvio_ops azure_cells = {azure_cell, azure_row};

/* {"final_newline":false,"tail":"\n\n"}: what stands at the end, when it is not the usual. */
static int set_end_style(struct csvio *io, struct tr_err *err)
{
	struct tr_slice rest = csvio_rest(io);
	struct tr_buf b;
	int rc;

	if (io->final_newline && rest.n == 0)
		return 0;
	if (rest.n > TAIL_MAX)
		rest.n = 0; /* the writer will say that the bytes differ */
	tr_buf_init(&b, TR_META_MAX);
	rc = tr_buf_printf(&b, "{\"final_newline\":%s,\"tail\":", io->final_newline ? "true" : "false");
	if (rc == 0)
		rc = tr_json_quote(&b, rest);
	if (rc == 0)
		rc = tr_buf_add(&b, "}", 2); /* with the NUL */
	rc = rc < 0 ? tr_fail(err, (enum tr_code) - rc, "no memory for the trailer")
	            : tr_meta_set(&io->tail.style, b.p, err);
	tr_buf_free(&b);
	return rc;
}

static int azure_block(void *self, struct tr_block **b, struct tr_err *err)
{
	struct reader *r = self;
	int rc = csvio_block(&r->io, b, err);

	return rc == 0 ? set_end_style(&r->io, err) : rc;
}

static void azure_free(void *self)
{
	struct reader *r = self;

	csvio_free(&r->io);
	azure_style_free(&r->st);
	tr_buf_free(&r->extra);
	free(r);
}

static const struct tr_reader_ops azure_reader = {.block = azure_block, .free = azure_free};

static int make_head(const struct reader *r, struct tr_head *head, struct tr_err *err)
{
	struct tr_buf b;
	int rc;

	tr_buf_init(&b, TR_META_MAX);
	head->has_origin = 1;
	head->origin_ns = r->origin;
	rc = azure_style_print(&r->st, &b);
	if (rc == 0)
		rc = tr_buf_char(&b, '\0');
	if (rc < 0)
		rc = tr_fail(err, (enum tr_code) - rc, "the header is too long");
	if (rc == 0)
		rc = tr_meta_set(&head->style, b.p, err);
	if (rc == 0)
		rc = tr_meta_set(&head->format, "azure", err);
	if (rc == 0)
		rc = tr_meta_set(&head->order, "file", err);
	tr_buf_free(&b);
	return rc;
}

static int start(struct reader *r, struct tr_head *head, struct tr_err *err)
{
	struct tr_slice s;
	int whole, rc = csvio_look(&r->io, &s, &whole, err);

	if (rc == 0)
		rc = survey(&r->st, s, whole, err);
	if (rc == 0)
		rc = csvio_header(&r->io, err);
	if (rc < 0)
		return rc;
	while (r->st.role[r->stamp_col] != AZURE_STAMP)
		r->stamp_col++;
	r->zone_n = strlen(r->st.form.zone);
	r->io.sep = csvio_buf(&r->st.sep);
	r->io.eol = csvio_buf(&r->st.eol);
	rc = csvio_first(&r->io, err);
	return rc < 0 ? rc : make_head(r, head, err);
}

int tr_azure_open(struct tr_reader **out, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct tr_head head = {0};
	int rc;

	if (!r) {
		tr_in_close(in);
		return tr_fail(err, TR_ENOMEM, "no memory for a reader");
	}
	azure_style_init(&r->st);
	tr_buf_init(&r->extra, TR_RECORD_MAX);
	rc = csvio_open(&r->io, in, o, ',', &azure_cells, r, err);
	if (rc == 0)
		rc = start(r, &head, err);
	if (rc == 0)
		return tr_reader_make(out, &azure_reader, r, tr_in_name(in), &head, &r->io.tail, err);
	tr_err_file(err, tr_in_name(in));
	tr_head_free(&head);
	azure_free(r);
	return rc;
}

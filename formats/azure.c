/* SPDX-License-Identifier: Apache-2.0
 *
 * The traces that Microsoft Azure publishes (2023, 2024, multimodal 2025) and the spelling of them that
 * inference-perf documents. They differ in separator, line end, digits, zone and columns; how a file is spelled goes
 * into the head as its style, so that the writer can give the same bytes back.
 */
#include "formats/csvio.h"
#include "libtrace/json.h"
#include "libtrace/num.h"
#include "libtrace/stream_impl.h"
#include "libtrace/when.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define DAY_NS    (86400 * SECOND_NS)

enum role { STAMP, IN_TOKENS, OUT_TOKENS, IMAGES, EXTRA, ROLES };
enum { REQUIRED = 3, TAIL_MAX = 65536 };
static const char *const column_names[EXTRA] = {"TIMESTAMP", "ContextTokens", "GeneratedTokens", "NumImages"};

/* --- the style --------------------------------------------------------------------------- */

struct style {
	struct tr_buf header; /* as it stands, with its line end */
	struct tr_buf sep, eol;
	int bom;
	struct tr_when_form form;
	int omit_zero; /* a fraction of zero is left out, with its point */
	unsigned ncols;
	unsigned char role[CSVIO_COLS_MAX];
	struct tr_buf names; /* of the columns; name_at as in csvio */
	uint32_t name_at[CSVIO_COLS_MAX + 1];
};

static void style_init(struct style *st)
{
	tr_buf_init(&st->header, CSVIO_ROW_MAX);
	tr_buf_init(&st->sep, 64);
	tr_buf_init(&st->eol, 8);
	tr_buf_init(&st->names, CSVIO_ROW_MAX);
}

static void style_free(struct style *st)
{
	tr_buf_free(&st->header);
	tr_buf_free(&st->sep);
	tr_buf_free(&st->eol);
	tr_buf_free(&st->names);
}

static struct tr_slice of_buf(const struct tr_buf *b)
{
	return (struct tr_slice){b->p, b->n};
}

static struct tr_slice of_text(const char *s)
{
	return (struct tr_slice){s, strlen(s)};
}

static enum role role_of(struct tr_slice name)
{
	unsigned r = 0;

	while (r < EXTRA && !tr_slice_eq(name, column_names[r]))
		r++;
	return (enum role)r;
}

/* -1 when the column is already there. */
static int style_add_column(struct style *st, struct tr_slice name)
{
	enum role r = role_of(name);

	for (unsigned i = 0; i < st->ncols && r != EXTRA; i++)
		if (st->role[i] == r)
			return -1;
	if (st->ncols == CSVIO_COLS_MAX || tr_buf_add(&st->names, name.p, name.n) < 0)
		return -1;
	st->role[st->ncols++] = (unsigned char)r;
	st->name_at[st->ncols] = (uint32_t)st->names.n;
	return 0;
}

static struct tr_slice style_name(const struct style *st, unsigned col)
{
	return (struct tr_slice){st->names.p + st->name_at[col], st->name_at[col + 1] - st->name_at[col]};
}

static int has_role(const struct style *st, enum role r)
{
	return st->ncols && memchr(st->role, (int)r, st->ncols) != NULL;
}

static int style_print(const struct style *st, struct tr_buf *b)
{
	int rc = tr_buf_str(b, "{\"header\":");

	if (rc == 0)
		rc = tr_json_quote(b, of_buf(&st->header));
	if (rc == 0)
		rc = tr_buf_str(b, ",\"separator\":");
	if (rc == 0)
		rc = tr_json_quote(b, of_buf(&st->sep));
	if (rc == 0)
		rc = tr_buf_str(b, ",\"eol\":");
	if (rc == 0)
		rc = tr_json_quote(b, of_buf(&st->eol));
	if (rc == 0)
		rc = tr_buf_printf(
		    b, ",\"bom\":%s,\"time_separator\":\"%c\",\"digits\":%d,\"zone\":\"%s\",\"omit_zero\":%s",
		    st->bom ? "true" : "false", st->form.sep, st->form.digits, st->form.zone,
		    st->omit_zero ? "true" : "false");
	for (unsigned i = 0; i < st->ncols && rc == 0; i++) {
		rc = tr_buf_str(b, i ? "," : ",\"columns\":[");
		if (rc == 0)
			rc = tr_json_quote(b, style_name(st, i));
	}
	return rc < 0 ? rc : tr_buf_str(b, "]}");
}

/* A style comes back out of a head, which anybody may have written. */
static int style_text(const struct tr_json *j, enum tr_json_token t, struct tr_buf *b)
{
	b->n = 0;
	return t == TR_JSON_STRING ? tr_json_unescape(j->s, TR_JSON_BYTES, b) : -TR_EDATA;
}

static int style_zone(struct style *st, struct tr_slice zone)
{
	struct tr_when_form form;
	char text[32] = "2000-01-01 00:00:00";
	size_t n = strlen(text);
	int64_t ns;

	if (zone.n >= sizeof(form.zone))
		return -TR_EDATA;
	if (zone.n)
		memcpy(text + n, zone.p, zone.n);
	if (tr_when_parse((struct tr_slice){text, n + zone.n}, &ns, &form) || form.digits)
		return -TR_EDATA;
	memcpy(st->form.zone, form.zone, sizeof(form.zone));
	st->form.zone_s = form.zone_s;
	return 0;
}

static int style_columns(struct style *st, struct tr_json *j, enum tr_json_token t)
{
	struct tr_buf name;
	int rc = t == TR_JSON_ARRAY ? 0 : -TR_EDATA;

	tr_buf_init(&name, CSVIO_ROW_MAX);
	while (rc == 0 && (t = tr_json_next(j)) == TR_JSON_STRING) {
		rc = style_text(j, t, &name);
		if (rc == 0)
			rc = style_add_column(st, of_buf(&name));
	}
	tr_buf_free(&name);
	return rc < 0 || t != TR_JSON_CLOSE ? -TR_EDATA : 0;
}

static int style_member(struct style *st, struct tr_json *j, struct tr_slice key)
{
	enum tr_json_token t = tr_json_next(j);
	uint64_t digits;

	if (tr_slice_eq(key, "header"))
		return style_text(j, t, &st->header);
	if (tr_slice_eq(key, "separator"))
		return style_text(j, t, &st->sep);
	if (tr_slice_eq(key, "eol"))
		return style_text(j, t, &st->eol);
	if (tr_slice_eq(key, "columns"))
		return style_columns(st, j, t);
	if (tr_slice_eq(key, "zone"))
		return t == TR_JSON_STRING ? style_zone(st, j->s) : -TR_EDATA;
	if (tr_slice_eq(key, "bom"))
		st->bom = t == TR_JSON_TRUE;
	else if (tr_slice_eq(key, "omit_zero"))
		st->omit_zero = t == TR_JSON_TRUE;
	else if (tr_slice_eq(key, "time_separator") && t == TR_JSON_STRING && j->s.n == 1)
		st->form.sep = *j->s.p;
	else if (tr_slice_eq(key, "digits") && t == TR_JSON_NUMBER && !tr_num_u64(j->s, &digits) &&
	         digits <= 9)
		st->form.digits = (int)digits;
	else
		return tr_json_skip(j, t, NULL);
	return 0;
}

static int style_parse(struct style *st, const char *json, struct tr_err *err)
{
	struct tr_json j;
	enum tr_json_token t;
	int rc = 0;

	tr_json_init(&j, json, strlen(json));
	t = tr_json_next(&j);
	while (rc == 0 && t != TR_JSON_ERROR && (t = tr_json_next(&j)) == TR_JSON_KEY)
		rc = style_member(st, &j, j.s);
	if (rc == 0 && t == TR_JSON_CLOSE && (st->form.sep == ' ' || st->form.sep == 'T') && st->sep.n &&
	    st->eol.n && has_role(st, STAMP) && has_role(st, IN_TOKENS) && has_role(st, OUT_TOKENS))
		return 0;
	tr_fail(err, TR_EDATA, "the head holds no style that azure understands");
	tr_err_value(err, json, strlen(json));
	return -TR_EDATA;
}

/* --- finding the style ------------------------------------------------------------------- */

/* A first pass over what can be looked at: the spelling of the rows, and nothing but that. */
struct survey {
	struct csvio io;
	struct style *st;
	struct tr_when_form form;
	int64_t epoch;
	int any, zero_shown;
};

static int find_columns(struct style *st, const struct csvio *io, struct tr_err *err)
{
	for (unsigned i = 0; i < io->ncols; i++) {
		struct tr_slice name = csvio_name(io, i);

		if (style_add_column(st, name) < 0) {
			tr_fail(err, TR_EDATA, "the column stands twice");
			tr_err_field(err, name.p, name.n);
			tr_err_line(err, io->row_line);
			return -TR_EDATA;
		}
	}
	for (unsigned r = 0; r < REQUIRED; r++) {
		struct tr_slice header = io->raw;

		if (has_role(st, (enum role)r))
			continue;
		while (header.n && (header.p[header.n - 1] == '\n' || header.p[header.n - 1] == '\r'))
			header.n--;
		tr_fail(err, TR_EDATA, "the header has no such column");
		tr_err_field(err, column_names[r], strlen(column_names[r]));
		tr_err_value(err, header.p, header.n);
		tr_err_line(err, io->row_line);
		return -TR_EDATA;
	}
	return 0;
}

static const char *survey_cell(void *self, unsigned col, struct tr_slice s)
{
	struct survey *v = self;

	return v->st->role[col] == STAMP ? tr_when_parse(s, &v->epoch, &v->form) : NULL;
}

/* The line end and the blanks round the first delimiter. A row that only looks so keeps its own bytes anyway. */
static int survey_first(struct style *st, struct tr_slice raw)
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
	struct style *st = v->st;
	int zero = v->epoch % SECOND_NS == 0;

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
static int survey(struct style *st, struct tr_slice s, int whole, struct tr_err *err)
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
	for (unsigned r = 0; rc == 0 && r < REQUIRED; r++)
		all &= csvio_find(&io, of_text(column_names[r])) >= 0;
	csvio_free(&io);
	return rc == 0 && all;
}

/* --- reading ----------------------------------------------------------------------------- */

enum { HOUR_LEN = 14 };

/* ns in the last digit of a fraction of so many digits */
static const uint32_t decimal_scale[10] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                           10000,      1000,      100,      10,      1};

/* A digit's value; above 9 when it is none. */
static unsigned value(char c)
{
	return (unsigned char)c - (unsigned)'0';
}

struct reader {
	struct csvio io;
	struct style st;
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

/* Minutes, seconds and fraction of a stamp in the style's form, as ns; -1 when it is in another, and for a zero that
 * the style would leave out. */
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
	return (minute * 60 + second) * SECOND_NS + (int64_t)fraction * decimal_scale[digits];
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
	if (r->st.omit_zero && r->epoch % SECOND_NS == 0)
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
	switch ((enum role)r->st.role[col]) {
	case STAMP:
		return take_stamp(r, s);
	case IN_TOKENS:
		rec->mask |= TR_BIT(in_tokens);
		return take_count(r, s, &rec->in_tokens);
	case OUT_TOKENS:
		rec->mask |= TR_BIT(out_tokens);
		return take_count(r, s, &rec->out_tokens);
	case IMAGES:
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
		rec->extra = of_buf(&r->extra);
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
	style_free(&r->st);
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
	rc = style_print(&r->st, &b);
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
	while (r->st.role[r->stamp_col] != STAMP)
		r->stamp_col++;
	r->zone_n = strlen(r->st.form.zone);
	r->io.sep = of_buf(&r->st.sep);
	r->io.eol = of_buf(&r->st.eol);
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
	style_init(&r->st);
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

/* --- writing ----------------------------------------------------------------------------- */

struct member { /* of the object in `extra`; raw JSON */
	struct tr_slice key, value;
	int key_escaped, is_text, used;
};

struct writer {
	struct style st;
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
	int64_t of_day = (epoch % DAY_NS + form.zone_s * SECOND_NS) % DAY_NS;

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
	s = (unsigned)(ns / (uint64_t)SECOND_NS);
	ns %= (uint64_t)SECOND_NS;
	p = put_two(p + sizeof(w->date), s / 3600);
	*p++ = ':';
	p = put_two(p, s / 60 % 60);
	*p++ = ':';
	p = put_two(p, s % 60);
	w->cut += ns % decimal_scale[digits] != 0;
	if (digits && !(w->st.omit_zero && ns == 0)) {
		uint32_t fraction = (uint32_t)ns / decimal_scale[digits];

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
	struct style *st = &w->st;
	int rc = tr_buf_str(&st->header, images ? "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\r\n"
	                                        : "TIMESTAMP,ContextTokens,GeneratedTokens\r\n");

	st->form = (struct tr_when_form){.sep = ' ', .digits = 9};
	if (rc == 0)
		rc = tr_buf_char(&st->sep, ',');
	if (rc == 0)
		rc = tr_buf_str(&st->eol, "\r\n");
	if (rc == 0)
		rc = style_add_column(st, of_text(column_names[STAMP]));
	if (rc == 0 && images)
		rc = style_add_column(st, of_text(column_names[IMAGES]));
	if (rc == 0)
		rc = style_add_column(st, of_text(column_names[IN_TOKENS]));
	return rc < 0 ? rc : style_add_column(st, of_text(column_names[OUT_TOKENS]));
}

/* b: the first block, NULL when there is none. */
static int put_header(struct writer *w, const struct tr_block *b, struct tr_err *err)
{
	int rc = w->spelled ? 0 : default_style(w, b && b->col_of[TR_F_images] >= 0);

	w->can =
	    TR_BIT(id) | TR_BIT(arrival_ns) | TR_BIT(in_tokens) | TR_BIT(out_tokens) | TR_BIT(source_row);
	if (has_role(&w->st, IMAGES))
		w->can |= TR_BIT(images);
	if (has_role(&w->st, EXTRA))
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
		key = of_buf(&w->cell);
	}
	return !m->used && key.n == name.n && (name.n == 0 || memcmp(key.p, name.p, name.n) == 0);
}

/* The members stand in the order of the columns, unless a tool made them anew. */
static int put_extra(struct writer *w, unsigned col)
{
	struct tr_slice name = style_name(&w->st, col);
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
	return rc < 0 || w->cell.n == 0 ? rc : csvio_put_cell(&w->buf, of_buf(&w->cell), ',');
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
		switch ((enum role)w->st.role[i]) {
		case STAMP:
			p = put_stamp(w, p, epoch);
			break;
		case IN_TOKENS:
			p = put_u64(p, rec->in_tokens);
			break;
		case OUT_TOKENS:
			p = put_u64(p, rec->out_tokens);
			break;
		case IMAGES:
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
	return w->spelled ? style_parse(&w->st, head->style, err) : 0;
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
				rc = style_text(&j, t, &w->cell);
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

	style_free(&w->st);
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
	style_init(&w->st);
	tr_buf_init(&w->buf, 4 * (size_t)TR_RECORD_MAX);
	tr_buf_init(&w->cell, TR_RECORD_MAX);
	if (o) {
		w->warn = o->warn;
		w->warn_ctx = o->warn_ctx;
	}
	return tr_writer_make(out, &ops, w, to, head, err);
}

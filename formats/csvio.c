/* SPDX-License-Identifier: Apache-2.0
 *
 * Delimited text, line by line out of a buffer that always begins with the first byte of the unfinished row.
 * A line without a quote is split here; every other goes through libcsv, whose rules both follow (a test
 * holds them together). While a row keeps the style's separators and line end, its cells are found again in
 * the raw bytes; that is what makes a row regular.
 */
#include "formats/csvio.h"
#include "libtrace/clock.h"
#include "libtrace/json.h"
#include <limits.h>
#include <string.h>

#define NONE  SIZE_MAX
#define MS_NS INT64_C(1000000)

/* --- libcsv's callbacks ------------------------------------------------------------------ */

static void blame(struct csvio *c, const char *why, unsigned col, const char *p, size_t n)
{
	if (c->why)
		return;
	c->why = why;
	c->why_col = col;
	c->value_n = n < sizeof(c->value) ? n : sizeof(c->value);
	if (c->value_n)
		memcpy(c->value, p, c->value_n); /* libcsv uses its buffer again */
}

/* Separators of several bytes: whether blanks stand where they should takes a look at every cell. */
static void follow(struct csvio *c, size_t sep, const char *p, size_t n)
{
	if ((size_t)(c->end - c->at) < sep + n || (sep && memcmp(c->at, c->sep.p, sep) != 0) ||
	    (n && memcmp(c->at + sep, p, n) != 0))
		c->at = NULL;
	else
		c->at += sep + n;
}

static void on_cell(void *p, size_t n, void *data)
{
	struct csvio *c = data;
	unsigned col = c->ncells++;
	const char *why;

	c->cell_bytes += n;
	if (c->at && c->sep.n > 1)
		follow(c, col ? c->sep.n : 0, p, n);
	if (c->why || col >= c->ncols)
		return;
	why = c->ops->cell(c->self, col, (struct tr_slice){p, n});
	if (why)
		blame(c, why, col, p, n);
}

static void on_row(int terminator, void *data)
{
	struct csvio *c = data;

	(void)terminator;
	c->done = 1;
}

/* --- opening ----------------------------------------------------------------------------- */

static int make_parser(struct csvio *c, char delimiter, struct tr_err *err)
{
	const unsigned char options = CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_EMPTY_IS_NULL;

	if (csv_init(&c->parser, options) != 0)
		return tr_fail(err, TR_ENOMEM, "no memory for libcsv");
	csv_set_delim(&c->parser, (unsigned char)delimiter);
	c->delimiter = delimiter;
	csv_set_blk_size(&c->parser, 4096);
	c->parser_made = 1;
	return 0;
}

static int open_any(struct csvio *c, char delimiter, const struct csvio_ops *ops, void *self,
                    struct tr_err *err)
{
	c->ops = ops;
	c->self = self;
	c->step = CSVIO_LOOK;
	c->lf = NONE;
	c->final_newline = 1;
	tr_buf_init(&c->buf, CSVIO_ROW_MAX + 2 * (size_t)CSVIO_LOOK);
	tr_buf_init(&c->names, CSVIO_ROW_MAX);
	return make_parser(c, delimiter, err);
}

int csvio_open(struct csvio *c, struct tr_in *in, const struct tr_read_opts *o, char delimiter,
               const struct csvio_ops *ops, void *self, struct tr_err *err)
{
	*c = (struct csvio){.in = in};
	if (o)
		c->opts = *o;
	tr_in_set(in, TR_IN_SHA256 | TR_IN_AHEAD);
	return open_any(c, delimiter, ops, self, err);
}

int csvio_open_mem(struct csvio *c, struct tr_slice s, int whole, char delimiter, const struct csvio_ops *ops,
                   void *self, struct tr_err *err)
{
	*c = (struct csvio){.piece = s, .in_ended = whole, .opts = {.skip_bad = UINT64_MAX}};
	return open_any(c, delimiter, ops, self, err);
}

void csvio_free(struct csvio *c)
{
	if (c->parser_made)
		csv_free(&c->parser);
	tr_buf_free(&c->buf);
	tr_buf_free(&c->names);
	tr_tail_free(&c->tail);
	tr_in_close(c->in);
	c->in = NULL;
}

void csvio_set_delimiter(struct csvio *c, char delimiter)
{
	csv_set_delim(&c->parser, (unsigned char)delimiter);
	c->delimiter = delimiter;
}

/* --- bytes and lines --------------------------------------------------------------------- */

static int place(struct csvio *c, int rc, uint64_t line, struct tr_err *err)
{
	tr_err_line(err, line);
	if (c->in)
		tr_err_file(err, tr_in_name(c->in));
	return rc;
}

/* More raw bytes behind those in buf: 1, 0 = the input has ended, 2 = nothing came in time, < 0. */
static int more(struct csvio *c, struct tr_err *err)
{
	size_t n = c->buf.n - c->row;
	int rc = 1, wait_ms = -1;

	if (n > CSVIO_ROW_MAX) {
		rc = tr_fail(err, TR_ELIMIT, "a row of more than 1 MiB; a quote left open?");
		return place(c, rc, c->inside ? c->row_line : c->line + 1, err);
	}
	if (c->piece.n == 0) {
		if (!c->in || c->in_ended)
			return 0;
		if (c->deadline) {
			int64_t left = c->deadline - tr_mono_ns();

			if (left <= 0)
				return 2;
			wait_ms = (int)(left / MS_NS) + 1;
		}
		rc = tr_in_next(c->in, &c->piece, wait_ms, err);
		if (rc == 0)
			c->in_ended = 1;
		if (rc != 1) {
			c->piece.n = 0;
			return rc < 0 ? place(c, rc, 0, err) : rc;
		}
	}
	c->at = NULL; /* a row of several lines is not regular, and the bytes move */
	if (c->row) {
		memmove(c->buf.p, c->buf.p + c->row, n);
		c->buf.n = n;
		c->fed -= c->row;
		c->lf_scan -= c->row;
		c->cr_scan -= c->row;
		c->lf -= c->lf == NONE ? 0 : c->row;
		c->row = 0;
	}
	n = c->piece.n < c->step ? c->piece.n : c->step;
	rc = tr_buf_add(&c->buf, c->piece.p, n);
	if (rc < 0)
		return tr_fail(err, (enum tr_code) - rc, "no memory for a row");
	c->piece.p += n;
	c->piece.n -= n;
	return 1;
}

/* Length of the whole line that stands at `fed`, its end included; 0: more bytes are needed. CR alone ends
 * a line as well, as it ends a row for libcsv. Nothing is searched twice. */
static size_t whole_line(struct csvio *c)
{
	const char *p = c->buf.p, *q;
	size_t end;

	if (c->lf == NONE && c->lf_scan < c->buf.n) {
		q = memchr(p + c->lf_scan, '\n', c->buf.n - c->lf_scan);
		c->lf = q ? (size_t)(q - p) : NONE;
		c->lf_scan = q ? c->lf + 1 : c->buf.n;
	}
	end = c->lf == NONE ? c->buf.n : c->lf;
	if (c->cr_scan < end) {
		q = memchr(p + c->cr_scan, '\r', end - c->cr_scan);
		c->cr_scan = q ? (size_t)(q - p) : end;
		if (q && c->cr_scan + 1 != c->lf) {
			if (c->cr_scan + 1 == c->buf.n)
				return 0; /* LF may follow */
			c->cr_scan++;
			return c->cr_scan - c->fed;
		}
	}
	if (c->lf == NONE)
		return 0;
	end = c->lf + 1;
	c->lf = NONE;
	c->cr_scan = end;
	return end - c->fed;
}

/* Start over behind what libcsv has had. */
static void next_row(struct csvio *c)
{
	c->row = c->fed;
	c->ncells = 0;
	c->cell_bytes = 0;
	c->done = c->inside = 0;
	c->why = NULL;
	c->rec.mask = 0;
}

static int is_blank(const char *p, size_t n)
{
	while (n > 0 && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
		p++;
		n--;
	}
	return n == 0;
}

static int is_space(char c, char delimiter)
{
	return (c == ' ' || c == '\t') && c != delimiter;
}

/* A line that needs no parser: complete, outside quotes and without any. libcsv costs ten times as much and
 * would give the same cells: what stands between the delimiters, without blanks at its ends. 0: not such a
 * line. */
static int split(struct csvio *c, const char *p, size_t n)
{
	const char *end = p + n;

	while (end > p && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	if (end == p + n || c->inside || c->library_only || memchr(p, '"', n))
		return 0;
	while (p < end && is_space(*p, c->delimiter))
		p++;
	if (p == end)
		return 1; /* no row */
	for (;;) {
		const char *stop = memchr(p, c->delimiter, (size_t)(end - p)), *to = stop ? stop : end;

		while (p < to && is_space(*p, c->delimiter))
			p++;
		while (to > p && is_space(to[-1], c->delimiter))
			to--;
		on_cell(to > p ? (void *)(uintptr_t)p : NULL, (size_t)(to - p), c);
		if (!stop)
			break;
		p = stop + 1;
	}
	on_row('\n', c);
	return 1;
}

static int parse_failed(struct csvio *c, struct tr_err *err)
{
	unsigned col = c->ncells;
	int code = csv_error(&c->parser), rc;

	if (code != CSV_EPARSE)
		return tr_fail(err, TR_ENOMEM, "no memory for libcsv");
	csv_free(&c->parser);
	c->parser_made = 0;
	rc = make_parser(c, c->delimiter, err);
	if (rc < 0)
		return rc;
	blame(c, "a quote that RFC 4180 does not allow here", col, NULL, 0);
	c->ncells = c->ncols; /* what came is not a wrong number of cells */
	c->done = 1;
	return 0;
}

/* Give libcsv n bytes: a line, or at the end of the input the rest. */
static int feed(struct csvio *c, size_t n, struct tr_err *err)
{
	const char *p = c->buf.p + c->fed;
	int rc = 0;

	if (c->line == 0 && c->fed == 0 && n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
		c->bom = 1;
		c->row = c->fed = 3;
		p += 3;
		n -= 3;
	}
	c->at = c->fed == c->row && c->sep.n ? p : NULL;
	c->end = p + n;
	if (!c->inside)
		c->row_line = c->line + 1;
	c->line++;
	if (!split(c, p, n) && csv_parse(&c->parser, p, n, on_cell, on_row, c) < n)
		rc = parse_failed(c, err);
	c->fed += n;
	if (!c->done && !c->inside)
		c->inside = !is_blank(p, n);
	return rc;
}

/* The input has ended; what stands after the last line end is a row without one. */
static int feed_rest(struct csvio *c, struct tr_err *err)
{
	int rc = 0;

	if (c->fed < c->buf.n)
		rc = feed(c, c->buf.n - c->fed, err);
	c->cr_scan = c->lf_scan = c->buf.n;
	if (rc == 0 && !c->done && csv_fini(&c->parser, on_cell, on_row, c) != 0)
		rc = parse_failed(c, err);
	return rc;
}

int csvio_look(struct csvio *c, struct tr_slice *s, int *whole, struct tr_err *err)
{
	int rc = 1, lines = 0;
	size_t counted = 0;

	while (rc == 1 && c->buf.n < CSVIO_LOOK) {
		rc = more(c, err);
		for (; counted < c->buf.n; counted++)
			lines += c->buf.p[counted] == '\n';
		if (lines > 1 && c->deadline == 0)
			c->deadline = tr_mono_ns() + CSVIO_WAIT_MS * MS_NS;
	}
	c->deadline = 0;
	if (rc < 0 && c->buf.n == 0)
		return rc;
	*s = (struct tr_slice){c->buf.p, c->buf.n};
	*whole = c->in_ended && c->piece.n == 0;
	return 0;
}

/* --- rows -------------------------------------------------------------------------------- */

/* The bad row at hand as an error: 0 when it may be passed over. */
static int reject(struct csvio *c, struct tr_err *err)
{
	struct tr_err e;
	struct tr_slice name;

	if (c->why)
		tr_fail(&e, TR_EDATA, "%s", c->why);
	else
		tr_fail(&e, TR_EDATA, "%u cells in a row, %u in the header", c->ncells, c->ncols);
	if (c->why && c->why_col < c->ncols) {
		name = csvio_name(c, c->why_col);
		tr_err_field(&e, name.p, name.n);
	}
	if (c->why && c->value_n)
		tr_err_value(&e, c->value, c->value_n);
	place(c, 0, c->row_line, &e);
	if (c->tail.skipped < c->opts.skip_bad) {
		c->tail.skipped++;
		if (c->opts.warn)
			c->opts.warn(c->opts.warn_ctx, &e);
		return 0;
	}
	if (err)
		*err = e;
	return -TR_EDATA;
}

/* The row is one line. Where the separator is the delimiter alone, lengths are enough: libcsv only ever
 * takes bytes away (blanks, quotes), so when none is missing, the cells stand in the line as they are. */
static int is_regular(const struct csvio *c)
{
	size_t eol = c->final_newline ? c->eol.n : 0;
	const char *cells_end = c->sep.n > 1 ? c->at : c->at + c->cell_bytes + c->ncells - 1;

	return (size_t)(c->end - cells_end) == eol && memcmp(cells_end, c->eol.p, eol) == 0;
}

/* 1 = a row has come and has not been looked at, 0 = end, 2 = nothing in time, < 0. */
static int take_row(struct csvio *c, struct tr_err *err)
{
	if (c->done || c->ready_for_row == 0) {
		next_row(c);
		c->ready_for_row = 1;
	}
	while (!c->done) {
		size_t n = whole_line(c);
		int rc = n ? feed(c, n, err) : more(c, err);

		if (rc < 0 || rc == 2)
			return rc;
		if (n == 0 && rc == 0) {
			rc = c->in_ended ? feed_rest(c, err) : 0;
			if (rc < 0 || !c->done)
				return rc;
		}
	}
	c->raw = (struct tr_slice){c->buf.p + c->row, c->fed - c->row};
	if (c->raw.n > CSVIO_ROW_MAX)
		return place(c, tr_fail(err, TR_ELIMIT, "a row of more than 1 MiB"), c->row_line, err);
	c->final_newline = c->raw.p[c->raw.n - 1] == '\n' || c->raw.p[c->raw.n - 1] == '\r';
	c->regular = c->at && is_regular(c);
	return 1;
}

int csvio_next(struct csvio *c, struct tr_err *err)
{
	for (;;) {
		unsigned col = CSVIO_NO_COL;
		const char *why;
		int rc = take_row(c, err);

		if (rc != 1)
			return rc;
		if (!c->why && c->ncells == c->ncols) {
			why = c->ops->row(c->self, &col);
			if (!why)
				return 1;
			blame(c, why, col, NULL, 0);
		}
		rc = reject(c, err);
		if (rc < 0)
			return rc;
	}
}

/* --- the header -------------------------------------------------------------------------- */

static int end_name(struct csvio *c, unsigned col)
{
	c->name_at[col + 1] = (uint32_t)c->names.n;
	return tr_buf_char(&c->names, '\0');
}

static const char *take_name(void *self, unsigned col, struct tr_slice s)
{
	struct csvio *c = self;

	s = tr_slice_trim(s);
	if (tr_buf_add(&c->names, s.p, s.n) < 0 || end_name(c, col) < 0)
		return "the header is too long";
	return NULL;
}

static const char *take_header(void *self, unsigned *col)
{
	(void)self;
	(void)col;
	return NULL;
}

int csvio_header(struct csvio *c, struct tr_err *err)
{
	static const struct csvio_ops header_ops = {take_name, take_header};
	const struct csvio_ops *ops = c->ops;
	void *self = c->self;
	int rc;

	c->ops = &header_ops;
	c->self = c;
	c->ncols = CSVIO_COLS_MAX;
	rc = take_row(c, err);
	c->ops = ops;
	c->self = self;
	c->ncols = c->ncells < CSVIO_COLS_MAX ? c->ncells : CSVIO_COLS_MAX;
	if (rc < 0)
		return rc;
	if (rc == 0)
		rc = tr_fail(err, TR_EDATA, c->buf.n ? "no header" : "empty input");
	else if (c->why)
		rc = tr_fail(err, TR_EDATA, "%s", c->why);
	else if (c->ncells > CSVIO_COLS_MAX)
		rc = tr_fail(err, TR_ELIMIT, "more than %d columns", CSVIO_COLS_MAX);
	else
		return 0;
	return place(c, rc, c->row_line, err);
}

int csvio_number_columns(struct csvio *c, unsigned n, struct tr_err *err)
{
	for (unsigned i = 0; i < n; i++)
		if (tr_buf_printf(&c->names, "#%u", i + 1) < 0 || end_name(c, i) < 0)
			return tr_fail(err, TR_ENOMEM, "no memory for names");
	c->ncols = n;
	return 0;
}

struct tr_slice csvio_name(const struct csvio *c, unsigned col)
{
	size_t from = col ? c->name_at[col] + 1 : 0; /* names are parted by NUL */

	return (struct tr_slice){c->names.p + from, c->name_at[col + 1] - from};
}

int csvio_find(const struct csvio *c, struct tr_slice name)
{
	for (unsigned i = 0; i < c->ncols; i++) {
		struct tr_slice s = csvio_name(c, i);

		if (s.n == name.n && (s.n == 0 || memcmp(s.p, name.p, s.n) == 0))
			return (int)i;
	}
	return -1;
}

/* --- blocks ------------------------------------------------------------------------------ */

int csvio_first(struct csvio *c, struct tr_err *err)
{
	int rc = csvio_next(c, err);

	if (rc == 0)
		return place(c, tr_fail(err, TR_EDATA, "no rows"), c->line, err);
	c->held = rc == 1;
	return rc < 0 ? rc : 0;
}

/* The facts for the trailer; the checksum only of an input that was read to its end. */
static int set_tail(struct csvio *c, const char *state, const char *sha256, struct tr_err *err)
{
	struct tr_source *s = &c->tail.sources[0];
	int rc = tr_meta_set(&c->tail.state, state, err);

	if (rc == 0)
		rc = tr_meta_set(&s->name, tr_in_name(c->in), err);
	if (rc < 0)
		return rc;
	memcpy(s->sha256, sha256, strlen(sha256) + 1);
	s->bytes = tr_in_offset(c->in);
	c->tail.nsources = 1;
	return 0;
}

/* Add rows until the block is full (1), the input ends (0) or pauses (2), or something fails. */
static int fill(struct csvio *c, struct tr_block *b, struct tr_err *err)
{
	for (;;) {
		int rc = c->held ? 1 : csvio_next(c, err);

		if (rc != 1)
			return rc;
		c->held = 1;
		rc = tr_block_add(b, &c->rec, err);
		if (rc < 0)
			place(c, rc, c->row_line, err);
		if (rc != 0)
			return rc;
		c->held = 0;
	}
}

int csvio_block(struct csvio *c, struct tr_block **out, struct tr_err *err)
{
	struct tr_err e;
	struct tr_block *b = NULL;
	int rc = c->late;

	if (rc == 0) {
		rc = tr_block_new(&b, TR_REQUEST, &e);
		if (rc == 0) {
			c->deadline = tr_mono_ns() + CSVIO_WAIT_MS * MS_NS;
			rc = fill(c, b, &e);
		}
		if (rc == 0)
			rc = set_tail(c, "complete", tr_in_sha256(c->in), &e);
		if (rc < 0) {
			c->late = rc;
			c->late_err = e;
			set_tail(c, "cut", "", NULL);
		}
	}
	if (rc == 2 || (b && b->rows)) {
		*out = b;
		return 1;
	}
	tr_block_unref(b);
	if (rc < 0 && err)
		*err = c->late_err;
	return rc;
}

struct tr_slice csvio_rest(const struct csvio *c)
{
	return (struct tr_slice){c->buf.p + c->row, c->buf.n - c->row};
}

/* --- cells ------------------------------------------------------------------------------- */

int csvio_add_extra(struct tr_buf *b, struct tr_slice name, struct tr_slice text)
{
	int rc = tr_buf_char(b, b->n ? ',' : '{');

	if (rc == 0)
		rc = tr_json_quote(b, name);
	if (rc == 0)
		rc = tr_buf_char(b, ':');
	return rc < 0 ? rc : tr_json_quote(b, text);
}

static int needs_quotes(struct tr_slice s, char delimiter)
{
	if (s.n == 0 || s.p[0] == ' ' || s.p[0] == '\t' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')
		return 1;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == delimiter)
			return 1;
	return 0;
}

int csvio_put_cell(struct tr_buf *b, struct tr_slice s, char delimiter)
{
	int rc;

	if (!needs_quotes(s, delimiter))
		return tr_buf_add(b, s.p, s.n);
	rc = tr_buf_char(b, '"');
	while (rc == 0 && s.n) {
		const char *q = memchr(s.p, '"', s.n);
		size_t n = q ? (size_t)(q - s.p) + 1 : s.n;

		rc = tr_buf_add(b, s.p, n);
		if (rc == 0 && q)
			rc = tr_buf_char(b, '"');
		s.p += n;
		s.n -= n;
	}
	return rc < 0 ? rc : tr_buf_char(b, '"');
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/docs.h"

#include "libtrace/scan.h"
#include <string.h>

enum { LONG_LINE = 4096 };
enum state { BEGIN, BETWEEN, INSIDE, AFTER };

void docs_init(struct docs *d, struct tr_in *in)
{
	*d = (struct docs){.in = in, .lines = 1};
	tr_buf_init(&d->carry, DOCS_MAX);
}

void docs_free(struct docs *d)
{
	tr_buf_free(&d->carry);
}

void docs_place(const struct docs *d, struct tr_err *err)
{
	if (d->offset - d->line_start > LONG_LINE)
		tr_err_offset(err, (int64_t)d->offset);
	else
		tr_err_line(err, d->line);
}

static void count_lines(struct docs *d, const char *p, size_t n)
{
	const char *from = p, *end;
	while ((end = memchr(from, '\n', n - (size_t)(from - p)))) {
		from = end + 1;
		d->lines++;
		d->line_start = d->at + (uint64_t)(from - p);
	}
	d->at += n;
}

static int wrong(struct docs *d, const char *what, struct tr_err *err)
{
	d->line = d->lines;
	d->offset = d->at;
	tr_fail(err, TR_EDATA, "%s", what);
	docs_place(d, err);
	tr_err_value(err, d->piece.p, d->piece.n < 24 ? d->piece.n : 24);
	return -TR_EDATA;
}

static void take(struct docs *d, size_t n)
{
	count_lines(d, d->piece.p, n);
	d->piece.p += n;
	d->piece.n -= n;
}

/* What stands between objects: 1 = an object begins, 0 = the piece is used up, < 0. */
static int between(struct docs *d, struct tr_err *err)
{
	if (d->state == BEGIN && d->at == 0 && d->piece.n >= 3 && memcmp(d->piece.p, "\xef\xbb\xbf", 3) == 0)
		take(d, 3);
	while (d->piece.n) {
		size_t i = 0;
		while (i < d->piece.n && (d->piece.p[i] == ' ' || d->piece.p[i] == '\t' ||
		                          d->piece.p[i] == '\r' || d->piece.p[i] == '\n'))
			i++;
		take(d, i);
		if (!d->piece.n)
			return 0;
		char c = *d->piece.p;
		if (d->state == AFTER)
			return wrong(d, "text after the array", err);
		if (c == '{' && (d->state == BEGIN || !d->array || !d->number || d->comma)) {
			d->state = INSIDE;
			d->comma = 0;
			return 1;
		}
		if (c == '[' && d->state == BEGIN) {
			d->array = 1;
			d->state = BETWEEN;
		} else if (c == ',' && d->array && d->number && !d->comma) {
			d->comma = 1;
		} else if (c == ']' && d->array && !d->comma) {
			d->state = AFTER;
		} else {
			return wrong(d,
			             d->array ? "not an object of the array, or not a comma between two"
			                      : "not a JSON object",
			             err);
		}
		take(d, 1);
	}
	return 0;
}

/* The rest of an object, from i: where it ends, or n when it goes on. */
static size_t inside(struct docs *d, const char *p, size_t i, size_t n, int *whole)
{
	*whole = 0;
	while (i < n) {
		if (d->escape) {
			d->escape = 0;
			i++;
		} else if (d->in_string) {
			i = tr_scan_string(p, i, n);
			if (i == n)
				break;
			d->in_string = p[i] != '"';
			d->escape = p[i] == '\\';
			i++;
		} else {
			char c = p[i++];
			if (c == '"') {
				d->in_string = 1;
			} else if (c == '{' || c == '[') {
				d->depth++;
			} else if (c == '\n') { /* in strings there is none, or the parser complains */
				d->lines++;
				d->line_start = d->at + i;
			} else if ((c == '}' || c == ']') && --d->depth == 0) {
				*whole = 1;
				break;
			}
		}
	}
	return i;
}

static int ended(struct docs *d, struct tr_err *err)
{
	if (d->state == INSIDE || (d->array && d->state != AFTER)) {
		int rc = tr_fail(err, TR_ECUT,
		                 d->state == INSIDE ? "the input ends inside an object"
		                                    : "the input ends inside its array");
		if (d->state != INSIDE) {
			d->line = d->lines;
			d->offset = d->at;
		}
		docs_place(d, err);
		return rc;
	}
	return 0;
}

int docs_next(struct docs *d, struct tr_slice *doc, struct tr_err *err)
{
	for (;;) {
		if (!d->piece.n) {
			int rc = d->ended ? 0 : tr_in_next(d->in, &d->piece, DOCS_WAIT_MS, err);
			d->ended |= rc == 0;
			if (rc != 1)
				return rc == 0 ? ended(d, err) : rc;
		}
		if (d->state != INSIDE) {
			int rc = between(d, err);
			if (rc < 0)
				return rc;
			if (rc == 0)
				continue;
			d->number++;
			d->line = d->lines;
			d->offset = d->at;
			d->carry.n = 0;
			d->depth = d->in_string = d->escape = 0;
		}
		int whole;
		size_t n = inside(d, d->piece.p, 0, d->piece.n, &whole);
		struct tr_slice part = {d->piece.p, n};
		d->at += n;
		d->piece.p += n;
		d->piece.n -= n;
		if (whole && !d->carry.n) {
			*doc = part;
		} else {
			if (tr_buf_add(&d->carry, part.p, part.n) < 0) {
				int rc = tr_fail(err, TR_ELIMIT, "an object of more than 8 MiB");
				docs_place(d, err);
				return rc;
			}
			*doc = (struct tr_slice){d->carry.p, d->carry.n};
		}
		if (whole) {
			d->state = BETWEEN;
			return 1;
		}
	}
}

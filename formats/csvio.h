/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of delimited text share: libcsv fed line by line, names of the columns, blocks of
 * records, bad rows, places for messages, and the raw bytes of every row, so that a byte-exact way back
 * stays possible.
 *
 * libcsv gets one line at a time. So a row ends exactly where the line ends in which its last cell came,
 * nothing of a bad row has touched the next, and a full block never finds rows waiting behind it.
 */
#ifndef FORMATS_CSVIO_H
#define FORMATS_CSVIO_H

#include "formats/formats.h"
#include <csv.h>
#include <limits.h>
#include <string.h>

enum {
	CSVIO_ROW_MAX = 1 << 20, /* bytes of a row, blank lines before it included */
	CSVIO_COLS_MAX = 256,
	CSVIO_LOOK = 1 << 16, /* bytes looked at before the first row is delivered */
	CSVIO_WAIT_MS = 250,  /* a record waits no longer for its block to fill */
};

struct csvio_ops {
	/* One cell, borrowed until the call returns. p NULL: empty and without quotes. NULL, or what is
	 * wrong. */
	const char *(*cell)(void *self, unsigned col, struct tr_slice s);
	/* The row is whole: finish io->rec. NULL, or what is wrong, with *col set when a column is to
	 * blame. */
	const char *(*row)(void *self, unsigned *col);
};
#define CSVIO_NO_COL UINT_MAX

struct csvio {
	const struct csvio_ops *ops;
	void *self;
	struct tr_read_opts opts;
	struct tr_slice sep, eol; /* of a regular row; sep.n == 0: no row is */

	/* The row at hand, for ops->row. */
	struct tr_rec rec;
	struct tr_slice raw; /* its bytes with the line end and with blank lines before it */
	int regular;       /* raw is the cells, joined by sep and ended by eol (or by the end of the input) */
	uint64_t row_line; /* where it begins, 1-based */

	unsigned ncols;
	struct tr_buf names;
	uint32_t name_at[CSVIO_COLS_MAX + 1];
	int bom;
	int final_newline; /* the last row ended with a line end */
	struct tr_tail tail;

	/* Inside. */
	struct csv_parser parser;
	int parser_made, ready_for_row;
	char delimiter;
	int library_only;      /* tests: every line through libcsv */
	struct tr_in *in;      /* NULL: memory only */
	struct tr_slice piece; /* not yet in buf */
	size_t step;           /* bytes moved to buf at a time; tests make it small */
	int in_ended;
	struct tr_buf buf; /* raw bytes from the first of the unfinished row */
	size_t row, fed;   /* in buf: start of the unfinished row; end of what libcsv has had */
	size_t lf, lf_scan, cr_scan;
	uint64_t line;        /* lines that libcsv has had */
	const char *at, *end; /* where the next cell stands in a regular row; NULL: not regular */
	unsigned ncells;
	size_t cell_bytes; /* of all cells of the row */
	int done, inside;
	const char *why; /* first thing wrong with the row */
	unsigned why_col;
	char value[TR_ERR_VALUE];
	size_t value_n;
	int64_t deadline; /* monotonic ns; 0 = none */
	int held;         /* rec waits for a block */
	int late;         /* < 0: an error kept back until the records before it were delivered */
	struct tr_err late_err;
};

/* Both leave the struct fit for csvio_free. csvio_open takes in. */
int csvio_open(struct csvio *c, struct tr_in *in, const struct tr_read_opts *o, char delimiter,
               const struct csvio_ops *ops, void *self, struct tr_err *err);
/* Read memory; whole: it is all of the input, so that its last line counts too. */
int csvio_open_mem(struct csvio *c, struct tr_slice s, int whole, char delimiter, const struct csvio_ops *ops,
                   void *self, struct tr_err *err);
void csvio_free(struct csvio *c);

/* The beginning of the input, before anything was read: up to CSVIO_LOOK bytes, fewer at the end of the
 * input (then *whole is 1) or when a pause comes after the first rows. */
int csvio_look(struct csvio *c, struct tr_slice *s, int *whole, struct tr_err *err);
/* Change the delimiter before anything was read. */
void csvio_set_delimiter(struct csvio *c, char delimiter);

/* Take the first row as names, trimmed; raw is its bytes. -TR_EDATA when there is none. */
int csvio_header(struct csvio *c, struct tr_err *err);
/* No header: n columns "#1", "#2", ... */
int csvio_number_columns(struct csvio *c, unsigned n, struct tr_err *err);
struct tr_slice csvio_name(const struct csvio *c, unsigned col);
/* -1 when there is none. */
int csvio_find(const struct csvio *c, struct tr_slice name);

/* The next row: 1 = ops->row took it, 0 = end, 2 = nothing came in time, < 0 = error. Bad rows are passed
 * over as the options allow. */
int csvio_next(struct csvio *c, struct tr_err *err);
/* Read the first row and keep it for the first block, since what it says belongs in the head. "no rows":
 * -TR_EDATA. */
int csvio_first(struct csvio *c, struct tr_err *err);
/* As tr_reader_ops.block; at the end the tail has its source and what was skipped. */
int csvio_block(struct csvio *c, struct tr_block **b, struct tr_err *err);
/* Bytes after the last row: blank lines. After the end. */
struct tr_slice csvio_rest(const struct csvio *c);

/* Append `"name":"text"` to an open JSON object. 0 or < 0. */
int csvio_add_extra(struct tr_buf *b, struct tr_slice name, struct tr_slice text);
/* Append a cell, in quotes where it needs them. */
int csvio_put_cell(struct tr_buf *b, struct tr_slice s, char delimiter);

static inline struct tr_slice csvio_buf(const struct tr_buf *b)
{
	return (struct tr_slice){b->p, b->n};
}

#endif

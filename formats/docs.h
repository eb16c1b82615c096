/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of JSON objects, one at a time: the elements of one array, or objects after one another (JSON
 * lines). Nothing is parsed here but where an object ends; memory is one object.
 */
#ifndef FORMATS_DOCS_H
#define FORMATS_DOCS_H

#include "libtrace/io.h"

enum { DOCS_MAX = 8 << 20, DOCS_WAIT_MS = 250 };

struct docs {
	struct tr_in *in;
	int array;             /* it is one array; known after the first call of docs_next */
	uint64_t number;       /* of the object at hand, from 1 */
	uint64_t line, offset; /* where it begins; line from 1, offset in the decoded input */

	/* Inside. */
	struct tr_slice piece; /* not looked at yet */
	struct tr_buf carry;   /* an object that began in an earlier piece */
	int started, ended, comma, state;
	int depth, in_string, escape;
	uint64_t lines, line_start, at; /* of what was looked at */
};

void docs_init(struct docs *d, struct tr_in *in); /* does not take in */
void docs_free(struct docs *d);
/* 1 = *doc is the next object, borrowed until the next call; 0 = end; 2 = nothing has come for a while; < 0 =
 * error. */
int docs_next(struct docs *d, struct tr_slice *doc, struct tr_err *err);
/* Say where the object at hand is: its line, or where a line is too long to help, its offset. */
void docs_place(const struct docs *d, struct tr_err *err);

#endif

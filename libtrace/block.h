/* SPDX-License-Identifier: Apache-2.0
 *
 * A block: up to 64 Ki records of one kind, in columns, with everything they borrow. The unit that
 * moves between reader, tool and writer, and between threads. Reference counted: whoever got it from a call
 * owns one reference and gives it back with tr_block_unref. A block that more than one owner can see is never
 * changed.
 */
#ifndef LIBTRACE_BLOCK_H
#define LIBTRACE_BLOCK_H

#include "libtrace/err.h"
#include "libtrace/rec.h"

struct tr_column {
	const struct tr_field *field;
	uint32_t count;    /* values present */
	uint64_t *present; /* bitmap over the rows; NULL: the first `count` rows have it, the others not */
	uint64_t *v;       /* count entries: raw bits; STR: offset << 32 | length, into block->bytes;
	                         LIST: offset << 32 | length, into block->pool */
	uint32_t cap;
};

struct tr_block {
	enum tr_kind kind;
	const struct tr_schema *schema;
	uint32_t rows;
	uint32_t ncols;
	struct tr_column cols[TR_REC_NFIELDS];
	int8_t col_of[64];   /* field bit -> index in cols, -1 = no such column */
	struct tr_buf bytes; /* strings */
	uint64_t *pool;      /* list elements */
	uint32_t pool_n, pool_cap;
	size_t content;      /* see the limits in rec.h */
	uint64_t plain_mask; /* builder only: a record of just these integers can be appended ... */
	uint32_t plain_room; /* ... without a look at anything, up to this row */
	void *recent;        /* builder only: strings seen lately, so that repeats share their bytes */
	int refs;            /* atomic */
};

int tr_block_new(struct tr_block **b, enum tr_kind kind, struct tr_err *err);
struct tr_block *tr_block_ref(struct tr_block *b);
void tr_block_unref(struct tr_block *b); /* NULL is fine */

/* Append a record (struct tr_rec, tr_series or tr_event by kind), copying what it borrows.
 * 0 done; 1: the block is full, nothing was added; < 0 error (a record above TR_RECORD_MAX: -TR_ELIMIT). */
int tr_block_add(struct tr_block *b, const void *rec, struct tr_err *err);

/* Content of the largest record; see the limits in rec.h. */
size_t tr_block_largest(const struct tr_block *b);

/* Walk the rows. The record borrows from the block. */
struct tr_cursor {
	const struct tr_block *b;
	uint32_t row;
	uint32_t next[TR_REC_NFIELDS]; /* index of the next value of each column */
};
void tr_cursor_init(struct tr_cursor *c, const struct tr_block *b);
int tr_cursor_next(struct tr_cursor *c, void *rec); /* 1 = rec filled, 0 = end */

#endif

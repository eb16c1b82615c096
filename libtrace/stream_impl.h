/* SPDX-License-Identifier: Apache-2.0
 *
 * For those who add a format: what stands behind tr_reader and tr_writer.
 *
 * A format's reader produces blocks; tr_reader turns them into records and keeps the counts. A format's
 * writer turns blocks into bytes; tr_writer collects records into blocks, counts, hashes and calls it on
 * a thread of its own, in order.
 */
#ifndef LIBTRACE_STREAM_IMPL_H
#define LIBTRACE_STREAM_IMPL_H

#include "libtrace/io.h"
#include "libtrace/stream.h"

struct tr_reader_ops {
	/* 1 = *b filled, a reference for the caller; 0 = end, tail facts are set; < 0 = error.
	 * Records before a bad one are delivered first; the error comes with the next call. */
	int (*block)(void *self, struct tr_block **b, struct tr_err *err);
	void (*free)(void *self);
};

/* Makes a reader round an implementation. self owns the input; head is moved from *head (zeroed). `tail` points into
 * self: its facts (sources, style, state, skipped, and for our own formats the stored counts) are read after the end. When
 * ops->block has ended, counts and hash are set by tr_reader from the blocks. On failure self is freed. */
int tr_reader_make(struct tr_reader **r, const struct tr_reader_ops *ops, void *self, const char *name,
                   struct tr_head *head, struct tr_tail *tail, struct tr_err *err);

struct tr_writer_ops {
	/* Called on the writer's thread, one at a time. begin comes first, before the first block or the end. */
	int (*begin)(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err);
	int (*block)(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err);
	/* After the last block: write what stands at the end; the writer commits the output. */
	int (*end)(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err);
	void (*free)(void *self);
};

/* Takes out and self, also on failure (then out is aborted and self freed). head is copied. */
int tr_writer_make(struct tr_writer **w, const struct tr_writer_ops *ops, void *self, struct tr_out *out,
                   const struct tr_head *head, struct tr_err *err);

/* Add one block's records to the counts and the content hash. */
void tr_tail_count(struct tr_tail *tail, const struct tr_block *b, int64_t *last_arrival);

#endif

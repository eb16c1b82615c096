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
	 * Records before a bad one are delivered first; the error comes with the next call. When nothing has
	 * come for a quarter of a second a block without rows is given, so that a caller can look at its
	 * signals. */
	int (*block)(void *self, struct tr_block **b, struct tr_err *err);
	void (*free)(void *self);
	/* The implementation counts and hashes for itself, and has held that against a stored trailer. */
	int counted;
};

/* Makes a reader round an implementation. Takes self, also on failure. head is moved out of *head. `tail`
 * points into self: its facts (sources, style, state, skipped) are read after the end. Unless ops->counted,
 * counts are set in it by tr_reader (the content hash stays 0: a foreign format has none). */
int tr_reader_make(struct tr_reader **r, const struct tr_reader_ops *ops, void *self, const char *name,
                   struct tr_head *head, struct tr_tail *tail, struct tr_err *err);

struct tr_writer_ops {
	/* Called on the writer's thread, one at a time. begin comes first, before the first block or the end.
	 */
	int (*begin)(void *self, struct tr_out *out, const struct tr_head *head, struct tr_err *err);
	int (*block)(void *self, struct tr_out *out, const struct tr_block *b, struct tr_err *err);
	/* After the last block: write what stands at the end; the writer commits the output. */
	int (*end)(void *self, struct tr_out *out, const struct tr_tail *tail, struct tr_err *err);
	void (*free)(void *self);
};

/* Takes out and self, also on failure (then out is aborted and self freed). head is copied. */
int tr_writer_make(struct tr_writer **w, const struct tr_writer_ops *ops, void *self, struct tr_out *out,
                   const struct tr_head *head, struct tr_err *err);

/* Counts, sums, inversions and, when asked for, the content hash of a stream, block by block. */
struct tr_count {
	uint64_t chain[TR_KINDS];
	int64_t last_arrival;
	int any;
};
void tr_count_start(struct tr_count *c, struct tr_tail *tail); /* the hash of a stream without records */
void tr_count_block(struct tr_count *c, struct tr_tail *tail, const struct tr_block *b);
void tr_count_hash(struct tr_count *c, struct tr_tail *tail, const struct tr_block *b);

/* Our own formats: hold what was counted against the trailer stored at offset `at`. */
int tr_tail_verify(const struct tr_tail *said, const struct tr_tail *found, uint64_t at, struct tr_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Reader and writer of record streams, whatever the format. A tool opens them through
 * formats/formats.h; the binary form and its JSONL twin live in the library.
 *
 * Records are borrowed until the next call. To keep one longer, take a reference to its block:
 * tr_reader_hold() right after tr_reader_next(), a copy of the struct, tr_block_unref() when done.
 */
#ifndef LIBTRACE_STREAM_H
#define LIBTRACE_STREAM_H

#include "libtrace/block.h"
#include "libtrace/meta.h"

struct tr_reader;
struct tr_writer;

/* --- reading ----------------------------------------------------------------------------- */

/* 1 = *rec filled (a request; series and events are passed over), 0 = end, < 0 = error. */
int tr_reader_next(struct tr_reader *r, const struct tr_rec **rec, struct tr_err *err);
/* A whole block of any kind, a reference for the caller; do not mix with tr_reader_next. A block without rows
 * means that nothing has come for a while: a moment to look at signals. */
int tr_reader_block(struct tr_reader *r, struct tr_block **b, struct tr_err *err);
struct tr_block *tr_reader_hold(struct tr_reader *r);

const struct tr_head *tr_reader_head(const struct tr_reader *r); /* valid from open */
/* After 0 or an error: the trailer. Counts, sums and inversions come from what was read. A binary or JSONL
 * stream was also held against the trailer stored in it (a difference is an error) and has its content hash;
 * one that ends without a trailer gives -TR_ECUT after its last record, and state "cut". For a foreign source
 * the reader makes the facts. */
const struct tr_tail *tr_reader_tail(const struct tr_reader *r);
const char *tr_reader_name(const struct tr_reader *r);
/* The binary form or JSONL, not a foreign format. */
int tr_reader_is_own(const struct tr_reader *r);
void tr_reader_close(struct tr_reader *r); /* NULL is fine */

/* --- writing ----------------------------------------------------------------------------- */

int tr_writer_put(struct tr_writer *w, const struct tr_rec *rec, struct tr_err *err);
int tr_writer_put_series(struct tr_writer *w, const struct tr_series *s, struct tr_err *err);
int tr_writer_put_event(struct tr_writer *w, const struct tr_event *e, struct tr_err *err);
/* Takes the caller's reference, also on failure. */
int tr_writer_block(struct tr_writer *w, struct tr_block *b, struct tr_err *err);
/* The same without ever waiting: 1 = there is no room now, and the reference is still the caller's. */
int tr_writer_try_block(struct tr_writer *w, struct tr_block *b, struct tr_err *err);
/* Wait for room until a moment of CLOCK_MONOTONIC: 1 = there is room, 0 = there was none in time, < 0 = the
 * writer has failed. May be asked from any thread. */
int tr_writer_room(struct tr_writer *w, int64_t until_ns, struct tr_err *err);
/* Hand everything so far to the output. */
int tr_writer_flush(struct tr_writer *w, struct tr_err *err);
/* The caller sets what the writer cannot know (sources, style, state, verdict, skipped); counts, sums
 * and content hash are the writer's. Call once, before finish. */
struct tr_tail *tr_writer_tail(struct tr_writer *w);
/* Write the trailer, flush, commit the output, free. Nothing is done until it returns 0. */
int tr_writer_finish(struct tr_writer *w, struct tr_err *err);
/* Give up: remove the unfinished output, free. NULL is fine. */
void tr_writer_abort(struct tr_writer *w);

#endif

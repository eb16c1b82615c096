/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the binary codec: streams of integers and bytes, and blocks made of them. See trb(5).
 */
#ifndef LIBTRACE_TRB_IMPL_H
#define LIBTRACE_TRB_IMPL_H

#include "libtrace/block.h"
#include "libtrace/buf.h"

#include <zstd.h>

enum { TRB_PREAMBLE = 16, TRB_HEAD = 32, TRB_ENTRY = 32, TRB_FOOTER = 16 };

/* Of a block's head, the checksum's own bytes zero, and its body. */
uint32_t trb_crc(const unsigned char *head, const struct tr_buf *body);

/* --- encoding --- */
struct trb_enc {
	ZSTD_CCtx *zstd;
	struct tr_buf residuals; /* uint64_t */
	struct tr_buf runs[2];   /* uint64_t: first values, lengths - 1 */
	struct tr_buf bytes[2];  /* raw streams on their way into one */
	struct tr_buf packed;    /* zstd output */
	struct tr_buf
	    trial[2]; /* a sample in each kind, to see which is smallest; [1] for runs, whose parts use [0] */
	struct tr_buf column; /* a column before its length is known */
};
int trb_enc_init(struct trb_enc *e);
void trb_enc_free(struct trb_enc *e);
int trb_put_varint(struct tr_buf *out, uint64_t v);
int trb_put_bytes(struct trb_enc *e, struct tr_buf *out, const void *p, size_t n);
int trb_put_ints(struct trb_enc *e, struct tr_buf *out, const uint64_t *v, size_t n, enum tr_hint hint);
int trb_put_block(struct trb_enc *e, struct tr_buf *out, const struct tr_block *b); /* appends the body */

/* --- decoding: p[pos..n) is what is left; on failure reason says why --- */
struct trb_dec {
	const unsigned char *p;
	size_t n, pos;
	size_t budget; /* content that may still be decoded */
	ZSTD_DCtx *zstd;
	struct tr_buf bytes[2];
	const char *reason;
};
extern const char trb_too_much[];
int trb_dec_init(struct trb_dec *d);
void trb_dec_free(struct trb_dec *d);
int trb_get_varint(struct trb_dec *d, uint64_t *v);
/* A bytes stream of at most max raw bytes, into *to (replaced), with 16 readable bytes behind. */
int trb_get_bytes(struct trb_dec *d, size_t max, struct tr_buf *to);
int trb_get_ints(struct trb_dec *d, uint64_t *v, size_t n);
/* Take content off the budget before allocating for it. */
int trb_charge(struct trb_dec *d, size_t unit, size_t count);
/* The body d->p[0..n) of `rows` records into a new block. */
int trb_get_block(struct trb_dec *d, enum tr_kind kind, uint32_t rows, struct tr_block **b);

#endif

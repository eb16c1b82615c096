/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings about one input: the kinds there are, how they are collected, how they are printed.
 */
#ifndef TOOLS_CHECK_H
#define TOOLS_CHECK_H

#include "libtrace/block.h"
#include "libtrace/meta.h"
#include "libtrace/order.h"

/* X(symbol, kind, what it is, what it does to a replay)
 * One row a kind; --allow, both reports and --kinds follow. */
#define CHECK_KINDS(X)                                                                                       \
	X(CHECK_UNIT, "unit-doubt", "the times look like another unit",                                      \
	  "a replay would run at the wrong speed")                                                           \
	X(CHECK_TICK, "tick", "arrivals stand on a coarse clock and share stamps",                           \
	  "each tick is replayed as one burst, which the source may never have seen")                        \
	X(CHECK_TIES, "ties", "arrivals at the same time as the one before",                                 \
	  "they are sent at the same moment, in the order of the input")                                     \
	X(CHECK_INVERSIONS, "inversions", "arrivals earlier than the one before",                            \
	  "a replay needs them sorted, or they are sent late")                                               \
	X(CHECK_DUPLICATES, "duplicates", "requests equal to another of the same arrival",                   \
	  "the same load is sent twice, and the second is served from cache")                                \
	X(CHECK_ZERO_INPUT, "zero-input", "requests of no input tokens", "no prompt can be made for them")   \
	X(CHECK_ZERO_OUTPUT, "zero-output", "requests of no output tokens",                                  \
	  "in some sources these failed; no server answers with no token at all")                            \
	X(CHECK_HUGE, "huge-tokens", "requests of more than 10,000,000 tokens",                              \
	  "no model takes them; perhaps a column was mistaken")                                              \
	X(CHECK_NEGATIVE, "negative-arrival", "arrivals before the origin of the trace",                     \
	  "they are due before the replay begins")                                                           \
	X(CHECK_BLOCKS, "block-count", "prefix blocks that do not fit the input length and block size",      \
	  "prompts cannot have both the stated length and the stated shared prefixes")                       \
	X(CHECK_TURN, "turn-zero", "turns numbered 0; they count from 1",                                    \
	  "sessions are put together wrongly")                                                               \
	X(CHECK_PARENT, "parent", "requests that follow themselves or a later one",                          \
	  "they wait for what cannot come before them")                                                      \
	X(CHECK_SKIPPED, "skipped", "bad rows were left out", "the load is smaller than the source's")       \
	X(CHECK_INTERRUPTED, "interrupted", "the writer was stopped before the end of its input",            \
	  "the trace is shorter than its source")                                                            \
	X(CHECK_CUT, "cut", "the stream ends without a trailer", "an unknown part of the trace is missing")  \
	X(CHECK_DAMAGED, "damaged", "the input could not be read to its end",                                \
	  "what follows the damage is missing")

enum check_kind {
#define CHECK_X(symbol, kind, what, effect) symbol,
	CHECK_KINDS(CHECK_X)
#undef CHECK_X
	    CHECK_NKINDS
};

struct check_kind_info {
	const char *name, *what, *effect;
};
extern const struct check_kind_info check_kinds[CHECK_NKINDS];

/* Kinds of a list "ties,tick" into allowed[]. */
int check_allow(const char *list, unsigned char *allowed, struct tr_err *err);

struct check_finding {
	uint64_t count; /* 0 = no finding */
	int has_row, has_id;
	uint64_t row, id;                        /* of the first: from 1 in its input, and its id */
	char detail[TR_ERR_TEXT + TR_ERR_VALUE]; /* "" = none */
};

struct check_stamps; /* what shares a stamp: in stamps.c */

struct check {
	const unsigned char *allowed;
	struct check_finding found[CHECK_NKINDS];
	uint64_t records, arrivals, late;
	unsigned __int128 in_tokens, out_tokens;
	int64_t origin, previous, first, last; /* arrivals > 0: the first and last read, smallest, largest */
	uint64_t tick;                         /* ns; 0 = fewer than two distinct arrivals */
	int completion_order;
	struct tr_order *order;
	struct check_stamps *stamps;
	uint64_t shared;  /* rows that share their stamp */
	const char *name; /* of the input */
	const struct tr_head *head;
	const struct tr_tail *tail;
	const char *state;
};
int check_init(struct check *c, const unsigned char *allowed, struct tr_err *err);
void check_free(struct check *c);
void check_block(struct check *c, const struct tr_block *b);
/* After the last block. broken: the error that ended it, NULL = none. head and tail are borrowed. */
void check_end(struct check *c, const char *name, const struct tr_head *head, const struct tr_tail *tail,
               const struct tr_err *broken);
/* No finding but allowed ones. */
int check_ok(const struct check *c);

/* Note n occurrences; the first one of a kind gives the place. */
void check_note(struct check *c, enum check_kind kind, uint64_t row, const struct tr_rec *r);

int check_stamps_new(struct check_stamps **s, struct tr_err *err);
/* The next arrival in order. */
void check_stamps_add(struct check *c, const struct tr_ordered *row);
void check_stamps_end(struct check *c);
/* What rows carry through the ring. */
enum { CHECK_CARRY_ROW, CHECK_CARRY_ID, CHECK_CARRY_HAS_ID, CHECK_CARRY_HASH, CHECK_CARRIED };
uint64_t check_content(const struct tr_rec *r); /* hash of what makes two requests equal */

void check_text(const struct check *c);
void check_json(const struct check *c);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Header and trailer of a stream. Both are JSON objects, the same in the binary form and in JSONL.
 * Strings are owned by the struct (tr_head_free, tr_tail_free); NULL = not there.
 */
#ifndef LIBTRACE_META_H
#define LIBTRACE_META_H

#include "libtrace/buf.h"
#include "libtrace/err.h"
#include <stdint.h>

enum { TR_META_MAX = 1 << 20, TR_SOURCES_MAX = 64, TR_HISTORY_MAX = 64 };

struct tr_head {
	int has_origin;
	int64_t origin_ns; /* wall time of offset 0, nanoseconds since 1970-01-01 UTC */
	char *order;       /* "arrival", "completion" or "file" */
	int has_seed;
	uint64_t seed; /* content seed */
	char *tool;    /* "trace-convert 0.1.0" */
	char *options; /* as given, secrets redacted */
	char *format;  /* foreign format that the records came from, "azure" */
	char *style;   /* JSON object: how that format was spelled; what a byte-exact way back needs */
	char *notes;   /* JSON object: what a generator states of itself */
	unsigned nhistory;
	char *history[TR_HISTORY_MAX]; /* "tool options" of earlier steps, oldest first */
};

struct tr_source {
	char *name;
	char sha256[65]; /* of the decoded bytes; "" = unknown */
	uint64_t bytes;
};

struct tr_tail {
	uint64_t records, series, events;
	uint64_t in_tokens, out_tokens; /* sums over the records that have them */
	uint64_t inversions;            /* arrivals earlier than the one before */
	uint64_t skipped;               /* bad rows left out on request */
	int has_span;
	int64_t first_ns, last_ns; /* smallest and largest arrival */
	uint64_t content;          /* hash of the decoded content, see trb(5) */
	char *style;               /* JSON object: the rest of the source's style, known only at its end */
	char *tokenizer;           /* file that the lengths were counted with; NULL: they were not */
	char *tokenizer_sha256;    /* of that file, hex */
	char *verdict;             /* "VALID", "SUSPECT", "VOID"; NULL for a trace */
	char *reasons;             /* why, one line */
	char *state;               /* "complete" or "interrupted"; a reader also says "cut" */
	unsigned nsources;
	struct tr_source sources[TR_SOURCES_MAX];
};

void tr_head_free(struct tr_head *h);
void tr_tail_free(struct tr_tail *t);
int tr_head_copy(struct tr_head *to, const struct tr_head *from,
                 struct tr_err *err); /* into a zeroed struct */
/* sources, style, verdict, reasons, state, skipped; not counts. */
int tr_tail_copy_facts(struct tr_tail *to, const struct tr_tail *from, struct tr_err *err);

/* Replace an owned string by a copy of s (may be NULL). */
int tr_meta_set(char **member, const char *s, struct tr_err *err);

int tr_head_print(const struct tr_head *h, struct tr_buf *b); /* append the JSON object */
int tr_tail_print(const struct tr_tail *t, struct tr_buf *b);
int tr_head_parse(struct tr_head *h, struct tr_slice json,
                  struct tr_err *err); /* into a zeroed struct; unknown keys pass */
int tr_tail_parse(struct tr_tail *t, struct tr_slice json, struct tr_err *err);

#endif

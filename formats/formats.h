/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of formats. A format is one file here (reader and writer apart where they are long), one row in
 * formats.c, one folder in datasets/.
 */
#ifndef FORMATS_FORMATS_H
#define FORMATS_FORMATS_H

#include "libtrace/io.h"
#include "libtrace/stream.h"

struct tr_tokenizer; /* libtrace/tokenizer/tokenizer.h */

/* Which turns of a conversation become records. */
enum tr_turns { TR_TURNS_ALL, TR_TURNS_FIRST, TR_TURNS_FIRST_PAIR };
/* Which tool's subset of a file of conversations is kept. */
enum tr_peer { TR_PEER_NONE, TR_PEER_VLLM, TR_PEER_SGLANG, TR_PEER_AIPERF, TR_PEER_INFERENCE_PERF };

struct tr_read_opts {
	const char *map; /* csv: arrival=COL[:unit],in=COL,... ; NULL = none */
	char delimiter;  /* csv: 0 = found from the header */
	/* Sources of text: */
	enum tr_turns turns;
	enum tr_peer peer;
	int no_payload;                       /* lengths and links only */
	const struct tr_tokenizer *tokenizer; /* counts the lengths; NULL: bytes / 4, marked `estimated`.
	                                         Borrowed until the reader is closed. */
	unsigned message_overhead;            /* tokens that the template adds for each message */
	unsigned threads;                     /* beside the caller's; 0 = none */
	uint64_t skip_bad; /* bad rows to pass over; 0 = stop at the first; UINT64_MAX = any number */
	/* Told of every row passed over; the library does not print. May be NULL. */
	void (*warn)(void *ctx, const struct tr_err *err);
	void *warn_ctx;
};
struct tr_write_opts {
	const char *columns; /* csv: field names to write, comma separated; NULL = those of the first block */
	/* Told of a loss that is not an error ("not the source's bytes: ..."). May be NULL. */
	void (*warn)(void *ctx, const struct tr_err *err);
	void *warn_ctx;
	int in_place, force; /* TR_OUT_IN_PLACE, TR_OUT_FORCE */
};

struct tr_format {
	const char *name;
	const char *help;
	const char *extension; /* ".trb"; NULL = never chosen by extension */
	/* Does this format claim an input that begins so? Exactly one may. */
	int (*claims)(struct tr_slice first_bytes);
	/* Takes in, also on failure. NULL: cannot be read. */
	int (*open)(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);
	/* Takes out, also on failure. NULL: cannot be written. */
	int (*create)(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
	              const struct tr_write_opts *o, struct tr_err *err);
};

extern const struct tr_format tr_formats[]; /* ends with name NULL */
const struct tr_format *tr_format_find(const char *name);
/* By the extension of a path, with .zst or .gz taken off first; NULL = none. */
const struct tr_format *tr_format_of_path(const char *path);

/* Which format claims these bytes: NULL with err filled when none does (-TR_EDATA; an empty input says so) or
 * when two do. */
const struct tr_format *tr_format_detect(const struct tr_format *table, struct tr_slice first_bytes,
                                         struct tr_err *err);

/* Open path ("-" or NULL: stdin). format NULL: detected; with o->map set: csv. */
int tr_open(struct tr_reader **r, const char *path, const struct tr_format *format,
            const struct tr_read_opts *o, struct tr_err *err);
/* Create path ("-" or NULL: stdout). format NULL: by extension, else binary. Binary to a terminal:
 * -TR_EUSAGE. */
int tr_create(struct tr_writer **w, const char *path, const struct tr_format *format,
              const struct tr_head *head, const struct tr_write_opts *o, struct tr_err *err);

/* The formats' own entries, for the table. */
int tr_azure_claims(struct tr_slice first_bytes);
int tr_azure_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);
int tr_azure_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                    const struct tr_write_opts *o, struct tr_err *err);
int tr_csv_claims(struct tr_slice first_bytes);
int tr_csv_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);
int tr_csv_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                  const struct tr_write_opts *o, struct tr_err *err);
int tr_sharegpt_claims(struct tr_slice first_bytes);
int tr_sharegpt_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o,
                     struct tr_err *err);
int tr_sharegpt_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                       const struct tr_write_opts *o, struct tr_err *err);
int tr_custom_claims(struct tr_slice first_bytes);
int tr_custom_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);
int tr_custom_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                     const struct tr_write_opts *o, struct tr_err *err);
int tr_batch_claims(struct tr_slice first_bytes);
int tr_batch_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);
int tr_batch_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                    const struct tr_write_opts *o, struct tr_err *err);
int tr_spec_claims(struct tr_slice first_bytes);
int tr_spec_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);
int tr_spec_create(struct tr_writer **w, struct tr_out *out, const struct tr_head *head,
                   const struct tr_write_opts *o, struct tr_err *err);
int tr_aibrix_claims(struct tr_slice first_bytes);
int tr_aibrix_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o, struct tr_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Token ids of a text, the same as those of the reference: Hugging Face's `tokenizers` for a tokenizer.json,
 * tiktoken for a file of ranks. A tokenizer is read-only once it is open, for any number of threads; each
 * thread has an encoder of its own, which keeps scratch memory and a bounded cache of words.
 *
 * Text that is not UTF-8: each byte that is not part of a valid sequence (Unicode 15, table 3-7) counts as
 * U+FFFD, one for each maximal subpart, as Python's and Rust's lossy decoding do.
 */
#ifndef LIBTRACE_TOKENIZER_H
#define LIBTRACE_TOKENIZER_H

#include "libtrace/buf.h"
#include "libtrace/err.h"
#include <stdint.h>

struct tr_tokenizer; /* opaque */

/* A tokenizer.json or a tiktoken rank file; .zst and .gz are undone. -TR_EIO, -TR_EDATA (not such a file, or
 * a part that is not supported: it is named), -TR_ELIMIT. */
int tr_tokenizer_open(struct tr_tokenizer **t, const char *path, struct tr_err *err);
/* The bytes are copied. */
int tr_tokenizer_open_mem(struct tr_tokenizer **t, const char *name, struct tr_slice text,
                          struct tr_err *err);
void tr_tokenizer_free(struct tr_tokenizer *t); /* NULL is fine */

const char *tr_tokenizer_name(const struct tr_tokenizer *t);   /* the path as given */
const char *tr_tokenizer_sha256(const struct tr_tokenizer *t); /* of the decoded file, hex */
const char *
tr_tokenizer_kind(const struct tr_tokenizer *t); /* "byte-level BPE", "BPE", "Unigram", "WordPiece" */

enum {
	TR_TOK_SPECIAL = 1, /* with what the post-processor adds to a text (BOS, ...): encode()'s default in
	                       the reference. Without: add_special_tokens=False */
};

struct tr_ids { /* owned; start zeroed */
	uint32_t *v;
	size_t n, cap;
};
void tr_ids_free(struct tr_ids *ids);

struct tr_encoder; /* opaque; of one thread */
int tr_encoder_new(struct tr_encoder **e, const struct tr_tokenizer *t, struct tr_err *err);
void tr_encoder_free(struct tr_encoder *e); /* NULL is fine */

/* Append the ids of a text. Special tokens written out in the text are found, as the reference does. 0, or
 * -TR_ENOMEM, -TR_ELIMIT. */
int tr_encode(struct tr_encoder *e, struct tr_slice text, unsigned flags, struct tr_ids *ids,
              struct tr_err *err);
/* Only how many. */
int tr_count_tokens(struct tr_encoder *e, struct tr_slice text, unsigned flags, uint64_t *n,
                    struct tr_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of texts share: objects taken one at a time, records of them in blocks, lengths counted or
 * estimated, bad objects passed over on request, what the trailer says.
 *
 * Objects are taken in batches, several at once where there are threads to do it. A batch numbers its records
 * from 0; they are numbered on when the batch's turn has come, so the result does not depend on the threads.
 */
#ifndef FORMATS_TEXTS_H
#define FORMATS_TEXTS_H

#include "formats/docs.h"
#include "formats/formats.h"
#include "libtrace/json.h"
#include "libtrace/stream_impl.h"

/* A JSON string as it stands in the source: raw, between the quotes. p NULL: there is none. */
struct text {
	struct tr_slice raw;
	int escaped;
	size_t length; /* unescaped */
};

enum { TEXTS_ROLES = 32 };

struct texts_facts { /* what was there, for the trailer */
	uint64_t entries, messages, empty, skipped;
	struct {
		char name[24];
		uint64_t n;
	} roles[TEXTS_ROLES]; /* the last one: all others */
};

struct texts_batch { /* one thread's: its objects, and what became of them */
	const struct tr_read_opts *o;
	struct tr_encoder *encoder;                          /* NULL: lengths are estimates */
	struct tr_buf scratch, payload, answer, extra, name; /* for those who take objects */
	uint64_t number; /* of the object at hand in the whole input, from 1 */
	uint64_t id;     /* of the next record, in this batch */
	struct tr_block *block, **full;
	unsigned nfull, full_cap;
	struct texts_facts facts;
};

struct texts_ops {
	const char *format;
	/* What the first object says of the file: a JSON object for the header's style, appended to b
	 * (nothing: none). May be NULL. */
	int (*style)(struct tr_slice first, int array, struct tr_buf *b);
	/* Records of one object. NULL, or what is wrong with it; < 0 in *rc is an error that is not the
	 * object's. */
	const char *(*take)(struct texts_batch *b, struct tr_slice doc, int *rc, struct tr_err *err);
};

/* Takes in. */
int texts_open(struct tr_reader **r, struct tr_in *in, const struct tr_read_opts *o,
               const struct texts_ops *ops, struct tr_err *err);

/* --- for those who take objects --- */

int texts_put(struct texts_batch *b, const struct tr_rec *rec,
              struct tr_err *err); /* id is the batch's next */
int texts_put_event(struct texts_batch *b, const struct tr_event *e, struct tr_err *err);
/* Tokens of a text: counted, or ceil(bytes / 4). flags: TR_TOK_SPECIAL. */
int texts_count(struct texts_batch *b, struct text t, unsigned flags, uint64_t *n, struct tr_err *err);
void texts_estimated(const struct texts_batch *b,
                     struct tr_rec *rec); /* marks it where lengths are estimates */
/* Its bytes, unescaped, appended. */
int texts_unescape(struct text t, struct tr_buf *to);
/* Append a message of a payload: {"role":"user","content":"..."}, behind a comma where one is due. */
int texts_message(struct tr_buf *b, const char *role, struct text t);
/* The string token that the scanner has just given. NULL, or what is wrong with its escapes. */
const char *texts_string(const struct tr_json *j, struct text *t);
/* NULL, or what is wrong: the escapes of all strings, and UTF-8. */
const char *texts_check(struct tr_slice doc);
void texts_role(struct texts_facts *f, struct tr_slice name);

/* Which of these keys (ends with NULL) the first object has on its top level, as far as the bytes go: bit i
 * for keys[i]. Array and blanks before it are passed over. */
unsigned texts_keys(struct tr_slice first_bytes, const char *const *keys);

/* Append text as a quoted JSON string: valid UTF-8 as it is, three-byte surrogates (WTF-8) as \uXXXX. */
int texts_quote(struct tr_buf *b, struct tr_slice text);

#endif

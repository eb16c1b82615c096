/* SPDX-License-Identifier: Apache-2.0
 *
 * The two files of request bodies: body.c writes the members, body_payload.c puts in what a record brings
 * along.
 */
#ifndef TOOLS_REPLAY_BODY_IMPL_H
#define TOOLS_REPLAY_BODY_IMPL_H

#include "libtrace/json.h"
#include "tools/replay/body.h"

/* Members that we write; extra may bring any of them. */
enum body_member {
	MEMBER_MODEL,
	MEMBER_PROMPT,
	MEMBER_MESSAGES,
	MEMBER_MAX_TOKENS,
	MEMBER_MAX_COMPLETION_TOKENS,
	MEMBER_MIN_TOKENS,
	MEMBER_IGNORE_EOS,
	MEMBER_STREAM,
	MEMBER_STREAM_OPTIONS,
	MEMBER_PRIORITY,
	MEMBERS
};

enum body_kind { KIND_MESSAGES, KIND_DELTA, KIND_TEXT, KIND_TOKENS, KIND_BODY, KINDS };

struct body_work {
	const struct body_opts *o;
	const struct tr_rec *r;
	struct tr_buf *out;
	struct body_made *made;
	struct tr_err *err;
	unsigned replaced; /* bit per member that extra brings */
	int rc;            /* of the appends so far: the first failure sticks */
};

/* Which of our members the object has, as bits; *stream (if it has that one) is whether it says true.
 * -TR_EDATA: not a JSON object. */
int body_scan(struct tr_slice object, unsigned *members, int *stream);

/* Write a member's name, and return 1, unless extra replaces it or an append has failed. */
int body_begin(struct body_work *w, enum body_member m);
void body_text(struct body_work *w, const char *s);
void body_raw(struct body_work *w, struct tr_slice s);
void body_quoted(struct body_work *w, struct tr_slice s);

/* The record's payload as the prompt. < 0 and err when it is not what its kind says, or the API has no place
 * for it. */
int body_payload_kind(const struct tr_rec *r, enum body_kind *kind, struct tr_err *err);
int body_payload(struct body_work *w, enum body_kind kind);
int body_conversation(struct body_work *w); /* o->messages as the prompt */
/* A raw body: sent as it is. */
int body_payload_whole(struct body_work *w);

#endif

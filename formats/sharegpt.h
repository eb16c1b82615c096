/* SPDX-License-Identifier: Apache-2.0
 *
 * ShareGPT: a conversation an object, its messages in one list. What a record's fields do not say of the
 * source is kept in `extra`, so that a conversation goes back as the same document:
 *
 *     first record   "list":"conversation"          the list's name, unless conversations
 *                    "spell":["role","content"]     the names of a message's members, unless from and value
 *                    "noid":1, "id":5               no id, or one that is no string
 *                    "entry":{...}                  further members
 *     any record     "msgs":{"1":{...},...}         messages that are spelled otherwise, by their number in
 * the record (the answer comes last): all members but the text; {"raw":...}: the whole message, where its
 * text is no string "after":[...]                  messages behind the last record's
 *
 * A conversation without a record is an event of kind "source" with the whole object as its data.
 */
#ifndef FORMATS_SHAREGPT_H
#define FORMATS_SHAREGPT_H

#include "formats/texts.h"

enum sharegpt_role { SHAREGPT_USER, SHAREGPT_ASSISTANT, SHAREGPT_SYSTEM };

struct sharegpt_message {
	struct tr_slice raw;     /* as it stands */
	struct text from, value; /* value.raw.p NULL: no text */
	enum sharegpt_role role;
	int role_key;  /* 0 "from", 1 "role", -1 none */
	int value_key; /* 0 "value", 1 "content", -1 none */
	int more;      /* it has other members, or is no object */
	char *own;     /* what from and value point into, where they do not stand in the source as such */
};

struct sharegpt_entry {
	struct text id;
	struct tr_slice id_raw, list;
	int id_is_string, others; /* others: it has members beside id and the list */
	struct sharegpt_message *m;
	size_t n;
};

/* The names by which the two spellings call a role; NULL: it is none of theirs. */
extern const char *const sharegpt_names[2][3]; /* [role_key][role] */

/* Records of the pairs that a peer would send; see trace-convert(1). NULL, or what is wrong. */
const char *sharegpt_peer(struct texts_batch *b, const struct sharegpt_entry *e, int *rc, struct tr_err *err);
/* A record of a prompt and its answer alone. */
int sharegpt_pair(struct texts_batch *b, const struct sharegpt_entry *e,
                  const struct sharegpt_message *prompt, const struct sharegpt_message *answer,
                  unsigned flags, struct tr_rec *rec, struct tr_err *err);
/* The session's name: the id, or "#" and the object's number. Borrowed from b->name. */
struct tr_slice sharegpt_session(struct texts_batch *b, const struct sharegpt_entry *e);

#endif

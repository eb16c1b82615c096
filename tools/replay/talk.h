/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversations of one sending thread, by the name of their session: what was said so far, and the turns that
 * wait for the one before. Memory is bounded: a conversation that nothing waits in is forgotten, the longest
 * unused first, when there are too many; a turn that comes later finds no earlier ones then.
 */
#ifndef TOOLS_REPLAY_TALK_H
#define TOOLS_REPLAY_TALK_H

#include "libtrace/buf.h"
#include <stdint.h>

struct job;

enum {
	TALKS_MAX = 1 << 16,         /* conversations that are remembered */
	TALKS_BYTES = 64 << 20,      /* of their histories */
	TALK_HISTORY_MAX = 64 << 20, /* of one */
};

struct talk {
	/* The owner's. */
	struct tr_buf history;    /* messages, as JSON objects with commas between them */
	uint64_t tail_id;         /* the last turn that was taken in */
	int failed;               /* a turn of it failed: no more are sent */
	int busy;                 /* a turn is to be sent, or on its way */
	int64_t end_ns;           /* when the last one ended, from time zero */
	uint64_t tokens;          /* prompt and answer of that turn, as the server or the trace counts them */
	struct job *first, *last; /* turns that wait, in order */

	/* Inside. */
	struct tr_buf name;
	uint64_t hash;
	int refs, listed;
	size_t counted; /* of its history, in talks.bytes */
	struct talk *chain, *older, *newer;
};

struct talks {
	struct talk **slots;
	unsigned mask, n;
	size_t bytes;
	struct talk *oldest, *newest;
};

void talks_free(struct talks *t);
struct talk *talks_find(struct talks *t, struct tr_slice name); /* NULL: there is none */
/* A new conversation of this name, in place of one there was. NULL: no memory. Listed until it is forgotten.
 */
struct talk *talks_new(struct talks *t, struct tr_slice name);
void talks_touch(struct talks *t, struct talk *k);  /* used now; its history may have grown */
void talks_forget(struct talks *t, struct talk *k); /* it is no longer found */
void talk_ref(struct talk *k);
void talk_unref(struct talk *k); /* NULL is fine */

/* Append a message, or several as they stand in a list; p NULL: nothing. 0 or < 0. */
int talk_add(struct talk *k, struct tr_slice messages);
/* {"role":"assistant","content":"..."}: raw is JSON text between quotes. */
int talk_add_answer(struct talk *k, struct tr_slice raw);

#endif

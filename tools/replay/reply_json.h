/* SPDX-License-Identifier: Apache-2.0
 *
 * What one JSON object of a reply says, in one pass, whichever of the known APIs it comes from. Only read:
 * what it means in the course of a reply is decided in reply.c.
 */
#ifndef TOOLS_REPLAY_REPLY_JSON_H
#define TOOLS_REPLAY_REPLY_JSON_H

#include "libtrace/buf.h"
#include <stdint.h>

struct chunk_count {
	uint64_t v;
	int has;
};

/* Slices are raw: JSON strings without their quotes, or numbers; p is NULL when absent or null. */
struct chunk {
	int payload;               /* something generated, not empty, is in it */
	int choices;               /* has a choice (the first one is read) */
	int usage;                 /* has a usage object */
	int cumulative;            /* text repeats what came before: only growing counts tell of new tokens */
	int stop;                  /* llama.cpp: the last event */
	int error;                 /* an error object */
	struct chunk_count ids;    /* token ids */
	struct chunk_count tokens; /* llama.cpp: ids, without those it had held back */
	struct chunk_count in, out, cached; /* tokens so far, or in all */
	struct tr_slice text;               /* of the answer, without reasoning */
	struct tr_slice id, finish;
	struct tr_slice stop_type; /* llama.cpp */
	struct tr_slice generated; /* TGI: the whole text, in the last event */
	struct tr_slice object;
	struct tr_slice error_text, error_type, error_code;
};

/* 0; -TR_EDATA: not a JSON object; -TR_ELIMIT: nested too deeply; *why tells more. */
int chunk_scan(struct chunk *c, struct tr_slice text, const char **why);

#endif

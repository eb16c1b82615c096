/* SPDX-License-Identifier: Apache-2.0
 *
 * What a generation request asks for, read from its JSON body.
 */
#ifndef TOOLS_MOCK_ASK_H
#define TOOLS_MOCK_ASK_H

#include "libtrace/buf.h"
#include <stdint.h>

enum { ASK_TOKENS_MAX = 1 << 20, ASK_MODEL_MAX = 768, ASK_WHY = 400 };

struct ask {
	int chat;
	struct tr_slice model; /* raw JSON between the quotes, in the body; n = 0: not named */
	uint64_t max_tokens, min_tokens;
	int stream, include_usage, continuous_usage, ignore_eos, return_token_ids;
	int has_prompt;
	uint64_t in_tokens;  /* without the template */
	struct tr_slice ids; /* the prompt as sent, when it is a list of ids: "[1,2]" */
	char why[ASK_WHY];   /* what is wrong with the body */
};

struct ask_how {
	int quick;                 /* count the words of a text by its blanks */
	const char *const *reject; /* names of members that are refused */
	unsigned rejects;
};

/* 0, or a status with a->why filled. */
int ask_read(struct ask *a, struct tr_slice body, int chat, const struct ask_how *how);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * How answers are spelled: as vLLM does, server-sent events with "data: " and two line feeds, or one JSON
 * object. All functions append to `out`.
 */
#ifndef TOOLS_MOCK_WIRE_H
#define TOOLS_MOCK_WIRE_H

#include "tools/mock/ask.h"

struct wire {
	int chat, continuous, token_ids;
	uint64_t in_tokens;
	uint64_t first_word; /* where the request's text begins in the list of words */
	struct tr_buf start; /* {"id":...,"model":"..." : what every event of the request begins with */
	struct tr_buf ids;   /* of the prompt, as sent, when they are to be returned */
};

struct wire_facts {
	struct tr_slice id;    /* without cmpl- or chatcmpl- */
	struct tr_slice model; /* raw JSON between the quotes */
	int64_t created;
	uint64_t first_word;
	uint64_t in_tokens;
};

int wire_open(struct wire *w, const struct ask *a, const struct wire_facts *f);
void wire_close(struct wire *w);

int wire_role(const struct wire *w, struct tr_buf *out); /* chat begins with it */
/* Tokens from..from+n; finish = the reason, NULL = it goes on. */
int wire_tokens(const struct wire *w, struct tr_buf *out, uint64_t from, uint64_t n, const char *finish);
int wire_usage(const struct wire *w, struct tr_buf *out, uint64_t out_tokens);
int wire_whole(const struct wire *w, struct tr_buf *out, uint64_t n, const char *finish, int usage);
int wire_error(struct tr_buf *out, int status, const char *message); /* {"error":{...}} */
extern const char wire_done[];                                       /* "data: [DONE]\n\n" */

#endif

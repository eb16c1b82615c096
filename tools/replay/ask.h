/* SPDX-License-Identifier: Apache-2.0
 *
 * Single questions to the server before a run: is it there, which model has it, which fields does it take.
 * A signal ends the waiting.
 */
#ifndef TOOLS_REPLAY_ASK_H
#define TOOLS_REPLAY_ASK_H

#include "tools/replay/body.h"
#include "tools/replay/reply.h"
#include "tools/replay/transport.h"

struct answer {
	struct exchange x;
	struct reply reply;
	struct tr_buf text; /* the body as it came, up to a limit */
	enum outcome how;   /* of the transport, or of the reply when there was one */
	char why[256];
	int ended;
};
void answer_free(struct answer *a);

/* One request on a connection of its own; a is zeroed. An answer of any kind is a success: look at how. */
int ask(const struct transport_opts *o, const char *method, const char *path, const char *id,
        struct tr_slice body, int64_t timeout_ns, struct answer *a, struct tr_err *err);

/* Ask again and again until GET /health or /v1/models succeeds, at most wait_ns; 0 = one attempt at a
 * connection. */
int ask_ready(const struct transport_opts *o, int64_t wait_ns, struct tr_err *err);

/* The first model that GET /v1/models names, appended. */
int ask_model(const struct transport_opts *o, struct tr_buf *model, struct tr_err *err);

struct probe {
	unsigned fields;          /* of body_opts.fields: those that the server took */
	uint64_t template_tokens; /* counted beyond the words sent */
	int answered;             /* 0: the probe failed in a way that says nothing about fields */
	char note[256];           /* what there is to warn of; "" = nothing */
};
/* A request of two tokens; what the server refuses is left away and asked again. < 0: the server refuses all
 * requests of this kind (401, 404, ...). */
int probe(const struct transport_opts *t, const struct body_opts *b, struct probe *p, struct tr_err *err);

#endif

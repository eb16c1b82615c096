/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated server as a whole: what its parts share.
 *
 *   server (sockets) -> routes (what is asked) -> job (one answer), or instant (all at once)
 *   job -> engine (when tokens come), wire (how they are spelled), faults, log
 */
#ifndef TOOLS_MOCK_MOCK_H
#define TOOLS_MOCK_MOCK_H

#include "libtrace/law.h"
#include "tools/mock/ask.h"
#include "tools/mock/engine.h"
#include "tools/mock/faults.h"
#include "tools/mock/log.h"
#include "tools/mock/server.h"

enum { MOCK_ID_MAX = 128 };

struct mock_opts {
	const char *host, *log, *model;
	const char *key; /* NULL = none asked for */
	uint64_t port, slots, chunk, template_tokens, seed;
	int64_t idle_ns, duration_ns; /* -1 = never */
	struct delay ttft, itl;
	struct tr_length natural;
	int has_natural, strict_model, instant, usage, log_bodies;
	struct faults faults;
	struct ask_how ask;
};

struct mock {
	struct mock_opts o;
	struct event_base *base;
	struct engine engine;
	struct server *server;
	struct log *log; /* NULL = none */
	struct instant *instant;
	uint64_t requests;   /* to generate, so far */
	int64_t created;     /* wall clock at the start, seconds */
	struct tr_buf model; /* its name as a JSON string */
	struct tr_buf line;  /* one event or reply is put together here, then written */
	struct event *events[6];
	unsigned nevents;
	struct tr_err failure; /* of what goes on behind replies: the log */
};

int mock_new(struct mock **m, const struct mock_opts *o, struct tr_err *err);
int mock_run(struct mock *m, struct tr_err *err); /* until a signal or the duration; flushes the log */
void mock_free(struct mock *m);

/* --- between the parts --- */

/* A request to generate, read wholly. */
struct arrival {
	int64_t ns;
	uint64_t number;
	const struct fault *fault;
	const char *path;
	struct ask ask; /* in_tokens with the template; no usage asked for where none is reported */
	const struct http_request *r;
};

void mock_first_request(struct mock *m); /* freezes count from here */
/* The client's own name for the request where it sent one that can stand in a JSON text as it is, else ours.
 */
void mock_name(char id[MOCK_ID_MAX + 1], const struct arrival *a);
void mock_log(struct mock *m, const struct log_line *line, const struct stamps *s);

void routes_request(void *ctx, struct conn *c, const struct http_request *r);
void routes_malformed(void *ctx, struct conn *c, int status);
/* A whole reply. `more`: header fields, each with its end. */
void routes_reply(struct mock *m, struct conn *c, int status, const char *more, struct tr_slice body,
                  int keep);
void routes_error(struct mock *m, struct conn *c, int status, const char *message, int keep);

void job_start(struct mock *m, struct conn *c, const struct arrival *a);
void job_gone(void *job);
void job_drained(void *job);

int instant_new(struct instant **i, struct tr_err *err);
void instant_free(struct instant *i);
int instant_can(const struct mock *m, const struct arrival *a); /* else it takes a job, without delays */
void instant_reply(struct mock *m, struct conn *c, const struct arrival *a);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets: listening, connections, requests in, bytes out. Single-threaded, on libevent's loop. It knows
 * nothing of what is asked; requests of one connection reach the handler one after the other, the next when
 * the reply is done.
 */
#ifndef TOOLS_MOCK_SERVER_H
#define TOOLS_MOCK_SERVER_H

#include "libtrace/err.h"
#include "tools/mock/http.h"
#include <event2/event.h>

struct conn;
struct server;

struct handler {
	void *ctx;
	/* Leads, now or later, to conn_done or conn_drop. The slices of r end with the call. */
	void (*request)(void *ctx, struct conn *c, const struct http_request *r);
	/* The reply as far as it goes cannot be wrong: only the status is known. Ends in a close. */
	void (*malformed)(void *ctx, struct conn *c, int status);
	/* The client has gone while this job was under way; the connection is no more. */
	void (*gone)(void *job);
	/* What was waiting to be sent has been sent. */
	void (*drained)(void *job);
};

int server_new(struct server **s, struct event_base *base, const char *host, uint64_t port, int64_t idle_ns,
               const struct handler *h, struct tr_err *err);
unsigned server_port(const struct server *s);
void server_free(struct server *s); /* closes what is open; jobs are told gone */

uint64_t conn_id(const struct conn *c); /* from 1, in order of acceptance */
void conn_set_job(struct conn *c, void *job);
/* One write() when nothing waits; what the kernel does not take waits its turn. A connection that fails is
 * found by its reading side. */
void conn_send(struct conn *c, const void *p, size_t n);
size_t conn_waiting(const struct conn *c); /* bytes */
void conn_done(struct conn *c, int keep);  /* the reply is complete; keep = 0 closes once it is sent */
void conn_drop(struct conn *c, int reset); /* now; reset = with RST in place of FIN */

#endif

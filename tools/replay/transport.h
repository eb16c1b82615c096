/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection to the server, behind a small interface: one transport for each worker thread, used by that
 * thread alone (transport_wake apart). It keeps connections, sends each request exactly once, stamps with
 * CLOCK_MONOTONIC, and tells what comes back through the callbacks, from inside transport_start and
 * transport_wait. tools/replay/curl.c is the one implementation: libcurl's multi interface over epoll.
 */
#ifndef TOOLS_REPLAY_TRANSPORT_H
#define TOOLS_REPLAY_TRANSPORT_H

#include "libtrace/buf.h"
#include "libtrace/err.h"
#include "tools/replay/outcome.h"
#include <stdint.h>

struct transport; /* opaque */

/* A request on its way. The owner fills the first part and keeps body alive until it has ended. */
struct exchange {
	const char *method; /* "POST", "GET" */
	const char *path;   /* "/v1/completions": appended to the base URL */
	const char *id;     /* X-Request-Id */
	struct tr_slice body;

	/* filled by the transport; monotonic nanoseconds, 0 = did not happen */
	int64_t sent_ns;    /* the last byte was handed to the kernel */
	int64_t headers_ns; /* the reply's headers were complete */
	int64_t end_ns;
	int64_t connect_ns, tls_ns; /* durations; -1 = no new connection */
	int reused;                 /* the connection had carried a request before */
	int resent; /* the library wanted to send it again: prevented, the request has failed */
	unsigned http_code;
	uint64_t bytes_out, bytes_in; /* with headers */
	void *impl;
};

struct transport_calls {
	/* The reply's headers are complete; content_type is borrowed. */
	void (*headers)(struct exchange *x, struct tr_slice content_type);
	/* A piece of the body, read at t_ns. < 0: give the exchange up; ended follows with OUT_OK. */
	int (*data)(struct exchange *x, const char *p, size_t n, int64_t t_ns);
	/* It is over, and the transport has forgotten it. OUT_OK: the transport had nothing to complain of. A
	 * cut reply is OUT_TRANSPORT, one that never began OUT_CLOSED; `why` is one line for people. */
	void (*ended)(struct exchange *x, enum outcome how, const char *why);
};

struct transport_opts {
	const char *url; /* base, without a trailing slash */
	const char *const
	    *headers;       /* "K: V", ends with NULL; Content-Type and X-Request-Id come by themselves */
	const char *bearer; /* key for "Authorization: Bearer", NULL = none */
	const char *cacert, *proxy; /* NULL = the system's; none (never from the environment) */
	int insecure;
	int64_t connect_timeout_ns;
	int64_t idle_ns;          /* a connection idle for longer is not used again */
	unsigned max_connections; /* that may be open at once: sizes the pool */
};

/* Once a process, before threads and after: 0 or -TR_EIO. */
int transport_global_start(struct tr_err *err);
void transport_global_end(void);
/* Does the URL make sense? Fills `shown` (for records and messages) without user, password and query. */
int transport_check_url(const char *url, struct tr_buf *shown, struct tr_err *err);

/* Does a text show the key or the value of a header? A server may well say what it does not like. */
int transport_names_key(const struct transport_opts *o, const char *text);

int transport_new(struct transport **t, const struct transport_opts *o, const struct transport_calls *calls,
                  struct tr_err *err);
void transport_free(struct transport *t); /* exchanges must have ended or been cancelled */
/* Send it now. When it returns the request has been handed over if a connection was at hand; a failure also
 * comes by `ended`, perhaps before this returns. */
void transport_start(struct transport *t, struct exchange *x);
/* Forget it at once, closing its connection; `ended` is not called. */
void transport_cancel(struct transport *t, struct exchange *x);
/* Serve sockets until something happened, or until the moment `until` (monotonic ns; in the past: only look).
 */
int64_t transport_wait(struct transport *t, int64_t until);
/* From any thread: end the transport_wait that is running, or the next one. */
void transport_wake(struct transport *t);
/* CPU cost and connections: for verdict and report. */
unsigned transport_connections(const struct transport *t); /* opened so far */

#endif

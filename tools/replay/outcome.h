/* SPDX-License-Identifier: Apache-2.0
 *
 * How a request can end. The name is what stands in the record's `error` field; docs/METRICS.md is held
 * against this table by a test.
 */
#ifndef TOOLS_REPLAY_OUTCOME_H
#define TOOLS_REPLAY_OUTCOME_H

/* X(enum, "error class", "what it means") */
#define OUTCOMES(X)                                                                                          \
	X(OUT_OK, "", "succeeded: a finish reason was seen, and the length is the one asked for")            \
	X(OUT_RESOLVE, "resolve", "the host's name could not be resolved")                                   \
	X(OUT_CONNECT, "connect", "no connection: refused or unreachable")                                   \
	X(OUT_CONNECT_TIMEOUT, "connect_timeout", "no connection in time")                                   \
	X(OUT_TLS, "tls", "the TLS handshake or the certificate failed")                                     \
	X(OUT_TIMEOUT, "timeout", "no end within --timeout of being sent")                                   \
	X(OUT_CLOSED, "closed", "the server closed or reset the connection before any byte of the reply")    \
	X(OUT_TRANSPORT, "transport", "the reply was cut: reset, or closed before its framing ended")        \
	X(OUT_REDIRECT, "redirect", "HTTP 3xx: not followed")                                                \
	X(OUT_HTTP_429, "http_429", "HTTP 429: too many requests")                                           \
	X(OUT_HTTP_4XX, "http_4xx", "another HTTP 4xx")                                                      \
	X(OUT_HTTP_5XX, "http_5xx", "HTTP 5xx")                                                              \
	X(OUT_HTTP_OTHER, "http_other", "a status that is neither 200 nor one of the above")                 \
	X(OUT_SERVER_ERROR, "server_error", "an error object in the reply, even after good tokens")          \
	X(OUT_TRUNCATED, "truncated", "the reply ended without a finish reason")                             \
	X(OUT_LENGTH, "length", "the length was forced, and the server counted another number of tokens")    \
	X(OUT_PROTOCOL, "protocol", "an event or body that is not what the API defines")                     \
	X(OUT_LIMIT, "limit", "the reply exceeded a limit: line, event, number of events, bytes, depth")     \
	X(OUT_CLIENT, "client", "the client could not send: descriptors, memory, or a body too large")       \
	X(OUT_SESSION, "session", "not sent: an earlier turn of its session failed, or is not in the trace") \
	X(OUT_CENSORED, "censored", "still running when the grace period ended; its age is a lower bound")

enum outcome {
#define OUTCOME_X(code, name, text) code,
	OUTCOMES(OUTCOME_X)
#undef OUTCOME_X
	    OUTCOME_COUNT
};

const char *outcome_name(enum outcome o);
const char *outcome_text(enum outcome o);

#endif

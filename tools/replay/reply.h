/* SPDX-License-Identifier: Apache-2.0
 *
 * What one reply says: the bytes of a body, stamped as they came, become token events, counts and an
 * outcome. Streams (text/event-stream) and whole JSON bodies; chat completions, completions, and the native
 * streams of SGLang, llama.cpp and TGI. Knows no transport.
 *
 * A token event is the first unit that TTFT counts: an event with a generated payload that is not empty
 * (content, reasoning, reasoning_content, refusal, a tool call, text, token ids), never a role, a usage, a
 * comment or an error alone. After the first one, an event whose choice is empty but whose continuous usage
 * has grown is a token event too: an end-of-sequence token, or one whose bytes do not show yet.
 */
#ifndef TOOLS_REPLAY_REPLY_H
#define TOOLS_REPLAY_REPLY_H

#include "libtrace/buf.h"
#include "tools/replay/outcome.h"
#include "tools/replay/sse.h"
#include <stdint.h>

enum {
	REPLY_EVENTS_MAX = 1 << 18, /* token events of one reply */
	REPLY_BYTES_MAX = 1 << 30,  /* bytes of one reply */
	REPLY_BODY_MAX = 16 << 20,  /* of a body that is not a stream, and must be kept whole */
	REPLY_ERROR_MAX = 64 << 10, /* kept of the body of an HTTP error; REPLY_BODY_MAX are read */
	REPLY_TEXT_MAX = 256,       /* kept of an error message */
	REPLY_SAID_MAX = 6 << 20,   /* of an answer's text, where it is kept */
};

enum reply_end { REPLY_END_CLEAN, REPLY_END_CUT };

struct reply {
	/* asked for */
	uint64_t ask_tokens;
	int forced; /* ask_tokens was forced: another length is a failure */
	struct tr_buf
	    *said; /* chat: the answer's text goes here, as JSON between quotes; NULL: it is not kept */

	/* seen */
	unsigned http_code;
	int is_stream;
	uint64_t bytes;            /* of the body */
	int64_t first_ns, last_ns; /* first and last token event; valid when events > 0 */
	uint32_t events;           /* token events */
	uint64_t *gaps_ns;         /* events - 1 entries */
	uint64_t *event_tokens;    /* events entries; meaningful when tokens_known */
	int tokens_known;          /* set by reply_end: every event's count is proven */
	int has_in, has_out, has_cached;
	uint64_t in_tokens, out_tokens, cached_tokens; /* usage */
	char finish[32];                               /* finish reason, "" = none seen */
	char server_id[96];                            /* id of the reply object; "" = none */
	char message[REPLY_TEXT_MAX]; /* of an error object or a rule broken; control bytes made visible */
	int done;                     /* [DONE] seen */
	int after_done;               /* data after [DONE]: a warning */
	int no_done;                  /* finish reason, clean end, no [DONE]: a flag (TGI's native streams) */
	int role_first;               /* an event without payload came before the first token event */
	enum outcome outcome;         /* OUT_OK until something decides otherwise; final after reply_end */

	/* inside */
	struct sse sse;
	enum reply_form { REPLY_UNKNOWN, REPLY_STREAM, REPLY_BODY } form;
	struct tr_buf body; /* of a reply that is not a stream, or may not be one */
	uint32_t cap;       /* of gaps_ns, event_tokens */
	uint64_t usage_out; /* continuous usage: completion tokens so far */
	int counts_each;    /* every token event so far told its tokens */
	int64_t now_ns;     /* stamp of the piece being fed */
};

void reply_init(struct reply *r);
void reply_free(struct reply *r);
/* For another request; keeps small buffers, gives large ones back. */
void reply_restart(struct reply *r, uint64_t ask_tokens, int forced);
/* The headers are complete. content_type may be empty. */
void reply_headers(struct reply *r, unsigned http_code, struct tr_slice content_type);
/* A piece of the body that was read at t_ns. 0; < 0: give the request up, r->outcome says why. */
int reply_data(struct reply *r, const char *p, size_t n, int64_t t_ns);
/* The body has ended; settles outcome, tokens_known and the flags by this table:
 *
 *   finish reason and [DONE]                          ok
 *   finish reason, clean end                          ok, no_done (streams)
 *   no finish reason, [DONE] or clean end             truncated
 *   an error object, anywhere                         server_error
 *   the length was forced, usage (or a proven count)
 *   tells another                                     length
 *   data after [DONE]                                 as above, after_done
 *   cut (framing unfinished, reset)                   transport; but closed when no byte of the reply came
 *   HTTP status other than 200                        by its class; the message of an error object is kept
 *
 * A finish reason of "error" or "abort" is an error object. What was decided first stays. A finish reason and
 * [DONE] before a cut is ok: everything had been said. */
void reply_end(struct reply *r, enum reply_end how);

#endif

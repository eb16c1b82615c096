/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events, byte by byte (WHATWG HTML, "Server-sent events"). How the transport cuts the bytes
 * makes no difference: fed in one piece or byte by byte, the same events come out.
 *
 * A line ends with LF, CR or CRLF, mixed as they come; one BOM at the start is passed over; a line that
 * begins with ':' is a comment; one space after the colon is taken away; several data lines are joined with
 * LF; an empty line dispatches; an event that no empty line closes is discarded. Fields other than "event"
 * and "data" are ignored. An event without data is not dispatched.
 */
#ifndef TOOLS_REPLAY_SSE_H
#define TOOLS_REPLAY_SSE_H

#include "libtrace/buf.h"

enum {
	SSE_LINE_MAX = 4 << 20,  /* bytes of a line */
	SSE_EVENT_MAX = 8 << 20, /* bytes of an event's data */
};

/* One event; slices are borrowed until it returns. < 0: stop, sse_feed returns it. */
typedef int (*sse_fn)(void *ctx, struct tr_slice name, struct tr_slice data);

struct sse {
	sse_fn fn;
	void *ctx;
	struct tr_buf line;       /* the beginning of a line that is not complete */
	struct tr_buf name, data; /* own the slices below when a piece ends within an event */
	struct tr_slice name_at, data_at;
	unsigned has_data : 1, after_cr : 1;
	unsigned bom; /* bytes of a BOM seen at the start; 3 and above: past it */
};

void sse_init(struct sse *s, sse_fn fn, void *ctx);
void sse_restart(struct sse *s); /* for another stream; keeps small buffers, gives large ones back */
void sse_free(struct sse *s);
/* 0; -TR_ELIMIT: a line or an event is too long; -TR_ENOMEM; or what fn returned below 0. */
int sse_feed(struct sse *s, const char *p, size_t n);
/* The stream has ended: 1 when an unfinished event or line had to be discarded. */
int sse_end(struct sse *s);

#endif

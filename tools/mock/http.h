/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading HTTP/1.1 requests (RFC 9112), on memory: it knows no socket. Bounded, strict about what decides
 * where a request ends (two readings of that are how requests are smuggled), indifferent to the rest.
 */
#ifndef TOOLS_MOCK_HTTP_H
#define TOOLS_MOCK_HTTP_H

#include "libtrace/buf.h"
#include <stdint.h>

enum {
	HTTP_HEAD_MAX = 64 << 10,
	HTTP_BODY_MAX = 64 << 20,
	HTTP_FRAME_MAX = HTTP_BODY_MAX + (8 << 20), /* a request as sent: head, chunk sizes, trailers */
};

struct http_request {
	struct tr_slice method, path; /* the path without its query */
	struct tr_slice request_id, authorization;
	struct tr_slice body;
	uint64_t length;                                  /* of the body, as told */
	int has_length, chunked, keep_alive, expect, old; /* old: HTTP/1.0 */
	size_t used; /* bytes that the request took, head and frame included */
};

struct http_reader {
	enum { HTTP_HEAD, HTTP_BODY, HTTP_CHUNK_SIZE, HTTP_CHUNK, HTTP_CHUNK_END, HTTP_TRAILERS } state;
	size_t pos;         /* looked at so far */
	size_t line;        /* where the line begins that pos is in */
	size_t head;        /* length of the head, once it is whole */
	uint64_t left;      /* of the chunk */
	struct tr_buf body; /* of a chunked request */
};

void http_reader_init(struct http_reader *h);
void http_reader_free(struct http_reader *h); /* also begins the next request */

/* The n bytes at p begin with the request's first byte; later calls see the same bytes and more. 1 = the
 * request is whole: *r is filled, its slices lie in p or in the reader. 0 = there must be more; r->expect
 * tells that the client waits for leave to send the body. Negative: minus the status to answer before
 * closing. */
int http_read(struct http_reader *h, const char *p, size_t n, struct http_request *r);

const char *http_reason(int status);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of replies share: feeding one in any pieces, and all that it says as one line of text.
 */
#ifndef TESTS_UNIT_REPLIES_H
#define TESTS_UNIT_REPLIES_H

#include "tools/replay/reply.h"

#include <string.h>

/* "events=2 tokens=1,1 in=5 out=2 cached=0 finish=stop id=x done role_first server_error: message";
 * what was not seen is left out. */
static inline void reply_text(const struct reply *r, struct tr_buf *b)
{
	b->n = 0;
	tr_buf_printf(b, "%sevents=%u", r->is_stream ? "stream " : "", r->events);
	for (uint32_t i = 0; r->tokens_known && i < r->events; i++) {
		tr_buf_str(b, i ? "," : " tokens=");
		tr_buf_u64(b, r->event_tokens[i]);
	}
	if (r->has_in)
		tr_buf_printf(b, " in=%llu", (unsigned long long)r->in_tokens);
	if (r->has_out)
		tr_buf_printf(b, " out=%llu", (unsigned long long)r->out_tokens);
	if (r->has_cached)
		tr_buf_printf(b, " cached=%llu", (unsigned long long)r->cached_tokens);
	if (r->finish[0])
		tr_buf_printf(b, " finish=%s", r->finish);
	if (r->server_id[0])
		tr_buf_printf(b, " id=%s", r->server_id);
	if (r->done)
		tr_buf_str(b, " done");
	if (r->after_done)
		tr_buf_str(b, " after_done");
	if (r->no_done)
		tr_buf_str(b, " no_done");
	if (r->role_first)
		tr_buf_str(b, " role_first");
	if (r->outcome != OUT_OK)
		tr_buf_printf(b, " %s: %s", outcome_name(r->outcome), r->message);
	tr_buf_char(b, '\0');
}

/* The next piece begins where this one ends; stamps are the offset behind the piece. */
static inline int reply_piece(struct reply *r, struct tr_slice all, size_t *at, size_t n)
{
	n = n < all.n - *at ? n : all.n - *at;
	*at += n;
	return reply_data(r, all.p + *at - n, n, (int64_t)*at);
}

/* The whole reply in pieces of `size`, the first one of `first` bytes (0 = like the others). */
static inline void reply_feed(struct reply *r, unsigned code, const char *type, struct tr_slice all,
                              size_t first, size_t size, enum reply_end how)
{
	size_t at = 0;
	int rc = 0;
	reply_headers(r, code, tr_slice_of(type));
	if (first)
		rc = reply_piece(r, all, &at, first);
	while (rc == 0 && at < all.n)
		rc = reply_piece(r, all, &at, size);
	reply_end(r, how);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * A reply to trace-replay. Two bytes come first: how it is cut into pieces, and of what sort it is. However
 * it is cut, the same is read from it.
 */
#include "libtrace/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/replies.h"

struct sort {
	unsigned code, type, forced, how;
};

/* Pieces lie in memory of their own size: a look beyond one is found. */
static void run(struct reply *r, const struct sort *s, const uint8_t *p, size_t n, unsigned pattern)
{
	static const char *const types[] = {"text/event-stream", "application/json", "", "text/plain"};
	uint32_t x = pattern;
	int rc = 0;
	reply_restart(r, 4, s->forced);
	reply_headers(r, s->code, tr_slice_of(types[s->type]));
	for (size_t at = 0; at < n && rc == 0;) {
		x = x * 1103515245 + 12345;
		size_t size = pattern == 0 ? n : pattern < 16 ? pattern : 1 + (x >> 16) % pattern;
		size = size < n - at ? size : n - at;
		char *piece = malloc(size);
		promise(piece != NULL);
		memcpy(piece, p + at, size);
		rc = reply_data(r, piece, size, (int64_t)at);
		memset(piece, '#', size);
		free(piece);
		at += size;
	}
	promise(rc == 0 || r->outcome != OUT_OK);
	reply_end(r, s->how ? REPLY_END_CUT : REPLY_END_CLEAN);
}

static void check(const struct reply *r, size_t n)
{
	promise(r->bytes <= n && r->events <= n && r->events <= r->cap);
	promise(!memchr(r->message, '\x1b', sizeof r->message));
	promise(r->outcome < OUTCOME_COUNT && (r->outcome != OUT_OK || r->finish[0]));
	promise(!r->tokens_known || r->events > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned codes[] = {200, 200, 200, 500};
	static struct reply one, two;
	static struct tr_buf a, b;
	if (size < 2)
		return 0;
	if (!a.max) { /* kept from one input to the next, as from one request to the next */
		reply_init(&one);
		reply_init(&two);
		tr_buf_init(&a, 8 << 20);
		tr_buf_init(&b, 8 << 20);
	}
	struct sort s = {codes[data[1] & 3], data[1] >> 2 & 3, data[1] >> 4 & 1, data[1] >> 5 & 1};
	run(&one, &s, data + 2, size - 2, 0);
	run(&two, &s, data + 2, size - 2, data[0]);
	check(&one, size);
	check(&two, size);
	reply_text(&one, &a);
	reply_text(&two, &b);
	promise(a.n == b.n && memcmp(a.p, b.p, a.n) == 0);
	return 0;
}

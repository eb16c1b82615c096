/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of trace-mock: however the bytes come, in one piece or in two with the cut that the first two
 * bytes choose, or one by one, they are read the same. What is whole goes through the reader of bodies.
 */
#include "tests/fuzz/fuzz.h"
#include "tools/mock/ask.h"
#include "tools/mock/http.h"

#include <string.h>

enum { REQUESTS = 8, BYTE_BY_BYTE = 4096 };

struct seen {
	int n, rc[REQUESTS];
	size_t used[REQUESTS], body[REQUESTS];
};

static void check_request(const struct http_request *r, size_t n)
{
	static const char *const reject[] = {"n"};
	struct ask_how how = {.quick = (int)(r->used & 1), .reject = reject, .rejects = 1};
	struct ask a;

	promise(r->used > 0 && r->used <= n && r->body.n <= HTTP_BODY_MAX);
	promise(r->method.n > 0 && r->path.n > 0 && r->path.p[0] == '/');
	for (int chat = 0; chat < 2; chat++) {
		int status = ask_read(&a, r->body, chat, &how);

		promise(status == 0 || (status == 400 && a.why[0]));
		promise(status || (a.max_tokens >= 1 && a.min_tokens <= a.max_tokens));
	}
}

/* All requests of p[0..n); the reader sees the bytes up to `cut` first, then `step` more each time. */
static struct seen read_all(const char *p, size_t n, size_t cut, size_t step)
{
	struct http_reader h;
	struct http_request r;
	struct seen s = {.n = 0};
	size_t at = 0, end = cut < n ? cut : n;

	http_reader_init(&h);
	while (s.n < REQUESTS) {
		int rc = end > at ? http_read(&h, p + at, end - at, &r) : 0;

		if (rc == 0 && end < n) {
			end = n - end < step ? n : end + step;
			continue;
		}
		promise(rc == 0 || rc == 1 || (rc <= -400 && rc >= -599));
		s.rc[s.n] = rc;
		if (rc == 1) {
			check_request(&r, end - at);
			at += s.used[s.n] = r.used;
			s.body[s.n] = r.body.n;
			http_reader_free(&h);
		}
		s.n++;
		if (rc != 1)
			break;
	}
	http_reader_free(&h);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const char *p = (const char *)data + 2;
	size_t n = size - 2, cut = data[0] | (size_t)data[1] << 8;
	struct seen whole = read_all(p, n, n, n), two = read_all(p, n, cut, n), bytes;

	promise(memcmp(&whole, &two, sizeof whole) == 0);
	if (n <= BYTE_BY_BYTE) {
		bytes = read_all(p, n, 0, 1);
		promise(memcmp(&whole, &bytes, sizeof whole) == 0);
	}
	return 0;
}

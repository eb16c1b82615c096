/* SPDX-License-Identifier: Apache-2.0
 *
 * The event parser: the standard's rules, and the same events however the bytes are cut.
 */
#include "libtrace/err.h"
#include "tools/replay/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct log {
	struct tr_buf text; /* "name|data;" for each event */
	int stop;           /* what the callback returns */
	size_t events;
};

static int note(void *ctx, struct tr_slice name, struct tr_slice data)
{
	struct log *l = ctx;
	l->events++;
	tr_buf_add(&l->text, name.p, name.n);
	tr_buf_char(&l->text, '|');
	tr_buf_add(&l->text, data.p, data.n);
	tr_buf_char(&l->text, ';');
	return l->stop;
}

/* In and what must come out; unfinished: what sse_end says. Strings may hold NUL. */
#define S(s)                                                                                                 \
	{                                                                                                    \
		s, sizeof s - 1                                                                              \
	}
static const struct {
	struct tr_slice in, want;
	int unfinished;
} cases[] = {
    {S(""), S(""), 0},
    {S("data: a\n\n"), S("|a;"), 0},
    {S("data:a\n\n"), S("|a;"), 0},
    {S("data:  a \n\n"), S("| a ;"), 0},
    {S("data: a\r\n\r\n"), S("|a;"), 0},
    {S("data: a\r\r"), S("|a;"), 0},
    {S("data: a\n\r\ndata: b\r\n\ndata: c\r\n\rdata: d\n\rdata: e\r\r\n"), S("|a;|b;|c;|d;|e;"), 0},
    {S("data: a\n\r\n\r\n\n\r\r\ndata: b\n\n"), S("|a;|b;"), 0},
    {S("data: a\ndata: b\ndata:c\n\n"), S("|a\nb\nc;"), 0},
    {S("data: a\r\ndata\r\ndata:\r\ndata: \r\n\r\n"), S("|a\n\n\n;"), 0},
    {S("data\n\n"), S("|;"), 0},
    {S("data\ndata\n\n"), S("|\n;"), 0},
    {S("data:\n\n"), S("|;"), 0},
    {S("event: x\ndata: a\n\ndata: b\n\n"), S("x|a;|b;"), 0},
    {S("data: a\nevent:x\nevent: y\n\n"), S("y|a;"), 0},
    {S("event: x\nevent\ndata: a\n\n"), S("|a;"), 0},
    {S("event: x\n\ndata: a\n\n"), S("|a;"), 0},
    {S(": c\n\n:\n\n:data: x\ndata: a\n: c\ndata: b\n\n"), S("|a\nb;"), 0},
    {S("id: 7\nretry: 10\ndata : x\n data: y\nDATA: z\ndatax: z\ndat\ndata: a\n\n"), S("|a;"), 0},
    {S("data: a: b :c\n\n"), S("|a: b :c;"), 0},
    {S("data: a\n"), S(""), 1},
    {S("data: a"), S(""), 1},
    {S("data: a\n\ndata: b\n"), S("|a;"), 1},
    {S("data: a\n\nda"), S("|a;"), 1},
    {S("event: x\n"), S(""), 1},
    {S("data: a\n\n: c\n"), S("|a;"), 0},
    {S("\n\n\n"), S(""), 0},
    {S("\xef\xbb\xbf"
       "data: a\n\n"),
     S("|a;"), 0},
    {S("\xef\xbb\xbf\n\xef\xbb\xbf"
       "data: a\n\n"),
     S(""), 0},
    {S("\xef\xbb\xbf\xef\xbb\xbf"
       "data: a\n\ndata: b\n\n"),
     S("|b;"), 0},
    {S("\xef\xbb"
       "data: a\n\ndata: b\n\n"),
     S("|b;"), 0},
    {S("\xef\n\ndata: b\n\n"), S("|b;"), 0},
    {S("\xef\xbb\xbf"), S(""), 0},
    {S("\xef\xbb"), S(""), 1},
    {S("data: \xf0\x9f\x99\x82\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\x0b\x0c\x1c z\n\n"),
     S("|\xf0\x9f\x99\x82\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\x0b\x0c\x1c z;"), 0},
    {S("data: \0\xff\n\nda\0ta: b\n\n"), S("|\0\xff;"), 0},
};

static void check(struct sse *s, struct log *l, size_t i, size_t first, size_t size)
{
	struct tr_slice in = cases[i].in;
	char *piece = NULL;
	l->text.n = 0;
	sse_restart(s);
	for (size_t at = 0; at < in.n;) {
		size_t n = at == 0 && first ? first : size;
		n = n < in.n - at ? n : in.n - at;
		/* Each piece lies in memory of its own that is gone afterwards: nothing may point there. */
		piece = malloc(n);
		memcpy(piece, in.p + at, n);
		assert_int_equal(sse_feed(s, piece, n), 0);
		memset(piece, '#', n);
		free(piece);
		at += n;
	}
	if (sse_end(s) != cases[i].unfinished)
		fail_msg("case %zu, cut %zu: unfinished", i, first);
	if (l->text.n != cases[i].want.n || (l->text.n && memcmp(l->text.p, cases[i].want.p, l->text.n) != 0))
		fail_msg("case %zu, cut %zu, pieces of %zu: \"%.*s\"", i, first, size, (int)l->text.n,
		         l->text.p);
}

static void every_cut(void **state)
{
	struct log l = {.stop = 0};
	struct sse s;
	(void)state;
	tr_buf_init(&l.text, 1 << 16);
	sse_init(&s, note, &l);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t first = 0; first < cases[i].in.n; first++)
			for (size_t size = 1; size <= cases[i].in.n; size++)
				check(&s, &l, i, first, size);
	}
	sse_free(&s);
	tr_buf_free(&l.text);
}

/* An event comes with its closing CR, not with the byte behind it. */
static void events_do_not_wait(void **state)
{
	struct log l = {.stop = 0};
	struct sse s;
	(void)state;
	tr_buf_init(&l.text, 1 << 16);
	sse_init(&s, note, &l);
	assert_int_equal(sse_feed(&s, "data: a\r\n\r", 10), 0);
	assert_int_equal(l.events, 1);
	assert_int_equal(sse_feed(&s, "\n", 1), 0);
	assert_int_equal(sse_feed(&s, NULL, 0), 0);
	assert_int_equal(sse_feed(&s, "data: b\n\ndata: c\n\ndata", 22), 0);
	assert_int_equal(l.events, 3);
	sse_free(&s);
	tr_buf_free(&l.text);
}

static void stops_when_told(void **state)
{
	struct log l = {.stop = -TR_EDATA};
	struct sse s;
	(void)state;
	tr_buf_init(&l.text, 1 << 16);
	sse_init(&s, note, &l);
	assert_int_equal(sse_feed(&s, "data: a\n\ndata: b\n\n", 18), -TR_EDATA);
	assert_int_equal(l.events, 1);
	sse_free(&s);
	tr_buf_free(&l.text);
}

/* A line of n bytes, in pieces; what the first refusal said. */
static int line_of(struct sse *s, size_t n, size_t piece, const char *start, const char *end)
{
	size_t head = strlen(start);
	char *all = malloc(n + 2);
	int rc = 0;
	memset(all, 'x', n);
	memcpy(all, start, head);
	memcpy(all + n, end, 2);
	sse_restart(s);
	for (size_t at = 0; at < n + 2 && rc == 0; at += piece)
		rc = sse_feed(s, all + at, piece < n + 2 - at ? piece : n + 2 - at);
	free(all);
	return rc;
}

static void lines_are_bounded(void **state)
{
	static const char *const starts[] = {"data: ", ":", "x", "event: "};
	static const size_t pieces[] = {SSE_LINE_MAX + 2, 100003, SSE_LINE_MAX / 2};
	struct log l = {.stop = 0};
	struct sse s;
	(void)state;
	tr_buf_init(&l.text, 8 << 20);
	sse_init(&s, note, &l);
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 3; k++) {
			l.text.n = 0;
			assert_int_equal(line_of(&s, SSE_LINE_MAX, pieces[k], starts[i], "\n\n"), 0);
			assert_int_equal(l.text.n, i == 0 ? SSE_LINE_MAX - 4 : 0);
			assert_int_equal(line_of(&s, SSE_LINE_MAX + 1, pieces[k], starts[i], "\r\r"),
			                 -TR_ELIMIT);
			assert_in_range(s.line.cap, 0, SSE_LINE_MAX);
		}
	}
	/* whole lines within one piece too */
	assert_int_equal(line_of(&s, SSE_LINE_MAX + 1, SSE_LINE_MAX + 3, ":", "\n\n"), -TR_ELIMIT);
	sse_restart(&s);
	assert_in_range(s.line.cap, 0, 1 << 16);
	assert_in_range(s.name.cap, 0, 1 << 16);
	sse_free(&s);
	tr_buf_free(&l.text);
}

static void events_are_bounded(void **state)
{
	static char line[(1 << 16) + 1];
	struct log l = {.stop = 0};
	struct sse s;
	size_t lines = 0;
	int rc;
	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "data:", 5);
	line[sizeof line - 1] = '\n';
	sse_init(&s, note, &l);
	while ((rc = sse_feed(&s, line, sizeof line)) == 0)
		lines++;
	assert_int_equal(rc, -TR_ELIMIT);
	assert_int_equal(lines, SSE_EVENT_MAX / (sizeof line - 5));
	assert_in_range(s.data.cap, 0, SSE_EVENT_MAX);
	assert_int_equal(l.events, 0);
	sse_restart(&s);
	assert_in_range(s.data.cap, 0, 1 << 16);
	sse_free(&s);
}

/* What lies whole in the piece is passed on where it is. */
static int same_place(void *ctx, struct tr_slice name, struct tr_slice data)
{
	const char *piece = ctx;
	assert_ptr_equal(name.p, piece + 7);
	assert_ptr_equal(data.p, piece + 15);
	return 0;
}

static void does_not_copy(void **state)
{
	static char piece[] = "event: x\ndata: abc\n\n";
	struct sse s;
	(void)state;
	sse_init(&s, same_place, piece);
	assert_int_equal(sse_feed(&s, piece, sizeof piece - 1), 0);
	assert_null(s.data.p);
	assert_null(s.line.p);
	sse_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cut),          cmocka_unit_test(events_do_not_wait),
	    cmocka_unit_test(stops_when_told),    cmocka_unit_test(lines_are_bounded),
	    cmocka_unit_test(events_are_bounded), cmocka_unit_test(does_not_copy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The reply interpreter: a golden stream for each server in every cut and every line end; each row of the
 * table of outcomes; counts of tokens; limits.
 */
#include "libtrace/err.h"
#include "tests/unit/replies.h"
#include "tests/unit/reply_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *file, *want;
} golden[] = {
    {"vllm-chat-reasoning",
     "stream events=4 tokens=1,1,1,1 in=11 out=4 cached=8 finish=stop id=chatcmpl-a1 done role_first"},
    {"vllm-completions-continuous", "stream events=3 tokens=1,3,2 in=7 out=6 finish=length id=cmpl-b2 done"},
    {"vllm-token-ids", "stream events=3 tokens=1,3,1 in=3 out=5 finish=stop id=chatcmpl-c3 done role_first"},
    {"sglang-chat", "stream events=3 in=9 out=7 cached=4 finish=tool_calls id=d4 done role_first"},
    {"sglang-native-cumulative", "stream events=3 tokens=1,2,1 in=6 out=4 cached=2 finish=length id=e5 done"},
    {"sglang-native-incremental", "stream events=3 tokens=1,2,1 in=6 out=4 cached=0 finish=stop id=f6 done"},
    {"llamacpp-chat",
     "stream events=2 tokens=1,1 in=12 out=2 cached=5 finish=length id=chatcmpl-g7 done role_first"},
    {"llamacpp-native", "stream events=3 tokens=1,3,1 in=5 out=5 cached=0 finish=limit no_done"},
    {"tgi-chat", "stream events=2 tokens=1,1 in=5 out=2 finish=length done"},
    {"tgi-native", "stream events=3 tokens=1,1,1 in=4 out=3 finish=eos_token no_done"},
    {"trtllm-chat",
     "stream events=2 tokens=1,1 in=21 out=2 cached=0 finish=stop id=chatcmpl-i9 done role_first"},
    {"ollama-chat", "stream events=2 in=26 out=3 finish=stop id=chatcmpl-345 done"},
    {"ollama-completions", "stream events=2 tokens=1,1 in=4 out=2 finish=length id=cmpl-77 done"},
    {"openai-chat",
     "stream events=2 tokens=1,1 in=8 out=2 cached=0 finish=stop id=chatcmpl-BB done role_first"},
};

static void load(const char *name, struct tr_buf *b)
{
	char path[128];
	snprintf(path, sizeof path, "tests/replay/golden/%s.sse", name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("cannot read %s", path);
	b->n = 0;
	assert_int_equal(tr_buf_reserve(b, 8192), 0);
	b->n = fread(b->p, 1, 8192, f);
	fclose(f);
	assert_in_range(b->n, 100, 8191);
}

/* The same stream with other line ends, and perhaps a comment behind each line. */
static void vary(struct tr_slice in, const char *eol, int comments, struct tr_buf *out)
{
	out->n = 0;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '\n') {
			tr_buf_char(out, in.p[i]);
			continue;
		}
		tr_buf_str(out, eol);
		if (comments) {
			tr_buf_str(out, ": data: {\"error\":1}");
			tr_buf_str(out, eol);
		}
	}
}

static void expect(struct reply *r, struct tr_buf *text, const char *want, const char *what, size_t cut)
{
	reply_text(r, text);
	if (strcmp(text->p, want) != 0)
		fail_msg("%s, cut at %zu:\n  %s\nnot\n  %s", what, cut, text->p, want);
}

static void every_cut(struct tr_slice all, const char *want, const char *what)
{
	struct reply r;
	struct tr_buf text;
	reply_init(&r);
	tr_buf_init(&text, 4096);
	for (size_t cut = 0; cut < all.n; cut++) {
		reply_restart(&r, 0, 0);
		reply_feed(&r, 200, sse, all, cut, all.n, REPLY_END_CLEAN);
		expect(&r, &text, want, what, cut);
	}
	for (size_t size = 1; size < 8; size++) {
		reply_restart(&r, 0, 0);
		reply_feed(&r, 200, sse, all, 0, size, REPLY_END_CLEAN);
		expect(&r, &text, want, what, size);
		reply_restart(&r, 0, 0);
		reply_feed(&r, 200, "", all, 0, size, REPLY_END_CLEAN);
		expect(&r, &text, want, what, size);
	}
	tr_buf_free(&text);
	reply_free(&r);
}

static void golden_streams(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", "\r"};
	struct tr_buf file, all;
	(void)state;
	tr_buf_init(&file, 16384);
	tr_buf_init(&all, 65536);
	for (size_t g = 0; g < sizeof golden / sizeof golden[0]; g++) {
		load(golden[g].file, &file);
		for (size_t i = 0; i < 6; i++) {
			vary((struct tr_slice){file.p, file.n}, ends[i % 3], i / 3, &all);
			every_cut((struct tr_slice){all.p, all.n}, golden[g].want, golden[g].file);
		}
	}
	tr_buf_free(&file);
	tr_buf_free(&all);
}

static void each_row(void **state)
{
	struct reply r;
	struct tr_buf text;
	(void)state;
	reply_init(&r);
	tr_buf_init(&text, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tr_slice all = tr_slice_of(rows[i].body);
		for (size_t size = 1; size <= all.n + 1; size++) {
			reply_restart(&r, 2, rows[i].how & FORCED_2);
			enum reply_end how = rows[i].how & CUT ? REPLY_END_CUT : REPLY_END_CLEAN;
			if (rows[i].code)
				reply_feed(&r, rows[i].code, rows[i].type, all, 0, size, how);
			else
				reply_end(&r, how);
			expect(&r, &text, rows[i].want, rows[i].body, size);
			assert_true(rows[i].code == r.http_code);
		}
	}
	tr_buf_free(&text);
	reply_free(&r);
}

/* The stamp of an event is that of the piece with its closing line end. */
static void stamps(void **state)
{
	static const char body[] = ":\n\n" T("a") T("b") ":\n\n" T("c") FIN DONE;
	const size_t t = sizeof T("a") - 1;
	struct reply r;
	(void)state;
	reply_init(&r);
	reply_feed(&r, 200, sse, tr_slice_of(body), 0, 1, REPLY_END_CLEAN);
	assert_int_equal(r.outcome, OUT_OK);
	assert_int_equal(r.events, 3);
	assert_int_equal(r.first_ns, 3 + t);
	assert_int_equal(r.gaps_ns[0], t);
	assert_int_equal(r.gaps_ns[1], 3 + t);
	assert_int_equal(r.last_ns, 6 + 3 * t);
	reply_restart(&r, 0, 0);
	reply_feed(&r, 200, sse, tr_slice_of(body), 0, sizeof body, REPLY_END_CLEAN);
	assert_int_equal(r.gaps_ns[0], 0);
	assert_int_equal(r.first_ns, sizeof body - 1);
	static const char one[] = "{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}";
	reply_restart(&r, 0, 0);
	reply_feed(&r, 200, json, tr_slice_of(one), 0, 10, REPLY_END_CLEAN);
	assert_int_equal(r.first_ns, sizeof one - 1);
	reply_free(&r);
}

static void chunk(struct tr_buf *b, unsigned ids, unsigned so_far)
{
	tr_buf_str(b, "data: {\"choices\":[{\"text\":\"x\"");
	for (unsigned i = 0; i < ids; i++)
		tr_buf_str(b, i ? ",7" : ",\"token_ids\":[7");
	tr_buf_str(b, ids ? "]}]" : "}]");
	if (so_far)
		tr_buf_printf(b, ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":%u}", so_far);
	tr_buf_str(b, "}\n\n");
}

/* N tokens in K events, told by ids or by continuous usage; a total that differs by one disproves them all.
 */
static void n_tokens_in_k_events(void **state)
{
	struct reply r;
	struct tr_buf b;
	(void)state;
	reply_init(&r);
	tr_buf_init(&b, 1 << 20);
	for (unsigned k = 1; k <= 200; k += 7) {
		for (int kind = 0; kind < 6; kind++) {
			int by_ids = kind % 2, off = kind / 2 - 1;
			unsigned total = 0;
			b.n = 0;
			for (unsigned i = 0; i < k; i++) {
				unsigned more = 1 + i * 5 % 4;
				total += more;
				chunk(&b, by_ids ? more : 0, by_ids ? 0 : total);
			}
			tr_buf_printf(
			    &b, FIN "data: {\"choices\":[],\"usage\":{\"completion_tokens\":%d}}\n\n" DONE,
			    (int)total + off);
			reply_restart(&r, total, 1);
			reply_feed(&r, 200, sse, (struct tr_slice){b.p, b.n}, 0, 1 + k, REPLY_END_CLEAN);
			assert_int_equal(r.events, k);
			assert_int_equal(r.out_tokens, (int)total + off);
			assert_int_equal(r.outcome, off ? OUT_LENGTH : OUT_OK);
			assert_int_equal(r.tokens_known, off == 0);
			for (unsigned i = 0; i < k && off == 0; i++)
				assert_int_equal(r.event_tokens[i], 1 + i * 5 % 4);
		}
	}
	tr_buf_free(&b);
	reply_free(&r);
}

/* Tokens whose text does not show yet go to the next event; one that ends the reply is an event. */
static void hidden_tokens(void **state)
{
#define U(text, finish, n)                                                                                   \
	"data: {\"choices\":[{\"text\":\"" text "\",\"finish_reason\":" finish                               \
	"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":" #n "}}\n\n"
	static const struct {
		const char *body, *want;
	} cases[] = {
	    {U("", "null", 0) U("", "null", 1) U("a", "null", 2) U("", "null", 3) U("b", "null", 4)
	         U("", "\"stop\"", 5) DONE,
	     "stream events=4 tokens=2,1,1,1 in=3 out=5 finish=stop done role_first"},
	    {U("a", "null", 1) U("b", "\"stop\"", 1) DONE,
	     "stream events=2 tokens=1,0 in=3 out=1 finish=stop done"},
	    {U("a", "null", 2) U("b", "\"stop\"", 1) DONE, "stream events=2 in=3 out=1 finish=stop done"},
	    {T("a") T("b") T("c") U("", "\"stop\"", 9) DONE, "stream events=3 in=3 out=9 finish=stop done"},
	    {T("a") U("b", "null", 9) FIN DONE, "stream events=2 in=3 out=9 finish=stop done"},
	};
	struct reply r;
	struct tr_buf text;
	(void)state;
	reply_init(&r);
	tr_buf_init(&text, 4096);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		reply_restart(&r, 0, 0);
		reply_feed(&r, 200, sse, tr_slice_of(cases[i].body), 0, 50, REPLY_END_CLEAN);
		expect(&r, &text, cases[i].want, cases[i].body, i);
	}
	tr_buf_free(&text);
	reply_free(&r);
}

/* Feed a piece over and over until it is refused; bytes that were taken. */
static uint64_t flood(struct reply *r, unsigned code, const char *type, const char *start,
                      struct tr_slice piece)
{
	reply_restart(r, 0, 0);
	reply_headers(r, code, tr_slice_of(type));
	assert_int_equal(reply_data(r, start, strlen(start), 0), 0);
	while (reply_data(r, piece.p, piece.n, 0) == 0)
		;
	uint64_t n = r->bytes;
	reply_end(r, REPLY_END_CUT);
	return n;
}

static void bounded(const struct reply *r)
{
	assert_in_range(r->sse.line.cap, 0, SSE_LINE_MAX);
	assert_in_range(r->sse.name.cap, 0, SSE_LINE_MAX);
	assert_in_range(r->sse.data.cap, 0, SSE_EVENT_MAX);
	assert_in_range(r->body.cap, 0, REPLY_BODY_MAX);
	assert_in_range(r->cap, 0, REPLY_EVENTS_MAX);
}

/* Large buffers are not kept for the next request. */
static void given_back(struct reply *r)
{
	assert_true(r->cap > 4096 || r->body.cap > 1 << 16 || r->sse.data.cap > 1 << 16);
	reply_restart(r, 0, 0);
	assert_in_range(r->cap, 0, 4096);
	assert_in_range(r->body.cap, 0, 1 << 16);
	assert_in_range(r->sse.line.cap, 0, 1 << 16);
	assert_in_range(r->sse.data.cap, 0, 1 << 16);
}

static void floods_end(void **state)
{
	static char piece[1 << 16];
	struct tr_slice x = {piece, sizeof piece};
	struct reply r;
	(void)state;
	memset(piece, 'x', sizeof piece);
	reply_init(&r);
	assert_in_range(flood(&r, 200, sse, "data: ", x), SSE_LINE_MAX, SSE_LINE_MAX + 2 * sizeof piece);
	assert_int_equal(r.outcome, OUT_LIMIT);
	bounded(&r);
	assert_in_range(flood(&r, 200, json, "{", x), REPLY_BODY_MAX, REPLY_BODY_MAX + 2 * sizeof piece);
	assert_int_equal(r.outcome, OUT_LIMIT);
	bounded(&r);
	given_back(&r);
	assert_in_range(flood(&r, 500, json, "{", x), REPLY_BODY_MAX, REPLY_BODY_MAX + 2 * sizeof piece);
	assert_int_equal(r.outcome, OUT_HTTP_5XX);
	assert_in_range(r.body.cap, 0, REPLY_ERROR_MAX);
	assert_int_equal(strlen(r.message), REPLY_TEXT_MAX - 1);
	flood(&r, 200, sse, ":\n", tr_slice_of(T("a")));
	assert_int_equal(r.outcome, OUT_LIMIT);
	assert_int_equal(r.events, REPLY_EVENTS_MAX);
	bounded(&r);
	given_back(&r);
	memcpy(piece, "data:\n", 6);
	for (size_t n = 6; n <= sizeof piece / 2; n *= 2)
		memcpy(piece + n, piece, n);
	x.n = sizeof piece / 6 * 6;
	flood(&r, 200, sse, "data: {\n", x);
	assert_int_equal(r.outcome, OUT_LIMIT);
	bounded(&r);
	given_back(&r);
	memset(piece, ':', sizeof piece);
	piece[sizeof piece - 1] = '\n';
	assert_in_range(flood(&r, 200, sse, ":", (struct tr_slice){piece, sizeof piece}), REPLY_BYTES_MAX,
	                REPLY_BYTES_MAX + sizeof piece);
	assert_int_equal(r.outcome, OUT_LIMIT);
	reply_free(&r);
}

static void long_line_passes(void **state)
{
	static const char head[] = "data: {\"choices\":[{\"text\":\"", tail[] = "\"}]}\n\n" FIN DONE;
	const size_t mib = 1 << 20;
	struct reply r;
	struct tr_buf b;
	(void)state;
	reply_init(&r);
	tr_buf_init(&b, 2 * mib);
	tr_buf_str(&b, head);
	assert_int_equal(tr_buf_reserve(&b, mib), 0);
	memset(b.p + b.n, 'x', mib);
	b.n += mib;
	tr_buf_str(&b, tail);
	for (size_t size = 1000; size < 4 * mib; size *= 16) {
		reply_restart(&r, 0, 0);
		reply_feed(&r, 200, sse, (struct tr_slice){b.p, b.n}, 0, size, REPLY_END_CLEAN);
		assert_int_equal(r.outcome, OUT_OK);
		assert_int_equal(r.events, 1);
	}
	tr_buf_free(&b);
	reply_free(&r);
}

/* Long names are clipped between characters. */
static void clipped(void **state)
{
	struct reply r;
	struct tr_buf b;
	(void)state;
	reply_init(&r);
	tr_buf_init(&b, 8192);
	tr_buf_str(&b, "data: {\"id\":\"");
	for (int i = 0; i < 300; i++)
		tr_buf_str(&b, "\xe8\xaa\x9e");
	tr_buf_str(&b, "\",\"choices\":[{\"text\":\"a\",\"finish_reason\":\"");
	for (int i = 0; i < 300; i++)
		tr_buf_str(&b, i % 2 ? "\x7f" : "f");
	tr_buf_str(&b, "\"}]}\n\n");
	reply_feed(&r, 200, sse, (struct tr_slice){b.p, b.n}, 0, 10, REPLY_END_CLEAN);
	assert_int_equal(strlen(r.server_id), 93);
	assert_int_equal(strlen(r.finish), 31);
	assert_memory_equal(r.finish, "f\\x7ff\\x7f", 10);
	tr_buf_free(&b);
	reply_free(&r);
}

static void outcome_names(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUT_OK), "");
	assert_string_equal(outcome_name(OUT_CENSORED), "censored");
	assert_non_null(strstr(outcome_text(OUT_HTTP_429), "429"));
	assert_string_equal(outcome_name(OUTCOME_COUNT), "unknown");
	for (int i = 0; i < OUTCOME_COUNT; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(outcome_name((enum outcome)i), outcome_name((enum outcome)k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_streams),   cmocka_unit_test(each_row),
	    cmocka_unit_test(stamps),           cmocka_unit_test(n_tokens_in_k_events),
	    cmocka_unit_test(hidden_tokens),    cmocka_unit_test(floods_end),
	    cmocka_unit_test(long_line_passes), cmocka_unit_test(clipped),
	    cmocka_unit_test(outcome_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The reply interpreter: what the objects of a reply mean, one after the other.
 */
#include "tools/replay/reply.h"

#include "libtrace/err.h"
#include "libtrace/json.h"
#include "tools/replay/reply_json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	KEEP_EVENTS = 4096, /* arrays and buffers up to these sizes survive a restart */
	KEEP_BODY = 64 << 10,
};

/* Into a field of fixed size, whole characters, control characters made visible. */
static void keep(char *out, size_t size, struct tr_slice s)
{
	static const char hex[] = "0123456789abcdef";
	int utf8 = tr_json_utf8(s);
	size_t n = 0;
	for (size_t i = 0; i < s.n;) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		size_t step = *p < 0x80 || !utf8 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
		int c1 = step == 2 && *p == 0xc2 && p[1] < 0xa0; /* U+0080..9F: terminals obey them */
		int hide = *p < 0x20 || *p == 0x7f || (*p >= 0x80 && !utf8) || c1;
		if (n + (hide ? 4 : step) >= size)
			break;
		if (hide) {
			unsigned char c = p[c1];
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else {
			memcpy(out + n, p, step);
			n += step;
		}
		i += step;
	}
	out[n] = '\0';
}

/* The first decision stays. */
static void decide(struct reply *r, enum outcome outcome, struct tr_slice why)
{
	if (r->outcome != OUT_OK)
		return;
	r->outcome = outcome;
	keep(r->message, sizeof r->message, why);
}

static int give_up(struct reply *r, int rc, const char *why)
{
	decide(r,
	       rc == -TR_ENOMEM   ? OUT_CLIENT
	       : rc == -TR_ELIMIT ? OUT_LIMIT
	                          : OUT_PROTOCOL,
	       tr_slice_of(why));
	return rc;
}

/* "type code: message", as much of it as there is; else the whole text. */
static void describe(char *out, size_t size, const struct chunk *c, struct tr_slice text)
{
	struct tr_buf b;
	tr_buf_init(&b, c->error_type.n + c->error_code.n + c->error_text.n + 8);
	tr_buf_add(&b, c->error_type.p, c->error_type.n);
	if (b.n && c->error_code.n)
		tr_buf_char(&b, ' ');
	tr_buf_add(&b, c->error_code.p, c->error_code.n);
	if (b.n && c->error_text.n)
		tr_buf_str(&b, ": ");
	size_t start = b.n;
	if (tr_json_unescape(c->error_text, 0, &b) < 0) {
		b.n = start;
		tr_buf_add(&b, c->error_text.p, c->error_text.n);
	}
	keep(out, size, b.n ? (struct tr_slice){b.p, b.n} : text);
	tr_buf_free(&b);
}

static void server_error(struct reply *r, const struct chunk *c, struct tr_slice text)
{
	if (r->outcome != OUT_OK)
		return;
	r->outcome = OUT_SERVER_ERROR;
	describe(r->message, sizeof r->message, c, text);
}

static int grow(struct reply *r)
{
	if (r->events == REPLY_EVENTS_MAX)
		return give_up(r, -TR_ELIMIT, "too many events");
	uint32_t cap = r->cap ? r->cap * 2 : 64;
	uint64_t *gaps = realloc(r->gaps_ns, cap * sizeof *gaps);
	if (gaps)
		r->gaps_ns = gaps;
	uint64_t *tokens = realloc(r->event_tokens, cap * sizeof *tokens);
	if (tokens)
		r->event_tokens = tokens;
	if (!gaps || !tokens)
		return give_up(r, -TR_ENOMEM, "out of memory");
	r->cap = cap;
	return 0;
}

static int token_event(struct reply *r, uint64_t tokens)
{
	if (r->events == r->cap) {
		int rc = grow(r);
		if (rc < 0)
			return rc;
	}
	if (r->events == 0)
		r->first_ns = r->now_ns;
	else
		r->gaps_ns[r->events - 1] = r->now_ns > r->last_ns ? (uint64_t)(r->now_ns - r->last_ns) : 0;
	r->last_ns = r->now_ns;
	r->event_tokens[r->events++] = tokens;
	return 0;
}

/* Counts of the whole reply, or as far as it has come. */
static void counts(struct reply *r, const struct chunk *c)
{
	if (c->in.has) {
		r->has_in = 1;
		r->in_tokens = c->in.v;
	}
	if (c->out.has) {
		r->has_out = 1;
		r->out_tokens = c->out.v;
	}
	if (c->cached.has) {
		r->has_cached = 1;
		r->cached_tokens = c->cached.v;
	}
}

/* An event of a stream. A count stands beside what was generated (then it is the count so far), or in a last
 * event of its own. Zeros beside something are what Ollama sends: they count nothing. */
static int take(struct reply *r, const struct chunk *c)
{
	int alone = c->usage && !c->choices;
	int zeros = !alone && c->in.v == 0 && c->out.v == 0;
	int so_far = c->out.has && !alone && !zeros && c->out.v >= r->usage_out;
	uint64_t more = so_far ? c->out.v - r->usage_out : 0;
	int told = c->ids.has || so_far;
	if (!zeros)
		counts(r, c);
	int is_token = c->payload && (!c->cumulative || more);
	if (!is_token && r->events && r->counts_each && more)
		is_token = 1;
	if (!is_token) {
		r->role_first |= r->events == 0;
		return 0;
	}
	if (c->ids.has)
		more = c->ids.v;
	r->counts_each &= told;
	r->usage_out = so_far ? c->out.v : r->usage_out + more;
	return token_event(r, more);
}

/* Text that will go back to a server must be what it should be. Raw pieces put together are the raw whole. */
static int keep_said(struct reply *r, const struct chunk *c)
{
	size_t length;
	if (!r->said || !c->text.n)
		return 0;
	if (tr_json_unescaped(c->text, &length) < 0 || !tr_json_utf8(c->text))
		return give_up(r, -TR_EDATA, "an answer's text is not JSON text in UTF-8");
	return tr_buf_add(r->said, c->text.p, c->text.n) < 0
	           ? give_up(r, -TR_ELIMIT, "the answer is too long")
	           : 0;
}

static void finish(struct reply *r, const struct chunk *c)
{
	if (c->id.n && !r->server_id[0])
		keep(r->server_id, sizeof r->server_id, c->id);
	if (c->finish.n == 0)
		return;
	keep(r->finish, sizeof r->finish, c->finish);
	if (tr_slice_eq(c->finish, "error") || tr_slice_eq(c->finish, "abort"))
		server_error(r, c, c->finish);
}

static int event(void *ctx, struct tr_slice name, struct tr_slice data)
{
	struct reply *r = ctx;
	struct chunk c;
	const char *why;
	if (data.n == 0)
		return 0;
	r->after_done |= r->done;
	if (data.n <= 16 && tr_slice_eq(tr_slice_trim(data), "[DONE]")) {
		r->done = 1;
		return 0;
	}
	int rc = chunk_scan(&c, data, &why);
	if (tr_slice_eq(name, "error") || (rc == 0 && c.error)) {
		server_error(r, &c, data);
		return 0;
	}
	if (r->done)
		return 0;
	if (rc < 0)
		return give_up(r, rc, why);
	finish(r, &c);
	rc = keep_said(r, &c);
	return rc < 0 ? rc : take(r, &c);
}

void reply_init(struct reply *r)
{
	*r = (struct reply){.counts_each = 1};
	sse_init(&r->sse, event, r);
	tr_buf_init(&r->body, REPLY_BODY_MAX);
}

static void drop_arrays(struct reply *r)
{
	free(r->gaps_ns);
	free(r->event_tokens);
	r->gaps_ns = r->event_tokens = NULL;
	r->cap = 0;
}

void reply_free(struct reply *r)
{
	drop_arrays(r);
	sse_free(&r->sse);
	tr_buf_free(&r->body);
}

void reply_restart(struct reply *r, uint64_t ask_tokens, int forced)
{
	if (r->cap > KEEP_EVENTS)
		drop_arrays(r);
	if (r->body.cap > KEEP_BODY)
		tr_buf_free(&r->body);
	r->body.n = 0;
	sse_restart(&r->sse);
	*r = (struct reply){
	    .ask_tokens = ask_tokens,
	    .forced = forced,
	    .gaps_ns = r->gaps_ns,
	    .event_tokens = r->event_tokens,
	    .cap = r->cap,
	    .sse = r->sse,
	    .body = r->body,
	    .counts_each = 1,
	};
	r->sse.ctx = r; /* also when the reply was moved */
}

static int media_type(struct tr_slice s, const char *want)
{
	size_t n = strlen(want);
	s = tr_slice_trim(s);
	return s.n >= n && strncasecmp(s.p, want, n) == 0 &&
	       (s.n == n || s.p[n] == ';' || s.p[n] == ' ' || s.p[n] == '\t');
}

static enum outcome of_status(unsigned code)
{
	static const enum outcome of_hundreds[] = {
	    [3] = OUT_REDIRECT, [4] = OUT_HTTP_4XX, [5] = OUT_HTTP_5XX};
	if (code == 200 || code == 429)
		return code == 200 ? OUT_OK : OUT_HTTP_429;
	return code >= 300 && code < 600 ? of_hundreds[code / 100] : OUT_HTTP_OTHER;
}

void reply_headers(struct reply *r, unsigned http_code, struct tr_slice content_type)
{
	r->http_code = http_code;
	r->outcome = of_status(http_code);
	if (r->outcome != OUT_OK || media_type(content_type, "application/json"))
		r->form = REPLY_BODY;
	else if (media_type(content_type, "text/event-stream"))
		r->form = REPLY_STREAM;
	r->is_stream = r->form == REPLY_STREAM;
}

/* What is still blanks then is looked at no more. */
enum { GUESS_MAX = 4096 };

/* By the first bytes, when the headers did not tell. */
static enum reply_form guess(struct tr_slice s)
{
	static const char *const begins[] = {"data:", "event:", "id:", "retry:", ":"};
	while (s.n && strchr(" \t\r\n", *s.p) && *s.p) {
		s.p++;
		s.n--;
	}
	enum reply_form form = s.n ? REPLY_BODY : REPLY_UNKNOWN;
	for (size_t i = 0; i < sizeof begins / sizeof begins[0] && s.n; i++) {
		size_t n = strlen(begins[i]);
		if (memcmp(s.p, begins[i], s.n < n ? s.n : n) != 0)
			continue;
		if (s.n >= n)
			return REPLY_STREAM;
		form = REPLY_UNKNOWN;
	}
	return form;
}

static int feed(struct reply *r, const char *p, size_t n)
{
	int rc = sse_feed(&r->sse, p, n);
	return rc < 0 ? give_up(r, rc, "a line or an event is too long") : 0;
}

static int gather(struct reply *r, const char *p, size_t n)
{
	if (r->http_code != 200) { /* only for its message */
		if (r->bytes > REPLY_BODY_MAX)
			return -TR_ELIMIT;
		size_t room = REPLY_ERROR_MAX - r->body.n;
		n = n < room ? n : room;
	}
	int rc = tr_buf_add(&r->body, p, n);
	if (rc < 0)
		return give_up(r, rc, "the body is too long");
	if (r->form != REPLY_UNKNOWN)
		return 0;
	r->form = r->body.n > GUESS_MAX ? REPLY_BODY : guess((struct tr_slice){r->body.p, r->body.n});
	if (r->form != REPLY_STREAM)
		return 0;
	r->is_stream = 1;
	rc = feed(r, r->body.p, r->body.n);
	r->body.n = 0;
	return rc;
}

int reply_data(struct reply *r, const char *p, size_t n, int64_t t_ns)
{
	if (n == 0)
		return 0;
	r->now_ns = t_ns;
	r->bytes += n;
	if (r->bytes > REPLY_BYTES_MAX)
		return give_up(r, -TR_ELIMIT, "too many bytes");
	return r->form == REPLY_STREAM ? feed(r, p, n) : gather(r, p, n);
}

/* A reply in one piece: one token event, of as many tokens as the usage tells. */
static void whole(struct reply *r, enum reply_end how)
{
	struct tr_slice text = {r->body.p, r->body.n};
	struct chunk c;
	const char *why;
	int rc = chunk_scan(&c, text, &why);
	if (r->http_code != 200) {
		describe(r->message, sizeof r->message, &c, text);
		return;
	}
	if (rc < 0) {
		if (how == REPLY_END_CLEAN && text.n)
			give_up(r, rc, why);
		return;
	}
	finish(r, &c);
	if (keep_said(r, &c) < 0)
		return;
	if (c.error)
		server_error(r, &c, text);
	counts(r, &c);
	r->counts_each = c.out.has || c.ids.has;
	if (c.payload || c.generated.n)
		token_event(r, c.out.has ? c.out.v : c.ids.v);
}

/* Is the number of tokens of each event proven? By itself and by the sum; or, when only the sum is known,
 * because there are just as many events. Returns the length of the reply, or the one asked for when that is
 * not known. */
static uint64_t settle_tokens(struct reply *r)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < r->events; i++)
		sum += r->event_tokens[i];
	r->tokens_known = r->events > 0;
	if (r->counts_each) {
		r->tokens_known &= !r->has_out || sum == r->out_tokens;
	} else {
		r->tokens_known &= r->has_out && r->out_tokens == r->events;
		for (uint32_t i = 0; i < r->events && r->tokens_known; i++)
			r->event_tokens[i] = 1;
	}
	return r->has_out ? r->out_tokens : r->tokens_known ? sum : r->ask_tokens;
}

void reply_end(struct reply *r, enum reply_end how)
{
	int unfinished = sse_end(&r->sse);
	if (r->form != REPLY_STREAM && r->http_code)
		whole(r, how);
	uint64_t length = settle_tokens(r);
	r->role_first &= r->events > 0;
	r->no_done = r->is_stream && r->finish[0] && !r->done && how == REPLY_END_CLEAN;
	if (r->http_code == 0)
		decide(r, OUT_CLOSED, tr_slice_of("no reply"));
	if (how == REPLY_END_CUT && !(r->finish[0] && r->done))
		decide(r, OUT_TRANSPORT, tr_slice_of("the reply was cut"));
	if (!r->finish[0])
		decide(r, OUT_TRUNCATED,
		       tr_slice_of(unfinished ? "the reply ends within an event" : "no finish reason"));
	if (r->forced && length != r->ask_tokens)
		decide(r, OUT_LENGTH, tr_slice_of("another length than the one forced"));
}

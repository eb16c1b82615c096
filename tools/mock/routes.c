/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints, and the replies that need no waiting.
 */
#include "libtrace/clock.h"
#include "tools/mock/mock.h"
#include "tools/mock/wire.h"
#include <string.h>

static const char json_type[] = "content-type: application/json\r\n";

/* What answers a HEAD has the head of a reply alone: more bytes would be taken for the next reply. */
static void reply(struct conn *c, int status, const char *more, struct tr_slice body, int keep, int head)
{
	struct tr_buf b;
	int rc;

	tr_buf_init(&b, body.n + 4096);
	rc = tr_buf_printf(&b, "HTTP/1.1 %d %s\r\n%scontent-length: %zu\r\n%s\r\n", status,
	                   http_reason(status), more, body.n, keep ? "" : "connection: close\r\n");
	rc = rc < 0 || head ? rc : tr_buf_add(&b, body.p, body.n);
	if (rc < 0)
		conn_drop(c, 0);
	else
		conn_send(c, b.p, b.n);
	tr_buf_free(&b);
	if (rc == 0)
		conn_done(c, keep);
}

static void reply_error(struct conn *c, int status, const char *message, int keep, int head)
{
	struct tr_buf b;

	tr_buf_init(&b, 8192);
	wire_error(&b, status, message);
	reply(c, status, json_type, (struct tr_slice){b.p, b.n}, keep, head);
	tr_buf_free(&b);
}

void routes_reply(struct mock *m, struct conn *c, int status, const char *more, struct tr_slice body,
                  int keep)
{
	(void)m;
	reply(c, status, more, body, keep, 0);
}

void routes_error(struct mock *m, struct conn *c, int status, const char *message, int keep)
{
	(void)m;
	reply_error(c, status, message, keep, 0);
}

void routes_malformed(void *ctx, struct conn *c, int status)
{
	routes_error(ctx, c, status, "the request is not HTTP/1.1 as this server reads it", 0);
}

/* --- endpoints ----------------------------------------------------------------------------- */

static void reply_json(struct mock *m, struct conn *c, const struct http_request *r, struct tr_buf *b, int rc)
{
	if (rc < 0)
		routes_error(m, c, 500, "the reply is too large", r->keep_alive);
	else
		routes_reply(m, c, 200, json_type, (struct tr_slice){b->p, b->n}, r->keep_alive);
	tr_buf_free(b);
}

static void get_health(struct mock *m, struct conn *c, const struct http_request *r)
{
	routes_reply(m, c, 200, "", (struct tr_slice){"", 0}, r->keep_alive);
}

static void get_models(struct mock *m, struct conn *c, const struct http_request *r)
{
	struct tr_buf b;

	tr_buf_init(&b, 64 << 10);
	int rc = tr_buf_str(&b, "{\"object\":\"list\",\"data\":[{\"id\":");
	rc = rc < 0 ? rc : tr_buf_add(&b, m->model.p, m->model.n);
	rc = rc < 0 ? rc
	            : tr_buf_printf(&b,
	                            ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"trace-mock\","
	                            "\"max_model_len\":%d}]}",
	                            (long long)m->created, ASK_TOKENS_MAX);
	reply_json(m, c, r, &b, rc);
}

/* Ids are there for their number alone. */
static void post_tokenize(struct mock *m, struct conn *c, const struct http_request *r)
{
	struct ask_how how = {.quick = 0};
	struct tr_buf b;
	struct ask a;

	if (ask_read(&a, r->body, 0, &how) && ask_read(&a, r->body, 1, &how)) {
		routes_error(m, c, 400, a.why, r->keep_alive);
		return;
	}
	a.in_tokens += a.chat ? m->o.template_tokens : 0;
	tr_buf_init(&b, 256 << 20);
	int rc = tr_buf_printf(&b, "{\"count\":%llu,\"max_model_len\":%d,\"tokens\":[",
	                       (unsigned long long)a.in_tokens, ASK_TOKENS_MAX);
	for (uint64_t i = 1; i <= a.in_tokens && rc == 0; i++) {
		rc = i == 1 ? 0 : tr_buf_char(&b, ',');
		rc = rc < 0 ? rc : tr_buf_u64(&b, i);
	}
	rc = rc < 0 ? rc : tr_buf_str(&b, "]}");
	reply_json(m, c, r, &b, rc);
}

static struct tr_slice own_model(const struct mock *m)
{
	return (struct tr_slice){m->model.p + 1, m->model.n - 2};
}

static int known_model(const struct mock *m, const struct ask *a)
{
	struct tr_slice name = own_model(m);

	return !m->o.strict_model || (a->model.n == name.n && memcmp(a->model.p, name.p, name.n) == 0);
}

static void generate(struct mock *m, struct conn *c, const struct http_request *r, int chat, const char *path)
{
	struct arrival a = {.ns = tr_mono_ns(), .path = path, .r = r};
	int status = ask_read(&a.ask, r->body, chat, &m->o.ask);

	if (status == 0 && !known_model(m, &a.ask)) {
		status = 404;
		memcpy(a.ask.why, "model: does not exist here", 27);
	}
	if (status) {
		routes_error(m, c, status, a.ask.why, r->keep_alive);
		return;
	}
	if (!a.ask.model.n)
		a.ask.model = own_model(m);
	a.ask.in_tokens += chat ? m->o.template_tokens : 0;
	a.ask.include_usage = a.ask.include_usage && m->o.usage;
	a.ask.continuous_usage = a.ask.continuous_usage && a.ask.include_usage;
	a.number = ++m->requests;
	if (a.number == 1)
		mock_first_request(m);
	a.fault = fault_of(&m->o.faults, m->o.seed, a.number);
	if (m->o.instant && instant_can(m, &a))
		instant_reply(m, c, &a);
	else
		job_start(m, c, &a);
}

static void post_completions(struct mock *m, struct conn *c, const struct http_request *r)
{
	generate(m, c, r, 0, "/v1/completions");
}

static void post_chat(struct mock *m, struct conn *c, const struct http_request *r)
{
	generate(m, c, r, 1, "/v1/chat/completions");
}

static const struct {
	const char *path, *method;
	int locked; /* needs the key */
	void (*serve)(struct mock *m, struct conn *c, const struct http_request *r);
} routes[] = {
    {"/v1/completions", "POST", 1, post_completions},
    {"/v1/chat/completions", "POST", 1, post_chat},
    {"/v1/models", "GET", 1, get_models},
    {"/health", "GET", 0, get_health},
    {"/tokenize", "POST", 0, post_tokenize},
};

static int has_key(const struct mock *m, struct tr_slice authorization)
{
	static const char scheme[] = "Bearer ";
	size_t n = sizeof scheme - 1;

	return !m->o.key ||
	       (authorization.n > n && memcmp(authorization.p, scheme, n) == 0 &&
	        tr_slice_eq((struct tr_slice){authorization.p + n, authorization.n - n}, m->o.key));
}

void routes_request(void *ctx, struct conn *c, const struct http_request *r)
{
	struct mock *m = ctx;
	int head = tr_slice_eq(r->method, "HEAD"); /* a method of no route */

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!tr_slice_eq(r->path, routes[i].path))
			continue;
		if (!tr_slice_eq(r->method, routes[i].method))
			reply_error(c, 405, "method not allowed", r->keep_alive, head);
		else if (routes[i].locked && !has_key(m, r->authorization))
			routes_error(m, c, 401, "the key is missing or wrong", r->keep_alive);
		else
			routes[i].serve(m, c, r);
		return;
	}
	reply_error(c, 404, "not found", r->keep_alive, head);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies that are there at once and go out in one write: the yardstick for how fast a client can be. A reply
 * is built once for each form of request; the numbers that depend on the prompt have places of a fixed
 * width in it (JSON allows blanks before a number), and are set before each write.
 */
#include "libtrace/clock.h"
#include "libtrace/num.h"
#include "tools/mock/mock.h"
#include "tools/mock/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FORMS = 256, /* kept, each in the place that its key says; a newer one takes the place of an older */
	WIDTH = 10,  /* of a number */
	REPLY_MAX = 512 << 20,
	KEPT_MAX = 256 << 10, /* a larger reply is not kept */
};

/* Stands where the prompt's tokens will: ten digits, and the total has as many. */
static const uint64_t MARK = 1111111111;

struct place { /* of a number that the prompt's tokens go into */
	size_t at;
	uint64_t more;
};

struct form {
	uint64_t max_tokens, flags;
	struct tr_buf reply;
	uint64_t in_tokens; /* that it has now */
	struct place *places;
	size_t nplaces, cap;
	size_t nmodel;
	char model[ASK_MODEL_MAX];
};

struct instant {
	struct form forms[FORMS];
};

int instant_new(struct instant **i, struct tr_err *err)
{
	*i = calloc(1, sizeof **i);
	return *i ? 0 : tr_fail(err, TR_ENOMEM, "out of memory");
}

static void free_form(struct form *f)
{
	tr_buf_free(&f->reply);
	free(f->places);
	f->places = NULL;
	f->nplaces = f->cap = 0;
	f->flags = 0;
}

void instant_free(struct instant *i)
{
	for (int k = 0; i && k < FORMS; k++)
		free_form(&i->forms[k]);
	free(i);
}

int instant_can(const struct mock *m, const struct arrival *a)
{
	return !a->fault && !m->o.has_natural && !a->ask.return_token_ids && !a->r->old && a->r->keep_alive;
}

static uint64_t flags_of(const struct ask *a)
{
	return 1u | (a->chat ? 2u : 0) | (a->stream ? 4u : 0) | (a->include_usage ? 8u : 0) |
	       (a->continuous_usage ? 16u : 0);
}

static struct form *find(struct instant *i, const struct ask *a)
{
	uint64_t h = a->max_tokens * 32 + flags_of(a);

	for (size_t k = 0; k < a->model.n; k++)
		h = h * 31 + (unsigned char)a->model.p[k];
	return &i->forms[(h * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
}

static int is_form(const struct form *f, const struct ask *a)
{
	return f->flags == flags_of(a) && f->max_tokens == a->max_tokens && f->nmodel == a->model.n &&
	       memcmp(f->model, a->model.p, f->nmodel) == 0;
}

/* --- building ------------------------------------------------------------------------------ */

static int put_chunk(struct tr_buf *out, struct tr_buf *event, int rc)
{
	rc = rc < 0 ? rc : tr_buf_printf(out, "%zx\r\n", event->n);
	rc = rc < 0 ? rc : tr_buf_add(out, event->p, event->n);
	rc = rc < 0 ? rc : tr_buf_str(out, "\r\n");
	event->n = 0;
	return rc;
}

static int build_stream(const struct mock *m, const struct ask *a, const struct wire *w, struct tr_buf *out)
{
	struct tr_buf e;
	int rc = tr_buf_str(out, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
	                         "transfer-encoding: chunked\r\n\r\n");

	tr_buf_init(&e, 64 << 20);
	if (a->chat)
		rc = rc < 0 ? rc : put_chunk(out, &e, wire_role(w, &e));
	for (uint64_t i = 0, n; i < a->max_tokens && rc == 0; i += n) {
		n = a->max_tokens - i < m->o.chunk ? a->max_tokens - i : m->o.chunk;
		rc = put_chunk(out, &e, wire_tokens(w, &e, i, n, i + n == a->max_tokens ? "length" : NULL));
	}
	if (a->include_usage)
		rc = rc < 0 ? rc : put_chunk(out, &e, wire_usage(w, &e, a->max_tokens));
	rc = rc < 0 ? rc : put_chunk(out, &e, tr_buf_str(&e, wire_done));
	tr_buf_free(&e);
	return rc < 0 ? rc : tr_buf_str(out, "0\r\n\r\n");
}

static int build_whole(const struct mock *m, const struct ask *a, const struct wire *w, struct tr_buf *out)
{
	struct tr_buf body;

	tr_buf_init(&body, REPLY_MAX / 2);
	int rc = wire_whole(w, &body, a->max_tokens, "length", m->o.usage);
	rc = rc < 0 ? rc
	            : tr_buf_printf(
	                  out,
	                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
	                  body.n);
	rc = rc < 0 ? rc : tr_buf_add(out, body.p, body.n);
	tr_buf_free(&body);
	return rc;
}

static int add_place(struct form *f, size_t at, uint64_t more)
{
	if (f->nplaces == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 4;
		struct place *v = realloc(f->places, cap * sizeof(*v));
		if (!v)
			return -TR_ENOMEM;
		f->places = v;
		f->cap = cap;
	}
	f->places[f->nplaces++] = (struct place){at, more};
	return 0;
}

/* Every number that holds the mark: the prompt's tokens, and totals, which are more by the tokens of the
 * answer so far. */
static int find_places(struct form *f)
{
	static const char *const keys[] = {"\"prompt_tokens\":", "\"total_tokens\":"};
	int rc = 0;

	f->nplaces = 0;
	for (size_t k = 0; k < 2; k++) {
		size_t n = strlen(keys[k]);
		for (size_t at = 0; at + n + WIDTH <= f->reply.n && rc == 0; at++) {
			struct tr_slice digits = {f->reply.p + at + n, WIDTH};
			uint64_t v;
			if (memcmp(f->reply.p + at, keys[k], n) == 0 && !tr_num_u64(digits, &v) && v >= MARK)
				rc = add_place(f, at + n, v - MARK);
		}
	}
	return rc;
}

static int build(struct form *f, const struct mock *m, const struct ask *a)
{
	struct wire_facts facts = {
	    .id = tr_slice_of("instant"), .model = a->model, .created = m->created, .in_tokens = MARK};
	struct wire w;
	int rc = wire_open(&w, a, &facts);

	tr_buf_free(&f->reply);
	tr_buf_init(&f->reply, REPLY_MAX);
	rc = rc < 0 ? rc : (a->stream ? build_stream : build_whole)(m, a, &w, &f->reply);
	wire_close(&w);
	f->max_tokens = a->max_tokens;
	f->nmodel = a->model.n;
	memcpy(f->model, a->model.p, a->model.n);
	f->in_tokens = MARK;
	rc = rc < 0 ? rc : find_places(f);
	f->flags = rc < 0 ? 0 : flags_of(a);
	return rc;
}

/* --- sending ------------------------------------------------------------------------------- */

static void set_number(char *at, uint64_t v)
{
	for (int i = WIDTH - 1; i >= 0; i--, v /= 10)
		at[i] = v || i == WIDTH - 1 ? (char)('0' + v % 10) : ' ';
}

static void log_it(struct mock *m, struct conn *c, const struct arrival *a)
{
	static const struct stamps none = {.n = 0};
	char id[MOCK_ID_MAX + 1];

	mock_name(id, a);
	struct log_line line = {.number = a->number,
	                        .conn = conn_id(c),
	                        .id = tr_slice_of(id),
	                        .body = m->o.log_bodies ? a->r->body : (struct tr_slice){0},
	                        .path = a->path,
	                        .arrival_ns = a->ns,
	                        .end_ns = tr_mono_ns(),
	                        .in_tokens = a->ask.in_tokens,
	                        .out_tokens = a->ask.max_tokens,
	                        .max_tokens = a->ask.max_tokens,
	                        .bytes_in = a->r->used,
	                        .first = SIZE_MAX,
	                        .outcome = "ok",
	                        .stream = a->ask.stream};

	mock_log(m, &line, &none);
}

void instant_reply(struct mock *m, struct conn *c, const struct arrival *a)
{
	struct form *f = find(m->instant, &a->ask);

	if (!is_form(f, &a->ask) && build(f, m, &a->ask) < 0) {
		routes_error(m, c, 500, "out of memory", a->r->keep_alive);
		return;
	}
	for (size_t i = 0; i < f->nplaces && f->in_tokens != a->ask.in_tokens; i++)
		set_number(f->reply.p + f->places[i].at, a->ask.in_tokens + f->places[i].more);
	f->in_tokens = a->ask.in_tokens;
	conn_send(c, f->reply.p, f->reply.n);
	if (m->log)
		log_it(m, c, a);
	if (f->reply.n > KEPT_MAX) {
		tr_buf_free(&f->reply);
		f->flags = 0;
	}
	conn_done(c, 1);
}

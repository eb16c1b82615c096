/* SPDX-License-Identifier: Apache-2.0
 *
 * One answer, from the request to its log line.
 */
#include "libtrace/clock.h"
#include "libtrace/json.h"
#include "tools/mock/mock.h"
#include "tools/mock/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FRAME = 20,            /* room before an event for the size of its chunk */
	WAITING_MAX = 1 << 20, /* bytes that the client has not read; no more is made until it does */
	LINE_PART = 64 << 10,  /* of an endless line */
};

struct job {
	struct turn turn;
	struct mock *m;
	struct conn *c;
	struct wire wire;
	struct stamps stamps;
	struct log_line line;
	struct tr_buf body; /* a copy, where it is to be logged */
	const struct fault *fault;
	uint64_t tokens, events; /* sent */
	const char *finish, *path;
	char id[MOCK_ID_MAX + 1];
	unsigned stream : 1, usage : 1, keep : 1, chunked : 1, endless_line : 1, chat : 1;
	unsigned failed : 1; /* an event could not be made: nothing more is sent */
};

static void job_free(struct job *j)
{
	wire_close(&j->wire);
	stamps_free(&j->stamps);
	tr_buf_free(&j->body);
	free(j);
}

/* Gives the slot back and writes the line; what becomes of the connection is for the caller. */
static void end(struct job *j, const char *outcome)
{
	struct mock *m = j->m;

	engine_end(&j->turn);
	j->line.end_ns = tr_mono_ns();
	j->line.out_tokens = j->tokens;
	if (!j->line.outcome)
		j->line.outcome = outcome;
	mock_log(m, &j->line, &j->stamps);
	job_free(j);
}

static void finish(struct job *j)
{
	struct conn *c = j->c;
	int keep = j->keep && !j->failed;

	if (j->failed)
		j->line.outcome = "failed";
	end(j, "ok");
	conn_done(c, keep);
}

static void drop(struct job *j, int reset)
{
	struct conn *c = j->c;

	end(j, "aborted");
	conn_set_job(c, NULL);
	conn_drop(c, reset);
}

void job_gone(void *job)
{
	end(job, "aborted");
}

void job_drained(void *job)
{
	engine_resume(&((struct job *)job)->turn);
}

/* --- events -------------------------------------------------------------------------------- */

/* Stamped before: a client on another core may read the bytes while write() has yet to return. */
static void send_stamped(struct job *j, const char *p, size_t n)
{
	if (j->m->log)
		stamps_add(&j->stamps, tr_mono_ns());
	conn_send(j->c, p, n);
}

static struct tr_buf *begin_event(struct job *j)
{
	struct tr_buf *b = &j->m->line;

	b->n = 0;
	if (tr_buf_reserve(b, 4096) == 0)
		b->n = FRAME;
	return b;
}

/* One write: the event as a chunk, after the last one the end of the body too. */
static void send_event(struct job *j, int rc, int last)
{
	struct tr_buf *b = &j->m->line;
	char size[FRAME];
	size_t from = FRAME;

	if (j->chunked && rc == 0) {
		int n = snprintf(size, sizeof size, "%zx\r\n", b->n - FRAME);

		from = FRAME - (size_t)n;
		memcpy(b->p + from, size, (size_t)n);
		rc = tr_buf_str(b, last ? "\r\n0\r\n\r\n" : "\r\n");
	}
	j->failed |= rc < 0;
	if (!j->failed)
		send_stamped(j, b->p + from, b->n - from);
}

static void send_text(struct job *j, const char *text, int last)
{
	struct tr_buf *b = begin_event(j);

	send_event(j, tr_buf_str(b, text), last);
}

static void send_end(struct job *j)
{
	if (j->chunked && !j->failed)
		conn_send(j->c, "0\r\n\r\n", 5);
}

/* --- faults in a stream -------------------------------------------------------------------- */

static int is_fault(const struct job *j, enum fault_kind kind)
{
	return j->fault && j->fault->kind == kind;
}

static void happened(struct job *j)
{
	j->line.outcome = j->fault->name;
}

static int stalls_here(const struct job *j)
{
	return is_fault(j, FAULT_STALL) && j->events == j->fault->after;
}

static int stall(struct job *j)
{
	engine_delay(&j->turn, j->fault->for_ns);
	return 1;
}

static int malformed(struct job *j)
{
	send_text(j, "data: {\"id\":\"cmpl-\",\"choices\":[{\"ind\n\n", 0);
	return 1;
}

static int cut(struct job *j)
{
	struct conn *c = j->c;

	end(j, "aborted");
	conn_done(c, 0);
	return 0;
}

static int error_event(struct job *j)
{
	struct tr_buf *b = begin_event(j);
	int rc = tr_buf_str(b, "data: ");

	rc = rc < 0 ? rc : wire_error(b, (int)j->fault->code, "the engine has failed");
	rc = rc < 0 ? rc : tr_buf_str(b, "\n\n");
	send_event(j, rc, 0);
	send_text(j, wire_done, 1);
	finish(j);
	return 0;
}

static int endless_line(struct job *j)
{
	j->endless_line = 1;
	j->turn.left = UINT64_MAX;
	send_text(j, "data: ", 0);
	return 1;
}

/* After so many events; 0 = the job is over. */
static int (*const in_stream[])(struct job *j) = {
    [FAULT_STALL] = stall,
    [FAULT_MALFORMED] = malformed,
    [FAULT_CUT] = cut,
    [FAULT_ERROR_EVENT] = error_event,
    [FAULT_ENDLESS_LINE] = endless_line,
    [FAULT_ENDLESS] = NULL, /* the last kind: for the size of the table */
};

static int befall(struct job *j)
{
	if (!j->fault || !in_stream[j->fault->kind] || j->events != j->fault->after)
		return 1;
	happened(j);
	return in_stream[j->fault->kind](j);
}

static void more_of_line(struct job *j)
{
	struct tr_buf *b = begin_event(j);
	int rc = tr_buf_reserve(b, LINE_PART + 16);

	if (rc == 0) {
		memset(b->p + b->n, 'x', LINE_PART);
		b->n += LINE_PART;
	}
	send_event(j, rc, 0);
}

/* --- streams ------------------------------------------------------------------------------- */

static void stream_end(struct job *j)
{
	int no_done = is_fault(j, FAULT_NO_DONE);

	if (j->usage) {
		struct tr_buf *b = begin_event(j);

		send_event(j, wire_usage(&j->wire, b, j->tokens), 0);
	}
	if (no_done)
		send_end(j);
	else
		send_text(j, wire_done, 1);
	if (no_done || is_fault(j, FAULT_NO_FINISH) || is_fault(j, FAULT_SHORT))
		happened(j);
	finish(j);
}

static void send_tokens(struct job *j, uint64_t n)
{
	const char *why = j->turn.left == 0 && !is_fault(j, FAULT_NO_FINISH) ? j->finish : NULL;
	struct tr_buf *b;

	if (j->events == 0 && j->chat) {
		b = begin_event(j);
		send_event(j, wire_role(&j->wire, b), 0);
	}
	size_t stamp = j->stamps.n;
	b = begin_event(j);
	send_event(j, wire_tokens(&j->wire, b, j->tokens, n, why), 0);
	if (j->failed)
		return;
	if (j->events == 0)
		j->line.first = stamp;
	j->tokens += n;
	j->events++;
}

/* n = 0: after a stall behind the last tokens. */
static int on_stream(struct job *j, uint64_t n)
{
	if (j->endless_line) {
		more_of_line(j);
	} else if (n) {
		if (j->events == 0 && !befall(j))
			return 0;
		if (j->endless_line)
			return 1;
		send_tokens(j, n);
		if (!j->failed && !befall(j))
			return 0;
	}
	if (j->failed) {
		finish(j);
		return 0;
	}
	if (j->turn.left == 0 && !(n && stalls_here(j))) {
		stream_end(j);
		return 0;
	}
	if (conn_waiting(j->c) > WAITING_MAX)
		engine_hold(&j->turn);
	return 1;
}

static void stream_head(struct job *j)
{
	struct tr_buf *b = &j->m->line;

	b->n = 0;
	int rc = tr_buf_printf(b,
	                       "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
	                       "x-request-id: %s\r\n%s%s\r\n",
	                       j->id, j->chunked ? "transfer-encoding: chunked\r\n" : "",
	                       j->keep ? "" : "connection: close\r\n");
	j->failed = rc < 0;
	if (rc == 0)
		conn_send(j->c, b->p, b->n);
}

/* --- whole replies ------------------------------------------------------------------------- */

static int whole_body(struct job *j, struct tr_buf *b, uint64_t n)
{
	const char *why = is_fault(j, FAULT_NO_FINISH) ? NULL : j->finish;
	int rc = wire_whole(&j->wire, b, n, why, j->m->o.usage);

	if (is_fault(j, FAULT_MALFORMED) && rc == 0)
		b->n /= 2;
	return rc;
}

static int error_in_place(struct job *j, const char *outcome, int status, const char *message)
{
	struct conn *c = j->c;
	struct mock *m = j->m;
	int keep = j->keep;

	end(j, outcome);
	routes_error(m, c, status, message, keep);
	return 0;
}

static int on_whole(struct job *j, uint64_t n)
{
	struct tr_buf body, out;
	int rc, is_cut = is_fault(j, FAULT_CUT);

	if (is_fault(j, FAULT_ERROR_EVENT))
		return error_in_place(j, j->fault->name, (int)j->fault->code, "the engine has failed");
	tr_buf_init(&body, 256 << 20);
	tr_buf_init(&out, 260 << 20);
	rc = whole_body(j, &body, n);
	rc = rc < 0
	         ? rc
	         : tr_buf_printf(&out,
	                         "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: %s\r\n"
	                         "content-length: %zu\r\n%s\r\n",
	                         j->id, body.n, j->keep ? "" : "connection: close\r\n");
	rc = rc < 0 ? rc : tr_buf_add(&out, body.p, is_cut ? body.n / 2 : body.n);
	if (rc == 0)
		send_stamped(j, out.p, out.n);
	tr_buf_free(&body);
	tr_buf_free(&out);
	if (rc < 0)
		return error_in_place(j, "failed", 500, "the reply is too large");
	j->tokens = n;
	j->line.first = 0;
	j->keep = j->keep && !is_cut;
	if (is_cut || is_fault(j, FAULT_MALFORMED) || is_fault(j, FAULT_NO_FINISH) ||
	    is_fault(j, FAULT_SHORT))
		happened(j);
	finish(j);
	return 0;
}

static int on_tokens(struct turn *t, uint64_t n)
{
	struct job *j = (struct job *)t; /* its first member */

	return j->stream ? on_stream(j, n) : on_whole(j, n);
}

/* --- beginning ----------------------------------------------------------------------------- */

/* What befalls a request before anything is generated; 1 = that was all. */
static int refused(struct job *j)
{
	char more[400];

	if (!j->fault)
		return 0;
	switch (j->fault->kind) {
	case FAULT_RESET:
	case FAULT_CLOSE:
		happened(j);
		drop(j, j->fault->kind == FAULT_RESET);
		return 1;
	case FAULT_ERROR:
		snprintf(more, sizeof more, "content-type: application/json\r\n%s",
		         j->fault->code == 429 ? "retry-after: 1\r\n" : "");
		break;
	case FAULT_REDIRECT:
		snprintf(more, sizeof more, "location: %s\r\n", j->fault->to);
		break;
	default:
		return 0;
	}
	struct mock *m = j->m;
	struct conn *c = j->c;
	int status = j->fault->kind == FAULT_ERROR ? (int)j->fault->code : 307, keep = j->keep;
	struct tr_buf body;

	tr_buf_init(&body, 1024);
	if (j->fault->kind == FAULT_ERROR)
		wire_error(&body, status, "this request was chosen to fail");
	happened(j);
	end(j, "ok");
	routes_reply(m, c, status, more, (struct tr_slice){body.p, body.n}, keep);
	tr_buf_free(&body);
	return 1;
}

/* How many tokens there will be, and why no more. */
static uint64_t length_of(struct job *j, const struct arrival *a)
{
	uint64_t n = UINT64_MAX;
	struct tr_rng g;

	if (j->m->o.has_natural && !a->ask.ignore_eos) {
		delay_rng(&g, j->m->o.seed, "natural", a->number);
		tr_length_draw(&j->m->o.natural, &g, &n, NULL);
	}
	n = n < a->ask.min_tokens ? a->ask.min_tokens : n < 1 ? 1 : n;
	j->finish = n < a->ask.max_tokens ? "stop" : "length";
	n = n < a->ask.max_tokens ? n : a->ask.max_tokens;
	if (is_fault(j, FAULT_SHORT)) {
		j->finish = "stop";
		n = (n + 1) / 2;
	}
	if (is_fault(j, FAULT_ENDLESS) && j->stream) {
		happened(j);
		n = UINT64_MAX;
	}
	return n;
}

static int open_job(struct job *j, const struct arrival *a)
{
	struct wire_facts f = {.model = a->ask.model,
	                       .created = j->m->created,
	                       .first_word = j->m->o.seed * 7919 + a->number * 104729,
	                       .in_tokens = a->ask.in_tokens};

	mock_name(j->id, a);
	f.id = tr_slice_of(j->id);
	j->stream = a->ask.stream != 0;
	j->chat = a->ask.chat != 0;
	j->chunked = !a->r->old;
	j->keep = a->r->keep_alive && (j->chunked || !j->stream);
	j->usage = a->ask.include_usage != 0;
	j->line = (struct log_line){.number = a->number,
	                            .conn = conn_id(j->c),
	                            .id = f.id,
	                            .path = a->path,
	                            .arrival_ns = a->ns,
	                            .in_tokens = a->ask.in_tokens,
	                            .max_tokens = a->ask.max_tokens,
	                            .bytes_in = a->r->used,
	                            .first = SIZE_MAX,
	                            .stream = j->stream};
	tr_buf_init(&j->body, a->r->body.n);
	if (j->m->o.log_bodies && tr_buf_add(&j->body, a->r->body.p, a->r->body.n) < 0)
		return -TR_ENOMEM;
	j->line.body = (struct tr_slice){j->body.p, j->body.n};
	j->turn.tokens = on_tokens;
	j->turn.number = a->number;
	j->turn.whole = !j->stream;
	j->turn.left = length_of(j, a);
	return wire_open(&j->wire, &a->ask, &f);
}

void job_start(struct mock *m, struct conn *c, const struct arrival *a)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j) {
		routes_error(m, c, 500, "out of memory", a->r->keep_alive);
		return;
	}
	j->m = m;
	j->c = c;
	j->fault = a->fault;
	if (open_job(j, a) < 0) {
		job_free(j);
		routes_error(m, c, 500, "out of memory", a->r->keep_alive);
		return;
	}
	conn_set_job(c, j);
	if (refused(j))
		return;
	if (j->stream)
		stream_head(j);
	engine_start(&m->engine, &j->turn);
}

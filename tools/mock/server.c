/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening and connections. Idle connections own no buffer: requests are read into one buffer of the server,
 * and only what is left over is kept.
 */
#include "tools/mock/server.h"
#include <errno.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	ACCEPTS = 64,          /* in one turn of the loop */
	READ_SIZE = 256 << 10, /* of the server's buffer */
	AHEAD_MAX = 1 << 20,   /* pipelined input kept while a reply is under way */
	BEHIND_MAX =
	    4 << 20, /* replies that the client has not read; no further request is taken until it does */
};

struct server {
	struct event_base *base;
	struct handler handler;
	int fd, full; /* full: no descriptors left; accepts again when one is closed */
	struct event listener;
	const struct timeval *idle; /* NULL = never */
	uint64_t accepted;
	struct conn *conns; /* all, doubly linked */
	char *buffer;
};

struct conn {
	struct server *s;
	struct conn *prev, *next;
	struct event rd, wr;
	struct http_reader reader;
	struct tr_buf in, out; /* out: from out_pos on */
	size_t out_pos;
	uint64_t id;
	void *job;
	int fd;
	unsigned busy : 1;    /* a reply is under way */
	unsigned inside : 1;  /* its input is being processed: conn_done must not begin to */
	unsigned closing : 1; /* nothing more is read; closed when all is sent */
	unsigned dead : 1;    /* closed while inside; freed on the way out */
	unsigned told : 1;    /* 100 Continue has been sent for this request */
};

uint64_t conn_id(const struct conn *c)
{
	return c->id;
}

void conn_set_job(struct conn *c, void *job)
{
	c->job = job;
}

size_t conn_waiting(const struct conn *c)
{
	return c->out.n - c->out_pos;
}

/* --- ending -------------------------------------------------------------------------------- */

static void accept_again(struct server *s)
{
	if (s->full)
		event_add(&s->listener, NULL);
	s->full = 0;
}

static void conn_free(struct conn *c)
{
	tr_buf_free(&c->in);
	tr_buf_free(&c->out);
	http_reader_free(&c->reader);
	free(c);
}

static void conn_close(struct conn *c)
{
	event_del(&c->rd);
	event_del(&c->wr);
	close(c->fd);
	*(c->prev ? &c->prev->next : &c->s->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	accept_again(c->s);
	c->dead = 1;
	if (!c->inside)
		conn_free(c);
}

void conn_drop(struct conn *c, int reset)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	conn_close(c);
}

static void lost(struct conn *c)
{
	void *job = c->job;

	c->job = NULL;
	if (job)
		c->s->handler.gone(job);
	conn_close(c);
}

/* --- bytes out ----------------------------------------------------------------------------- */

/* What is left of n bytes after one write. */
static size_t push(struct conn *c, const char *p, size_t n)
{
	ssize_t k = write(c->fd, p, n);

	if (k >= 0)
		return n - (size_t)k;
	/* A broken connection takes everything, and its reading side tells. */
	return errno == EAGAIN || errno == EINTR ? n : 0;
}

void conn_send(struct conn *c, const void *p, size_t n)
{
	size_t left = conn_waiting(c) ? n : push(c, p, n);

	if (left == 0)
		return;
	if (tr_buf_add(&c->out, (const char *)p + (n - left), left) < 0) {
		shutdown(c->fd, SHUT_RDWR); /* no memory: the reading side ends it */
		return;
	}
	event_add(&c->wr, NULL);
}

/* Closing while the client still sends would make the kernel reset the connection, and the reply could be
 * lost with it: so the sending side ends first, and what still comes is read and thrown away until the client
 * ends too. */
static void finish(struct conn *c)
{
	struct timeval linger = {.tv_sec = 2};

	c->busy = 1;
	shutdown(c->fd, SHUT_WR);
	event_add(&c->rd, &linger);
}

/* --- requests in --------------------------------------------------------------------------- */

static int occupied(const struct conn *c)
{
	return c->busy || conn_waiting(c) > BEHIND_MAX;
}

static void refuse(struct conn *c, int status)
{
	c->busy = 1;
	c->s->handler.malformed(c->s->handler.ctx, c, status);
}

static void request_continue(struct conn *c, const struct http_request *r)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (r->expect && !c->told)
		conn_send(c, go_on, sizeof go_on - 1);
	c->told = c->told || r->expect;
}

/* Hands over the requests in p[0..n), one at a time; how many bytes they took. */
static size_t take_requests(struct conn *c, const char *p, size_t n)
{
	size_t used = 0;

	while (!c->dead && !occupied(c) && !c->closing && used < n) {
		struct http_request r;
		int rc = http_read(&c->reader, p + used, n - used, &r);

		if (rc == 0) {
			request_continue(c, &r);
			break;
		}
		if (rc < 0) {
			refuse(c, -rc);
			return n;
		}
		used += r.used;
		c->busy = 1;
		c->told = 0;
		c->s->handler.request(c->s->handler.ctx, c, &r);
		http_reader_free(&c->reader);
	}
	return used;
}

/* Processes what is kept, or the n bytes that have just come when nothing is kept. */
static void process(struct conn *c, const char *p, size_t n)
{
	size_t used;

	c->inside = 1;
	used = take_requests(c, p, n);
	c->inside = 0;
	if (c->dead) {
		conn_free(c);
		return;
	}
	if (p == c->in.p) {
		memmove(c->in.p, c->in.p + used, n - used);
		c->in.n = n - used;
	} else if (used < n && tr_buf_add(&c->in, p + used, n - used) < 0) {
		lost(c);
		return;
	}
	if (c->in.n == 0)
		tr_buf_free(&c->in);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	c->out_pos = c->out.n - push(c, c->out.p + c->out_pos, conn_waiting(c));
	if (conn_waiting(c))
		return;
	tr_buf_free(&c->out);
	c->out_pos = 0;
	event_del(&c->wr);
	if (c->closing) {
		finish(c);
	} else if (c->job) {
		c->s->handler.drained(c->job);
	} else if (!c->busy) {
		event_add(&c->rd, c->s->idle); /* idle from now on */
		if (c->in.n)
			process(c, c->in.p, c->in.n);
	}
}

static void on_bytes(struct conn *c, const char *p, size_t n)
{
	if (c->closing)
		return;
	if (c->in.n == 0 && !occupied(c)) {
		process(c, p, n);
		return;
	}
	if (tr_buf_add(&c->in, p, n) < 0) {
		lost(c);
		return;
	}
	if (!occupied(c))
		process(c, c->in.p, c->in.n);
	else if (c->in.n > AHEAD_MAX)
		event_del(&c->rd);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n;

	if (what & EV_TIMEOUT) {
		if (c->closing || (!c->busy && !conn_waiting(c)))
			lost(c);
		return;
	}
	n = read(fd, c->s->buffer, READ_SIZE);
	if (n > 0)
		on_bytes(c, c->s->buffer, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		lost(c);
}

void conn_done(struct conn *c, int keep)
{
	c->job = NULL;
	c->busy = 0;
	if (!keep) {
		c->closing = 1;
		if (!conn_waiting(c))
			finish(c);
		return;
	}
	if (c->in.n > AHEAD_MAX || c->s->idle) /* reads again; idle from now on */
		event_add(&c->rd, c->s->idle);
	if (!c->inside && c->in.n)
		process(c, c->in.p, c->in.n);
}

/* --- listening ----------------------------------------------------------------------------- */

static void conn_new(struct server *s, int fd)
{
	struct conn *c = calloc(1, sizeof *c);
	int on = 1;

	if (!c || evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0) {
		close(fd);
		free(c);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->s = s;
	c->fd = fd;
	c->id = ++s->accepted;
	tr_buf_init(&c->in, HTTP_FRAME_MAX + READ_SIZE);
	tr_buf_init(&c->out, (size_t)1 << 30);
	http_reader_init(&c->reader);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	event_assign(&c->rd, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->wr, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_add(&c->rd, s->idle);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS; i++) {
		int client = accept(fd, NULL, NULL);

		if (client >= 0) {
			conn_new(s, client);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			s->full = s->conns != NULL; /* else nothing would wake it again */
			if (s->full)
				event_del(&s->listener);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

static int bind_to(struct server *s, const struct addrinfo *a)
{
	int on = 1;

	s->fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
	if (s->fd < 0)
		return -1;
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(s->fd, a->ai_addr, a->ai_addrlen) == 0 && listen(s->fd, BACKLOG) == 0 &&
	    evutil_make_socket_nonblocking(s->fd) == 0 && evutil_make_socket_closeonexec(s->fd) == 0)
		return 0;
	int why = errno;
	close(s->fd);
	s->fd = -1;
	errno = why;
	return -1;
}

static int listen_on(struct server *s, const char *host, uint64_t port, struct tr_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list, *a;
	char service[24];

	snprintf(service, sizeof service, "%llu", (unsigned long long)port);
	int rc = getaddrinfo(host, service, &hints, &list);
	if (rc != 0)
		return tr_fail(err, TR_EIO, "cannot listen on %s: %s", host, gai_strerror(rc));
	for (a = list; a && bind_to(s, a) < 0;)
		a = a->ai_next;
	if (!a)
		tr_fail_errno(err, "cannot listen on %s port %s", host, service);
	freeaddrinfo(list);
	return a ? 0 : -TR_EIO;
}

/* libevent keeps timeouts of one common length in a queue in place of its heap. */
static int idle_after(struct server *s, int64_t ns, struct tr_err *err)
{
	struct timeval tv = {.tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000};

	if (ns < 0)
		return 0;
	s->idle = event_base_init_common_timeout(s->base, &tv);
	return s->idle ? 0 : tr_fail(err, TR_ENOMEM, "out of memory for a timer");
}

int server_new(struct server **out, struct event_base *base, const char *host, uint64_t port, int64_t idle_ns,
               const struct handler *h, struct tr_err *err)
{
	struct server *s = calloc(1, sizeof *s);
	int rc = s ? 0 : tr_fail(err, TR_ENOMEM, "out of memory");

	*out = s;
	if (!s)
		return rc;
	s->base = base;
	s->handler = *h;
	s->fd = -1;
	s->buffer = malloc(READ_SIZE);
	if (!s->buffer)
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	rc = rc < 0 ? rc : idle_after(s, idle_ns, err);
	rc = rc < 0 ? rc : listen_on(s, host, port, err);
	if (rc < 0)
		return rc;
	event_assign(&s->listener, base, s->fd, EV_READ | EV_PERSIST, on_connection, s);
	return event_add(&s->listener, NULL) == 0 ? 0 : tr_fail(err, TR_ENOMEM, "out of memory");
}

unsigned server_port(const struct server *s)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;

	if (getsockname(s->fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
	                                     : ((struct sockaddr_in *)&a)->sin_port);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	while (s->conns)
		lost(s->conns);
	if (s->fd >= 0) {
		if (event_initialized(&s->listener))
			event_del(&s->listener);
		close(s->fd);
	}
	free(s->buffer);
	free(s);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport on libcurl: multi_socket_action over an epoll set and timers of our own, since
 * curl_multi_poll scans every descriptor and counts in milliseconds. The cost of one multi handle grows with
 * its connections, so a transport has several and fills the first ones first.
 */
#define _GNU_SOURCE /* epoll_pwait2, SOCK_CLOEXEC */
#include "libtrace/clock.h"
#include "tools/replay/curl_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SHARD_FILL = 64,   /* requests in one multi handle before the next is begun */
	BATCH = 256,       /* epoll events taken at once */
	FDS_MAX = 1 << 20, /* descriptors that we keep account of */
};

/* --- what libcurl asks of us ------------------------------------------------------------- */

static struct watch *watch_of(struct transport *t, int fd)
{
	if (fd < 0 || fd >= FDS_MAX)
		return NULL;
	if (fd >= t->nwatch) {
		int n = t->nwatch ? t->nwatch : 256;
		while (n <= fd)
			n *= 2;
		struct watch *v = realloc(t->watch, (size_t)n * sizeof(*v));
		if (!v)
			return NULL;
		memset(v + t->nwatch, 0, (size_t)(n - t->nwatch) * sizeof(*v));
		t->watch = v;
		t->nwatch = n;
	}
	return &t->watch[fd];
}

/* What the epoll set has is changed only when it must: between two requests of a connection libcurl lets go
 * of the descriptor and takes it again, which would be two system calls for nothing. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct shard *s = arg;
	struct transport *t = s->t;
	struct watch *w = watch_of(t, fd);

	(void)easy;
	(void)unused;
	if (!w)
		return -1;
	w->shard = (uint8_t)(s - t->shards);
	w->want = 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		w->want |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		w->want |= EPOLLOUT;
	if (w->want && w->want != w->registered) {
		struct epoll_event e = {.events = w->want, .data.fd = fd};
		int op = w->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

		if (epoll_ctl(t->epoll, op, fd, &e) < 0)
			return -1;
		w->registered = w->want;
	}
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct shard *s = arg;

	(void)multi;
	/* One more: called a moment too early, libcurl does nothing and does not ask again. */
	s->timer_ns = ms < 0 ? INT64_MAX : tr_mono_ns() + (int64_t)(ms ? ms + 1 : 0) * 1000000;
	return 0;
}

curl_socket_t curl_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transport *t = arg;

	(void)purpose;
	t->connections++;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	t->no_socket |= fd < 0;
	return fd;
}

/* A closed descriptor has left the epoll set, and its number will come again. */
int curl_on_close(void *arg, curl_socket_t fd)
{
	struct transport *t = arg;
	struct watch *w = watch_of(t, fd);

	if (w)
		*w = (struct watch){0};
	return close(fd);
}

/* --- multi handles ----------------------------------------------------------------------- */

static int new_shard(struct transport *t)
{
	struct shard *s = &t->shards[t->nshards];

	*s = (struct shard){.t = t, .multi = curl_multi_init(), .timer_ns = INT64_MAX};
	if (!s->multi)
		return -1;
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	/* Below the concurrency it would close connections behind our back, at four times the cost.
	 */
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)t->o.max_connections);
	t->nshards++;
	return 0;
}

/* The first that is not full, so that few connections stay in use and warm; when all are full, the
 * emptiest.
 */
static struct shard *choose(struct transport *t)
{
	struct shard *least = NULL;

	for (unsigned i = 0; i < t->nshards; i++) {
		struct shard *s = &t->shards[i];
		if (s->running < SHARD_FILL)
			return s;
		if (!least || s->running < least->running)
			least = s;
	}
	return t->nshards < CURL_SHARDS && new_shard(t) == 0 ? &t->shards[t->nshards - 1] : least;
}

/* --- ends -------------------------------------------------------------------------------- */

static void unlink_sending(struct slot *s)
{
	for (struct slot **p = &s->t->sending; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			return;
		}
}

static void give_back(struct slot *s)
{
	struct transport *t = s->t;

	curl_multi_remove_handle(s->shard->multi, s->easy);
	s->shard->running--;
	s->x->impl = NULL;
	s->x = NULL;
	s->next = t->free;
	t->free = s;
}

/* A request has gone out when libcurl has handed all of its body to the kernel; the head goes before
 * it. */
static void look_at_sending(struct transport *t)
{
	struct slot **p = &t->sending;
	int64_t now = *p ? tr_mono_ns() : 0;

	while (*p) {
		struct slot *s = *p;
		curl_off_t up = 0;

		curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &up);
		if ((size_t)up < s->x->body.n) {
			p = &s->next;
			continue;
		}
		if (!s->x->sent_ns)
			s->x->sent_ns = now;
		*p = s->next;
	}
}

/* A connection that failed for want of something on this side: ports, memory. */
static int lacks(CURL *easy)
{
	long e = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &e);
	return e == EADDRNOTAVAIL || e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM;
}

static void after_action(struct shard *shard, int still_running)
{
	struct transport *t = shard->t;
	CURLMsg *m;
	int left;

	look_at_sending(t);
	if ((unsigned)still_running >= shard->running)
		return;
	int64_t now = tr_mono_ns();
	while ((m = curl_multi_info_read(shard->multi, &left))) {
		struct slot *s;
		CURLcode c = m->data.result;
		char *private;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		s = (struct slot *)(void *)private;
		struct exchange *x = s->x;
		x->end_ns = now;
		unlink_sending(s);
		curl_read_facts(s);
		enum outcome how = x->resent ? OUT_CLOSED : curl_outcome(c, x);
		if (c == CURLE_COULDNT_CONNECT && (t->no_socket || lacks(s->easy)))
			how = OUT_CLIENT;
		give_back(s); /* s->why stays until the slot is used again */
		t->calls->ended(x, how, c == CURLE_OK ? "" : s->why[0] ? s->why : curl_easy_strerror(c));
	}
	t->no_socket = 0;
}

static void act(struct shard *shard, curl_socket_t fd, int mask)
{
	int running = 0;

	curl_multi_socket_action(shard->multi, fd, mask, &running);
	after_action(shard, running);
}

/* --- the interface ----------------------------------------------------------------------- */

static char *copy_or_null(const char *s, int *bad)
{
	char *c = s ? strdup(s) : NULL;

	*bad |= s && !c;
	return c;
}

static int add_header(struct transport *t, const char *text)
{
	struct curl_slist *l = curl_slist_append(t->headers, text);

	if (!l)
		return -1;
	t->headers = l;
	return 0;
}

static int make_headers(struct transport *t, const struct transport_opts *o)
{
	int bad = add_header(t, "Content-Type: application/json") < 0 || add_header(t, "Expect:") < 0;

	for (const char *const *h = o->headers; h && *h && !bad; h++)
		bad = add_header(t, *h) < 0;
	if (o->bearer && !bad) {
		struct tr_buf b;
		tr_buf_init(&b, 1 << 16);
		bad = tr_buf_printf(&b, "Authorization: Bearer %s", o->bearer) < 0 || add_header(t, b.p) < 0;
		tr_buf_free(&b);
	}
	return bad ? -1 : 0;
}

static int watch_wake(struct transport *t)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = -1};

	return t->epoll < 0 || t->wake < 0 ? -1 : epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &e);
}

int transport_new(struct transport **out, const struct transport_opts *o, const struct transport_calls *calls,
                  struct tr_err *err)
{
	struct transport *t = calloc(1, sizeof(*t));
	int bad = 0, rc = 0;

	if (!t)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	t->calls = calls;
	t->o = *o;
	t->url = copy_or_null(o->url, &bad);
	t->proxy = copy_or_null(o->proxy, &bad);
	t->cacert = copy_or_null(o->cacert, &bad);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (bad || make_headers(t, o) < 0)
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	else if (watch_wake(t) < 0)
		rc = tr_fail_errno(err, "cannot watch sockets");
	else
		rc = t->proxy ? 0 : curl_resolve(t->url, &t->resolve, err);
	if (rc == 0 && new_shard(t) < 0)
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	if (rc < 0) {
		transport_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	while (t->free) {
		struct slot *s = t->free;
		t->free = s->next;
		curl_easy_cleanup(s->easy);
		free(s);
	}
	for (unsigned i = 0; i < t->nshards; i++)
		curl_multi_cleanup(t->shards[i].multi);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->resolve);
	if (t->epoll >= 0)
		close(t->epoll);
	if (t->wake >= 0)
		close(t->wake);
	free(t->watch);
	free(t->url);
	free(t->proxy);
	free(t->cacert);
	free(t);
}

void transport_start(struct transport *t, struct exchange *x)
{
	struct shard *shard = choose(t);
	struct slot *s = t->free;

	x->connect_ns = x->tls_ns = -1;
	if (s)
		t->free = s->next;
	else
		s = curl_slot_new(t);
	if (s)
		s->shard = shard;
	if (!s || curl_slot_load(s, x) < 0 || curl_multi_add_handle(shard->multi, s->easy) != CURLM_OK) {
		x->end_ns = tr_mono_ns();
		if (s) {
			s->next = t->free;
			t->free = s;
		}
		t->calls->ended(x, OUT_CLIENT, "libcurl did not take the request");
		return;
	}
	shard->running++;
	shard->timer_ns = INT64_MAX; /* what it was set to by the call above is done now */
	act(shard, CURL_SOCKET_TIMEOUT, 0);
}

void transport_cancel(struct transport *t, struct exchange *x)
{
	struct slot *s = x->impl;

	(void)t;
	if (!s)
		return;
	x->end_ns = tr_mono_ns();
	unlink_sending(s);
	curl_read_facts(s);
	give_back(s);
}

static void serve(struct transport *t, const struct epoll_event *e)
{
	int fd = e->data.fd;
	struct watch *w = fd < 0 ? NULL : watch_of(t, fd);
	uint64_t count;

	if (fd < 0) {
		while (read(t->wake, &count, sizeof(count)) > 0)
			;
		return;
	}
	if (!w || !w->registered)
		return;
	if (!w->want) {
		/* A resting connection that the server has closed. libcurl finds out when it wants to use it,
		 * by a look at the socket that takes a pending error for life: so the error is taken away
		 * here. */
		char c;
		ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

		(void)n;
		epoll_ctl(t->epoll, EPOLL_CTL_DEL, fd, NULL);
		w->registered = 0;
		return;
	}
	int mask = 0;
	if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		mask |= CURL_CSELECT_IN;
	if (e->events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	act(&t->shards[w->shard], fd, mask);
}

static int64_t next_timer(const struct transport *t)
{
	int64_t when = INT64_MAX;

	for (unsigned i = 0; i < t->nshards; i++)
		if (t->shards[i].timer_ns < when)
			when = t->shards[i].timer_ns;
	return when;
}

int64_t transport_wait(struct transport *t, int64_t until)
{
	struct epoll_event v[BATCH];
	int64_t timer = next_timer(t), now = tr_mono_ns();
	int64_t left = (timer < until ? timer : until) - now;
	struct timespec ts = {0};

	if (left > 0) {
		ts.tv_sec = left / 1000000000 > 1 ? 1 : left / 1000000000;
		ts.tv_nsec = left / 1000000000 > 1 ? 0 : left % 1000000000;
	}
	int n = epoll_pwait2(t->epoll, v, BATCH, &ts, NULL);
	int64_t woke = tr_mono_ns();
	for (int i = 0; i < n; i++)
		serve(t, &v[i]);
	if (next_timer(t) <= woke)
		for (unsigned i = 0; i < t->nshards; i++)
			if (t->shards[i].timer_ns <= woke) {
				t->shards[i].timer_ns = INT64_MAX;
				act(&t->shards[i], CURL_SOCKET_TIMEOUT, 0);
			}
	return n > 0 ? woke : -woke;
}

void transport_wake(struct transport *t)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(t->wake, &one, sizeof(one));
	while (n < 0 && errno == EINTR); /* EAGAIN: it is awake enough */
}

unsigned transport_connections(const struct transport *t)
{
	return t->connections;
}

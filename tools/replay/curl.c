/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport on libcurl: multi_socket_action over an epoll set and timers of our own, since
 * curl_multi_poll scans every descriptor and counts in milliseconds. The cost of one multi handle grows with
 * its connections, so a transport has several and fills the first ones first.
 *
 * What libcurl would do behind our back is closed off: it must not send a request again (the prereq callback
 * refuses the second time), follow redirects, ask for 100-continue, take proxies or compression from
 * anywhere, use a connection older than the server is likely to keep, or change the protocol.
 */
#define _GNU_SOURCE /* epoll_pwait2, accept flags */
#include "libtrace/clock.h"
#include "tools/replay/transport.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SHARDS = 64,       /* multi handles */
	SHARD_FILL = 64,   /* requests in one before the next is begun */
	BATCH = 256,       /* epoll events taken at once */
	FDS_MAX = 1 << 20, /* descriptors that we keep account of */
	TYPE_MAX = 128,    /* of a content type */
	ID_MAX = 128,      /* of "X-Request-Id: ..." */
};

struct shard {
	struct transport *t;
	CURLM *multi;
	int64_t timer_ns; /* when libcurl wants to be called; INT64_MAX = not at all */
	unsigned running; /* handles added and not yet taken out */
};

struct slot {              /* an easy handle and what it carries */
	struct slot *next; /* free, or in t->sending */
	struct transport *t;
	struct shard *shard;
	CURL *easy;
	struct exchange *x;
	const char *path; /* that the easy handle has now */
	const char *method;
	unsigned sends;
	int headers_done;
	char type[TYPE_MAX];
	size_t type_n;
	char id[ID_MAX];
	struct curl_slist id_node; /* in front of the common headers */
	char why[CURL_ERROR_SIZE];
};

struct watch { /* of a descriptor */
	uint8_t shard;
	uint8_t want;       /* EPOLLIN, EPOLLOUT: what libcurl waits for; 0 = nothing */
	uint8_t registered; /* what the epoll set has; 0 = not in it */
};

struct transport {
	const struct transport_calls *calls;
	struct transport_opts o;
	char *url, *proxy, *cacert;
	struct curl_slist *headers, *resolve;
	int epoll, wake;
	struct watch *watch;
	int nwatch;
	struct shard shards[SHARDS];
	unsigned nshards;
	struct slot *free;
	struct slot *sending; /* the request has begun to go out */
	unsigned connections;
};

/* --- the process ------------------------------------------------------------------------- */

int transport_global_start(struct tr_err *err)
{
	CURLcode c = curl_global_init(CURL_GLOBAL_DEFAULT);

	return c ? tr_fail(err, TR_EIO, "libcurl: %s", curl_easy_strerror(c)) : 0;
}

void transport_global_end(void)
{
	curl_global_cleanup();
}

static int part(CURLU *u, CURLUPart what, struct tr_buf *b, const char *before)
{
	char *s;
	int rc = 0;

	if (curl_url_get(u, what, &s, 0) == CURLUE_OK) {
		rc = tr_buf_printf(b, "%s%s", before, s);
		curl_free(s);
	}
	return rc;
}

int transport_check_url(const char *url, struct tr_buf *shown, struct tr_err *err)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *query = NULL, *user = NULL;
	int rc = 0;

	if (!u)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		rc = tr_fail(err, TR_EUSAGE, "not a URL such as http://localhost:8000");
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		rc = tr_fail(err, TR_EUSAGE, "only http and https");
	else if (curl_url_get(u, CURLUPART_QUERY, &query, 0) == CURLUE_OK)
		rc = tr_fail(err, TR_EUSAGE, "a base URL has no query");
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
		rc = tr_fail(err, TR_EUSAGE, "no user and password here: see --api-key-env and --header");
	if (rc == 0 && (tr_buf_printf(shown, "%s://", scheme) < 0 || part(u, CURLUPART_HOST, shown, "") < 0 ||
	                part(u, CURLUPART_PORT, shown, ":") < 0 || part(u, CURLUPART_PATH, shown, "") < 0))
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	if (rc == 0 && shown->n && shown->p[shown->n - 1] == '/')
		shown->n--;
	curl_free(scheme);
	curl_free(query);
	curl_free(user);
	curl_url_cleanup(u);
	return rc;
}

int transport_names_key(const struct transport_opts *o, const char *text)
{
	char start[9];

	if (!o->bearer || !*o->bearer)
		return 0;
	snprintf(start, sizeof(start), "%s", o->bearer);
	return strstr(text, start) != NULL;
}

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

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transport *t = arg;

	(void)purpose;
	t->connections++;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A closed descriptor has left the epoll set, and its number will come again. */
static int on_close(void *arg, curl_socket_t fd)
{
	struct transport *t = arg;
	struct watch *w = watch_of(t, fd);

	if (w)
		*w = (struct watch){0};
	return close(fd);
}

/* Called when a connection is there and the request is about to be written, each time that it is. */
static int on_prereq(void *arg, char *ip, char *local, int port, int local_port)
{
	struct slot *s = arg;

	(void)ip;
	(void)local;
	(void)port;
	(void)local_port;
	if (s->sends++) {
		s->x->resent = 1;
		return CURL_PREREQFUNC_ABORT;
	}
	s->next = s->t->sending;
	s->t->sending = s;
	return CURL_PREREQFUNC_OK;
}

static void keep_type(struct slot *s, const char *p, size_t n)
{
	static const char name[] = "content-type:";

	if (n <= sizeof(name) - 1 || strncasecmp(p, name, sizeof(name) - 1) != 0)
		return;
	struct tr_slice v = {p + sizeof(name) - 1, n - (sizeof(name) - 1)};
	while (v.n && (v.p[v.n - 1] == '\r' || v.p[v.n - 1] == '\n'))
		v.n--;
	v = tr_slice_trim(v);
	s->type_n = v.n < TYPE_MAX ? v.n : TYPE_MAX;
	memcpy(s->type, v.p, s->type_n);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;
	long code = 0;

	n *= size;
	s->x->bytes_in += n;
	if (s->headers_done) /* a trailer */
		return n;
	if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
		s->type_n = 0;
		return n;
	}
	if (n > 2 || (n > 0 && p[0] != '\r' && p[0] != '\n')) {
		keep_type(s, p, n);
		return n;
	}
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &code);
	if (code / 100 == 1)
		return n;
	s->headers_done = 1;
	s->x->http_code = (unsigned)code;
	s->x->headers_ns = tr_mono_ns();
	s->t->calls->headers(s->x, (struct tr_slice){s->type, s->type_n});
	return n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;

	n *= size;
	s->x->bytes_in += n;
	return s->t->calls->data(s->x, p, n, tr_mono_ns()) < 0 ? 0 : n;
}

/* --- easy handles ------------------------------------------------------------------------ */

static int set_options(struct transport *t, struct slot *s)
{
	const struct transport_opts *o = &t->o;
	CURL *e = s->easy;
	int bad = 0;

#define SET(option, value) (bad |= curl_easy_setopt(e, CURLOPT_##option, value) != CURLE_OK)
	SET(PRIVATE, s);
	SET(ERRORBUFFER, s->why);
	SET(NOSIGNAL, 1L);
	SET(PROTOCOLS_STR, "http,https");
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, t->proxy ? t->proxy : "");
	SET(NOPROXY, "");
	SET(SUPPRESS_CONNECT_HEADERS, 1L);
	SET(HTTPHEADER, &s->id_node);
	SET(USERAGENT, "trace-replay/" REPRISE_VERSION);
	SET(PREREQFUNCTION, on_prereq);
	SET(PREREQDATA, s);
	SET(HEADERFUNCTION, on_header);
	SET(HEADERDATA, s);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, s);
	SET(OPENSOCKETFUNCTION, on_open);
	SET(OPENSOCKETDATA, t);
	SET(CLOSESOCKETFUNCTION, on_close);
	SET(CLOSESOCKETDATA, t);
	SET(TCP_KEEPALIVE, 1L);
	SET(DNS_CACHE_TIMEOUT, -1L);
	SET(MAXAGE_CONN, (long)(o->idle_ns / 1000000000));
	SET(CONNECTTIMEOUT_MS, (long)(o->connect_timeout_ns / 1000000));
	SET(SSL_VERIFYPEER, o->insecure ? 0L : 1L);
	SET(SSL_VERIFYHOST, o->insecure ? 0L : 2L);
	if (t->cacert)
		SET(CAINFO, t->cacert);
	if (t->resolve)
		SET(RESOLVE, t->resolve);
#undef SET
	return bad ? -1 : 0;
}

static struct slot *new_slot(struct transport *t)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->t = t;
	s->id_node.data = s->id;
	s->id_node.next = t->headers;
	s->easy = curl_easy_init();
	if (!s->easy || set_options(t, s) < 0) {
		curl_easy_cleanup(s->easy);
		free(s);
		return NULL;
	}
	return s;
}

static int load(struct slot *s, struct exchange *x)
{
	CURL *e = s->easy;
	int bad = 0;

	if (!s->path || strcmp(s->path, x->path) != 0) {
		struct tr_buf url;
		tr_buf_init(&url, 1 << 16);
		bad |= tr_buf_str(&url, s->t->url) < 0 || tr_buf_str(&url, x->path) < 0 ||
		       tr_buf_char(&url, '\0') < 0 || curl_easy_setopt(e, CURLOPT_URL, url.p) != CURLE_OK;
		tr_buf_free(&url);
		s->path = x->path;
	}
	if (strcmp(x->method, "POST") == 0) {
		bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, x->body.n ? x->body.p : "") != CURLE_OK;
		bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n) != CURLE_OK;
	} else {
		bad |= curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) != CURLE_OK;
	}
	snprintf(s->id, sizeof(s->id), "X-Request-Id: %s", x->id ? x->id : "-");
	s->why[0] = '\0';
	s->sends = 0;
	s->headers_done = 0;
	s->type_n = 0;
	s->x = x;
	x->impl = s;
	return bad ? -1 : 0;
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
	/* Below the concurrency it would close connections behind our back, at four times the cost. */
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)t->o.max_connections);
	t->nshards++;
	return 0;
}

/* The first that is not full, so that few connections stay in use and warm; when all are full, the emptiest.
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
	return t->nshards < SHARDS && new_shard(t) == 0 ? &t->shards[t->nshards - 1] : least;
}

/* --- ends -------------------------------------------------------------------------------- */

static enum outcome outcome_of(CURLcode c, const struct exchange *x)
{
	static const struct {
		CURLcode code;
		enum outcome outcome;
	} table[] = {
	    {CURLE_OK, OUT_OK},
	    {CURLE_WRITE_ERROR, OUT_OK}, /* our own callback refused */
	    {CURLE_ABORTED_BY_CALLBACK, OUT_CLOSED},
	    {CURLE_COULDNT_RESOLVE_HOST, OUT_RESOLVE},
	    {CURLE_COULDNT_RESOLVE_PROXY, OUT_RESOLVE},
	    {CURLE_COULDNT_CONNECT, OUT_CONNECT},
	    {CURLE_OPERATION_TIMEDOUT,
	     OUT_CONNECT_TIMEOUT}, /* the only time limit that libcurl has from us */
	    {CURLE_GOT_NOTHING, OUT_CLOSED},
	    {CURLE_PARTIAL_FILE, OUT_TRANSPORT},
	    {CURLE_SSL_CONNECT_ERROR, OUT_TLS},
	    {CURLE_PEER_FAILED_VERIFICATION, OUT_TLS},
	    {CURLE_SSL_CACERT_BADFILE, OUT_TLS},
	    {CURLE_SSL_CERTPROBLEM, OUT_TLS},
	    {CURLE_SSL_CIPHER, OUT_TLS},
	    {CURLE_SSL_ISSUER_ERROR, OUT_TLS},
	    {CURLE_SSL_ENGINE_NOTFOUND, OUT_TLS},
	    {CURLE_WEIRD_SERVER_REPLY, OUT_PROTOCOL},
	    {CURLE_UNSUPPORTED_PROTOCOL, OUT_PROTOCOL}, /* HTTP/0.9: bytes without a header */
	    {CURLE_BAD_CONTENT_ENCODING, OUT_PROTOCOL},
	    {CURLE_FAILED_INIT, OUT_CLIENT},
	    {CURLE_OUT_OF_MEMORY, OUT_CLIENT},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == c)
			return table[i].outcome;
	return x->bytes_in ? OUT_TRANSPORT : OUT_CLOSED; /* send and receive errors */
}

static void read_times(struct slot *s)
{
	struct exchange *x = s->x;
	long connects = 0;
	curl_off_t lookup = 0, connect = 0, tls = 0, request = 0;

	curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(s->easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup);
	curl_easy_getinfo(s->easy, CURLINFO_CONNECT_TIME_T, &connect);
	curl_easy_getinfo(s->easy, CURLINFO_APPCONNECT_TIME_T, &tls);
	x->reused = connects == 0 && x->sent_ns;
	x->connect_ns = connects > 0 && connect > 0 ? (connect - lookup) * 1000 : -1;
	x->tls_ns = connects > 0 && tls > 0 ? (tls - connect) * 1000 : -1;
	long head = 0;
	curl_easy_getinfo(s->easy, CURLINFO_REQUEST_SIZE, &head);
	curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &request);
	x->bytes_out = (uint64_t)head + (uint64_t)request;
}

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

/* A request has gone out when libcurl has handed all of its body to the kernel; the head goes before it. */
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
		s->x->sent_ns = now;
		*p = s->next;
	}
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
		read_times(s);
		enum outcome how = x->resent ? OUT_CLOSED : outcome_of(c, x);
		give_back(s); /* s->why stays until the slot is used again */
		t->calls->ended(x, how, c == CURLE_OK ? "" : s->why[0] ? s->why : curl_easy_strerror(c));
	}
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

/* The name is looked up once, before the run: no connection of the run waits for a name server. */
static int resolve(struct transport *t, struct tr_err *err)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
	struct tr_buf b;
	int rc = 0;

	tr_buf_init(&b, 1 << 16);
	if (!u || curl_url_set(u, CURLUPART_URL, t->url, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		rc = tr_fail(err, TR_EUSAGE, "not a URL: %s", t->url);
	struct in_addr four;
	if (rc == 0 && host[0] != '[' && inet_pton(AF_INET, host, &four) != 1 && !t->proxy) {
		int e = getaddrinfo(host, port, &hints, &list);
		if (e)
			rc = tr_fail(err, TR_EIO, "cannot resolve %s: %s", host, gai_strerror(e));
	}
	for (struct addrinfo *a = list; a && rc == 0; a = a->ai_next) {
		char text[INET6_ADDRSTRLEN + 1];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST))
			continue;
		if (a == list)
			rc = tr_buf_printf(&b, "%s:%s:", host, port);
		rc = rc ? rc
		        : tr_buf_printf(&b, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
		                        a == list ? "" : ",", text);
	}
	if (rc == 0 && list && !(t->resolve = curl_slist_append(NULL, b.p)))
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	if (list)
		freeaddrinfo(list);
	tr_buf_free(&b);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return rc;
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
		rc = resolve(t, err);
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
		s = new_slot(t);
	if (s)
		s->shard = shard;
	if (!s || load(s, x) < 0 || curl_multi_add_handle(shard->multi, s->easy) != CURLM_OK) {
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
	read_times(s);
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
	if (!w->want) { /* a resting connection: the server has closed it, libcurl will find out */
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

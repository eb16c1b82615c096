/* SPDX-License-Identifier: Apache-2.0
 *
 * One request in libcurl's hands: the options of its easy handle, what libcurl calls while it runs, and what
 * it says at the end.
 *
 * What libcurl would do behind our back is closed off here: it must not send a request again (the prereq
 * callback refuses the second time), follow redirects, ask for 100-continue, take proxies or compression from
 * anywhere, use a connection older than the server is likely to keep, or change the protocol.
 */
#include "libtrace/clock.h"
#include "tools/replay/curl_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
	s->type_n = v.n < CURL_TYPE_MAX ? v.n : CURL_TYPE_MAX;
	memcpy(s->type, v.p, s->type_n);
}

/* One call of libcurl may send the end of a body and read the reply: then this is the first we hear of it. */
static void sent_by_now(struct slot *s)
{
	curl_off_t up = 0;

	curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	if (!s->x->sent_ns && (size_t)up >= s->x->body.n)
		s->x->sent_ns = tr_mono_ns();
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;
	long code = 0;

	n *= size;
	if (s->x->bytes_in == 0)
		sent_by_now(s);
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
	SET(OPENSOCKETFUNCTION, curl_on_open);
	SET(OPENSOCKETDATA, t);
	SET(CLOSESOCKETFUNCTION, curl_on_close);
	SET(CLOSESOCKETDATA, t);
	SET(TCP_KEEPALIVE, 1L);
	SET(DNS_CACHE_TIMEOUT, -1L);
	/* libcurl 7.88 counts whole seconds, and lets go only after one more. */
	SET(MAXAGE_CONN, (long)(o->idle_ns / 1000000000) - 1);
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

struct slot *curl_slot_new(struct transport *t)
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

int curl_slot_load(struct slot *s, struct exchange *x)
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

enum outcome curl_outcome(CURLcode c, const struct exchange *x)
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

	if (c == CURLE_OUT_OF_MEMORY && x->sent_ns) /* so it calls headers without an end */
		return OUT_LIMIT;
	if (c == CURLE_OK &&
	    !x->http_code) /* the head was cut, and libcurl takes that for HTTP/0.9 without a body */
		return x->bytes_in ? OUT_TRANSPORT : OUT_CLOSED;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == c)
			return table[i].outcome;
	return x->bytes_in ? OUT_TRANSPORT : OUT_CLOSED; /* send and receive errors */
}

void curl_read_facts(struct slot *s)
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
	/* A small body goes out with the head and is counted with it, a large one is not. */
	x->bytes_out = (uint64_t)head + ((size_t)head > x->body.n ? 0 : (uint64_t)request);
}

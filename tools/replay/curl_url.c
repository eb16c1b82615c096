/* SPDX-License-Identifier: Apache-2.0
 *
 * URLs and names, before the run.
 */
#define _GNU_SOURCE /* getaddrinfo */
#include "tools/replay/curl_impl.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

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

enum {
	SECRET = 8
}; /* a shorter word is no secret; and of a longer one its beginning is looked for: texts get clipped */

/* One of the words of `secret` in the text? */
static int shows(const char *text, const char *secret)
{
	char start[SECRET + 1];

	for (size_t n; secret += strspn(secret, " \t"), (n = strcspn(secret, " \t")) > 0; secret += n) {
		snprintf(start, sizeof(start), "%.*s", SECRET, secret);
		if (n >= SECRET && strstr(text, start))
			return 1;
	}
	return 0;
}

int transport_names_key(const struct transport_opts *o, const char *text)
{
	if (o->bearer && *o->bearer && (shows(text, o->bearer) || strstr(text, o->bearer)))
		return 1;
	for (const char *const *h = o->headers; h && *h; h++) {
		const char *value = strchr(*h, ':');
		if (value && shows(text, value + 1))
			return 1;
	}
	return 0;
}

/* The name is looked up once, before the run: no connection of the run waits for a name server. */
int curl_resolve(const char *url, struct curl_slist **out, struct tr_err *err)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
	struct tr_buf b;
	int rc = 0;

	tr_buf_init(&b, 1 << 16);
	if (!u || curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		rc = tr_fail(err, TR_EUSAGE, "not a URL: %s", url);
	struct in_addr four;
	if (rc == 0 && host[0] != '[' && inet_pton(AF_INET, host, &four) != 1) {
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
	if (rc == 0 && list && !(*out = curl_slist_append(NULL, b.p)))
		rc = tr_fail(err, TR_ENOMEM, "out of memory");
	if (list)
		freeaddrinfo(list);
	tr_buf_free(&b);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return rc;
}

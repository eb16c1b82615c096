/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts of the transport on libcurl: curl.c waits and decides, curl_handle.c is one request in
 * libcurl's hands, curl_url.c looks at names before the run.
 */
#ifndef TOOLS_REPLAY_CURL_IMPL_H
#define TOOLS_REPLAY_CURL_IMPL_H

#include "tools/replay/transport.h"
#include <curl/curl.h>

enum {
	CURL_SHARDS = 64,    /* multi handles */
	CURL_TYPE_MAX = 128, /* of a content type */
	CURL_ID_MAX = 128,   /* of "X-Request-Id: ..." */
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
	char type[CURL_TYPE_MAX];
	size_t type_n;
	char id[CURL_ID_MAX];
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
	struct shard shards[CURL_SHARDS];
	unsigned nshards;
	struct slot *free;
	struct slot *sending; /* the request has begun to go out */
	unsigned connections;
	int no_socket; /* one could not be opened, since the last look */
};

/* NULL: no memory. Its callbacks are on_* in curl_handle.c; sockets are opened and closed by these: */
struct slot *curl_slot_new(struct transport *t);
curl_socket_t curl_on_open(void *transport, curlsocktype purpose, struct curl_sockaddr *a);
int curl_on_close(void *transport, curl_socket_t fd);
/* Give it a request: 0, or -1 when libcurl does not take it. */
int curl_slot_load(struct slot *s, struct exchange *x);
enum outcome curl_outcome(CURLcode c, const struct exchange *x);
/* What libcurl measured, into the exchange. */
void curl_read_facts(struct slot *s);

/* Look the host up: *list (may become NULL: an address, or a proxy's business) is for CURLOPT_RESOLVE. */
int curl_resolve(const char *url, struct curl_slist **list, struct tr_err *err);

#endif

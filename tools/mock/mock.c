/* SPDX-License-Identifier: Apache-2.0
 *
 * Putting the parts together: the loop, its signals and timers, the end.
 */
#include "tools/mock/mock.h"
#include "libtrace/clock.h"
#include "libtrace/json.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

static const int64_t LOG_EVERY_NS = 250000000;

static struct timeval interval(int64_t ns)
{
	return (struct timeval){.tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000};
}

static void stop(struct mock *m)
{
	event_base_loopbreak(m->base);
}

void mock_log(struct mock *m, const struct log_line *line, const struct stamps *s)
{
	if (!m->log || log_add(m->log, line, s) == 0)
		return;
	tr_fail(&m->failure, TR_EIO, "the log cannot be written");
	stop(m);
}

void mock_name(char id[MOCK_ID_MAX + 1], const struct arrival *a)
{
	struct tr_slice s = a->r->request_id;
	int plain = s.n > 0 && s.n <= MOCK_ID_MAX;

	for (size_t i = 0; plain && i < s.n; i++)
		plain = s.p[i] > ' ' && s.p[i] < 127 && s.p[i] != '"' && s.p[i] != '\\';
	if (plain) {
		memcpy(id, s.p, s.n);
		id[s.n] = 0;
	} else {
		snprintf(id, MOCK_ID_MAX + 1, "mock-%llu", (unsigned long long)a->number);
	}
}

/* --- events that belong to no connection --------------------------------------------------- */

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stop(arg);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct mock *m = arg;

	(void)fd;
	(void)what;
	if (log_flush(m->log, &m->failure) < 0)
		stop(m);
}

/* The thread sleeps: nothing is read, accepted or sent, and the plans of all replies move. A signal ends it.
 */
static void on_freeze(evutil_socket_t fd, short what, void *arg)
{
	struct mock *m = arg;
	int64_t start = tr_mono_ns(), ns = fault_freeze(&m->o.faults)->for_ns;

	(void)fd;
	(void)what;
	struct timespec left = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
	nanosleep(&left, NULL);
	m->engine.frozen_ns += tr_mono_ns() - start;
}

static int add_event(struct mock *m, evutil_socket_t fd, short what, event_callback_fn call, int64_t ns)
{
	struct event *e = event_new(m->base, fd, what, call, m);
	struct timeval tv = interval(ns);

	if (!e)
		return -TR_ENOMEM;
	m->events[m->nevents++] = e;
	return event_add(e, ns < 0 ? NULL : &tv) < 0 ? -TR_ENOMEM : 0;
}

/* A signal that was ignored when the tool started stays ignored. */
static int on_signal(struct mock *m, int sig)
{
	struct sigaction old;

	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		return 0;
	return add_event(m, sig, EV_SIGNAL | EV_PERSIST, on_stop, -1);
}

void mock_first_request(struct mock *m)
{
	const struct fault *f = fault_freeze(&m->o.faults);

	if (f)
		add_event(m, -1, 0, on_freeze, f->at_ns);
}

static int add_events(struct mock *m)
{
	int rc = on_signal(m, SIGINT);

	rc = rc < 0 ? rc : on_signal(m, SIGTERM);
	rc = rc < 0 ? rc : on_signal(m, SIGHUP);
	if (m->log)
		rc = rc < 0 ? rc : add_event(m, -1, EV_PERSIST, on_flush, LOG_EVERY_NS);
	if (m->o.duration_ns >= 0)
		rc = rc < 0 ? rc : add_event(m, -1, 0, on_stop, m->o.duration_ns);
	return rc;
}

/* --- the whole ----------------------------------------------------------------------------- */

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

/* Thousands of connections; and timers that the kernel does not put off to save power. */
static void prepare_process(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
}

int mock_new(struct mock **out, const struct mock_opts *o, struct tr_err *err)
{
	static const struct handler handler = {.request = routes_request,
	                                       .malformed = routes_malformed,
	                                       .gone = job_gone,
	                                       .drained = job_drained};
	struct mock *m = calloc(1, sizeof *m);
	struct handler h = handler;

	*out = m;
	if (!m)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	prepare_process();
	m->o = *o;
	tr_err_clear(&m->failure);
	tr_buf_init(&m->line, 64 << 20);
	tr_buf_init(&m->model, 64 << 10);
	if (tr_json_quote(&m->model, tr_slice_of(o->model)) < 0)
		return tr_fail(err, TR_ENOMEM, "out of memory");
	m->created = tr_wall_ns() / 1000000000;
	m->base = new_base();
	if (!m->base)
		return tr_fail(err, TR_ENOMEM, "cannot make an event loop");
	m->engine = (struct engine){.base = m->base,
	                            .ttft = o->ttft,
	                            .itl = o->itl,
	                            .slots = o->slots,
	                            .chunk = o->chunk,
	                            .seed = o->seed};
	h.ctx = m;
	int rc = o->log ? log_open(&m->log, o->log, err) : 0;
	rc = rc < 0 ? rc : instant_new(&m->instant, err);
	rc = rc < 0 ? rc : server_new(&m->server, m->base, o->host, o->port, o->idle_ns, &h, err);
	if (rc == 0 && add_events(m) < 0)
		rc = tr_fail(err, TR_ENOMEM, "cannot add events");
	return rc;
}

int mock_run(struct mock *m, struct tr_err *err)
{
	int rc = event_base_dispatch(m->base) < 0 ? tr_fail(err, TR_EIO, "the event loop failed") : 0;

	server_free(m->server);
	m->server = NULL;
	if (rc == 0 && m->failure.code) {
		*err = m->failure;
		rc = -(int)err->code;
	}
	int closed = log_close(m->log, rc < 0 ? NULL : err);
	m->log = NULL;
	return rc < 0 ? rc : closed;
}

void mock_free(struct mock *m)
{
	if (!m)
		return;
	server_free(m->server);
	log_close(m->log, NULL);
	instant_free(m->instant);
	for (unsigned i = 0; i < m->nevents; i++)
		event_free(m->events[i]);
	if (m->base)
		event_base_free(m->base);
	tr_buf_free(&m->line);
	tr_buf_free(&m->model);
	free(m);
}

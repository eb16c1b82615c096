/* SPDX-License-Identifier: Apache-2.0
 *
 * Between run.c and worker.c: a thread and what it shares.
 */
#ifndef TOOLS_REPLAY_RUN_IMPL_H
#define TOOLS_REPLAY_RUN_IMPL_H

#include "tools/replay/cap.h"
#include "tools/replay/reply.h"
#include "tools/replay/run.h"
#include "tools/replay/talk.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	INBOX_JOBS = 1024,      /* that wait in one thread */
	INBOX_BYTES = 64 << 20, /* of their payloads */
	READY_JOBS = 64,        /* whose bodies are made ahead of time */
	READY_BYTES = 8 << 20,  /* of those bodies; one is always allowed */
	BODY_MAX = 256 << 20,
	PARKED_JOBS = 1 << 16, /* turns that wait for the one before them, in one thread */
	STARTS_A_TURN = 16,    /* requests started before sockets are looked at again */
	STAMP_BITS = 7,        /* histograms: within 0.8 % */
};
static const int64_t SPIN_NS = 50000;          /* before a due time the thread watches the clock */
static const int64_t STARE_NS = 5000;          /* and in the last of it does nothing else */
static const int64_t OPEN_NS = 5000000000;     /* connections of before the run that take longer are let go */
static const int64_t HAND_OVER_NS = 100000000; /* results wait no longer than this for their block to fill */

struct worker;

struct flight {            /* a request from when its body is made until it has ended */
	struct exchange x; /* first: the transport's callbacks give it back */
	struct worker *w;
	struct job *job;
	struct reply reply;
	struct tr_buf body;
	struct tr_buf said; /* live histories: the answer's text, as JSON between quotes */
	struct body_made made;
	char id[40];
	char why[RUN_SAMPLE];
	int64_t dispatched; /* mono */
	int held;           /* had to wait for a place */
	int warm;           /* opens a connection, nothing more */
	int bad;            /* has no body: w->bad says why */
	struct flight *prev, *next;
};

struct flights { /* in order */
	struct flight *first, *last;
	unsigned n;
};

struct worker {
	struct run *run;
	unsigned index;
	pthread_t thread;
	int started;
	struct transport *t;

	/* pushed by the caller, under the lock */
	pthread_mutex_t lock;
	struct job *in_first, *in_last;
	unsigned waiting; /* jobs pushed and not yet dispatched: what INBOX_JOBS bounds */
	size_t waiting_bytes;
	atomic_llong asleep; /* mono: sleeps until then; 0 = at work */

	/* the thread's own */
	struct job **heap; /* by due time, then order of arrival */
	unsigned heap_n, heap_cap;
	struct talks talks;
	unsigned parked; /* turns in them that wait for the one before */
	size_t parked_bytes;
	struct flights ready, flying, spare;
	size_t ready_bytes;
	struct tr_block *out;
	int64_t out_since; /* mono */
	int64_t newest_due;
	int full;           /* --max-inflight has been reached; ... */
	int64_t full_until; /* mono: ... and this is when it last ended: what was due before was held by it */
	int sends_ended;    /* there is nothing left for it to send */
	int bad_rc; /* < 0: a body could not be made. That stops the run when its turn to be sent has come. */
	struct tr_err bad;
	struct run_stats s;
	int64_t first_mono, first_cpu, first_spin; /* at its first request */
};

struct run {
	struct run_opts o;
	struct sink *sink;
	struct cap cap;
	struct worker w[RUN_THREADS_MAX];

	atomic_llong zero;  /* mono; 0 = not begun */
	atomic_llong grace; /* ns, after sending is over */
	atomic_int input_ended, stop;
	atomic_uint sending;      /* threads that have something left to send */
	atomic_llong sends_ended; /* mono: when the last of them had nothing left */
	atomic_ullong finished, unsent, warm_ok, warm_failed;

	pthread_mutex_t lock; /* of what follows, and of the condition */
	pthread_cond_t change;
	unsigned threads_done, threads_warm;
	int rc; /* < 0: a thread failed */
	struct tr_err err;
};

/* --- flight.c --- */

void flights_append(struct flights *l, struct flight *f);
void flights_insert(struct flights *l, struct flight *f); /* by due time, then order of arrival */
void flights_take_out(struct flights *l, struct flight *f);
struct flight *flight_new(struct worker *w); /* NULL: no memory */
void flight_free(struct flight *f);
void flight_put_away(struct worker *w, struct flight *f); /* for another request */
/* It is over: counted, recorded, put away. how OUT_OK: as its reply says. */
void flight_end(struct flight *f, enum outcome how);
int worker_transport(struct worker *w, struct tr_err *err); /* make its transport */
void worker_hand_over(struct worker *w);                    /* results to the sink */
void worker_fail(struct worker *w, int rc, struct tr_err *err);

void worker_keep(struct worker *w, struct tr_rec *r); /* a record of the results */

/* --- session.c --- */

/* A job that comes in: 1 = it is to be scheduled at its time; 0 = it waits, was scheduled or will not be
 * sent. */
int session_take(struct worker *w, struct job *j);
int session_full(const struct worker *w); /* no more turns can wait now */
/* The messages of its prompt; p NULL: it is made of the record alone. < 0: none can be made. */
int session_prompt(struct worker *w, struct job *j, struct tr_slice *messages, struct tr_err *err);
void session_ended(struct worker *w, struct flight *f, int64_t end_ns);
uint64_t session_drop(struct worker *w); /* turns that wait: gone, and how many they were */
uint64_t session_drop_behind(struct worker *w, struct job *j); /* those that wait for this one */

/* --- worker.c, run.c --- */

void worker_schedule(struct worker *w, struct job *j);
void worker_dispatched(struct worker *w, struct job *j); /* it waits no more: there is room for another */

int job_before(const struct job *a, const struct job *b); /* to be sent earlier */
void *worker_main(void *arg);
void run_fail(struct run *r, int rc, const struct tr_err *err);
void run_tell(struct run *r); /* something has changed that a caller may wait for */

#endif

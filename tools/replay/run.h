/* SPDX-License-Identifier: Apache-2.0
 *
 * A run: worker threads that send requests at their due times and observe the replies. The caller pushes jobs
 * in order; a job is sent when it is due whatever the server does, unless --max-inflight holds it: then late
 * and counted, never dropped. Everything a thread needs is in its own struct; threads meet only where a
 * job is pushed, where --max-inflight is shared, and where results are handed to the sink.
 *
 * Times: due_ns and all stamps in records count from time zero of the run; mono is CLOCK_MONOTONIC.
 */
#ifndef TOOLS_REPLAY_RUN_H
#define TOOLS_REPLAY_RUN_H

#include "libtrace/block.h"
#include "libtrace/hist.h"
#include "tools/replay/body.h"
#include "tools/replay/outcome.h"
#include "tools/replay/sink.h"
#include "tools/replay/transport.h"

enum { RUN_THREADS_MAX = 64, RUN_SAMPLE = 128 };

struct run_opts {
	struct transport_opts transport;
	struct body_opts body;
	unsigned threads;
	unsigned max_inflight; /* 0 = no limit */
	unsigned connections;  /* opened before time zero, over all threads */
	int64_t timeout_ns;    /* from sent */
	int64_t grace_ns;      /* for replies, after the last request was sent or sending was stopped */
	int64_t late_ns;       /* later than this is "late" */
	int closed;            /* a turn of a session goes out when the one before has ended */
	int live;              /* closed: histories are made of what this server answered */
	int64_t think_ns;      /* closed: wait after the end of the turn before, for records that tell none */
};

/* What happened, over all threads. Histograms count nanoseconds within 0.8 %. */
struct run_stats {
	uint64_t offered, sent, ok, censored;
	uint64_t by[OUTCOME_COUNT];
	uint64_t late;       /* sent more than late_ns after due, and not for the three reasons below */
	uint64_t held;       /* had to wait for --max-inflight */
	uint64_t late_input; /* came from the input when they were due already */
	uint64_t unsorted;   /* due before one that had been taken in before */
	uint64_t raised;     /* a length of 0 was raised to what can be sent */
	uint64_t resent;
	int64_t latest;                       /* the largest lateness, exact */
	uint64_t no_done, after_done;         /* streams that ended without [DONE], or went on after it */
	uint64_t stripped;                    /* records too large to keep the times of their events */
	uint64_t input_tokens, output_tokens; /* aimed at, of what was sent */
	uint64_t connections;
	int64_t first_due, last_due, first_sent, last_sent; /* of what was sent; valid when sent > 0 */
	int64_t wall_ns, cpu_ns, spin_ns; /* of the busiest thread: cpu_ns without spinning */
	double load;                      /* cpu_ns / wall_ns of that thread */
	struct tr_hist *lateness, *gaps, *stalls;
	char sample[OUTCOME_COUNT][RUN_SAMPLE]; /* what was said of the first failure of a class */
};
void run_stats_free(struct run_stats *s);
/* Nearest rank, in ms; NAN without values. */
double run_rank_ms(const struct tr_hist *h, double q);

struct run;
struct job {                   /* made by the caller with calloc; the run frees it */
	struct tr_rec rec;     /* borrows from hold */
	struct tr_block *hold; /* a reference, or NULL */
	int64_t due_ns;
	uint64_t seq;
	int warmup;     /* to be sent at once, before time zero; leaves no record */
	int late_input; /* it came from the input when it was due already, and not because of a full queue */
	int follows;    /* closed sessions: due_ns is when it would be due by itself, INT64_MIN: never */
	unsigned lane;  /* whose thread it is: the same for all turns of a session */
	struct job *next;

	/* the thread's own */
	int counted;       /* among those that wait to be dispatched */
	struct talk *talk; /* a reference, or NULL */
	size_t prompt_n;   /* of the conversation's history, with its own part */
	int bad_rc;        /* < 0: its messages are no messages */
	struct tr_err bad;
};
void job_free(struct job *j);
void job_blame(const struct job *j, struct tr_err *err); /* say which record it was */

/* sink NULL: records are not made. */
int run_new(struct run **run, const struct run_opts *o, struct sink *sink, struct tr_err *err);
/* Send these lengths as a warm-up, `at_once` at a time, and wait. *ok, *failed count. stop() ends it, and the
 * run with it. */
int run_warm_up(struct run *r, const struct tr_rec *recs, unsigned n, unsigned at_once, uint64_t *ok,
                uint64_t *failed, int (*stop)(void), struct tr_err *err);
/* Time zero: given as a monotonic moment, a little ahead. Jobs may be pushed before. */
void run_begin(struct run *r, int64_t zero_mono);
/* 0 = taken; 1 = no room within wait_ms, push it again; < 0: the run has failed. */
int run_push(struct run *r, struct job *j, int wait_ms, struct tr_err *err);
/* Has the thread that this job is for nothing left to do? Then it waits for the input. */
int run_starved(struct run *r, const struct job *j);
void run_input_ended(struct run *r);
/* Send no more; what was not sent is dropped and counted. Replies are waited for that long (< 0: as the
 * options say).
 */
void run_stop(struct run *r, int64_t grace_ns);
int run_wait(struct run *r, int wait_ms); /* 1 = every request has ended */
uint64_t run_finished(struct run *r);     /* requests that have ended so far */
/* Join the threads (after run_wait gave 1), free. *unsent: dropped by run_stop. < 0: the run had failed. */
int run_end(struct run *r, struct run_stats *s, uint64_t *unsent, struct tr_err *err);

#endif

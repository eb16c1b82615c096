/* SPDX-License-Identifier: Apache-2.0
 *
 * The trace as jobs: records of the window, with their due times. Observations of an earlier run are taken
 * off: a result replays like the trace it came from.
 */
#ifndef TOOLS_REPLAY_FEED_H
#define TOOLS_REPLAY_FEED_H

#include "libtrace/sched.h"
#include "libtrace/stream.h"
#include "tools/replay/run.h"

struct feed {
	struct tr_reader *r;
	struct tr_sched sched;
	int has_start; /* sched.start_ns was given; else the smallest arrival of the first records, FEED_AHEAD
	                  of them */
	uint64_t limit; /* jobs at most; 0 = all */
	int closed;     /* turns that follow another need no time of their own */

	uint64_t jobs;   /* so far */
	uint64_t missed; /* records before a start that was not given: the trace is too far out of order */
	uint64_t after;  /* records in a row that lie beyond the window */
	int ended;       /* the reader's end was reached: its trailer is there */
	struct tr_block *block;
	struct tr_cursor cursor;
	int start_found;
	struct feed_row *ahead; /* read before the start was known; given first */
	unsigned ahead_n, ahead_at;
	int ahead_rc; /* how that reading ended */
	struct tr_err ahead_err;
};
enum { FEED_AHEAD = 16384 };

/* 1 = *j is the caller's (job_free); 0 = no more; 2 = nothing has come for a while; < 0 = error. */
int feed_next(struct feed *f, struct job **j, struct tr_err *err);
void feed_free(struct feed *f); /* not the reader */

#endif

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
	int has_start;  /* sched.start_ns was given; else the first record's arrival */
	uint64_t limit; /* jobs at most; 0 = all */

	uint64_t jobs;  /* so far */
	uint64_t after; /* records in a row that lie beyond the window */
	int ended;      /* the reader's end was reached: its trailer is there */
	struct tr_block *block;
	struct tr_cursor cursor;
};

/* 1 = *j is the caller's (job_free); 0 = no more; 2 = nothing has come for a while; < 0 = error. */
int feed_next(struct feed *f, struct job **j, struct tr_err *err);
void feed_free(struct feed *f); /* not the reader */

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * --max-inflight, shared by the threads: so many requests may be on their way. A place that becomes free goes
 * to the thread whose waiting request was due first.
 */
#ifndef TOOLS_REPLAY_CAP_H
#define TOOLS_REPLAY_CAP_H

#include <pthread.h>
#include <stdint.h>

struct cap {
	pthread_mutex_t lock;
	unsigned places; /* 0 = no limit: nothing is ever counted */
	unsigned free;
	unsigned threads;
	struct {
		int64_t due;      /* of the request that waits; INT64_MAX = none */
		unsigned granted; /* places given to it that it has not seen yet */
	} * waiting;
};

int cap_init(struct cap *c, unsigned places, unsigned threads); /* 0, -TR_ENOMEM */
void cap_free(struct cap *c);
/* 1 = a place was had; 0 = the thread waits now: somebody will be told to wake it. */
int cap_take(struct cap *c, unsigned thread, int64_t due);
/* A place is free again: the thread to wake, or -1. */
int cap_give(struct cap *c);

#endif

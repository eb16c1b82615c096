/* SPDX-License-Identifier: Apache-2.0
 *
 * When tokens come. A turn waits for one of the slots, first come first served; then its first token comes
 * after the TTFT and each next event of tokens after another ITL, by plan: an event that is late does not
 * move those after it.
 */
#ifndef TOOLS_MOCK_ENGINE_H
#define TOOLS_MOCK_ENGINE_H

#include "tools/mock/delay.h"
#include <event2/event.h>
#include <event2/event_struct.h>

struct engine {
	struct event_base *base;
	struct delay ttft, itl;
	uint64_t slots; /* 0 = unlimited */
	uint64_t chunk; /* tokens of an event */
	uint64_t seed;
	uint64_t running;
	int64_t frozen_ns;         /* so long the clock of the engine has stood still */
	struct turn *first, *last; /* of the queue */
};

struct turn { /* part of the caller's job */
	struct engine *e;
	/* n tokens are there. 0 = the turn has been ended, and may be gone; it must be when none are left,
	 * but after engine_delay it may go on once more, with n = 0. */
	int (*tokens)(struct turn *t, uint64_t n);
	uint64_t number; /* of the request */
	uint64_t left;   /* tokens still to come */
	int whole;       /* all of them at once, when the last is there */
	/* The engine's own. */
	struct event timer;
	struct tr_rng rng;
	int64_t due; /* on the clock of the engine */
	struct turn *prev, *next;
	enum { TURN_OVER, TURN_QUEUED, TURN_RUNNING, TURN_HELD } state;
};

void engine_start(struct engine *e, struct turn *t);
void engine_end(struct turn *t);               /* gives the slot to the next */
void engine_delay(struct turn *t, int64_t ns); /* everything still to come, later */
void engine_hold(struct turn *t);              /* nothing until engine_resume: the client does not read */
void engine_resume(struct turn *t);

#endif

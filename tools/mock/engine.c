/* SPDX-License-Identifier: Apache-2.0
 *
 * Slots, queue and timers.
 */
#include "tools/mock/engine.h"
#include "libtrace/clock.h"

enum { EVENTS_A_TURN = 32 }; /* of one request in one turn of the loop, when they are late or have no delay */

/* Beyond any run. Sums of delays stop here; half of the range leaves room to count with it. */
static const int64_t NEVER = INT64_MAX / 2;

static int64_t later(int64_t due, int64_t ns)
{
	return ns < NEVER - due ? due + ns : NEVER;
}

static int64_t engine_now(const struct engine *e)
{
	return tr_mono_ns() - e->frozen_ns;
}

static void arm(struct turn *t)
{
	int64_t us = (t->due - engine_now(t->e) + 999) / 1000; /* never early */
	struct timeval tv = {.tv_sec = us > 0 ? us / 1000000 : 0, .tv_usec = us > 0 ? us % 1000000 : 0};

	event_add(&t->timer, &tv);
}

static uint64_t next_size(const struct turn *t)
{
	return t->whole || t->left < t->e->chunk ? t->left : t->e->chunk;
}

/* The delay before what comes next: an ITL for each event. */
static void advance(struct turn *t)
{
	if (t->left)
		t->due = later(t->due, delay_draw(&t->e->itl, &t->rng));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct turn *t = arg;
	int64_t now = engine_now(t->e);

	(void)fd;
	(void)what;
	for (int i = 0; i < EVENTS_A_TURN && t->due <= now; i++) {
		uint64_t n = next_size(t);

		t->left -= n;
		advance(t);
		if (!t->tokens(t, n) || t->state != TURN_RUNNING)
			return;
	}
	arm(t);
}

static void run(struct turn *t)
{
	struct engine *e = t->e;

	e->running++;
	t->state = TURN_RUNNING;
	t->due = later(engine_now(e), delay_draw(&e->ttft, &t->rng));
	for (uint64_t done = e->chunk; t->whole && done < t->left; done += e->chunk)
		t->due = later(t->due, delay_draw(&e->itl, &t->rng));
	arm(t);
}

void engine_start(struct engine *e, struct turn *t)
{
	t->e = e;
	t->prev = t->next = NULL;
	delay_rng(&t->rng, e->seed, "delays", t->number);
	event_assign(&t->timer, e->base, -1, 0, on_timer, t);
	if (!e->slots || e->running < e->slots) {
		run(t);
		return;
	}
	t->state = TURN_QUEUED;
	t->prev = e->last;
	*(e->last ? &e->last->next : &e->first) = t;
	e->last = t;
}

static void unqueue(struct turn *t)
{
	*(t->prev ? &t->prev->next : &t->e->first) = t->next;
	*(t->next ? &t->next->prev : &t->e->last) = t->prev;
}

void engine_end(struct turn *t)
{
	struct engine *e = t->e;
	int state = (int)t->state;

	t->state = TURN_OVER;
	if (state == TURN_QUEUED)
		unqueue(t);
	if (state == TURN_QUEUED || state == TURN_OVER)
		return;
	event_del(&t->timer);
	e->running--;
	if (e->first) {
		struct turn *next = e->first;

		unqueue(next);
		run(next);
	}
}

void engine_delay(struct turn *t, int64_t ns)
{
	int64_t now = engine_now(t->e);

	t->due = later(t->due > now ? t->due : now, ns);
}

void engine_hold(struct turn *t)
{
	if (t->state == TURN_RUNNING)
		t->state = TURN_HELD;
}

void engine_resume(struct turn *t)
{
	if (t->state != TURN_HELD)
		return;
	t->state = TURN_RUNNING;
	arm(t);
}

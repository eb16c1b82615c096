/* SPDX-License-Identifier: Apache-2.0
 *
 * The three clocks. Waits are for absolute times: a wait that starts late ends on time.
 */
#include "libtrace/clock.h"
#include <errno.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)

static int64_t read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

int64_t tr_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t tr_wall_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

static int64_t mono_now(struct tr_clock *c)
{
	(void)c;
	return tr_mono_ns();
}

/* 0, or EINTR when a signal handler ran. */
static int sleep_until(int64_t until)
{
	struct timespec t;

	if (until <= 0)
		return 0;
	t.tv_sec = (time_t)(until / SECOND_NS);
	t.tv_nsec = (long)(until % SECOND_NS);
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int64_t mono_wait(struct tr_clock *c, int64_t until)
{
	(void)c;
	sleep_until(until);
	return tr_mono_ns();
}

static int64_t spin_wait(struct tr_clock *c, int64_t until)
{
	int64_t now = tr_mono_ns();

	if (until > now && until - now > c->spin_ns) {
		int interrupted = sleep_until(until - c->spin_ns) == EINTR;

		now = tr_mono_ns();
		if (interrupted)
			return now;
	}
	while (now < until)
		now = tr_mono_ns();
	return now;
}

static int64_t virtual_now(struct tr_clock *c)
{
	return c->virtual_ns;
}

static int64_t virtual_wait(struct tr_clock *c, int64_t until)
{
	if (until > c->virtual_ns)
		c->virtual_ns = until;
	return c->virtual_ns;
}

void tr_clock_monotonic(struct tr_clock *c)
{
	*c = (struct tr_clock){.now = mono_now, .wait_until = mono_wait};
}

void tr_clock_spinning(struct tr_clock *c, int64_t spin_ns)
{
	*c = (struct tr_clock){.now = mono_now, .wait_until = spin_wait, .spin_ns = spin_ns};
}

void tr_clock_virtual(struct tr_clock *c, int64_t start_ns)
{
	*c = (struct tr_clock){.now = virtual_now, .wait_until = virtual_wait, .virtual_ns = start_ns};
}

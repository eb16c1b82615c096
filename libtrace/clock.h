/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks: readings in monotonic nanoseconds. One interface, three clocks: monotonic (sleeps), spinning
 * (sleeps until spin_ns before, then watches the clock), virtual (moves when told or when waited on: tests
 * and simulation).
 */
#ifndef LIBTRACE_CLOCK_H
#define LIBTRACE_CLOCK_H

#include <stdint.h>

struct tr_clock {
	int64_t (*now)(struct tr_clock *c);
	/* Returns the reading after the wait, >= until unless a signal handler ran (then it may be earlier).
	 */
	int64_t (*wait_until)(struct tr_clock *c, int64_t until);
	int64_t spin_ns;    /* spinning clock */
	int64_t virtual_ns; /* virtual clock */
};

void tr_clock_monotonic(struct tr_clock *c);
void tr_clock_spinning(struct tr_clock *c, int64_t spin_ns);
void tr_clock_virtual(struct tr_clock *c, int64_t start_ns);

int64_t tr_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t tr_wall_ns(void); /* CLOCK_REALTIME */

#endif

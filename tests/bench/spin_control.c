/* SPDX-License-Identifier: Apache-2.0
 *
 * spin_control RATE SECONDS: what this machine allows anybody: sleep until 50 us before each of a row of
 * random moments, watch the clock for the rest, and tell how late that was: p50, p99, p99.9 and the largest,
 * in milliseconds.
 */
#include "libtrace/clock.h"
#include "libtrace/rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double rate = argc > 1 ? strtod(argv[1], NULL) : 100, seconds = argc > 2 ? strtod(argv[2], NULL) : 10;
	size_t n = (size_t)(rate * seconds);
	int64_t *late = calloc(n + 1, sizeof(*late)), due;
	struct tr_clock c;
	struct tr_rng g;
	double at = 0;

	if (!late)
		return 1;
	prctl(PR_SET_TIMERSLACK, 1UL);
	tr_rng_init(&g, 1, "control");
	tr_clock_spinning(&c, 50000);
	due = c.now(&c) + 10000000;
	for (size_t i = 0; i < n; i++) {
		at += tr_rng_exponential(&g) / rate * 1e9;
		late[i] = c.wait_until(&c, due + (int64_t)at) - due - (int64_t)at;
	}
	qsort(late, n, sizeof(*late), by_value);
	printf("%.6f %.6f %.6f %.6f\n", (double)late[n / 2] / 1e6, (double)late[n * 99 / 100] / 1e6,
	       (double)late[n * 999 / 1000] / 1e6, (double)late[n - 1] / 1e6);
	free(late);
	return 0;
}

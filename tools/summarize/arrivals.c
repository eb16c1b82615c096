/* SPDX-License-Identifier: Apache-2.0
 *
 * Burstiness: how many arrivals fall into windows of fixed width, and the rate over time in bins that
 * double when the span outgrows them. Both take arrivals in order and need memory that does not depend
 * on the span.
 */
#include "tools/summarize/summarize.h"
#include <math.h>

const uint64_t sum_widths_s[SUM_WINDOWS] = {1, 10, 60};

void sum_arrivals_init(struct sum_arrivals *a)
{
	*a = (struct sum_arrivals){.shift = 10};
	for (unsigned i = 0; i < SUM_WINDOWS; i++)
		a->windows[i].width = sum_widths_s[i] * UINT64_C(1000000000);
}

static void close_window(struct sum_window *w)
{
	if (w->used++ == 0 || w->n < w->min_used)
		w->min_used = w->n;
	if (w->n > w->max) {
		w->max = w->n;
		w->max_index = w->index;
	}
	w->squares += (unsigned __int128)w->n * w->n;
}

static void window_add(struct sum_window *w, uint64_t offset)
{
	if (offset - w->start >= w->width) {
		close_window(w);
		w->index = offset / w->width;
		w->start = w->index * w->width;
		w->n = 0;
	}
	w->n++;
}

static void widen(struct sum_arrivals *a)
{
	for (unsigned i = 0; i < SUM_BINS / 2; i++)
		a->bins[i] = a->bins[2 * i] + a->bins[2 * i + 1];
	for (unsigned i = SUM_BINS / 2; i < SUM_BINS; i++)
		a->bins[i] = 0;
	a->shift++;
}

void sum_arrivals_add(struct sum_arrivals *a, int64_t t)
{
	if (!a->started) {
		a->started = 1;
		a->origin = t;
	}
	uint64_t offset = (uint64_t)t - (uint64_t)a->origin;
	for (unsigned i = 0; i < SUM_WINDOWS; i++)
		window_add(&a->windows[i], offset);
	while (offset >> a->shift >= SUM_BINS)
		widen(a);
	a->bins[offset >> a->shift]++;
	a->placed++;
}

struct sum_window_figures sum_window_read(const struct sum_arrivals *a, const struct sum_window *filling,
                                          uint64_t span)
{
	struct sum_window w = *filling;
	close_window(&w);
	uint64_t windows = span / w.width + 1;
	/* var / mean = (sum n^2 / W - (N / W)^2) / (N / W) = (W sum n^2 - N^2) / (W N), all integers */
	unsigned __int128 n = a->placed;
	double top = (double)(windows * w.squares - n * n), bottom = (double)(windows * n);
	return (struct sum_window_figures){
	    .windows = windows,
	    .empty = windows - w.used,
	    .max = w.max,
	    .max_index = w.max_index,
	    .min = windows > w.used ? 0 : w.min_used,
	    .dispersion = bottom > 0 ? top / bottom : NAN,
	};
}

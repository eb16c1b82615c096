/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/replay/cap.h"
#include "libtrace/err.h"

#include <stdlib.h>

int cap_init(struct cap *c, unsigned places, unsigned threads)
{
	c->places = c->free = places;
	c->threads = threads;
	c->waiting = calloc(threads, sizeof(*c->waiting));
	if (!c->waiting)
		return -TR_ENOMEM;
	for (unsigned i = 0; i < threads; i++)
		c->waiting[i].due = INT64_MAX;
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

void cap_free(struct cap *c)
{
	if (!c->waiting)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c->waiting);
	c->waiting = NULL;
}

int cap_take(struct cap *c, unsigned thread, int64_t due)
{
	int had = 1;

	if (!c->places)
		return 1;
	pthread_mutex_lock(&c->lock);
	if (c->waiting[thread].granted) {
		c->waiting[thread].granted--;
	} else if (c->free) {
		c->free--;
	} else {
		c->waiting[thread].due = due;
		had = 0;
	}
	pthread_mutex_unlock(&c->lock);
	return had;
}

int cap_give(struct cap *c)
{
	int first = -1;

	if (!c->places)
		return -1;
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->threads; i++)
		if (c->waiting[i].due != INT64_MAX &&
		    (first < 0 || c->waiting[i].due < c->waiting[first].due))
			first = (int)i;
	if (first < 0) {
		c->free++;
	} else {
		c->waiting[first].due = INT64_MAX;
		c->waiting[first].granted++;
	}
	pthread_mutex_unlock(&c->lock);
	return first;
}

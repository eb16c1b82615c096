/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "libtrace/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct tr_pool {
	void (*work)(void *item);
	pthread_t thread[TR_POOL_THREADS];
	unsigned threads;
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct {
		void *item;
		int done;
	} ring[TR_POOL_ITEMS];
	unsigned long pushed, begun, pulled; /* counts; slot = count % TR_POOL_ITEMS */
	int stop;
};

static void *pool_main(void *arg)
{
	struct tr_pool *p = arg;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->begun == p->pushed)
			pthread_cond_wait(&p->change, &p->lock);
		if (p->stop)
			break;
		unsigned long at = p->begun++ % TR_POOL_ITEMS;
		void *item = p->ring[at].item;
		pthread_mutex_unlock(&p->lock);
		p->work(item);
		pthread_mutex_lock(&p->lock);
		p->ring[at].done = 1;
		pthread_cond_broadcast(&p->change);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int tr_pool_new(struct tr_pool **out, void (*work)(void *item), unsigned threads, struct tr_err *err)
{
	struct tr_pool *p = calloc(1, sizeof *p);
	if (!p)
		return tr_fail(err, TR_ENOMEM, "no memory for threads");
	p->work = work;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->change, NULL);
	while (p->threads < threads && p->threads < TR_POOL_THREADS) {
		errno = pthread_create(&p->thread[p->threads], NULL, pool_main, p);
		if (errno) {
			int rc = tr_fail_errno(err, "cannot start a thread");
			tr_pool_free(p);
			return rc;
		}
		p->threads++;
	}
	*out = p;
	return 0;
}

void tr_pool_push(struct tr_pool *p, void *item)
{
	pthread_mutex_lock(&p->lock);
	p->ring[p->pushed % TR_POOL_ITEMS].item = item;
	p->ring[p->pushed % TR_POOL_ITEMS].done = 0;
	p->pushed++;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
}

void *tr_pool_pull(struct tr_pool *p)
{
	pthread_mutex_lock(&p->lock);
	unsigned long at = p->pulled++ % TR_POOL_ITEMS;
	while (p->threads && !p->ring[at].done)
		pthread_cond_wait(&p->change, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (!p->threads)
		p->work(p->ring[at].item);
	return p->ring[at].item;
}

void tr_pool_free(struct tr_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = 1;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->change);
	free(p);
}

unsigned tr_pool_spare_processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) - 1 : 0;
	return n < 0 ? 0 : n > 8 ? 8 : (unsigned)n;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Work on several items at once, with the results in the order in which the items came. Without threads each
 * item is worked at when it is asked for. One thread pushes and pulls.
 */
#ifndef LIBTRACE_POOL_H
#define LIBTRACE_POOL_H

#include "libtrace/err.h"

enum { TR_POOL_THREADS = 16, TR_POOL_ITEMS = 64 };

struct tr_pool; /* opaque */

/* work is called with an item, on any thread, for several items at once. */
int tr_pool_new(struct tr_pool **p, void (*work)(void *item), unsigned threads, struct tr_err *err);
/* At most TR_POOL_ITEMS may be on their way. The item is the pool's until it is pulled. */
void tr_pool_push(struct tr_pool *p, void *item);
/* The oldest item, when its work is done; there must be one. */
void *tr_pool_pull(struct tr_pool *p);
/* Waits for work that is being done; items that were not pulled are the caller's again. NULL is fine. */
void tr_pool_free(struct tr_pool *p);
/* Processors that this process may use beside the one it runs on, 8 at most. */
unsigned tr_pool_spare_processors(void);

#endif

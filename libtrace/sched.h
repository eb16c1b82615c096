/* SPDX-License-Identifier: Apache-2.0
 *
 * The schedule: record -> due time. A pure function of the trace and the options; computed from the
 * origin, never from the record before, with 128-bit products: no drift, no overflow.
 */
#ifndef LIBTRACE_SCHED_H
#define LIBTRACE_SCHED_H

#include "libtrace/num.h"
#include <stdint.h>

struct tr_sched {
	int64_t start_ns;      /* trace time that becomes time zero */
	int64_t duration_ns;   /* trace time taken from there, before speed; < 0 = all */
	struct tr_ratio speed; /* 2/1 = twice as fast */
};

enum tr_due { TR_DUE, TR_DUE_BEFORE, TR_DUE_AFTER, TR_DUE_OVERFLOW };
/* *due_ns = (arrival - start) / speed, rounded down. BEFORE and AFTER: outside the window [start, start +
 * duration). */
enum tr_due tr_sched_due(const struct tr_sched *s, int64_t arrival_ns, int64_t *due_ns);

#endif

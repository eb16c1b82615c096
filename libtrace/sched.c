/* SPDX-License-Identifier: Apache-2.0
 *
 * Record -> due time.
 */
#include "libtrace/sched.h"

enum tr_due tr_sched_due(const struct tr_sched *s, int64_t arrival_ns, int64_t *due_ns)
{
	uint64_t after;
	unsigned __int128 due;

	if (arrival_ns < s->start_ns)
		return TR_DUE_BEFORE;
	after = (uint64_t)arrival_ns - (uint64_t)s->start_ns; /* up to 2^64 - 1: not for a signed type */
	if (s->duration_ns >= 0 && after >= (uint64_t)s->duration_ns)
		return TR_DUE_AFTER;
	due = (unsigned __int128)after * s->speed.den / s->speed.num;
	if (due > INT64_MAX)
		return TR_DUE_OVERFLOW;
	*due_ns = (int64_t)due;
	return TR_DUE;
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Was the client good enough for its own numbers? VALID; SUSPECT: they may be off, and the reasons say where;
 * VOID: this is not the experiment that was asked for. The rules stand in docs/METRICS.md.
 */
#ifndef TOOLS_REPLAY_VERDICT_H
#define TOOLS_REPLAY_VERDICT_H

#include "tools/replay/run.h"

enum verdict { VERDICT_VALID, VERDICT_SUSPECT, VERDICT_VOID };

struct verdict_facts {
	const struct run_stats *stats;
	const struct run_opts *opts;
	uint64_t spilled;      /* bytes of results that went by the temporary file */
	uint64_t missed;       /* requests that lay before the start that was taken for the trace's */
	int64_t suspended_ns;  /* the machine slept: CLOCK_BOOTTIME against CLOCK_MONOTONIC */
	double roofline_per_s; /* requests/s that this client is known to reach here; 0 = not known */
};

/* Appends the reasons, parted by "; ". */
enum verdict verdict_of(const struct verdict_facts *f, struct tr_buf *reasons);
const char *verdict_name(enum verdict v);

#endif

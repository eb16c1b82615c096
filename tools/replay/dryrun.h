/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run would do, counted without sending anything.
 */
#ifndef TOOLS_REPLAY_DRYRUN_H
#define TOOLS_REPLAY_DRYRUN_H

#include "tools/replay/feed.h"

struct dry {
	uint64_t requests, input_tokens, output_tokens;
	uint64_t follow;         /* closed sessions: further turns, due when the one before has ended */
	uint64_t without_output; /* requests that leave their length to the server */
	int64_t first_due, last_due;
	uint64_t peak_1s;  /* most requests due in one second, seconds counted from time zero */
	uint64_t peak_10s; /* in ten of them in a row */
	int has_peaks;     /* 0: too long to be counted by seconds */
};
/* Reads the feed to its end. body: the first requests' bodies are made, so that what would stop a run stops
 * this. */
int dry_run(struct feed *f, const struct body_opts *body, struct dry *d, struct tr_err *err);
void dry_print(const struct dry *d, int json);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws of delays: "20ms", uniform:10ms..30ms, exponential:mean=20ms, normal:mean=20ms,sd=5ms (below 0 is 0).
 */
#ifndef TOOLS_MOCK_DELAY_H
#define TOOLS_MOCK_DELAY_H

#include "libtrace/err.h"
#include "libtrace/rng.h"

struct delay {
	const struct delay_law *law; /* NULL: always a */
	int64_t a, b;                /* nanoseconds */
};

int delay_parse(struct delay *d, const char *option, const char *text, struct tr_err *err);
int64_t delay_draw(const struct delay *d, struct tr_rng *g);
/* A generator of a request's own, so that what it draws does not depend on what others do. */
void delay_rng(struct tr_rng *g, uint64_t seed, const char *purpose, uint64_t request);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws to draw from, by a small grammar:  name:ARG,ARG,key=value,...
 * An argument without a key takes the next place of the law's parameter list. One table row a law.
 *
 *   lengths:   fixed:N   uniform:A..B   normal:mean=,sd=,min=,max=   (truncated by rejection)
 *   arrivals:  constant:RATE   poisson:RATE
 */
#ifndef LIBTRACE_LAW_H
#define LIBTRACE_LAW_H

#include "libtrace/err.h"
#include "libtrace/num.h"
#include "libtrace/rng.h"
#include <stdint.h>

enum { TR_LAW_PARAMS = 8 };

struct tr_law_param {
	const char *name;
	enum { TR_PARAM_NUMBER, TR_PARAM_COUNT, TR_PARAM_RATE, TR_PARAM_RANGE } type;
	const char *fallback; /* text of the default; NULL = required */
	const char *help;
};

/* --- lengths: integers >= 0 --- */
struct tr_length {
	const struct tr_length_law *law;
	double p[TR_LAW_PARAMS]; /* parameters in table order */
	uint64_t lo, hi;         /* bounds of what is drawn, inclusive */
};
struct tr_length_law {
	const char *name;
	const char *help;
	struct tr_law_param params[TR_LAW_PARAMS]; /* ends with name NULL */
	int (*check)(struct tr_length *d, struct tr_err *err);
	int (*draw)(const struct tr_length *d, struct tr_rng *g,
	            uint64_t *out); /* < 0: no value within bounds */
};
extern const struct tr_length_law tr_length_laws[]; /* ends with name NULL */
int tr_length_parse(struct tr_length *d, const char *text, struct tr_err *err);
int tr_length_draw(const struct tr_length *d, struct tr_rng *g, uint64_t *out, struct tr_err *err);

/* --- arrivals: nanoseconds since the start, never decreasing --- */
struct tr_arrival {
	const struct tr_arrival_law *law;
	struct tr_ratio rate; /* events per nanosecond */
	double p[TR_LAW_PARAMS];
	uint64_t n;    /* events so far */
	int64_t whole; /* state of the law: time so far, whole nanoseconds and the rest */
	double rest;
};
struct tr_arrival_law {
	const char *name;
	const char *help;
	struct tr_law_param params[TR_LAW_PARAMS];
	int (*check)(struct tr_arrival *a, struct tr_err *err);
	int (*next)(struct tr_arrival *a, struct tr_rng *g, int64_t *ns); /* < 0: beyond int64 */
};
extern const struct tr_arrival_law tr_arrival_laws[];
int tr_arrival_parse(struct tr_arrival *a, const char *text, struct tr_err *err);
int tr_arrival_next(struct tr_arrival *a, struct tr_rng *g, int64_t *ns, struct tr_err *err);

#endif

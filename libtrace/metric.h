/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics, one table row each: how a value is had from a record, and the definition that reports print.
 * docs/METRICS.md is held against this table by a test.
 */
#ifndef LIBTRACE_METRIC_H
#define LIBTRACE_METRIC_H

#include "libtrace/rec.h"

struct tr_metric {
	const char *name;       /* key in reports, without unit: "ttft" */
	const char *unit;       /* of the value: "tokens", "ns" */
	const char *definition; /* one sentence with the formula in field names */
	const char *source;     /* where the definition comes from, or who differs */
	uint64_t needs;         /* fields that must be present */
	/* 1 = value set; 0 = not defined for this record (TPOT of one token). Values are >= 0. NULL: nth. */
	int (*value)(const struct tr_rec *r, uint64_t *out);
	/* Where a record has several values: 1 = the i-th is set and counts `times` times (0: it is no
	 * value); 0 = there are no more. NULL in the other rows. */
	int (*nth)(const struct tr_rec *r, size_t i, uint64_t *out, uint64_t *times);
};
extern const struct tr_metric tr_metrics[]; /* ends with name NULL */
const struct tr_metric *tr_metric_find(const char *name);
int tr_metric_value(const struct tr_metric *m, const struct tr_rec *r,
                    uint64_t *out); /* 0 also when a field is absent */
int tr_metric_nth(const struct tr_metric *m, const struct tr_rec *r, size_t i, uint64_t *out,
                  uint64_t *times); /* likewise */

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What a report says of results: requests with observations. Memory is bounded as in summarize.h: each
 * distribution has a budget, time lies in bins whose width doubles, and requests in flight are kept one by
 * one only up to a number.
 */
#ifndef TOOLS_SUMMARIZE_RESULTS_H
#define TOOLS_SUMMARIZE_RESULTS_H

#include "tools/summarize/summarize.h"

/* --- latencies ------------------------------------------------------------------------------- */

enum sum_latency {
	SUM_LATENESS,
	SUM_TTFT,
	SUM_ICL,
	SUM_ITL,
	SUM_TPOT,
	SUM_E2E,
	SUM_MAX_GAP,
	SUM_TTFT_SENT,
	SUM_E2E_SENT,
	SUM_CONNECT,
	SUM_TLS,
	SUM_LATENCIES
};

struct sum_latency_info {
	struct sum_dist_info dist;
	const char *metric; /* its row in tr_metrics */
	int sent;           /* over all that were sent, not only over what succeeded */
	int lost;           /* also shown with failures as infinite */
};
extern const struct sum_latency_info sum_latencies[SUM_LATENCIES];

/* Percentiles that fewer than 10 values lie beyond, as bits in the order of sum_percentiles, and those that
 * not one does. */
enum { SUM_TAIL = 10 };
struct sum_thin {
	unsigned thin, none;
};
struct sum_thin sum_thin(uint64_t n);

/* --- time ---------------------------------------------------------------------------------------- */

enum {
	SUM_RUN_BINS = 8192,
	SUM_IN_FLIGHT = 1 << 17, /* requests whose stamps are kept one by one */
};

/* What is counted over time. */
enum sum_flow { SUM_SENT, SUM_ENDED, SUM_OK, SUM_FLOW_IN, SUM_FLOW_OUT, SUM_FLOWS };

struct sum_extent { /* smallest and largest stamp */
	uint64_t n;
	int64_t first, last;
};
void sum_extent_add(struct sum_extent *e, int64_t t);
double sum_extent_rate(const struct sum_extent *e); /* (n - 1) / span, per second; NAN without a span */

struct sum_timeline {
	struct sum_extent extent; /* of everything in the bins */
	unsigned shift; /* bins of 2^shift ns, the one of t is number t >> shift, in place of it modulo */
	uint64_t bins[SUM_RUN_BINS][SUM_FLOWS], scratch[SUM_RUN_BINS][SUM_FLOWS];
	/* Each request in flight from one stamp to the other; those that never ended have only the first. */
	uint64_t nstarts, nends, cap;
	int64_t *starts, *ends;
	int many; /* more than are kept: the arrays are gone */
};
void sum_timeline_free(struct sum_timeline *l);
void sum_timeline_add(struct sum_timeline *l, int64_t t, enum sum_flow what, uint64_t n);
/* to NULL: it never ended. */
int sum_timeline_flight(struct sum_timeline *l, int64_t from, const int64_t *to, struct tr_err *err);

struct sum_span {
	int known;
	int64_t from, to;
	uint64_t flow[SUM_FLOWS]; /* of it inside */
};
struct sum_concurrency {
	double peak, mean; /* NAN: not known */
	int approximate;
};
double sum_span_seconds(const struct sum_span *s);
enum sum_span_kind { SUM_WHOLE, SUM_ARRIVAL, SUM_STEADY, SUM_SPANS };
struct sum_span_info {
	const char *key, *definition;
};
extern const struct sum_span_info sum_spans[SUM_SPANS];

struct sum_run_times {
	struct sum_span spans[SUM_SPANS];
	struct sum_concurrency in_flight; /* mean over the arrival span */
};
/* Sorts what it kept, thus once, when nothing will be added any more. */
void sum_timeline_read(struct sum_timeline *l, const struct sum_extent *due, const struct sum_extent *end,
                       struct sum_run_times *out);

/* --- counts --------------------------------------------------------------------------------------- */

enum sum_total {
	SUM_T_IN,
	SUM_T_IN_SEEN,
	SUM_T_OUT,
	SUM_T_OUT_SEEN,
	SUM_T_CACHED,
	SUM_T_BYTES_OUT,
	SUM_T_BYTES_IN,
	SUM_T_REUSED,
	SUM_T_RESENT,
	SUM_TOTALS
};
struct sum_total_of {
	uint64_t n, zeros; /* requests that have the field, and those where it is 0 */
	unsigned __int128 sum;
};

enum { SUM_CLASSES = 64, SUM_CLASS_BYTES = 40, SUM_CODES = 1000 };
struct sum_class {
	uint64_t n;
	char text[SUM_CLASS_BYTES]; /* cut; what is not a letter, a digit or one of _.:- became _ */
};

struct sum_differ {
	uint64_t both, differ; /* requests that have both counts; where they are not equal */
};

struct sum_results {
	uint64_t offered, ok, failed, censored;
	uint64_t unsent; /* turns of sessions that had failed: not sent, not offered */
	unsigned nclasses;
	struct sum_class classes[SUM_CLASSES]; /* the last one counts all that found no place */
	uint64_t codes[SUM_CODES + 1];         /* the last one: all above */
	struct tr_dist_budget budget[SUM_LATENCIES];
	struct tr_dist *d[SUM_LATENCIES];
	const struct tr_metric *metric[SUM_LATENCIES];
	struct sum_total_of totals[SUM_TOTALS];
	struct sum_differ in_differ, out_differ;
	uint64_t spread;  /* output tokens whose events are known only in number */
	int has_out;      /* output tokens were seen to arrive */
	uint64_t damaged; /* values that cannot be: left out */
	struct sum_extent due, sent, end;
	struct sum_timeline timeline;
	struct sum_run_times times; /* once finished */
};
/* 0: what succeeded has no such latency, so what did not says nothing beside it. */
int sum_results_has_lost(const struct sum_results *r, enum sum_latency which);
int sum_results_new(struct sum_results **r, struct tr_err *err);
void sum_results_free(struct sum_results *r);
int sum_is_result(const struct tr_rec *rec);
int sum_results_block(struct sum_results *r, const struct tr_block *b, struct tr_err *err);
void sum_results_finish(struct sum_results *r);
struct sum_figures sum_results_read(const struct sum_results *r, enum sum_latency which,
                                    enum tr_percentile method);
/* The percentiles with every request that failed or was cut off as infinite; other figures are not set. */
struct sum_figures sum_results_lost(const struct sum_results *r, enum sum_latency which,
                                    enum tr_percentile method);

/* What --by keeps of the results of a group. */
enum { SUM_GROUP_LATENCIES = 3 };
extern const enum sum_latency sum_group_latencies[SUM_GROUP_LATENCIES];
struct sum_group_results {
	uint64_t n, ok;
	struct tr_dist *d[SUM_GROUP_LATENCIES];
};
int sum_group_results_add(struct sum_group_results **g, const struct sum_results *r, const struct tr_rec *rec,
                          struct tr_dist_budget *budget, struct tr_err *err);
void sum_group_results_free(struct sum_group_results *g);

/* --- reports -------------------------------------------------------------------------------------- */

struct rep_json;
void sum_json_results(struct rep_json *j, const struct sum *s);
void sum_json_group_results(struct rep_json *j, const struct sum_group_results *g, enum tr_percentile method);
void sum_text_results(const struct sum *s, const char *strong, const char *plain);

#endif

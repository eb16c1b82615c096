/* SPDX-License-Identifier: Apache-2.0
 *
 * The figures of a report while they are collected, and the three ways to print them. Memory is
 * bounded whatever the input: percentiles share one budget, arrivals pass through a ring, names and
 * groups have limits.
 */
#ifndef TOOLS_SUMMARIZE_H
#define TOOLS_SUMMARIZE_H

#include "libtrace/block.h"
#include "libtrace/dist.h"
#include "libtrace/meta.h"
#include "libtrace/order.h"

enum {
	/* Entries for distinct values counted exactly: tables up to 2^17 and the arrays for small values
	 * beside them. A larger table leaves the cache and costs more than its exactness is worth. */
	SUM_BUDGET = (1 << 17) + (1 << 15),
	SUM_GROUPS_BUDGET = 1 << 17, /* the same over all groups of --by */
	SUM_GROUPS_BITS = 7,         /* of their histograms once that is spent: within 0.8 % */
	SUM_GROUPS_MAX = 1000,
	SUM_SESSIONS_MAX = 1 << 18,
	SUM_NAMES_MAX = 4096, /* distinct values of a naming field that are counted */
	SUM_NAME_BYTES = 200, /* of a name that are kept for printing */
	SUM_TOP = 10,
	SUM_BINS = 4096, /* of the rate over time */
};

/* --- a set of records: all of them, or a group -------------------------------------------- */

enum sum_dist { SUM_IN, SUM_OUT, SUM_GAP, SUM_DISTS };

struct sum_dist_info {
	const char *key;   /* in JSON and CSV */
	const char *label; /* on the terminal */
	double unit;       /* values are divided by it in JSON and CSV */
};
extern const struct sum_dist_info sum_dists[SUM_DISTS];

struct sum_percentile {
	const char *key;
	unsigned k; /* thousandths */
};
enum { SUM_PERCENTILES = 9 };
extern const struct sum_percentile sum_percentiles[SUM_PERCENTILES];

struct sum_figures { /* what is printed of a distribution */
	struct tr_moments m;
	double p[SUM_PERCENTILES];
	double error;
};

struct sum_set {
	uint64_t records;
	uint64_t arrivals;            /* records that have one */
	uint64_t damaged;             /* values above 2^63 - 1, which are no values */
	int64_t first, last;          /* smallest and largest arrival */
	int in_order;                 /* before is set */
	int64_t before;               /* the arrival before, in order */
	struct tr_dist *d[SUM_DISTS]; /* NULL when sealed */
	int sealed;
	struct sum_figures f[SUM_DISTS];
};
int sum_set_init(struct sum_set *s, struct tr_dist_budget *budget, struct tr_err *err);
void sum_set_free(struct sum_set *s);
void sum_set_arrival(struct sum_set *s, int64_t t);
int sum_set_add(struct sum_set *s, enum sum_dist to, uint64_t v, struct tr_err *err);
/* t comes in order: the gap before it. */
int sum_set_gap(struct sum_set *s, int64_t t, struct tr_err *err);
/* Nothing will be added any more: keep the figures, give back the memory. */
void sum_set_seal(struct sum_set *s, enum tr_percentile method);
struct sum_figures sum_dist_read(const struct tr_dist *d, enum tr_percentile method);
struct sum_figures sum_set_read(const struct sum_set *s, enum sum_dist which, enum tr_percentile method);
double sum_set_span(const struct sum_set *s); /* ns; NAN without arrivals */
double sum_set_rate(const struct sum_set *s); /* per second; NAN when the span is 0 */

/* --- arrivals over time --------------------------------------------------------------------- */

struct sum_window {
	uint64_t width;           /* ns */
	uint64_t index, start, n; /* the window being filled: its number, its offset in ns, its arrivals */
	uint64_t used;            /* windows closed that were not empty */
	uint64_t max, max_index, min_used;
	unsigned __int128 squares; /* sum of n^2 over closed windows */
};
struct sum_window_figures {
	uint64_t windows, empty, max, max_index, min;
	double dispersion;
};
enum { SUM_WINDOWS = 3 };
extern const uint64_t sum_widths_s[SUM_WINDOWS];

struct sum_arrivals {
	int started;
	int64_t origin;  /* the first in order */
	uint64_t placed; /* that came in order, after sorting */
	uint64_t ties;
	uint64_t late; /* that could not be placed */
	struct sum_window windows[SUM_WINDOWS];
	uint64_t bins[SUM_BINS]; /* of 2^shift ns from the origin */
	unsigned shift;
};
void sum_arrivals_init(struct sum_arrivals *a);
void sum_arrivals_add(struct sum_arrivals *a, int64_t t); /* in order */
struct sum_window_figures sum_window_read(const struct sum_arrivals *a, const struct sum_window *w,
                                          uint64_t span);

/* --- names ------------------------------------------------------------------------------------ */

struct sum_name {
	uint64_t hash, records;
	char *text; /* clipped to SUM_NAME_BYTES */
	size_t n;
};
struct sum_names {
	unsigned bit;       /* the field */
	const char *key;    /* in JSON: "models" */
	const char *label;  /* on the terminal */
	uint64_t records;   /* that have the field */
	uint64_t last_bits; /* of the value before, and its entry: repeats share their bytes */
	struct sum_name *last;
	int overflow;
	unsigned n;
	struct sum_name *slots; /* open addressing, NULL until needed */
};
enum { SUM_NAMED = 4 };
void sum_names_free(struct sum_names *m);
int sum_names_block(struct sum_names *m, const struct tr_block *b, struct tr_err *err);
/* The most frequent, most first, then by text; returns how many. */
unsigned sum_names_top(const struct sum_names *m, const struct sum_name **top);

struct sum_distinct { /* 64-bit hashes seen */
	uint64_t n, cap;
	uint64_t *slots;
	int zero; /* the hash 0 was seen */
	int overflow;
};
void sum_distinct_free(struct sum_distinct *d);
int sum_distinct_block(struct sum_distinct *d, const struct tr_block *b, unsigned bit, struct tr_err *err);

/* --- groups ----------------------------------------------------------------------------------- */

struct sum_results; /* results.h */
struct sum_group_results;

struct sum_by {
	const char *text;             /* as given; NULL = no groups */
	const struct tr_field *field; /* NULL: windows of `window` ns */
	int64_t window;
};
int sum_by_parse(struct sum_by *by, const char *text, struct tr_err *err);

struct sum_group {
	int has_key;  /* 0: the records without a value */
	uint64_t key; /* raw bits, window index, or hash of a string */
	char *text;   /* strings: clipped */
	size_t n;
	struct sum_set set;
	struct sum_group_results *results; /* NULL: none of it is a result */
};
struct sum_groups {
	struct sum_by by;
	int started;
	int64_t origin; /* windows count from here */
	unsigned n;
	struct sum_group *v;
	uint16_t *slots; /* index + 1, by hash of the key */
	unsigned last;   /* found last */
	int open;        /* a window is being filled: */
	unsigned filling;
	enum tr_percentile method;
};
int sum_groups_new(struct sum_groups **g, const struct sum_by *by, enum tr_percentile method,
                   struct tr_err *err);
void sum_groups_free(struct sum_groups *g);
/* The group of a record, for --by FIELD. */
int sum_groups_of_record(struct sum_groups *g, const struct tr_rec *r, struct tr_dist_budget *budget,
                         unsigned *index, struct tr_err *err);
/* The group of an arrival, for --by window=T. The first call sets the origin. Arrivals in order leave a
 * window for good: it is sealed, and one that comes late is only counted. */
int sum_groups_of_arrival(struct sum_groups *g, int64_t t, int in_order, struct tr_dist_budget *budget,
                          unsigned *index, struct tr_err *err);
int sum_groups_of_none(struct sum_groups *g, struct tr_dist_budget *budget, unsigned *index,
                       struct tr_err *err);
/* By key: integers and windows ascending, strings by bytes, the group without a value last. */
void sum_groups_sort(struct sum_groups *g);

/* --- the whole ---------------------------------------------------------------------------------- */

struct sum_source {
	char *name; /* as far as known: the source's, else the operand's */
	char sha256[65];
	char *format; /* NULL = none stated */
};

struct sum {
	struct tr_dist_budget budget, groups_budget;
	enum tr_percentile method;
	struct sum_set all;
	struct tr_order *order;
	struct sum_arrivals arrivals;
	struct sum_names names[SUM_NAMED];
	struct sum_distinct sessions;
	struct sum_groups *groups; /* NULL without --by */
	uint64_t zeros[2];         /* SUM_IN, SUM_OUT: values that are 0 */
	uint64_t inversions, skipped, series, events;
	struct sum_results *results; /* NULL: no record is one */
	int has_previous;
	int64_t previous;  /* arrival of the record before, in stream order */
	const char *state; /* the worst of the inputs' */
	char *verdict, *reasons;
	int has_origin; /* of the first input */
	int64_t origin_ns;
	int64_t shift; /* added to the arrivals of the current input */
	unsigned nsources, ninputs;
	unsigned runs, last_run; /* inputs with results, and the number of the last such */
	struct sum_source *sources;
};
int sum_init(struct sum *s, const struct sum_by *by, enum tr_percentile method, struct tr_err *err);
void sum_free(struct sum *s);
int sum_input(struct sum *s, const struct tr_head *head, struct tr_err *err);
int sum_block(struct sum *s, const struct tr_block *b, struct tr_err *err);
/* state NULL: that of the trailer. */
int sum_input_end(struct sum *s, const struct tr_head *head, const struct tr_tail *tail, const char *name,
                  const char *state, struct tr_err *err);
/* After the last input: empty the ring. */
int sum_finish(struct sum *s, struct tr_err *err);
/* Values that cannot be, and are in no figure. */
uint64_t sum_damaged(const struct sum *s);

/* --- reports, to stdout --------------------------------------------------------------------------- */

/* How a group is called: its text made safe, or its number. out: REP_SAFE(width) bytes. */
char *sum_group_name(const struct sum_by *by, const struct sum_group *g, unsigned width, char *out);

/* The members of a distribution, and the percentiles alone. */
struct rep_json;
void sum_json_dist(struct rep_json *j, const struct sum_dist_info *info, const struct sum_figures *f);
void sum_json_percentiles(struct rep_json *j, double unit, const struct sum_figures *f);

void sum_json(const struct sum *s);
void sum_csv(const struct sum *s);
void sum_text(const struct sum *s);
/* strong, plain: what turns bold on and off, or "". */
void sum_chart_lengths(const struct sum *s, const char *strong, const char *plain);
void sum_chart_latencies(const struct sum *s, const char *strong, const char *plain);
void sum_chart_rate(const struct sum *s, const char *strong, const char *plain);

#endif

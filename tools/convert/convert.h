/* SPDX-License-Identifier: Apache-2.0
 *
 * What trace-convert does beside converting: changes to records on their way, counting lines, holding a file
 * against what its publisher says of it.
 */
#ifndef TOOLS_CONVERT_CONVERT_H
#define TOOLS_CONVERT_CONVERT_H

#include "libtrace/law.h"
#include "libtrace/rec.h"
#include "libtrace/tokenizer/tokenizer.h"
#include "tools/cli.h"
#include "tools/word_texts.h"

/* --- arrivals.c: times for a source without ----------------------------------------------------------- */

struct arrivals { /* zeroed: does nothing */
	int on;
	struct tr_arrival law;
	struct tr_rng starts, thinks;
	int think_drawn;  /* exponential, not constant */
	int64_t think_ns; /* between turns; < 0: later turns get no times */
	int64_t now;      /* arrival of the record before */
	int64_t last;     /* largest arrival so far: starts are in order, turns need not be */
	uint64_t last_id;
	int any;
};
/* law as for trace-synth; think NULL, "5s" or "exponential:5s". */
int arrivals_init(struct arrivals *a, const char *law, const char *think, uint64_t seed, struct tr_err *err);
int arrivals_apply(struct arrivals *a, struct tr_rec *r, struct tr_err *err);

/* --- count.c ---------------------------------------------------------------------------------------------
 */

/* Print the number of tokens of each line of these files to stdout. Exit status. */
int count_lines(const struct cli_tool *tool, const struct cli_args *args, const struct tr_tokenizer *t,
                unsigned threads, int special);

/* --- verify.c ---------------------------------------------------------------------------------------------
 */

extern const struct dataset_text {
	const char *name, *json;
} dataset_texts[]; /* the manifests; ends with name NULL */
/* Exit status: 0 the file is one of the data set, 4 it is not, 2 no such data set. */
int verify_dataset(const struct cli_tool *tool, const char *name, const char *path);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * From options to results: one replay, from the first look at the server to the trailer.
 */
#ifndef TOOLS_REPLAY_REPLAY_H
#define TOOLS_REPLAY_REPLAY_H

#include "libtrace/tokenizer/tokenizer.h"
#include "tools/cli.h"
#include "tools/replay/feed.h"
#include "tools/replay/verdict.h"

struct replay_opts {
	const struct cli_tool *tool;
	const struct cli_args *args;
	struct run_opts run;
	const char *path; /* of the results */
	const struct tr_format *format;
	int force;
	const char *shown_url;
	uint64_t warmup;
	int64_t wait_ready_ns;
	int probe;                            /* ask the server before the run which fields it takes */
	const struct tr_tokenizer *tokenizer; /* the prompts' words are of its vocabulary; NULL: of none */
	double roofline;                      /* requests/s; 0 = not known */
};

/* Exit status; errors and the verdict have been printed. */
int replay(struct replay_opts *o, struct feed *feed);

/* Measure this machine: the client against the simulated server's shortest replies. Prints JSON to stdout. */
int self_test(const struct cli_tool *tool, unsigned threads);
/* Requests/s at 1,024 streams out of what self_test printed to a file. */
int self_test_read(const char *path, double *per_s, struct tr_err *err);

#endif

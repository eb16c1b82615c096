/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-check: is this trace fit to be replayed? Findings about units, clocks, order and impossible
 * rows, each with what it would do to a replay.
 */
#include "tools/check/check.h"
#include "tools/cli.h"
#include <stdio.h>

static struct {
	const struct tr_format *format;
	const char *map;
	uint64_t skip_bad;
	struct cli_list allow;
	int json, kinds;
} opt;

static struct cli_option options[] = {
    {.name = "input-format",
     .letter = 'F',
     .type = CLI_FORMAT,
     .to = &opt.format,
     .arg = "FORMAT",
     .help = "Format of the input. Default: found by its content."},
    {.name = "map",
     .type = CLI_STRING,
     .to = &opt.map,
     .arg = "MAP",
     .help = "Columns of a CSV input: arrival=COL[:unit],in=COL,out=COL,..."},
    {.name = "skip-bad",
     .type = CLI_SKIP_BAD,
     .to = &opt.skip_bad,
     .arg = "N",
     .help = "Pass over bad rows, N at most; they are counted and are a finding."},
    {.name = "allow",
     .type = CLI_LIST,
     .to = &opt.allow,
     .arg = "KIND[,KIND]",
     .help = "Findings of these kinds are shown, but do not count against the trace."},
    {.name = "json",
     .type = CLI_FLAG,
     .to = &opt.json,
     .help = "Print the findings as JSON, trace-check/1, one object an input."},
    {.name = "kinds", .type = CLI_FLAG, .to = &opt.kinds, .help = "List the kinds of findings."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-check",
    .synopsis = "[options] [file...]",
    .summary = "check a trace for what would spoil a replay",
    .epilog =
        "Exit status: 0 no findings, 4 findings, 3 an input could not be read (a cut one is a finding).\n\n"
        "Examples:\n"
        "  trace-check azure.csv\n"
        "  trace-check --allow ties,tick --json mooncake.trb\n",
    .options = options,
    .max_files = -1,
};

/* Everything of one input; its exit status. */
static int check_file(const char *path, const unsigned char *allowed, const struct cli_args *args)
{
	struct tr_read_opts o = {.map = opt.map,
	                         .skip_bad = opt.skip_bad,
	                         .warn = cli_on_warning,
	                         .warn_ctx = (void *)(uintptr_t)&tool};
	struct tr_reader *r = NULL;
	struct tr_block *b;
	struct tr_err err;
	struct check c = {0};
	int e = tr_open(&r, path, opt.format, &o, &err);
	if (e == 0)
		e = check_init(&c, allowed, &err);
	if (e < 0) {
		int status = cli_fail(&tool, &err);
		check_free(&c);
		tr_reader_close(r);
		return status;
	}
	while ((e = tr_reader_block(r, &b, &err)) > 0) {
		check_block(&c, b);
		tr_block_unref(b);
		cli_progress(&tool, args, c.records);
	}
	cli_progress_done(args);
	check_end(&c, tr_reader_name(r), tr_reader_head(r), tr_reader_tail(r), e < 0 ? &err : NULL);
	if (opt.json)
		check_json(&c);
	else
		check_text(&c);
	int status = check_ok(&c) ? 0 : 4;
	if (e < 0 && e != -TR_ECUT)
		status = cli_fail(&tool, &err);
	check_free(&c);
	tr_reader_close(r);
	return status;
}

/* The gravest: what could not be done at all, what could not be read, findings. */
static int worse(int a, int b)
{
	static const int rank[] = {[0] = 0, [4] = 1, [3] = 2, [2] = 3, [1] = 4};
	return rank[a] >= rank[b] ? a : b;
}

int main(int argc, char **argv)
{
	unsigned char allowed[CHECK_NKINDS] = {0};
	struct cli_args args;
	struct tr_err err;
	int status = 0;
	cli_parse(&tool, argc, argv, &args);
	cli_ignore_first_interrupt();
	for (unsigned i = 0; i < opt.allow.n; i++)
		if (check_allow(opt.allow.v[i], allowed, &err) < 0)
			return cli_fail(&tool, &err);
	if (opt.kinds) {
		for (int i = 0; i < CHECK_NKINDS; i++)
			printf("%-17s %s; %s\n", check_kinds[i].name, check_kinds[i].what,
			       check_kinds[i].effect);
		return cli_close_stdout(&tool, 0);
	}
	for (int i = 0; i < (args.nfiles ? args.nfiles : 1); i++)
		status = worse(status, check_file(args.nfiles ? args.files[i] : "-", allowed, &args));
	return cli_close_stdout(&tool, status);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-summarize: what a trace is made of, in figures whose definitions can be asked for. Reads any
 * format, as many inputs as given, in memory that does not grow with them.
 */
#include "libtrace/metric.h"
#include "libtrace/near.h"
#include "tools/cli.h"
#include "tools/report.h"
#include "tools/summarize/results.h"
#include <string.h>

static struct {
	const struct tr_format *format;
	const char *map, *by, *define;
	uint64_t skip_bad;
	int json, csv, method;
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
     .help = "Pass over bad rows, N at most; they are counted and reported."},
    {.name = "json", .type = CLI_FLAG, .to = &opt.json, .help = "Print the report as JSON, trace-summary/1."},
    {.name = "csv",
     .type = CLI_FLAG,
     .to = &opt.csv,
     .help = "Print a table, one row a group and distribution."},
    {.name = "by",
     .type = CLI_STRING,
     .to = &opt.by,
     .arg = "FIELD|window=T",
     .help = "Group by the value of a field, or by windows of time T from the first arrival; 1000 groups at "
             "most."},
    {.name = "percentile-method",
     .type = CLI_CHOICE,
     .to = &opt.method,
     .arg = "METHOD",
     .choices = "nearest|linear",
     .help = "nearest: nearest rank. linear: between ranks, as numpy. Default: nearest."},
    {.name = "define",
     .type = CLI_STRING,
     .to = &opt.define,
     .arg = "METRIC",
     .help = "Print the definition of a metric and where it comes from; list: all of them."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-summarize",
    .synopsis = "[options] [file...]",
    .summary = "report what a trace is made of: counts, lengths, gaps, burstiness",
    .epilog = "Examples:\n"
              "  trace-summarize azure.csv\n"
              "  trace-summarize --json --by model trace.trb | jq '.by.groups[].rate_per_s'\n"
              "  trace-summarize --csv --by window=1m trace.trb > minutes.csv\n",
    .options = options,
    .max_files = -1,
};

/* --- definitions --------------------------------------------------------------------------- */

static const char *metric_name(const void *ctx, int i)
{
	(void)ctx;
	return tr_metrics[i].name;
}

static void print_metric(const struct tr_metric *m)
{
	printf("%s (%s)\n  %s\n  %s\n", m->name, m->unit, m->definition, m->source);
}

static int define(const char *name)
{
	const struct tr_metric *m = tr_metric_find(name);
	if (m) {
		print_metric(m);
		return 0;
	}
	if (strcmp(name, "list") == 0) {
		for (m = tr_metrics; m->name; m++)
			print_metric(m);
		return 0;
	}
	const char *near = tr_near(tr_slice_of(name), metric_name, NULL);
	struct tr_err err;
	tr_fail(&err, TR_EUSAGE, "--define: no such metric%s%s%s", near ? " (did you mean " : "",
	        near ? near : "", near ? "?)" : "");
	tr_err_value(&err, name, strlen(name));
	return cli_fail(&tool, &err);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Read to the end. < 0: no report can be made. *broken > 0: the input ended badly, with that status. */
static int read_all(struct sum *s, struct tr_reader *r, const struct cli_args *args, int *broken,
                    struct tr_err *err)
{
	const char *state = NULL;
	struct tr_block *b;
	int e = sum_input(s, tr_reader_head(r), err);
	while (e == 0 && (e = tr_reader_block(r, &b, err)) > 0) {
		e = sum_block(s, b, err);
		tr_block_unref(b);
		if (e < 0) {
			if (e == -TR_ELIMIT) /* the data, not how they were asked about */
				tr_err_file(err, tr_reader_name(r));
			return e;
		}
		cli_progress(&tool, args, s->all.records);
	}
	if (e == -TR_ENOMEM)
		return e;
	if (e < 0) {
		state = e == -TR_ECUT ? "cut" : "damaged";
		*broken = cli_fail(&tool, err);
	}
	return sum_input_end(s, tr_reader_head(r), tr_reader_tail(r), tr_reader_name(r), state, err);
}

static int read_file(struct sum *s, const char *path, const struct cli_args *args, int *broken,
                     struct tr_err *err)
{
	struct tr_read_opts o = {.map = opt.map,
	                         .skip_bad = opt.skip_bad,
	                         .warn = cli_on_warning,
	                         .warn_ctx = (void *)(uintptr_t)&tool};
	struct tr_reader *r;
	int e = tr_open(&r, path, opt.format, &o, err);
	if (e == 0) {
		e = read_all(s, r, args, broken, err);
		tr_reader_close(r);
	}
	return e;
}

static int summarize(struct sum *s, const struct cli_args *args, int *status, struct tr_err *err)
{
	struct sum_by by = {0};
	int e = opt.by ? sum_by_parse(&by, opt.by, err) : 0;
	if (e == 0)
		e = sum_init(s, &by, opt.method ? TR_PCT_LINEAR : TR_PCT_NEAREST, err);
	for (int i = 0; e == 0 && i < (args->nfiles ? args->nfiles : 1); i++) {
		int broken = 0;
		e = read_file(s, args->nfiles ? args->files[i] : "-", args, &broken, err);
		*status = broken ? broken : *status;
	}
	cli_progress_done(args);
	return e ? e : sum_finish(s, err);
}

static void report(const struct sum *s)
{
	if (opt.json)
		sum_json(s);
	else if (opt.csv)
		sum_csv(s);
	else
		sum_text(s);
}

/* A run that is void by its own account, or in which nothing succeeded. */
static int says_nothing(const struct sum *s)
{
	return (s->verdict && strcmp(s->verdict, "VOID") == 0) || (s->results && s->results->ok == 0);
}

int main(int argc, char **argv)
{
	static struct sum s;
	struct cli_args args;
	struct tr_err err;
	int status = 0;
	cli_parse(&tool, argc, argv, &args);
	if (opt.define)
		return cli_close_stdout(&tool, define(opt.define));
	cli_ignore_first_interrupt();
	tr_err_clear(&err);
	if (opt.json && opt.csv) {
		tr_fail(&err, TR_EUSAGE, "--json and --csv: one of them");
		return cli_fail(&tool, &err);
	}
	if (summarize(&s, &args, &status, &err) < 0) {
		status = cli_fail(&tool, &err);
	} else {
		report(&s);
		if (status == 0 && says_nothing(&s))
			status = 4;
	}
	sum_free(&s);
	return cli_close_stdout(&tool, status);
}

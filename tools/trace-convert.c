/* SPDX-License-Identifier: Apache-2.0
 *
 * trace-convert: any format to any format. One input goes through block by block, as it is; further inputs
 * follow it with new ids and, where wall time is known, arrivals on the first one's time scale.
 */
#include "tools/cli.h"
#include <stdlib.h>
#include <string.h>

static struct {
	const char *path, *map, *delimiter, *columns;
	const struct tr_format *format, *input_format;
	uint64_t skip_bad;
} opt;

static struct cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .type = CLI_STRING,
     .to = &opt.path,
     .arg = "FILE",
     .help = "File to write; it appears when it is complete. Default: standard output."},
    {.name = "format",
     .letter = 'f',
     .type = CLI_FORMAT,
     .to = &opt.format,
     .arg = "FORMAT",
     .help = "Format of the output. Default: by the extension of FILE, else binary."},
    {.name = "input-format",
     .letter = 'F',
     .type = CLI_FORMAT,
     .to = &opt.input_format,
     .arg = "FORMAT",
     .help = "Format of the inputs. Default: found from their first bytes."},
    {.name = "map",
     .type = CLI_STRING,
     .to = &opt.map,
     .arg = "MAP",
     .help = "Columns of csv inputs: arrival=COL[:UNIT],in=COL,out=COL,FIELD=COL,... COL is a name or #N; "
             "UNIT s, "
             "ms, us, ns or iso."},
    {.name = "delimiter",
     .type = CLI_STRING,
     .to = &opt.delimiter,
     .arg = "CHAR",
     .help = "What parts the columns of csv inputs, a character or the word tab. Default: found from the "
             "header."},
    {.name = "columns",
     .type = CLI_STRING,
     .to = &opt.columns,
     .arg = "LIST",
     .help = "Fields of a csv output, comma separated; others are left out. Default: those of the first "
             "records."},
    {.name = "skip-bad",
     .type = CLI_SKIP_BAD,
     .to = &opt.skip_bad,
     .arg = "N",
     .help = "Report bad rows of azure and csv inputs and go on, at most N times. Without N: any number of "
             "times."},
    {.name = NULL},
};

static const struct cli_tool tool = {
    .name = "trace-convert",
    .synopsis = "[options] [file...]",
    .summary = "convert traces from any format to any format",
    .epilog = "Examples:\n"
              "  trace-convert azure.csv -o azure.trb\n"
              "  trace-convert azure.trb -f azure > azure.csv\n"
              "  trace-convert --map 'arrival=Timestamp:s,in=Request tokens,out=Response tokens' \\\n"
              "      burst.csv -o burst.trb\n",
    .options = options,
    .max_files = -1,
};

struct job {
	const struct cli_args *args;
	struct tr_read_opts read;
	struct tr_writer *w;
	struct tr_head head; /* of the output */
	uint64_t records;
	uint64_t next_id; /* above every id so far */
	int read_failed;  /* the error at hand came from an input */
	int ended;        /* the input at hand was read to its end, or to its error */
	int cut;          /* status to exit with: an input ended early */
};

/* --- the head ---------------------------------------------------------------------------- */

static int push_history(struct tr_head *h, struct tr_err *err)
{
	size_t n;
	char *step;

	if (!h->tool)
		return 0;
	if (h->nhistory == TR_HISTORY_MAX) {
		int rc = tr_meta_set(&h->history[0], "(earlier steps are left out)", err);

		if (rc < 0)
			return rc;
		free(h->history[1]);
		h->nhistory--;
		memmove(h->history + 1, h->history + 2, (h->nhistory - 1) * sizeof(h->history[0]));
	}
	n = strlen(h->tool) + (h->options ? strlen(h->options) : 0) + 2;
	step = malloc(n);
	if (!step)
		return tr_fail(err, TR_ENOMEM, "no memory for the head");
	snprintf(step, n, "%s%s%s", h->tool, h->options && *h->options ? " " : "",
	         h->options ? h->options : "");
	h->history[h->nhistory++] = step;
	return 0;
}

static int make_head(struct job *job, const struct tr_head *from, struct tr_err *err)
{
	struct tr_head *h = &job->head;
	char version[64];
	int rc = tr_head_copy(h, from, err);

	snprintf(version, sizeof(version), "%s %s", tool.name, cli_version);
	if (rc == 0)
		rc = push_history(h, err);
	if (rc == 0)
		rc = tr_meta_set(&h->tool, version, err);
	if (rc == 0)
		rc = tr_meta_set(&h->options, job->args->line, err);
	if (rc == 0 && job->args->nfiles > 1)
		rc = tr_meta_set(&h->order, "file", err);
	return rc;
}

/* --- the trailer ------------------------------------------------------------------------- */

static int add_sources(struct tr_tail *to, const struct tr_tail *from, struct tr_err *err)
{
	for (unsigned i = 0; i < from->nsources; i++) {
		struct tr_source *s = &to->sources[to->nsources];
		int rc;

		if (to->nsources == TR_SOURCES_MAX) {
			cli_warn(&tool, "more than %d sources: the trailer names the first ones only",
			         TR_SOURCES_MAX);
			return 0;
		}
		*s = from->sources[i];
		s->name = NULL;
		rc = tr_meta_set(&s->name, from->sources[i].name, err);
		if (rc < 0)
			return rc;
		to->nsources++;
	}
	return 0;
}

static int rank(const char *verdict)
{
	static const char *const order[] = {"VALID", "SUSPECT", "VOID"};
	int r = 0;

	for (int i = 0; verdict && i < 3; i++)
		r = strcmp(verdict, order[i]) == 0 ? i + 1 : r;
	return r;
}

/* What an input's trailer says, after its end. Of several verdicts the worst counts. */
static int merge_tail(struct job *job, const struct tr_tail *from, int first, struct tr_err *err)
{
	struct tr_tail *to = tr_writer_tail(job->w);
	int rc = 0, whole = from->state && strcmp(from->state, "complete") == 0;

	if (first) {
		rc = tr_tail_copy_facts(to, from, err);
	} else {
		to->skipped += from->skipped;
		rc = add_sources(to, from, err);
		if (rc == 0 && rank(from->verdict) > rank(to->verdict)) {
			rc = tr_meta_set(&to->verdict, from->verdict, err);
			if (rc == 0)
				rc = tr_meta_set(&to->reasons, from->reasons, err);
		}
	}
	if (rc == 0 && job->args->nfiles > 1)
		rc = tr_meta_set(&to->style, NULL, err); /* the end of one file is not the end of all */
	if (rc == 0 && !whole)
		rc = tr_meta_set(&to->state, "interrupted", err);
	return rc;
}

/* --- records ----------------------------------------------------------------------------- */

/* What is added to the records of one input. */
struct change {
	uint64_t id;
	int64_t ns;
	int other_style; /* source_row belongs to another spelling than the head's */
};

static void note_ids(struct job *job, const struct tr_block *b)
{
	const struct tr_column *c;

	if (b->kind != TR_REQUEST || b->col_of[TR_F_id] < 0)
		return;
	c = &b->cols[b->col_of[TR_F_id]];
	for (uint32_t i = 0; i < c->count; i++)
		if (c->v[i] >= job->next_id && c->v[i] < UINT64_MAX)
			job->next_id = c->v[i] + 1;
}

static int shift_ns(int64_t *t, int64_t by, struct tr_err *err)
{
	return __builtin_add_overflow(*t, by, t)
	           ? tr_fail(err, TR_EDATA, "more than 292 years from the first input")
	           : 0;
}

static int put_request(struct job *job, struct tr_rec *rec, const struct change *change, struct tr_err *err)
{
	uint64_t preds[1024], *ids = preds;
	int rc = TR_HAS(rec, arrival_ns) ? shift_ns(&rec->arrival_ns, change->ns, err) : 0;

	if (rc == 0 && TR_HAS(rec, id) && __builtin_add_overflow(rec->id, change->id, &rec->id))
		rc = tr_fail(err, TR_EDATA, "ids are too large to be numbered on");
	if (rc == 0 && TR_HAS(rec, parent) && __builtin_add_overflow(rec->parent, change->id, &rec->parent))
		rc = tr_fail(err, TR_EDATA, "ids of parents are too large to be numbered on");
	if (TR_HAS(rec, id) && rec->id >= job->next_id && rec->id < UINT64_MAX)
		job->next_id = rec->id + 1;
	if (change->other_style)
		rec->mask &= ~TR_BIT(source_row);
	if (rc == 0 && TR_HAS(rec, preds)) {
		size_t n = rec->preds.n;

		if (n > sizeof(preds) / sizeof(preds[0]) && !(ids = calloc(n, sizeof(*ids))))
			return tr_fail(err, TR_ENOMEM, "no memory for predecessors");
		for (size_t i = 0; i < n; i++)
			ids[i] = rec->preds.v[i] + change->id;
		rec->preds.v = ids;
	}
	if (rc == 0)
		rc = tr_writer_put(job->w, rec, err);
	if (ids != preds)
		free(ids);
	return rc;
}

static int put_changed(struct job *job, const struct tr_block *b, const struct change *change,
                       struct tr_err *err)
{
	union {
		struct tr_rec rec;
		struct tr_series series;
		struct tr_event event;
	} u;
	struct tr_cursor cursor;
	int rc = 0;

	memset(&u, 0, sizeof(u));
	tr_cursor_init(&cursor, b);
	while (rc == 0 && tr_cursor_next(&cursor, &u)) {
		if (b->kind == TR_REQUEST) {
			rc = put_request(job, &u.rec, change, err);
		} else if (b->kind == TR_SERIES) {
			rc = shift_ns(&u.series.t_ns, change->ns, err);
			rc = rc < 0 ? rc : tr_writer_put_series(job->w, &u.series, err);
		} else {
			rc = shift_ns(&u.event.t_ns, change->ns, err);
			rc = rc < 0 ? rc : tr_writer_put_event(job->w, &u.event, err);
		}
	}
	/* A block without rows: nothing has come for a while. */
	if (rc == 0 && b->rows == 0)
		rc = tr_writer_flush(job->w, err);
	return rc;
}

static int same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* How the records of a further input come to follow those of the ones before. */
static int plan_change(struct job *job, struct tr_reader *r, struct change *change, struct tr_err *err)
{
	const struct tr_head *h = tr_reader_head(r), *first = &job->head;

	*change = (struct change){.id = job->next_id};
	change->other_style = !same_text(h->format, first->format) || !same_text(h->style, first->style);
	if (h->has_origin && first->has_origin) {
		if (__builtin_sub_overflow(h->origin_ns, first->origin_ns, &change->ns))
			return tr_fail(err, TR_EDATA, "more than 292 years from the first input");
	} else {
		cli_warn(&tool, "%s: arrivals stay as they are: %s has no wall time", tr_reader_name(r),
		         h->has_origin ? "the first input" : "it");
	}
	return 0;
}

/* --- inputs ------------------------------------------------------------------------------ */

static int copy(struct job *job, struct tr_reader *r, int first, struct tr_err *err)
{
	struct change change = {0};
	int rc = first ? 0 : plan_change(job, r, &change, err);

	job->ended = 0;
	while (rc >= 0 && !cli_interrupted()) {
		struct tr_block *b;

		rc = tr_reader_block(r, &b, err);
		job->read_failed = rc < 0;
		job->ended = rc <= 0;
		if (rc <= 0)
			break;
		job->records += b->rows;
		if (first) {
			note_ids(job, b);
			rc = tr_writer_block(job->w, b, err);
		} else {
			rc = put_changed(job, b, &change, err);
			tr_block_unref(b);
		}
		cli_progress(&tool, job->args, job->records);
	}
	return rc;
}

static int start_output(struct job *job, const struct tr_reader *r, struct tr_err *err)
{
	struct tr_write_opts write = {
	    .columns = opt.columns, .warn = cli_on_warning, .warn_ctx = (void *)&tool};
	int rc = make_head(job, tr_reader_head(r), err);

	return rc < 0 ? rc : tr_create(&job->w, opt.path, opt.format, &job->head, &write, err);
}

/* An input that was cut, or a damaged stream of ours, gives what is whole, and the exit status tells; so does
 * any input on its way through a pipe, where what has gone cannot be called back. A bad row of a foreign file
 * makes no output file. */
static int keep_what_came(const struct job *job, const struct tr_reader *r, int rc)
{
	int to_stdout = !opt.path || strcmp(opt.path, "-") == 0;

	return job->w && job->read_failed && (rc == -TR_ECUT || to_stdout || tr_reader_is_own(r));
}

static int take_input(struct job *job, const char *path, struct tr_err *err)
{
	struct tr_reader *r;
	int first = !job->w, rc = tr_open(&r, path, opt.input_format, &job->read, err);

	if (rc < 0)
		return rc;
	if (first) {
		cli_catch_signals(); /* until now there is nothing to bring to an end in order */
		rc = start_output(job, r, err);
	}
	if (rc == 0)
		rc = copy(job, r, first, err);
	cli_progress_done(job->args);
	if (rc < 0 && keep_what_came(job, r, rc)) {
		cli_warn_err(&tool, err);
		job->cut = tr_code_exit(rc);
		rc = 0;
	}
	/* Before its end an input's trailer is not ours to read. */
	if (rc >= 0 && job->ended)
		rc = merge_tail(job, tr_reader_tail(r), first, err);
	tr_reader_close(r);
	return rc;
}

static int check_options(struct job *job, struct tr_err *err)
{
	const struct tr_format *csv = tr_format_find("csv");
	const struct tr_format *to = opt.format || !opt.path ? opt.format : tr_format_of_path(opt.path);
	const char *d = opt.delimiter;

	if (opt.columns && to != csv)
		return cli_bad_option(err, "--columns", NULL, "the output is not csv");
	if ((opt.map || d) && opt.input_format && opt.input_format != csv)
		return cli_bad_option(err, opt.map ? "--map" : "--delimiter", NULL, "the input is not csv");
	if (d && strcmp(d, "tab") == 0)
		d = "\t";
	if (d && (strlen(d) != 1 || strchr("\"\r\n", *d)))
		return cli_bad_option(err, "--delimiter", NULL, "not one character");
	job->read = (struct tr_read_opts){.map = opt.map,
	                                  .delimiter = d ? *d : 0,
	                                  .skip_bad = opt.skip_bad,
	                                  .warn = cli_on_warning,
	                                  .warn_ctx = (void *)&tool};
	return 0;
}

int main(int argc, char **argv)
{
	static char stdin_name[] = "-", *stdin_only[] = {stdin_name};
	struct cli_args args;
	struct job job = {.args = &args};
	struct tr_err err;
	int rc;

	cli_parse(&tool, argc, argv, &args);
	if (args.nfiles == 0) {
		args.files = stdin_only;
		args.nfiles = 1;
	}
	tr_err_clear(&err);
	if (check_options(&job, &err) < 0)
		return cli_fail(&tool, &err);
	rc = 0;
	for (int i = 0; i < args.nfiles && rc >= 0 && !cli_interrupted(); i++)
		rc = take_input(&job, args.files[i], &err);
	if (rc >= 0 && job.w && cli_interrupted())
		rc = tr_meta_set(&tr_writer_tail(job.w)->state, "interrupted", &err);
	if (rc < 0)
		tr_writer_abort(job.w);
	else if (job.w)
		rc = tr_writer_finish(job.w, &err);
	tr_head_free(&job.head);
	if (rc < 0)
		return cli_fail(&tool, &err);
	if (cli_interrupted())
		return 128 + cli_interrupted();
	return job.cut;
}
